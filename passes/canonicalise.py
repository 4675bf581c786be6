"""canonicalise: one spelling for what moves values without computing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from spikec.ir.arithmetic import MatMul, Scale
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay

BYPASSED = (Concat, Reshape, Slice, Transpose)
"""Ops that a rule may bypass."""


@dataclass(frozen=True)
class Canonicalise:
    """Removes and merges what moves values, and Scale, where it need not be there.

        Reshape and Expand to the same shape, Transpose to the same order, Scale by 1   removed
        Slice of the whole, Pad of nothing, Upsample by 1                               removed
        Concat of the Slices that cut a value into pieces, in order                     removed
        Slice of a Concat that gives one of its operands back                           removed
        Reshape of Reshape, Transpose of Transpose                                      one
        a Transpose of the last two axes that feeds a MatMul            its transpose_a or transpose_b

    Keeps: function, bit for bit; types; names and scopes of the nodes that remain.
    Changes: nothing that is counted.
    Leaves alone: a move that others still take, beside the merged one; a Slice of a Concat whose domain is wider
    than that of the operand, since what follows is typed by it.
    """

    name: ClassVar[str] = "canonicalise"

    def __call__(self, graph: Graph) -> Graph:
        """The graph in canonical form."""
        # A Transpose that loses its last MatMul in one sweep may be merged in the next.
        while (swept := _sweep(graph)) is not graph:
            graph = swept
        return graph


def _sweep(graph: Graph) -> Graph:
    done: dict[str, Node] = {}
    stands_for: dict[str, str] = {}  # a removed value -> the earlier one that equals it
    for node in graph.nodes:
        current = _redirected(node, stands_for)
        found = RULES[type(node.op)](current, done, graph) if type(node.op) in RULES else current
        if isinstance(found, str):
            stands_for[node.name] = found
        else:
            done[node.name] = found
    # A delay may take a value that is removed after it.
    nodes = [_redirected(node, stands_for) for node in done.values()]
    if len(nodes) == len(graph.nodes) and all(a is b for a, b in zip(nodes, graph.nodes, strict=True)):
        return graph
    outputs = tuple(stands_for.get(value, value) for value in graph.outputs)
    kept = _without_bypassed(nodes, outputs, graph)
    return assemble(graph.inputs, kept, outputs, graph.weights, graph.steps)


def _redirected(node: Node, stands_for: Mapping[str, str]) -> Node:
    inputs = tuple(stands_for.get(value, value) for value in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _without_bypassed(nodes: list[Node], outputs: tuple[str, ...], graph: Graph) -> list[Node]:
    """The nodes without those moves that were taken before and are not any more."""
    used = {*outputs, *(value for node in nodes if isinstance(node.op, Delay) for value in node.inputs)}
    kept: list[Node] = []
    for node in reversed(nodes):
        if isinstance(node.op, BYPASSED) and node.name not in used and graph.users(node.name):
            continue
        used.update(node.inputs)
        kept.append(node)
    return kept[::-1]


def _reshape(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, Reshape)
    source = done.get(node.inputs[0])
    if source is not None and isinstance(source.op, Reshape):
        node = replace(node, inputs=source.inputs)
    return _unless_idle(node, done, graph)


def _unless_idle(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    """The node, or its operand where the shape says that it does nothing."""
    return node.inputs[0] if graph.types[node.inputs[0]].shape == node.type.shape else node


def _slice(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, Slice)
    whole = done.get(node.inputs[0])
    start = 0
    if whole is not None and isinstance(whole.op, Concat) and whole.op.axis == node.op.axis and node.op.step == 1:
        for piece in whole.inputs:
            size = graph.types[piece].shape[node.op.axis]
            if (start, start + size) == (node.op.start, node.op.stop) and graph.types[piece] == node.type:
                return piece
            start += size
    return _unless_idle(node, done, graph)


def _concat(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, Concat)
    pieces = [done.get(value) for value in node.inputs]
    first = pieces[0]
    reached = 0
    for piece in pieces:
        if first is None or piece is None or not isinstance(piece.op, Slice) or piece.inputs != first.inputs:
            return node
        if (piece.op.axis, piece.op.start, piece.op.step) != (node.op.axis, reached, 1):
            return node
        reached = piece.op.stop
    assert first is not None
    return first.inputs[0] if graph.types[first.inputs[0]] == node.type else node


def _transpose(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, Transpose)
    source = done.get(node.inputs[0])
    if source is not None and isinstance(source.op, Transpose) and not _will_be_absorbed(node, graph):
        node = replace(node, op=_composed(source.op, node.op), inputs=source.inputs)
    return node.inputs[0] if _is_identity(node.op) else node


def _scale(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, Scale)
    return node.inputs[0] if node.op.factor == 1.0 else node


def _matmul(node: Node, done: Mapping[str, Node], graph: Graph) -> Node | str:
    assert isinstance(node.op, MatMul)
    a, transpose_a = _untransposed(node.inputs[0], node.op.transpose_a, done)
    b, transpose_b = _untransposed(node.inputs[1], node.op.transpose_b, done)
    unchanged = (a, b) == node.inputs
    return node if unchanged else replace(node, op=MatMul(transpose_a, transpose_b), inputs=(a, b))


def _untransposed(value: str, transposed: bool, done: Mapping[str, Node]) -> tuple[str, bool]:
    """The operand before every swap of its last two axes, and whether the MatMul must read it transposed."""
    while (source := done.get(value)) is not None and _is_swap(source.op):
        value, transposed = source.inputs[0], not transposed
    return value, transposed


def _will_be_absorbed(node: Node, graph: Graph) -> bool:
    """Whether every user is a MatMul: merged with the Transpose before it, the swap could not be absorbed."""
    users = graph.users(node.name)
    return bool(users) and all(isinstance(user.op, MatMul) for user in users) and _is_swap(node.op)


def _is_swap(op: Op) -> bool:
    """Whether the op exchanges the last two axes and leaves the others."""
    if not isinstance(op, Transpose) or len(op.axes) < 2:
        return False
    rank = len(op.axes)
    return op.axes == (*range(rank - 2), rank - 1, rank - 2)


def _composed(first: Transpose, second: Transpose) -> Transpose:
    return Transpose(tuple(first.axes[axis] for axis in second.axes))


def _is_identity(op: Op) -> bool:
    return isinstance(op, Transpose) and op.axes == tuple(range(len(op.axes)))


RULES: dict[type[Op], Callable[[Node, Mapping[str, Node], Graph], Node | str]] = {
    Concat: _concat,
    Expand: _unless_idle,
    MatMul: _matmul,
    Pad: _unless_idle,
    Reshape: _reshape,
    Scale: _scale,
    Slice: _slice,
    Transpose: _transpose,
    Upsample: _unless_idle,
}
"""What takes a node's place: a node, or the earlier value that it equals."""
