"""fold-scale: a constant factor before a neuron becomes part of its threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from passes.algebra import HOMOGENEOUS
from passes.users import is_floating, only_user
from spikec.ir.arithmetic import Scale
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, Threshold
from spikec.ir.op import Op
from spikec.ir.types import FLOAT64, Weight

VOLTAGES: dict[type[Op], tuple[str, ...]] = {
    IF: ("v_threshold", "v_reset", "v0"),
    LIF: ("v_threshold", "v_reset", "v_leak", "v0"),
    PLIF: ("v_threshold", "v_reset", "v_leak", "v0"),
    Alpha: ("v_threshold",),
    CubaLIF: ("v_threshold", "v_reset", "v_leak", "v0", "i0"),
    Threshold: ("v_threshold",),
}
"""The weights that are measured in units of the drive. Where one is not given, it is 0 or another one of them."""


@dataclass(frozen=True)
class FoldScale:
    """Divides a neuron's voltages by a positive Scale that stands before it, and removes the Scale.

    A neuron that does not round is homogeneous in drive and voltages together, with input decay and without: scaled
    drive against v_threshold, v_reset, v_leak and v0 fires when the drive fires against these over the factor.
    A MatMul, a pool or a move of values may stand between: ((q k^T) s) v meets the neuron as ((q k^T) v) s.

    Keeps: spikes, bit for bit where the factor is a power of two (numbers change their exponents alone); with
    another factor drive and threshold are rounded otherwise, and a membrane on the tie may flip. Names, scopes.
    Changes: voltages (float64), and so the neuron's membrane, which becomes itself over the factor; the scale of
    the integers between, not their codes, and so no count.
    Leaves alone: a factor <= 0; a Scale or what follows it with another user or that is an output; a neuron that
    rounds, whose voltages are fixed point, or whose membrane is taken by a node or an output.
    """

    name: ClassVar[str] = "fold-scale"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with Scales folded."""
        # Two Scales before one neuron take two rounds.
        while (folded := _fold_all(graph)) is not graph:
            graph = folded
        return graph


def _fold_all(graph: Graph) -> Graph:
    edit = Edit(graph)
    folded: set[str] = set()
    for scale in graph.nodes_of(Scale):
        neuron = _reached(graph, scale)
        if neuron is None or neuron.name in folded:
            continue
        assert isinstance(scale.op, Scale)
        folded.add(neuron.name)
        names = dict(neuron.weights)
        for slot in VOLTAGES[type(neuron.op)]:
            if slot in names:
                weight = graph.weights[names[slot]]
                divided = Weight(weight.values.astype(np.float64) / scale.op.factor, weight.role, FLOAT64)
                names[slot] = edit.weight_for(neuron, slot, divided)
        edit.replace(neuron, replace(neuron, weights=names))
        edit.remove(scale)
    return edit.graph()


def _reached(graph: Graph, scale: Node) -> Node | None:
    """The neuron that the factor can be folded into."""
    assert isinstance(scale.op, Scale)
    node: Node | None = scale if scale.op.factor > 0 else None
    while node is not None:
        user = only_user(graph, node.name)
        if user is None or user.inputs.count(node.name) != 1:
            return None
        if type(user.op) in VOLTAGES:
            return user if _takes_factors(graph, user) else None
        node = user if type(user.op) in HOMOGENEOUS else None
    return None


def _takes_factors(graph: Graph, neuron: Node) -> bool:
    rounds = getattr(neuron.op, "rounding", "none") != "none"
    further = [value for value in neuron.results if value != neuron.name]
    seen = any(graph.users(value) or value in graph.outputs for value in further)
    return not rounds and not seen and is_floating(graph, neuron)
