"""What a pass must know before it changes a node: who takes its value, and whether its weights may be computed."""

from __future__ import annotations

from spikec.ir.graph import Graph, Node
from spikec.ir.types import FloatFormat


def only_user(graph: Graph, value: str) -> Node | None:
    """The one node that takes `value`; None where several do, none does, or the caller sees it as an output."""
    users = graph.users(value)
    return users[0] if len(users) == 1 and value not in graph.outputs else None


def is_floating(graph: Graph, node: Node) -> bool:
    """Whether every weight of the node is floating point: new numbers would lose the format of another."""
    return all(isinstance(weight.format, FloatFormat) for weight in graph.weight_types(node).values())
