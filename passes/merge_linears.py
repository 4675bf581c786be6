"""merge-linears: linear ops on one value, such as q, k and v, as one that is cut up behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.shapes import Slice
from spikec.ir.types import Weight

Likeness = tuple[object, ...]


@dataclass(frozen=True)
class MergeLinears:
    """Turns Linears, or convolutions of one window, that take the same value into one and a Slice for each.

        q = Wq x, k = Wk x, v = Wv x  ->  y = [Wq; Wk; Wv] x,  q, k, v = y[0 : D], y[D : 2 D], y[2 D : 3 D]

    What follows stays as it is, each behind its Slice: a BatchNorm as well, so fold-batchnorm comes before this.

    Keeps: function (the same sums, which a runner may add up in another order); result types; names and scopes,
    which the Slices take over; parameters.
    Changes: ops and names of weights; no count.
    Leaves alone: grouped convolutions; ops of which one has a bias and the other none, or whose weights differ in
    format or role; a weight that another node uses too, which would be there twice.
    """

    name: ClassVar[str] = "merge-linears"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with parallel linear ops merged."""
        uses = Counter(name for node in graph.nodes for name in node.weights.values())
        alike: dict[Likeness, list[Node]] = {}
        for node in graph.nodes_of(Linear, Conv1d, Conv2d):
            shared = any(uses[name] > 1 for name in node.weights.values())
            if not shared and getattr(node.op, "groups", 1) == 1:
                alike.setdefault(_likeness(graph, node), []).append(node)
        edit = Edit(graph)
        for nodes in alike.values():
            if len(nodes) > 1:
                _merge(edit, nodes)
        return edit.graph()


def _likeness(graph: Graph, node: Node) -> Likeness:
    """What two linear ops must have in common to be one."""
    weights = sorted((slot, graph.weights[name]) for slot, name in node.weights.items())
    of_weights = ((slot, w.format, w.role, w.array.dtype.str, w.array.shape[1:]) for slot, w in weights)
    return (node.inputs, node.op, *of_weights)


def _merge(edit: Edit, nodes: Sequence[Node]) -> None:
    graph, first = edit.source, nodes[0]
    scope = _container([node.scope for node in nodes])
    name = edit.value_name(f"{scope}.{first.op.mnemonic}" if scope else f"{first.name}.merged")
    weights = {
        slot: edit.weight_for(Node(name, first.op), slot, _stacked(graph, nodes, slot)) for slot in first.weights
    }
    axis = len(first.type.shape) - 1 if isinstance(first.op, Linear) else 0
    start = 0
    for node in nodes:
        stop = start + node.type.shape[axis]
        piece = replace(node, op=Slice(axis, start, stop), inputs=(name,), weights={})
        whole = [Node(name, first.op, first.inputs, weights, scope=scope)] if node is first else []
        edit.replace(node, *whole, piece)
        start = stop


def _stacked(graph: Graph, nodes: Sequence[Node], slot: str) -> Weight:
    parts = [graph.weights[node.weights[slot]] for node in nodes]
    return replace(parts[0], array=np.concatenate([part.array for part in parts]))


def _container(scopes: Sequence[str]) -> str:
    """The module path that all of these lie under; '' where they have none in common."""
    shared = []
    for parts in zip(*(scope.split(".") for scope in scopes), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
