"""Moves an op that computes nothing per element, such as a Repeat, behind the ops that it feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from passes.users import only_user
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.time import Delay


def sink(graph: Graph, mover: type[Op], lets: Callable[[Node], bool]) -> Graph:
    """The graph with every `mover` as late as it can stand; the same object where none moves.

    A node is passed where `lets` says so of it, every operand comes through a mover, and it alone takes each of them.
    It may have several operands: the first one's mover goes on, the others fall away.
    Names stay with their nodes, so a name that stood before a mover stands for another value than before.
    """
    passed = _passed(graph, mover, lets)
    if not passed:
        return graph
    moving: dict[str, Node] = {}  # value -> the mover that is still to come behind it
    source: dict[str, str] = {}  # value -> what a passed node takes in its place
    ends: dict[str, str] = {}  # value of the last passed node -> the mover's, behind it
    nodes: list[Node] = []
    for node in graph.nodes:
        goes_on = _goes_on(graph, node, passed)
        if isinstance(node.op, mover) and goes_on:
            moving[node.name], source[node.name] = node, node.inputs[0]
        elif node.name in passed:
            nodes.append(replace(node, inputs=tuple(source[value] for value in node.inputs)))
            moving[node.name], source[node.name] = moving[node.inputs[0]], node.name
            if not goes_on:
                nodes.append(replace(moving[node.name], inputs=(node.name,)))
                ends[node.name] = moving[node.name].name
        else:
            nodes.append(_redirected(node, ends))
    # A delay may take a value that is defined after it.
    nodes = [_redirected(node, ends) if isinstance(node.op, Delay) else node for node in nodes]
    outputs = tuple(ends.get(value, value) for value in graph.outputs)
    return assemble(graph.inputs, nodes, outputs, graph.weights, graph.steps)


def _redirected(node: Node, ends: Mapping[str, str]) -> Node:
    return replace(node, inputs=tuple(ends.get(value, value) for value in node.inputs))


def _passed(graph: Graph, mover: type[Op], lets: Callable[[Node], bool]) -> set[str]:
    """The nodes that movers end up behind."""
    reached: set[str] = set()
    passed: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, mover):
            reached.add(node.name)
        elif lets(node) and all(v in reached and only_user(graph, v) is node for v in node.inputs):
            passed.add(node.name)
            reached.add(node.name)
    return passed


def _goes_on(graph: Graph, node: Node, passed: set[str]) -> bool:
    user = only_user(graph, node.name)
    return user is not None and user.name in passed
