"""The two orders of spiking attention: (q k^T) v and q (k^T v) are one product X Y Z, associated left or right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from hwmodels.counting import Operand, operand_of
from hwmodels.dense import dense_macs
from spikec.cost import Ssa
from spikec.ir.arithmetic import MatMul, Scale
from spikec.ir.graph import Graph, Node

Ref = tuple[str, int]  # an operand: node name and index


@dataclass(frozen=True)
class Product:
    """What the rate formula needs of one node.

    Args:
        macs: dense MACs a sample and step.
        operands: the operands whose rates enter.
        operand: the class that decides how it is billed.
    """

    macs: int
    operands: tuple[Ref, ...]
    operand: Operand


@dataclass(frozen=True)
class Triple:
    """A product X Y Z of spikes: X [lead, n, k], Y [lead, k, m], Z [lead, m, p]; for SSA q, k^T, v."""

    first: Node
    second: Node
    lead: int
    sizes: tuple[int, int, int, int]
    x: Ref
    y: Ref
    z: Ref


def reordered(graph: Graph, order: Ssa) -> dict[str, Product]:
    """The products of every attention in the order that the policy names, by node; empty for 'graph'.

    `qk` multiplies X Y first, N^2 d operations a head (Spikformer, CIFAR), `kv` multiplies Y Z first, N d^2 (its
    ImageNet form). The node that multiplies first in the graph stands for the first product of either order.
    """
    if order == "graph":
        return {}
    found: dict[str, Product] = {}
    for triple in triples(graph):
        n, k, m, p = triple.sizes
        left, right = (n * k * m, n * m * p), (k * m * p, n * k * p)
        macs, pair, rest = (
            (left, (triple.x, triple.y), triple.z) if order == "qk" else (right, (triple.y, triple.z), triple.x)
        )
        found[triple.first.name] = Product(triple.lead * macs[0], pair, Operand.UNARY)
        found[triple.second.name] = Product(triple.lead * macs[1], (rest,), Operand.MULTIBIT)
    return found


def as_traced(graph: Graph, node: Node) -> Product:
    """A node as the graph has it: the operands whose rates enter are the spikes, else the multi-bit ones.

    A product needs both factors, so the rate of spikes bounds it whatever the other holds; a Real operand alone
    is taken as always active.
    """
    classes = [operand_of(graph.types[value]) for value in node.inputs]
    least, greatest = min(classes), max(classes)
    entering = tuple(
        (node.name, index)
        for index, operand in enumerate(classes)
        if operand is least and (operand is Operand.UNARY or greatest is Operand.MULTIBIT)
    )
    return Product(dense_macs(graph, node), entering, greatest)


def triples(graph: Graph) -> Iterator[Triple]:
    """Every product of three spike tensors in which the inner product feeds the outer alone, scaled or not."""
    for outer in graph.nodes_of(MatMul):
        for side in (0, 1):
            inner = _inner(graph, outer, side)
            if inner is not None and _is_spikes(graph, outer.inputs[1 - side], *inner.inputs):
                yield _triple(graph, inner, outer, side)


def _inner(graph: Graph, outer: Node, side: int) -> Node | None:
    value, user = outer.inputs[side], outer
    while graph.users(value) == (user,) and value not in graph.outputs and value in graph.producers:
        node = graph.producers[value]
        if isinstance(node.op, MatMul):
            return node
        # A scale that leaves no integers, such as a negative one, makes MACs of what follows: not spiking attention.
        if not isinstance(node.op, Scale) or operand_of(graph.types[value]) is Operand.REAL:
            return None
        value, user = node.inputs[0], node
    return None


def _is_spikes(graph: Graph, *values: str) -> bool:
    return all(operand_of(graph.types[value]) is Operand.UNARY for value in values)


def _triple(graph: Graph, inner: Node, outer: Node, side: int) -> Triple:
    assert isinstance(inner.op, MatMul)
    assert isinstance(outer.op, MatMul)
    a, b = (graph.types[value] for value in outer.inputs)
    (rows, middle), (_, columns) = outer.op.planes(a, b)
    c, d = (graph.types[value] for value in inner.inputs)
    (_, contracted), _ = inner.op.planes(c, d)
    # Where the outer reads the inner transposed, (A B)^T = B^T A^T: the factors change places.
    turned = outer.op.transpose_b if side else outer.op.transpose_a
    near, far = ((inner.name, 1), (inner.name, 0)) if turned else ((inner.name, 0), (inner.name, 1))
    other = (outer.name, 1 - side)
    sizes = (rows, middle, contracted, columns) if side else (rows, contracted, middle, columns)
    factors = (other, near, far) if side else (near, far, other)
    return Triple(inner, outer, prod(a.shape[:-2]), sizes, *factors)
