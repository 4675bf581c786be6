"""Two graphs compared by value: every node, field, edge and weight, never by a hash."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from spikec.ir.graph import Graph, Node
from spikec.ir.types import Weight


@dataclass(frozen=True)
class Comparison:
    """What was compared, and a line for everything that differs.

    Args:
        nodes, edges, fields: how many of each the expected graph has.
        weights: how many of its weights, in all `parameters` numbers.
        parameters_differing: numbers that differ in value; all of a weight that is missing or of another shape.
        differences: empty where the graphs are equal.
    """

    nodes: int
    edges: int
    fields: int
    weights: int
    parameters: int
    parameters_differing: int
    differences: tuple[str, ...]


def compare(expected: Graph, found: Graph) -> Comparison:
    """Compares `found` with `expected` by value; the order of independent nodes is no difference."""
    lines = _interface(expected, found)
    nodes, others = ({node.name: node for node in graph.nodes} for graph in (expected, found))
    lines += [f"node '{name}' is missing" for name in nodes if name not in others]
    lines += [f"node '{name}' is not in the graph" for name in others if name not in nodes]
    for name in nodes:
        if name in others:
            lines += _node(nodes[name], others[name])
    differing = 0
    for name, weight in expected.weights.items():
        count, said = _weight(name, weight, found.weights.get(name))
        differing += count
        lines += said
    lines += [f"weight '{name}' is not in the graph" for name in found.weights if name not in expected.weights]
    return Comparison(
        nodes=len(expected.nodes),
        edges=sum(len(node.inputs) for node in expected.nodes) + len(expected.outputs),
        fields=sum(len(fields(node.op)) for node in expected.nodes),
        weights=len(expected.weights),
        parameters=sum(weight.array.size for weight in expected.weights.values()),
        parameters_differing=differing,
        differences=tuple(lines),
    )


def _interface(expected: Graph, found: Graph) -> list[str]:
    both = expected.inputs.keys() & found.inputs.keys()
    pairs = {
        "inputs": ({k: str(v) for k, v in expected.inputs.items()}, {k: str(v) for k, v in found.inputs.items()}),
        "order of inputs": ([k for k in expected.inputs if k in both], [k for k in found.inputs if k in both]),
        "outputs": (expected.outputs, found.outputs),
        "steps": (expected.steps, found.steps),
    }
    return [f"{what}: {b} instead of {a}" for what, (a, b) in pairs.items() if a != b]


def _node(expected: Node, found: Node) -> list[str]:
    pairs = {
        "op": (expected.op, found.op),
        "operands": (expected.inputs, found.inputs),
        "weights": (dict(expected.weights), dict(found.weights)),
        "results": (expected.types, found.types),
        "module path": (expected.scope, found.scope),
    }
    return [f"node '{expected.name}': {what} {b} instead of {a}" for what, (a, b) in pairs.items() if a != b]


def _weight(name: str, expected: Weight, found: Weight | None) -> tuple[int, list[str]]:
    """How many of its numbers differ, and what is to be said of it."""
    if found is None:
        return expected.array.size, [f"weight '{name}' is missing"]
    a, b = expected.array, found.array
    if a.shape != b.shape:
        return a.size, [f"weight '{name}': shape {list(b.shape)} instead of {list(a.shape)}"]
    said = []
    if (expected.role, expected.format) != (found.role, found.format):
        said.append(f"weight '{name}': {found.role.value} {found.format}, not {expected.role.value} {expected.format}")
    wrong = a != b
    count = int(np.count_nonzero(wrong))
    if count:
        x, y = (np.asarray(array[wrong], dtype=np.float64) for array in (a, b))
        greatest = float(np.max(np.abs(y - x)))
        said.append(f"weight '{name}': {count} of {a.size} numbers differ, by at most {greatest:.3g}")
    elif a.dtype != b.dtype:
        said.append(f"weight '{name}': {b.dtype} instead of {a.dtype}")
    return count, said
