"""What a core holds, as data; the two sets of limits that Loihi 2's compilers have shown."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from spikec.errors import HardwareFileError


@dataclass(frozen=True)
class CoreLimits:
    """What one core holds, and how synapses are written into its memory.

    Args:
        neuron_slots: slots a core; a LIF takes 1, a complex-state neuron 2.
        synapse_words: words a core that synapses, with the words of input axons in a dense layer, may take.
        axon_words: words a core that are 100 % of its input axons.
        total_words: words of a core's memory altogether.
        word_bits: bits a word.
        index_bits: bits that name the target beside each weight of a dense layer.
        header_bits: bits that each run of synapses takes besides.
        weight_bits: the widths that a weight can have, ascending.
        cores_a_chip: cores a chip.
        splits_height: whether columns are also cut, by a rule that is not known: the shape of a tile is then not.
        source: where the numbers are from.
    """

    neuron_slots: int
    synapse_words: int
    axon_words: int
    total_words: int
    word_bits: int
    index_bits: int
    header_bits: int
    weight_bits: tuple[int, ...]
    cores_a_chip: int
    splits_height: bool
    source: str

    def __post_init__(self) -> None:
        few = [f.name for f in fields(self) if f.type == "int" and getattr(self, f.name) < 1]
        if few:
            raise HardwareFileError(f"below 1: {', '.join(few)}", where="limits of a core", expected="1 or more")
        widths = self.weight_bits
        if not widths or widths[0] < 1 or list(widths) != sorted(set(widths)):
            raise HardwareFileError(
                f"weight_bits = {list(widths)}", where="limits of a core", expected="widths of 1 or more, ascending"
            )


_SOURCE = "derived: read off the core tables and partition logs that lava-dl's public notebooks print"
_ONE_CORE = 4095
_WIDTHS = (1, 2, 3, 4, 5, 6, 8)
"""Loihi 1's codes but 0 (nengo-loihi); that 7 becomes 8 is also read off the tables."""

LOIHI2_OLDER = CoreLimits(
    neuron_slots=_ONE_CORE,
    synapse_words=12_000,
    axon_words=16_000,
    total_words=20_000,
    word_bits=64,
    index_bits=12,
    header_bits=8,  # 1 to 12 reproduce every printed word count alike; Oxford's 8064 on average refuses 13
    weight_bits=_WIDTHS,
    cores_a_chip=128,
    splits_height=False,
    source=_SOURCE,
)
"""The compiler of the PilotNet and Oxford notebooks."""

LOIHI2_NEWER = replace(LOIHI2_OLDER, synapse_words=16_000, splits_height=True)
"""The compiler of the MNIST and S4D notebooks."""
