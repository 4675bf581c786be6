"""repeat-first: Repeats stand at the inputs, where a caller can take them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from passes.algebra import TIME_FREE
from spikec.ir.edit import Edit, assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Repeat, TimeLast
from spikec.ir.types import Timing


@dataclass(frozen=True)
class RepeatFirst:
    """Turns what is computed once from the inputs into the same at every step: the inverse of hoist-repeat.

        repeat(f(x)) = f(repeat(x))        y = f(x), an output  ->  y = time_last(f(repeat(x)))

    For targets without a time axis, whose caller does the Repeat (`spikec.backend.protocol`). A network that shows one
    image at every step and computes its first layer inside that loop is traced with the layer once.

    Keeps: function: every step computes what was computed once (which a runner may add up in another order, where its
    matrix products depend on the number of rows); names, scopes and weights of every node but the Repeats.
    Changes: the timing of the ops between an input and a Repeat or an output (Once to Step), so counts: the first
    layer runs at every step. Where such a value is an output, or joins what stays once, a TimeLast gives it back.
    Leaves alone: what is made of Constants alone, which is repeated as it is; what depends on a reduction over time,
    its Repeats, and what goes there only; an input that is an output; a graph in which nothing is per step.
    """

    name: ClassVar[str] = "repeat-first"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with Repeats first."""
        moved = _needed(graph, _movable(graph))
        if not moved or all(kind.timing is Timing.ONCE for kind in graph.types.values()):
            return graph
        named = Edit(graph).value_name
        gone = {node.name: node.inputs[0] for node in graph.nodes_of(Repeat) if node.inputs[0] in moved}
        back = {value: named(f"{value}.time_last") for value in moved if _is_wanted_once(graph, value, moved)}
        repeats = _repeats(graph, moved)
        nodes: list[Node] = []
        placed: set[str] = set()
        for node in graph.nodes:
            if node.name in gone or node.name in placed:
                continue
            if node.name not in moved:
                nodes.append(_redirected(node, gone | back))
                placed.add(node.name)
                continue
            for repeat in [repeats[value] for value in node.inputs if value in repeats]:
                if repeat.name not in placed:
                    nodes.append(repeat)
                    placed.add(repeat.name)
            nodes.append(_redirected(node, {value: repeat.name for value, repeat in repeats.items()}))
            if node.name in back:
                nodes.append(Node(back[node.name], TimeLast(), (node.name,), scope=node.scope))
        outputs = tuple((gone | back).get(value, value) for value in graph.outputs)
        return assemble(graph.inputs, nodes, outputs, graph.weights, graph.steps)


def _movable(graph: Graph) -> set[str]:
    """The values of time-free ops that are computed once, from inputs and Constants alone and not from these only."""
    fixed: set[str] = set()
    movable: set[str] = set()
    for node in graph.nodes:
        if node.type.timing is Timing.STEP:
            continue
        if fixed.issuperset(node.inputs):
            fixed.add(node.name)
        elif type(node.op) in TIME_FREE and {*graph.inputs, *fixed, *movable}.issuperset(node.inputs):
            movable.add(node.name)
    return movable


def _needed(graph: Graph, movable: set[str]) -> set[str]:
    """Those among them that a Repeat or an output takes, and what these are computed from."""
    needed: set[str] = set()
    for node in reversed(graph.nodes):
        users = graph.users(node.name)
        taken = any(isinstance(user.op, Repeat) or user.name in needed for user in users)
        if node.name in movable and (taken or node.name in graph.outputs):
            needed.add(node.name)
    return needed


def _is_wanted_once(graph: Graph, value: str, moved: set[str]) -> bool:
    others = (user for user in graph.users(value) if user.name not in moved)
    return value in graph.outputs or any(not isinstance(user.op, Repeat) for user in others)


def _repeats(graph: Graph, moved: set[str]) -> dict[str, Node]:
    """The Repeat of every value that enters the moved ops: the one that it has, or a new one."""
    named = Edit(graph).value_name
    entering = {value for name in moved for value in graph.node(name).inputs} - moved
    found = {value: Node(named(f"{value}.repeat"), Repeat(), (value,)) for value in entering}
    for node in [*graph.nodes_of(Repeat)][::-1]:  # the first of several
        found.update({node.inputs[0]: node} if node.inputs[0] in entering else {})
    return found


def _redirected(node: Node, values: Mapping[str, str]) -> Node:
    return replace(node, inputs=tuple(values.get(value, value) for value in node.inputs))
