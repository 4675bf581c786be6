"""time-reductions-last: mean, sum and last of the steps stand last, where a caller can take them over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from passes.algebra import ADDITIVE, AFFINE, STORED, TIME_FREE
from passes.sink import sink
from spikec.ir.edit import Edit, assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.time import TimeLast, TimeMean, TimeSum


@dataclass(frozen=True)
class TimeReductionsLast:
    """Moves TimeMean, TimeSum and TimeLast behind the ops that take them and may change places with them.

        mean(W x + b) = W mean(x) + b        affine ops
        sum(W x) = W sum(x)                  linear ops; not with a bias, which would count T times, or a BatchNorm
        last(f(x)) = f(last(x))              every op without a state

    For targets without a time axis, whose caller reduces (`spikec.backend.protocol`).

    Keeps: function, of TimeMean and TimeSum to rounding, of TimeLast exactly (but for a runner whose matrix products
    depend on the number of rows); names, scopes and weights of every node.
    Changes: the timing of the ops that are passed (Once to Step) and the domain of what they take, so counts: a head
    runs at every step, on what the network emits there instead of on its Real mean or sum. Output names: the
    reduction's name is now the last one. Where an op takes several reductions of one kind, only the first remains;
    where several take one, or the caller too, each has its own behind it.
    Leaves alone: a reduction that also goes where it may not pass; ops that take two kinds, or another operand.
    """

    name: ClassVar[str] = "time-reductions-last"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with reductions over time last."""
        for reduction, lets in LETS.items():
            # What several ops take behind one that was passed is parted in the next round.
            while (moved := _moved(graph, reduction, lets)) is not graph:
                graph = moved
        return graph


def _moved(graph: Graph, reduction: type[Op], lets: Callable[[Node], bool]) -> Graph:
    parted = _parted(graph, reduction, lets)
    moved = sink(parted, reduction, lets)
    return graph if moved is parted else _joined(moved, reduction)


def _parted(graph: Graph, reduction: type[Op], lets: Callable[[Node], bool]) -> Graph:
    """The graph with a reduction for each op that takes it, where all of these let it pass; its own for an output."""
    named = Edit(graph).value_name
    copies: dict[str, list[Node]] = {}  # a reduction -> those that are put beside it
    taken: dict[tuple[str, str], str] = {}  # an op, and the reduction that it took -> the one that it takes
    for node in graph.nodes_of(reduction):
        users = graph.users(node.name)
        others = users if node.name in graph.outputs else users[1:]
        if others and all(map(lets, users)):
            copies[node.name] = [replace(node, name=named(f"{node.name}.{user.name}")) for user in others]
            taken |= {(user.name, node.name): copy.name for user, copy in zip(others, copies[node.name], strict=True)}
    if not copies:
        return graph
    inputs = {node.name: tuple(taken.get((node.name, value), value) for value in node.inputs) for node in graph.nodes}
    nodes = [
        each for node in graph.nodes for each in (replace(node, inputs=inputs[node.name]), *copies.get(node.name, ()))
    ]
    return assemble(graph.inputs, nodes, graph.outputs, graph.weights, graph.steps)


def _joined(graph: Graph, reduction: type[Op]) -> Graph:
    """The graph with one reduction of each value."""
    first: dict[str, str] = {}
    edit = Edit(graph)
    for node in graph.nodes_of(reduction):
        same = first.setdefault(node.inputs[0], node.name)
        if same != node.name:
            edit.remove(node, same)
    return edit.graph()


def _is_linear(node: Node) -> bool:
    return type(node.op) in ADDITIVE or (type(node.op) in STORED and "bias" not in node.weights)


LETS: dict[type[Op], Callable[[Node], bool]] = {
    TimeMean: lambda node: type(node.op) in AFFINE,
    TimeSum: _is_linear,
    TimeLast: lambda node: type(node.op) in TIME_FREE,
}
"""Which nodes let each reduction pass."""
