"""What an access to a memory costs, by the memory's size: a table of three sizes and the two published readings of it.

Lemaire et al., ICONIP 2022 (arXiv 2210.13107) price a read or a write by the size of the memory, from the three sizes
that Horowitz (ISSCC 2014) gives. Between and beyond them public implementations differ, and on what else the paper
leaves open; each way is a `Reading`, and the policy's field `memory` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spikec.cost import Evidence, MemoryReading, Term

BITS_A_BYTE = 8


@dataclass(frozen=True)
class Memory:
    """The memories of a chip and what their accesses cost.

    Args:
        word_bits: of every value that is stored: weight, bias, potential, message.
        values_an_access: how many neighbouring values one access carries; 1 where none is used again.
        points: bytes and pJ an access, ascending.
        dram_pj: pJ an access to a memory beyond the largest of them.
        line: pJ an access at size 0, and pJ for each bit of the size, of the straight line.
        fifo_words: messages that a layer's queue of spikes holds, by reading.
        evidence: the weakest of these.
        sources: by reading, and of dram.
    """

    word_bits: int
    values_an_access: int
    points: tuple[tuple[float, float], ...]
    dram_pj: float
    line: tuple[float, float]
    fifo_words: Mapping[str, int]
    evidence: Evidence
    sources: Mapping[str, str]

    def bytes_of(self, words: int) -> float:
        """Bytes of so many values."""
        return words * self.word_bits / BITS_A_BYTE

    @property
    def largest_bytes(self) -> float:
        """The largest memory in the table."""
        return self.points[-1][0]


def piecewise_pj(memory: Memory, size_bytes: float) -> float:
    """Straight lines between the points, to 0 at size 0, and level beyond the last."""
    sizes, prices = zip((0.0, 0.0), *memory.points, strict=True)
    return float(np.interp(size_bytes, sizes, prices))


def line_pj(memory: Memory, size_bytes: float) -> float:
    """One straight line over all sizes."""
    at_zero, a_bit = memory.line
    return at_zero + a_bit * size_bytes * BITS_A_BYTE


@dataclass(frozen=True)
class Reading:
    """What a published implementation makes of that which the paper leaves open.

    Args:
        price: pJ an access to a memory of so many bytes.
        one_memory: whether a layer's weights and biases lie in one memory.
        adds_without_bias: whether T x N_out additions are made where a layer has no bias.
        addresses_channels: whether an event computes an address for each output channel of a Conv, or for each place.
        words: the same for a report.
    """

    price: Callable[[Memory, float], float]
    one_memory: bool
    adds_without_bias: bool
    addresses_channels: bool
    words: str


READINGS: dict[MemoryReading, Reading] = {
    # SpikingJelly 2.0.0, op_counter.estimate_lemaire_energy.
    "piecewise": Reading(
        piecewise_pj,
        one_memory=True,
        adds_without_bias=False,
        addresses_channels=True,
        words="an access costs by straight lines between the table's sizes, to 0 pJ at size 0 and level beyond the "
        "largest; weights and biases of a layer lie in one memory, a Conv's event computes an address for each "
        "output channel",
    ),
    # qualia-plugin-snn (LEAT-EDGE), EnergyEstimationMetric, commit 15165fe, sram_estimation_type 'old'.
    "line": Reading(
        line_pj,
        one_memory=False,
        adds_without_bias=True,
        addresses_channels=False,
        words="an access costs by one straight line fitted to the table's sizes, which never ends and is 13.2 pJ at "
        "size 0; weights and biases lie apart, a Conv's event computes an address for each place of its kernel, and "
        "each neuron adds once a step where a layer has no bias too",
    ),
}


def access_term(name: str, count: str, memory: Memory, reading: MemoryReading, words: int) -> Term:
    """The price of one value read from or written to a memory of so many values.

    The upper bound of a memory beyond the largest in the table is DRAM's price, since no reading knows such memories.
    """
    size = memory.bytes_of(words)
    price = READINGS[reading].price(memory, size) / memory.values_an_access
    dram = memory.dram_pj / memory.values_an_access
    high = dram if size > memory.largest_bytes and dram > price else None
    source = memory.sources[reading] if high is None else f"{memory.sources[reading]}; {memory.sources['dram']}"
    return Term(name, count, price, None, high, memory.evidence, source, note=f"of a memory of {size:,.0f} bytes")
