"""Edits of a graph, gathered and applied at once: what passes are written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from spikec.ir.graph import Graph, Node, infer_types
from spikec.ir.time import Delay
from spikec.ir.types import TensorType, Weight


class Edit:
    """Changes to a graph; `graph()` gives the edited, re-typed and verified one.

    Nodes keep their places: a replacement stands where the replaced node stood. A value that disappears is
    redirected, so its users follow. Weights that nothing uses any more are dropped. Where nothing was edited,
    `graph()` gives the same object back.
    """

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self._replaced: dict[str, Sequence[Node]] = {}
        self._renamed: dict[str, str] = {}
        self._weights: dict[str, Weight] = {}

    def weight(self, name: str, weight: Weight) -> str:
        """Adds or replaces a weight and gives its name."""
        self._weights[name] = weight
        return name

    def weight_for(self, node: Node, slot: str, weight: Weight) -> str:
        """Adds the weight for a slot of `node` and gives its name, for the node that will take it.

        The name is the one that the slot's weight has, unless another node or slot uses that as well, which must
        keep what it has; else `scope.slot` where that is free, or with a number.
        """
        name = node.weights.get(slot)
        if name is None or self._uses[name] > 1:
            name = _free(f"{node.scope or node.name}.{slot}", {*self.source.weights, *self._weights})
        return self.weight(name, weight)

    def value_name(self, stem: str) -> str:
        """A name for a new node: `stem` where no value has it, else with a number."""
        added = {node.name for nodes in self._replaced.values() for node in nodes}
        return _free(stem, {*self.source.types, *added})

    def replace(self, node: Node, *by: Node, value: str | None = None) -> None:
        """Puts nodes in the place of one; users of its first result take `value` (the last new node's) instead."""
        self._replaced[node.name] = by
        last = value or (by[-1].name if by else node.inputs[0])
        if last != node.name:
            self._renamed[node.name] = last

    def redirect(self, value: str, to: str) -> None:
        """Lets the users of `value`, such as a membrane, take `to`; nodes that `replace` puts beside its own do not."""
        self._renamed[value] = to

    def remove(self, node: Node, value: str | None = None) -> None:
        """Takes a node out; its users take `value`, or its first operand."""
        self.replace(node, value=value or node.inputs[0])

    @cached_property
    def _uses(self) -> Counter[str]:
        return Counter(name for node in self.source.nodes for name in node.weights.values())

    def graph(self) -> Graph:
        """The edited graph, verified; the same object where nothing was edited.

        Raises:
            VerifyError: the edited graph breaks a rule.
        """
        if not (self._replaced or self._weights or self._renamed):
            return self.source
        nodes = [new for node in self.source.nodes for new in self._resolved(self._replaced.get(node.name, (node,)))]
        weights = {**self.source.weights, **self._weights}
        outputs = tuple(map(self._resolve, self.source.outputs))
        return assemble(self.source.inputs, nodes, outputs, weights, self.source.steps)

    def _resolved(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes that stand in one place, operands redirected."""
        # What they take from each other is meant as it stands, also where one bears a redirected name.
        own = {value for node in nodes for value in (node.name, *(f"{node.name}.{s}" for s in node.op.extra_results))}
        redirected = [tuple(v if v in own else self._resolve(v) for v in node.inputs) for node in nodes]
        return [replace(node, inputs=inputs) for node, inputs in zip(nodes, redirected, strict=True)]

    def _resolve(self, value: str) -> str:
        while value in self._renamed:
            value = self._renamed[value]
        return value


def _free(stem: str, taken: Container[str]) -> str:
    name, number = stem, 0
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def assemble(
    inputs: Mapping[str, TensorType],
    nodes: Sequence[Node],
    outputs: tuple[str, ...],
    weights: Mapping[str, Weight],
    steps: int,
) -> Graph:
    """A verified graph of nodes whose types are inferred afresh; weights that none uses are dropped.

    Raises:
        VerifyError: a rule is broken.
    """
    types = dict(inputs)
    types.update({n.name: n.types[0] for n in nodes if isinstance(n.op, Delay) and n.types})
    typed = []
    for node in nodes:
        # A delay's operand may be defined after it; until then its declared type stands, and verify compares.
        if not (isinstance(node.op, Delay) and node.types) or all(value in types for value in node.inputs):
            node = replace(node, types=infer_types(node, types, weights))
        types.update(node.results)
        typed.append(node)
    used = {name for node in typed for name in node.weights.values()}
    graph = Graph(dict(inputs), tuple(typed), outputs, {n: w for n, w in weights.items() if n in used}, steps)
    graph.verify()
    return graph
