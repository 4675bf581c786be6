"""reorder-attention: (q k^T) v or q (k^T v), whichever is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from passes.users import only_user
from spikec.errors import UsageError
from spikec.ir.arithmetic import MatMul, Scale
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Domain, Int

EXACT = 2**24
"""Integers up to here are exact in float32, so sums of them do not depend on their order."""


@dataclass(frozen=True)
class ReorderAttention:
    """Brackets products of three integer activations as asked: 'kv' is q (k^T v), 'qk' is (q k^T) v.

        ((q k^T) s) v  ->  (q (k^T v)) s       order 'kv', d^2 N products instead of N^2 d
        (q (k^T v)) s  ->  ((q k^T) v) s       order 'qk'

    A Scale s between the products is moved behind them, where it meets whole integers.

    Keeps: function, bit for bit where no Scale is moved or s is a power of two: the products are sums of integers
    and exact in any order. Another s that is moved is kept to rounding: it was rounded into every term of the second
    product, and now once. Operands whose own scale is no power of two likewise. Result types; the names of the
    first product, the second and the Scale stay with the first, the second and the Scale.
    Changes: counts (that is what it is for); domain and shape of what lies between the products.
    Leaves alone: products with a Real operand or a factor <= 0 between, or whose integers may exceed 2^24; a first
    product or Scale with another user or that is an output; a first product that the second one reads transposed.
    """

    name: ClassVar[str] = "reorder-attention"

    order: Literal["kv", "qk"] = "kv"

    def __post_init__(self) -> None:
        if self.order not in ("kv", "qk"):
            raise UsageError(found=f"order = {self.order!r}", where=f"pass '{self.name}'", expected="'kv' or 'qk'")

    def __call__(self, graph: Graph) -> Graph:
        """The graph with attention in this order."""
        # Of a chain of more than three factors, one round turns only products that do not overlap.
        while (turned := _turn_all(graph, self.order)) is not graph:
            graph = turned
        return graph


@dataclass(frozen=True)
class _Products:
    """Two nested products with the Scale between them, where there is one."""

    inner: Node
    outer: Node
    scale: Node | None

    @property
    def names(self) -> set[str]:
        return {node.name for node in (self.inner, self.outer, self.scale) if node is not None}


def _turn_all(graph: Graph, order: str) -> Graph:
    edit = Edit(graph)
    turned: set[str] = set()
    # The operand of the outer product that the inner one gives, where the order is not yet as asked.
    side = 0 if order == "kv" else 1
    for outer in graph.nodes_of(MatMul):
        products = _nested(graph, outer, side)
        if products is None or turned & products.names:
            continue
        turned |= products.names
        inner, last = _turned(products, side)
        scale = [replace(products.scale, inputs=(last.name,))] if products.scale else []
        for node in (products.inner, products.scale):
            if node is not None:
                edit.replace(node, value=node.name)  # it stands with the outer product now, under its name
        edit.replace(outer, inner, last, *scale)
    return edit.graph()


def _nested(graph: Graph, outer: Node, side: int) -> _Products | None:
    """The product that gives operand `side` of `outer`, if the two may be bracketed otherwise."""
    assert isinstance(outer.op, MatMul)
    node = _alone(graph, outer.inputs[side], outer)
    scale = node if node is not None and isinstance(node.op, Scale) else None
    if scale is not None:
        node = _alone(graph, scale.inputs[0], scale)
    if node is None or not isinstance(node.op, MatMul) or (outer.op.transpose_a, outer.op.transpose_b)[side]:
        return None
    # The result is Int only where every operand is, and it bounds what either order sums up.
    return _Products(node, outer, scale) if _is_exact(outer.type.domain) else None


def _alone(graph: Graph, value: str, user: Node) -> Node | None:
    """The node that makes `value`, if `user` takes it once and nothing else does."""
    alone = only_user(graph, value) is user and user.inputs.count(value) == 1
    return graph.producers.get(value) if alone else None


def _is_exact(domain: Domain) -> bool:
    return isinstance(domain, Int) and max(abs(domain.lo), abs(domain.hi)) <= EXACT


def _turned(products: _Products, side: int) -> tuple[Node, Node]:
    """The inner and the outer product of the other order; each factor keeps its own transpose."""
    inner, outer = products.inner, products.outer
    assert isinstance(inner.op, MatMul)
    assert isinstance(outer.op, MatMul)
    first, second = zip(inner.inputs, (inner.op.transpose_a, inner.op.transpose_b), strict=True)
    if side == 0:  # (a b) c -> a (b c)
        a, b, c = first, second, (outer.inputs[1], outer.op.transpose_b)
        return _product(inner, b, c), _product(outer, a, (inner.name, False))
    a, b, c = (outer.inputs[0], outer.op.transpose_a), first, second
    return _product(inner, a, b), _product(outer, (inner.name, False), c)


def _product(node: Node, a: tuple[str, bool], b: tuple[str, bool]) -> Node:
    return replace(node, op=MatMul(a[1], b[1]), inputs=(a[0], b[0]))
