"""Which cores an element of an operand reaches, and by how many synapses each: axis by axis, in closed form.

An operand's axes each decide over one axis of the result: a place of a convolution over the places that read it, a
channel over all output channels, a row of a Linear over its own row. So what an element reaches is a product over
axes, and elements of an axis that reach alike are one pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.splits import Cut, Labels, Scatter, Split, chunked
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear, window
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, Mean, Pool, Sum, SumPool
from spikec.ir.types import Shape

Matrix = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AxisReach:
    """How one axis of an operand reaches one axis of the result's view.

    Args:
        pattern: [size] the pattern of each coordinate.
        synapses: [patterns, labels] how many coordinates of each label one of each pattern reaches.
        axis: of the result's view; None for an axis that decides over none.
    """

    pattern: Labels
    synapses: Matrix
    axis: int | None


@dataclass(frozen=True, eq=False)
class Reach:
    """What the elements of an operand reach, in the order of its elements.

    Args:
        pattern: [elements].
        synapses: [patterns, cores] synapses of an element of each pattern on each core of the layer.
    """

    pattern: Labels
    synapses: Matrix


def reach_of(graph: Graph, driver: Node, operand: int, cut: Cut, *, skip_zeros: bool = False) -> Reach:
    """What each element of a driver's operand reaches on the cores on which its result is.

    Args:
        graph: of the driver.
        driver: what drives a layer.
        operand: which of its operands.
        cut: its result on cores.
        skip_zeros: whether a weight of zero of a Linear is no synapse; a convolution stores its kernel whole.
    """
    if isinstance(cut, Scatter):
        return _scattered(graph, driver, operand, cut, skip_zeros)
    return _cut(graph, driver, operand, cut, skip_zeros)


def _scattered(graph: Graph, driver: Node, operand: int, cut: Scatter, skip_zeros: bool) -> Reach:
    """By every element that each one reaches: a core each first, which are then brought together."""
    alone = chunked(cut.view, (1,) * len(cut.view.shape))
    each = _cut(graph, driver, operand, alone, skip_zeros)
    together = np.zeros((each.synapses.shape[0], cut.cores), dtype=np.int64)
    np.add.at(together.T, cut.core_of, each.synapses.T)
    unique, pattern = np.unique(together, axis=0, return_inverse=True)
    return Reach(pattern.reshape(-1).astype(np.int64)[each.pattern], unique)


def _cut(graph: Graph, driver: Node, operand: int, split: Split, skip_zeros: bool) -> Reach:
    axes = axes_of(graph, driver, operand, split, skip_zeros=skip_zeros)
    pattern = np.zeros((1,) * len(axes), dtype=np.int64)
    for place, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[place] = axis.pattern.size
        pattern = pattern * axis.synapses.shape[0] + axis.pattern.reshape(shape)
    whole = np.broadcast_to(pattern, tuple(axis.pattern.size for axis in axes)).reshape(-1)
    return Reach(np.ascontiguousarray(whole), _product(axes, split))


def axes_of(
    graph: Graph, driver: Node, operand: int, split: Split, *, skip_zeros: bool = False
) -> tuple[AxisReach, ...]:
    """The axes of an operand, in its order; each axis of the result's view is decided over by exactly one."""
    shape = graph.types[driver.inputs[operand]].shape
    if isinstance(driver.op, MatMul):
        return _of_matmul(graph, driver, operand, split)
    if isinstance(driver.op, Linear) and skip_zeros:
        connected = graph.weights[driver.weights["weight"]].array != 0
        return _same(0, split), _by(connected.T.astype(np.int64), 1, split)
    weight = graph.weights[driver.weights["weight"]].array.shape if "weight" in driver.weights else ()
    return AXES[type(driver.op)](driver.op, shape, weight, split)


def _product(axes: tuple[AxisReach, ...], split: Split) -> Matrix:
    """[patterns, cores]: the product over the axes, cores in the order of the split's labels."""
    found = np.ones((1,), dtype=np.int64)
    order: list[int] = []
    for axis in axes:
        block = axis.synapses if axis.axis is not None else axis.synapses[:, :1]
        found = np.multiply.outer(found, block)
        order.append(-1 if axis.axis is None else axis.axis)
    # Axes of `found`: 1, then (patterns, labels) of each operand axis; patterns go first, labels as in the view.
    patterns = [1 + 2 * place for place in range(len(axes))]
    labels = sorted((2 + 2 * place for place in range(len(axes))), key=lambda at: order[(at - 2) // 2])
    turned = found.transpose(0, *patterns, *labels)
    return np.ascontiguousarray(turned).reshape(prod(axis.synapses.shape[0] for axis in axes), split.cores)


def _all(size: int, axis: int, split: Split) -> AxisReach:
    """Every coordinate reaches all."""
    sizes = np.bincount(split.labels[axis], minlength=split.counts[axis])
    return AxisReach(np.zeros(size, dtype=np.int64), sizes[None].astype(np.int64), axis)


def _same(axis: int, split: Split) -> AxisReach:
    """Every coordinate reaches its own."""
    return AxisReach(split.labels[axis], np.eye(split.counts[axis], dtype=np.int64), axis)


def _none(size: int, synapses: int = 1) -> AxisReach:
    """The axis decides over no axis of the result; an element has so many synapses by it."""
    return AxisReach(np.zeros(size, dtype=np.int64), np.full((1, 1), synapses, dtype=np.int64), None)


def _by(matrix: Matrix, axis: int, split: Split) -> AxisReach:
    """Coordinate x reaches coordinate y `matrix[x, y]` times."""
    counts = np.zeros((matrix.shape[0], split.counts[axis]), dtype=np.int64)
    np.add.at(counts.T, split.labels[axis], matrix.T)
    unique, pattern = np.unique(counts, axis=0, return_inverse=True)
    return AxisReach(pattern.reshape(-1).astype(np.int64), unique, axis)


def _places(size: int, op: Any, place: int, axis: int, split: Split) -> AxisReach:  # Any: a convolution or pool
    """Places of a window: x reaches each output position that reads it."""
    dilation = op.dilation[place] if hasattr(op, "dilation") else 1
    kernel, stride, padding = op.kernel[place], op.stride[place], op.padding[place]
    outputs = window(size, kernel, stride, padding, dilation)
    reads = np.zeros((size, outputs), dtype=np.int64)
    for tap in range(kernel):
        at = np.arange(outputs) * stride - padding + tap * dilation
        inside = (at >= 0) & (at < size)
        reads[at[inside], np.flatnonzero(inside)] += 1
    return _by(reads, axis, split)


@dataclass(frozen=True)
class _Window:
    """A convolution's window with its kernel, which its op leaves to the weight."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape


def _of_conv(op: Conv1d | Conv2d, shape: Shape, weight: Shape, split: Split) -> tuple[AxisReach, ...]:
    outputs, _, *kernel = weight
    windows = _Window(tuple(kernel), op.stride, op.padding, op.dilation)
    places = (_places(size, windows, at, at + 1, split) for at, size in enumerate(shape[1:]))
    return (_channels(shape[0], outputs, op.groups, split), *places)


def _channels(inputs: int, outputs: int, groups: int, split: Split) -> AxisReach:
    """An input channel reaches the output channels of its group."""
    if groups == 1:
        return _all(inputs, 0, split)
    member = np.arange(outputs) // (outputs // groups)
    by_group = _by((np.arange(groups)[:, None] == member).astype(np.int64), 0, split)
    return AxisReach(np.repeat(by_group.pattern, inputs // groups), by_group.synapses, 0)


def _of_linear(op: Linear, shape: Shape, weight: Shape, split: Split) -> tuple[AxisReach, ...]:
    return _same(0, split), _all(shape[-1], 1, split)


def _of_pool(op: Pool, shape: Shape, weight: Shape, split: Split) -> tuple[AxisReach, ...]:
    return _same(0, split), *(_places(size, op, at, at + 1, split) for at, size in enumerate(shape[1:]))


def _of_reduction(op: Sum | Mean, shape: Shape, weight: Shape, split: Split) -> tuple[AxisReach, ...]:
    """Each element reaches the one of its sum: as one axis, since what remains may lie apart."""
    axes = {axis % len(shape) for axis in op.axes}
    kept = [size for axis, size in enumerate(shape) if axis not in axes]
    ids = np.arange(prod(kept)).reshape([1 if axis in axes else size for axis, size in enumerate(shape)])
    own = np.broadcast_to(ids, shape).reshape(-1)
    return (AxisReach(split.labels[0][own], np.eye(split.counts[0], dtype=np.int64), 0),)


def _of_mul(op: Mul, shape: Shape, weight: Shape, split: Split) -> tuple[AxisReach, ...]:
    return _same(0, split), _same(1, split)


def _of_matmul(graph: Graph, node: Node, operand: int, split: Split) -> tuple[AxisReach, ...]:
    """[.., n, k] [.., k, m]: of the first operand a row reaches its row; of the second a column all rows' m."""
    assert isinstance(node.op, MatMul)
    (rows, contracted), _ = node.op.planes(*(graph.types[value] for value in node.inputs))
    lead = prod(graph.types[node.inputs[0]].shape[:-2])
    if operand == 0:
        places = _same(0, split)
        if not node.op.transpose_a:
            return places, _all(contracted, 1, split)
        # Held as [.., k, n]: lead and n together decide over the rows, and are parted by k.
        own = np.broadcast_to(split.labels[0].reshape(lead, 1, rows), (lead, contracted, rows)).reshape(-1)
        sizes = np.bincount(split.labels[1], minlength=split.counts[1])[None]
        return AxisReach(own, np.eye(split.counts[0], dtype=np.int64), 0), AxisReach(
            np.zeros(1, dtype=np.int64), sizes.astype(np.int64), 1
        )
    member = np.arange(lead)[:, None] == np.arange(lead * rows) // rows
    leads = _by(member.astype(np.int64), 0, split)
    held = (_same(1, split), _none(contracted)) if node.op.transpose_b else (_none(contracted), _same(1, split))
    return leads, *held


# Any: each function takes the op of its own key.
AXES: dict[type[Op], Callable[[Any, Shape, Shape, Split], tuple[AxisReach, ...]]] = {
    Conv1d: _of_conv,
    Conv2d: _of_conv,
    Linear: _of_linear,
    SumPool: _of_pool,
    AvgPool: _of_pool,
    Sum: _of_reduction,
    Mean: _of_reduction,
    Mul: _of_mul,
}
