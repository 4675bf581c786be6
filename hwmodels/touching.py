"""The question which neurons are touched: by a membrane left over, by anything that reaches them, or by a bias."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.links import driver_behind
from spikec.cost import Probe
from spikec.ir.graph import Graph, Node

Axis = Literal["sample", "step"]
EACH_SAMPLE: frozenset[Axis] = frozenset({"sample"})


def touched(
    graph: Graph,
    neuron: Node,
    *,
    skip_zeros: bool,
    groups: NDArray[np.int64] | None = None,
    keep: frozenset[Axis] = EACH_SAMPLE,
) -> Probe | None:
    """The probe of a neuron's updates; None of one that has no membrane, or that nothing but an input drives.

    Args:
        graph: of the neuron.
        neuron: its node.
        skip_zeros: whether a weight of zero is no connection.
        groups: labels of its elements.
        keep: axes that the answer keeps apart.
    """
    taken, through = driver_behind(graph, neuron)
    membrane = f"{neuron.name}.v"
    if membrane not in graph.types or not through:
        return None
    return Probe((membrane, *taken), "touched", groups, keep=keep, through=through, skip_zeros=skip_zeros)
