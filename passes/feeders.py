"""Which linear ops alone make up a value, so that a factor on it can be a factor on their weights."""

from __future__ import annotations

from collections.abc import Collection

from passes.algebra import JOINTLY_HOMOGENEOUS, STORED
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Repeat

PASSED = (*JOINTLY_HOMOGENEOUS, Repeat)
"""Ops whose result is multiplied by a positive factor where all their operands are."""


def feeders(graph: Graph, value: str, takers: Collection[str]) -> dict[str, Node] | None:
    """The Convs and Linears that `value` comes from, by name; None where a factor on it cannot be theirs.

    It can be where nothing else is made of what they give, and no other node uses their weights.

    Args:
        graph: the graph of `value`.
        value: the drive of neurons.
        takers: the names of the nodes for which it is multiplied.
    """
    found = _fed(graph, value, takers)
    if found is None:
        return None
    own = {name for node in found.values() for name in node.weights.values()}
    others = (node for node in graph.nodes if node.name not in found)
    return None if any(name in own for node in others for name in node.weights.values()) else found


def _fed(graph: Graph, value: str, takers: Collection[str]) -> dict[str, Node] | None:
    node = graph.producers.get(value)
    taken_beside = value in graph.outputs or any(user.name not in takers for user in graph.users(value))
    if node is None or taken_beside:
        return None
    if isinstance(node.op, STORED):
        return {node.name: node}
    if not isinstance(node.op, PASSED):
        return None
    found: dict[str, Node] = {}
    for operand in node.inputs:
        fed = _fed(graph, operand, (node.name,))
        if fed is None:
            return None
        found |= fed
    return found
