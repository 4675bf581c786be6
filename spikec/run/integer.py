"""Integer execution: a graph run in whole numbers alone, exactly, in int64.

Every value is divided by its unit, the greatest number of which all that it can hold are multiples: 1 for spikes, the
scale for codes, the product of both for a product of spikes and fixed-point weights. What is left are whole numbers,
and ops on them (`lowered`). Taken are graphs

- whose inputs are Int;
- whose weights are fixed point, or floating point in whole multiples of 2^-16 (a threshold need not be: what fires at
  0.37 fires at the next multiple of the unit; but a soft reset subtracts it, so there it must);
- whose leaking neurons round: by beta and alpha, never by tau;
- in which no sum can exceed 2^53, by the ranges of its inputs, weights and steps, so that fp64 would be exact too.

All others are refused, every node at fault by name. A value comes back as int64 where its unit is whole, else as the
float64 nearest to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

import numpy as np
import torch
from torch import Tensor

from spikec.errors import UnsupportedOp
from spikec.ir.graph import Graph
from spikec.ir.neurons import Rounding
from spikec.ir.types import Int
from spikec.run.evaluate import values_of
from spikec.run.inputs import Data, inputs_of
from spikec.run.lowering import LARGEST, SHARES, Lowering, Whole
from spikec.run.lowering_rules import RULES


class Integers:
    """Whole numbers in int64; shares are whole multiples of 1 / `SHARES`."""

    def spikes(self, fired: Tensor, h: Tensor, v_threshold: Tensor) -> Tensor:
        """See `Numbers`."""
        return fired.to(h.dtype)

    def told(self, q: Tensor) -> Tensor:
        """See `Numbers`."""
        return q

    def share(self, x: Tensor, factor: Tensor, rounding: Rounding) -> Tensor:
        """See `Numbers`."""
        return torch.div(x * factor, SHARES, rounding_mode="floor" if rounding == "floor" else "trunc")

    def nearest(self, x: Tensor) -> Tensor:
        """See `Numbers`; whole numbers are."""
        return x

    def times(self, x: Tensor, factor: float) -> Tensor:
        """See `Numbers`."""
        return x * int(factor)


def integer_values(graph: Graph, data: Data, steps: int, wanted: Set[str]) -> Iterator[tuple[str, Tensor]]:
    """The values in `wanted`, and the inputs, as they are computed.

    Raises:
        DataError: the data do not fit the graph's inputs.
        UnsupportedOp: the graph is not of whole numbers; names every node at fault.
    """
    given = inputs_of(graph, data, steps, torch.float64)
    lowering = lowered(graph, steps)
    inputs = {name: torch.round(x / _scale(graph, name)).to(torch.int64) for name, x in given.items()}
    weights = {name: torch.as_tensor(np.array(w.array)) for name, w in lowering.weights.items()}
    for name, value in values_of(lowering.graph(), inputs, weights, steps, wanted, Integers()):
        if name in wanted or name in graph.inputs:
            yield name, _shown(value, lowering.wholes[name])


def lowered(graph: Graph, steps: int) -> Lowering:
    """The graph in whole numbers, with the unit and range of every value.

    Raises:
        UnsupportedOp: it is not of whole numbers; names every node at fault.
    """
    lowering = Lowering(graph, steps)
    lowering.run(RULES)
    if lowering.offenders:
        mend = "quantize the network first, or run it in floating point"
        raise UnsupportedOp("integer execution", lowering.offenders, mend, nodes=len(graph.nodes))
    return lowering


def _scale(graph: Graph, name: str) -> float:
    domain = graph.inputs[name].domain
    assert isinstance(domain, Int)
    return domain.scale


def _shown(value: Tensor, whole: Whole) -> Tensor:
    """The value that whole numbers stand for."""
    unit = whole.unit
    if unit.denominator == 1 and whole.bound * unit.numerator < 2**63:
        return value * unit.numerator
    if max(unit.numerator, unit.denominator) <= LARGEST:
        return value.double() * unit.numerator / unit.denominator
    return value.double() * float(unit)
