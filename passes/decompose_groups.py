"""decompose-groups: a grouped convolution as one convolution a group, for targets that have no groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d
from spikec.ir.shapes import Concat, Slice
from spikec.ir.types import Weight

CHANNELS = 0
"""The axis of a convolution's channels, of those that it takes and of those that it gives; also of its bias."""


@dataclass(frozen=True)
class DecomposeGroups:
    """Turns a Conv1d or Conv2d of several groups, a depthwise one too, into Slice, Conv and Concat.

        y = conv(x) of G groups  ->  y_g = conv(x[C g / G : C (g + 1) / G]),  y = concat(y_0, ..., y_{G-1})

    Keeps: function (the same sums, which a runner may add up in another order); result types; name and scope, which
    the Concat takes over; each group's part of weight and bias, in its format and role.
    Changes: ops and names of weights (`y.0.weight`); no count: each group takes the events of its own channels.
    Leaves alone: a convolution of one group. A weight that several grouped convolutions share is cut once.
    """

    name: ClassVar[str] = "decompose-groups"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without groups."""
        edit = Edit(graph)
        cut: dict[tuple[str, int], list[str]] = {}  # a weight and its groups -> the names of its parts
        for node in graph.nodes_of(Conv1d, Conv2d):
            assert isinstance(node.op, Conv1d | Conv2d)
            if node.op.groups > 1:
                _decompose(edit, node, node.op, cut)
        return edit.graph()


def _decompose(edit: Edit, node: Node, op: Conv1d | Conv2d, cut: dict[tuple[str, int], list[str]]) -> None:
    graph, groups = edit.source, op.groups
    names = [edit.value_name(f"{node.name}.{group}") for group in range(groups)]
    for slot, weight in node.weights.items():
        if (weight, groups) not in cut:
            cut[weight, groups] = _parts(edit, names, slot, graph.weights[weight], groups)
    size = graph.types[node.inputs[0]].shape[CHANNELS] // groups
    nodes: list[Node] = []
    for group, name in enumerate(names):
        taken = edit.value_name(f"{name}.slice")
        own = {slot: cut[weight, groups][group] for slot, weight in node.weights.items()}
        channels = Slice(CHANNELS, group * size, (group + 1) * size)
        nodes.append(Node(taken, channels, node.inputs, scope=node.scope))
        nodes.append(Node(name, replace(op, groups=1), (taken,), own, scope=node.scope))
    edit.replace(node, *nodes, Node(node.name, Concat(CHANNELS), tuple(names), scope=node.scope))


def _parts(edit: Edit, names: list[str], slot: str, weight: Weight, groups: int) -> list[str]:
    size = len(weight.array) // groups
    # A bare node, so that a part is called after its convolution and not by the scope that all of them have.
    return [
        edit.weight_for(Node(name, Concat()), slot, replace(weight, array=weight.array[group * size :][:size]))
        for group, name in enumerate(names)
    ]
