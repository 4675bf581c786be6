"""lower-maxpool: a maximum of spikes as a sum and a threshold, for targets that have no maximum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import Threshold
from spikec.ir.pools import MaxPool, SumPool
from spikec.ir.types import SPIKE, constant

THRESHOLD = 0.5
"""Half way between no spike and one: a sum of spikes is an integer, so neither a target that fires at `>` instead
of `>=` nor one that forms the sum as a mean times the window's size, with rounding, can be wrong."""


@dataclass(frozen=True)
class LowerMaxPool:
    """Turns a MaxPool over spikes, which is a logical or, into SumPool and Threshold.

    Keeps: function, bit for bit (padding adds no spike, and never wins a MaxPool); result types; the name and
    scope, which the Threshold takes over.
    Changes: ops and counts.
    Leaves alone: a MaxPool over anything but spikes (Real, or integers such as a residual stream).
    """

    name: ClassVar[str] = "lower-maxpool"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with MaxPools over spikes lowered."""
        edit = Edit(graph)
        for node in graph.nodes_of(MaxPool):
            if graph.types[node.inputs[0]].domain != SPIKE:
                continue
            assert isinstance(node.op, MaxPool)
            total = edit.value_name(f"{node.name}.{SumPool.mnemonic}")
            weight = edit.weight_for(node, "v_threshold", constant(THRESHOLD))
            pool = SumPool(node.op.kernel, node.op.stride, node.op.padding)
            edit.replace(
                node,
                Node(total, pool, node.inputs, scope=node.scope),
                Node(node.name, Threshold(), (total,), {"v_threshold": weight}, scope=node.scope),
            )
        return edit.graph()
