"""Builds a graph node by node, with names that depend on module path and op alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikec.errors import GraphError, VerifyError
from spikec.ir.graph import Graph, Node, infer_types
from spikec.ir.op import Op
from spikec.ir.time import Delay
from spikec.ir.types import Role, TensorType, Weight, constant, weight_of

WeightLike = Weight | float | NDArray[np.generic]


class GraphBuilder:
    """Adds nodes in order and gives the verified graph.

    Names follow one rule, so that a tracer and a builder that meet the same ops in the same scopes write the same
    text: a node is called by its scope where that is free (`blocks.0.attn.q_lif`), else by scope and mnemonic
    (`blocks.0.attn.matmul`), then with a number (`blocks.0.attn.matmul_1`). A container's own ops, such as a
    residual add, are added with `inner=True`, which always appends the mnemonic.
    """

    def __init__(self, steps: int = 1) -> None:
        self.steps = steps
        self._inputs: dict[str, TensorType] = {}
        self._nodes: list[Node] = []
        self._types: dict[str, TensorType] = {}
        self._weights: dict[str, Weight] = {}
        self._open: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def input(self, name: str, kind: TensorType) -> str:
        """Declares an input and gives its value name.

        Raises:
            GraphError: the name is taken.
        """
        if name in self._types:
            raise GraphError(f"value '%{name}' is defined twice")
        self._inputs[name] = self._types[name] = kind
        return name

    def type(self, value: str) -> TensorType:
        """The type of a value."""
        return self._types[value]

    def weight(self, name: str, value: WeightLike) -> str:
        """Registers a weight (a float is a scalar constant, an array a parameter) and gives its name.

        Raises:
            GraphError: the name is taken by a weight that differs.
        """
        weight = _as_weight(value)
        known = self._weights.setdefault(name, weight)
        if known is not weight and not known.same_as(weight):
            raise GraphError(f"weight '{name}' is given twice with different values")
        return name

    def add(
        self,
        op: Op,
        *inputs: str,
        scope: str = "",
        inner: bool = False,
        weights: Mapping[str, WeightLike] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> str:
        """Adds a node and gives the name of its first result.

        Args:
            op: the operation.
            inputs: value names.
            scope: module path.
            inner: whether the op is a container's own, see the class.
            weights: slot to array or constant; the weight is called `scope.slot`, or as `names` says.
            names: slot to the name of the weight, for slots in `weights` or weights registered before.

        Raises:
            VerifyError: operands or weights do not fit, with the node's name and scope.
        """
        names = dict(names or {})
        name = self._free_name(op, scope, inner)
        for slot, value in (weights or {}).items():
            names[slot] = self.weight(names.get(slot, f"{scope or name}.{slot}"), value)
        node = Node(name, op, tuple(inputs), names, (), scope)
        node = replace(node, types=infer_types(node, self._types, self._weights))
        self._nodes.append(node)
        self._types.update(node.results)
        return name

    def feedback(self, kind: TensorType, steps: WeightLike = 1.0, scope: str = "", *, inner: bool = False) -> str:
        """Adds a Delay of a value that is defined later and gives its name; `close` says which value that is.

        Args:
            kind: the type of that value.
            steps: of the delay, scalar or for each element; at least 1.
            scope: module path.
            inner: whether the Delay is a container's own, see the class.
        """
        name = self._free_name(Delay(), scope, inner)
        weight = self.weight(f"{scope or name}.steps", steps)
        self._open[name] = len(self._nodes)
        self._nodes.append(Node(name, Delay(), (), {"steps": weight}, (kind,), scope))
        self._types[name] = kind
        return name

    def close(self, value: str, source: str) -> None:
        """Lets the Delay that `feedback` called `value` take `source`.

        Raises:
            GraphError: there is no such Delay, or it has its operand.
            VerifyError: `source` is not of the type that was declared.
        """
        if value not in self._open:
            raise GraphError(f"'%{value}' is no feedback that waits for its operand")
        at = self._open.pop(value)
        node = replace(self._nodes[at], inputs=(source,))
        found = infer_types(node, self._types, self._weights)
        if found != node.types:
            raise VerifyError(f"{node.place}: declared as {node.type}, closed with {found[0]}")
        self._nodes[at] = node

    def graph(self, *outputs: str) -> Graph:
        """The verified graph with these outputs.

        Raises:
            GraphError: a feedback has no operand yet.
        """
        if self._open:
            raise GraphError(f"feedback without an operand: {', '.join(f'%{name}' for name in self._open)}")
        graph = Graph(dict(self._inputs), tuple(self._nodes), outputs, dict(self._weights), self.steps)
        graph.verify()
        return graph

    def _free_name(self, op: Op, scope: str, inner: bool) -> str:
        candidates: Sequence[str] = [] if inner or not scope else [scope]
        stem = f"{scope}.{op.mnemonic}" if scope else op.mnemonic
        for candidate in (*candidates, stem):
            if self._is_free(candidate, op):
                return candidate
        number = self._numbers.get(stem, 1)  # names are never freed, so that no lower number is worth a look
        while not self._is_free(f"{stem}_{number}", op):
            number += 1
        self._numbers[stem] = number
        return f"{stem}_{number}"

    def _is_free(self, name: str, op: Op) -> bool:
        return not any(value in self._types for value in (name, *(f"{name}.{suffix}" for suffix in op.extra_results)))


def _as_weight(value: WeightLike) -> Weight:
    if isinstance(value, Weight):
        return value
    if isinstance(value, (int, float)):
        return constant(float(value))
    return weight_of(value, Role.PARAMETER)
