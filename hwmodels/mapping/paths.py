"""How values reach a layer: back from an operand, across what is no layer, to who sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwmodels.counting import NEURONS, WEIGHTED
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI, I
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum

Role = Literal["neuron", "weighted", "pools", "multiplies", "carries", "delays", "sums", "scales", "ends"]

ROLES: dict[type[Op], Role] = {
    **dict.fromkeys((*NEURONS, LI, I), "neuron"),
    **dict.fromkeys(WEIGHTED, "weighted"),
    **dict.fromkeys((SumPool, AvgPool, Sum, Mean), "pools"),
    **dict.fromkeys((MatMul, Mul), "multiplies"),
    **dict.fromkeys((Reshape, Transpose, Expand, Concat, Slice, Pad, Upsample, Repeat), "carries"),
    Delay: "delays",
    Add: "sums",
    Scale: "scales",
    TimeMean: "ends",
    TimeSum: "ends",
    TimeLast: "ends",
}
"""What an op is to cores. `scales` belongs to the inputs of the graph, `ends` to its outputs."""


SENDS: tuple[Role, ...] = ("neuron", "weighted", "pools", "multiplies")
"""Roles at which a path begins."""
DRIVES: tuple[Role, ...] = ("weighted", "pools", "multiplies")
"""Roles of what gives numbers, which a neuron has to take, unless the chip sends graded spikes."""


@dataclass(frozen=True)
class Path:
    """What lies behind an operand.

    Args:
        ends: values at which it begins: inputs of the graph, results of neurons, weighted ops and pools; each once.
        crossed: the nodes between.
    """

    ends: tuple[str, ...]
    crossed: tuple[Node, ...]

    def crosses(self, role: Role) -> tuple[Node, ...]:
        """The nodes of a role among those crossed."""
        return tuple(node for node in self.crossed if ROLES[type(node.op)] == role)


def path_behind(graph: Graph, value: str, *, across_pools: bool = False) -> Path:
    """The path that leads to a value; every op of the graph must have its role.

    Args:
        graph: of the value.
        value: an operand.
        across_pools: whether a pool is no end: what it sums then goes straight to the op behind, whose weights are
            those of both.
    """
    ends: dict[str, None] = {}
    crossed: dict[str, Node] = {}
    waiting = [value]
    while waiting:
        at = waiting.pop()
        node = graph.producers.get(at)
        if node is None or (ROLES[type(node.op)] in SENDS and not (across_pools and ROLES[type(node.op)] == "pools")):
            ends[at] = None
        elif node.name not in crossed:
            crossed[node.name] = node
            waiting += reversed(node.inputs)
    return Path(tuple(ends), tuple(crossed.values()))
