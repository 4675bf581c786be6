"""What a core holds, as data: the table [cores.limits] of a chip file, as the rules take it."""

from __future__ import annotations

from dataclasses import dataclass, fields

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

    def __post_init__(self) -> None:
        few = [f.name for f in fields(self) if f.type == "int" and getattr(self, f.name) < 1]
        if few:
            raise HardwareFileError(f"below 1: {', '.join(few)}", where="limits of a core", expected="1 or more")
        widths = self.weight_bits
        if not widths or widths[0] < 1 or list(widths) != sorted(set(widths)):
            raise HardwareFileError(
                f"weight_bits = {list(widths)}", where="limits of a core", expected="widths of 1 or more, ascending"
            )
