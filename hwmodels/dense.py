"""Dense multiply-accumulates of a node, and the artificial network of the same shape.

Dense means every output times every input of its window, borders included, as the literature counts FLOPs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Protocol, runtime_checkable

import numpy as np

from hwmodels.prices import price_of
from spikec.cost import Policy, Terms
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import Threshold
from spikec.ir.op import Op
from spikec.ir.shapes import Expand, Reshape


def dense_macs(graph: Graph, node: Node, *, skip_zeros: bool = False) -> int:
    """MACs of one sample at one step, without bias; 0 for an op that multiplies no two tensors.

    Args:
        graph: the graph of `node`.
        node: any node.
        skip_zeros: whether a weight of zero does not count.
    """
    return DENSE.get(type(node.op), _none)(graph, node, skip_zeros)


def ann_macs(graph: Graph) -> int:
    """MACs of one inference of the same-shape artificial network: each Conv, Linear and MatMul once, not T times."""
    return sum(dense_macs(graph, node) for node in graph.nodes_of(Conv1d, Conv2d, Linear, MatMul))


def unrolled(graph: Graph) -> bool:
    """Whether the steps of a spiking network are nodes of their own, as in an .onnx of a loop over time.

    Nothing in it is then per step, its neurons are comparisons, and its layers are there once a step with one weight,
    or take all steps as an axis like others: no sum over its nodes is that of the network's own shape. A neuron of
    several steps is told by its spikes, which reach its next comparison past no layer. One that is never reset is not,
    where each layer takes all steps at once.
    """
    if graph.timed or not any(graph.nodes_of(Threshold)):
        return False
    layers = Counter(node.weights["weight"] for node in graph.nodes_of(Conv1d, Conv2d, Linear))
    return any(count > 1 for count in layers.values()) or _has_resets(graph)


def _has_resets(graph: Graph) -> bool:
    """Whether spikes of a comparison reach another through sums and products element by element alone."""
    told: set[str] = set()
    for node in graph.nodes:
        follows = not told.isdisjoint(node.inputs)
        if isinstance(node.op, Threshold):
            if follows:
                return True
            told.update(node.results)
        elif follows and isinstance(node.op, (Add, Mul, Scale, Reshape, Expand)):
            told.update(node.results)
    return False


def ann_energy_pj(graph: Graph, terms: Terms) -> float | None:
    """Energy of `ann_macs` at the chip's price of a MAC; None where the chip prices none.

    Source: eq. 4 of Auto-Spikformer (E_MAC times FLOPs, 4.6 pJ at 45 nm).
    """
    price = price_of("mac", terms)
    return None if price is None else ann_macs(graph) * price


@runtime_checkable
class PricesAnn(Protocol):
    """A hardware model that prices the same-shape artificial network by itself, since a MAC is not all that it pays."""

    def ann_energy_pj(self, graph: Graph, policy: Policy) -> float | None:
        """pJ of one inference of it; None where it cannot be told."""
        ...


def _of_weighted(graph: Graph, node: Node, skip_zeros: bool) -> int:
    weight = graph.weights[node.weights["weight"]].array
    connections: int = int(np.count_nonzero(weight)) if skip_zeros else weight.size
    # An output channel's weights are used once at each of its places: [O, *places] of a Conv, [..., O] of a Linear.
    places = node.type.elements // int(weight.shape[0])
    return connections * places


def _of_matmul(graph: Graph, node: Node, skip_zeros: bool) -> int:
    assert isinstance(node.op, MatMul)
    a, b = (graph.types[value] for value in node.inputs)
    (n, k), (_, m) = node.op.planes(a, b)
    return prod(a.shape[:-2]) * n * k * m


def _of_mul(graph: Graph, node: Node, skip_zeros: bool) -> int:
    return node.type.elements


def _none(graph: Graph, node: Node, skip_zeros: bool) -> int:
    return 0


DENSE: dict[type[Op], Callable[[Graph, Node, bool], int]] = {
    Conv1d: _of_weighted,
    Conv2d: _of_weighted,
    Linear: _of_weighted,
    MatMul: _of_matmul,
    Mul: _of_mul,
}
