"""How many outputs each input element of a Conv or Linear reaches: stride, padding, dilation and groups included.

A count of events is a sum of |n| times fan-out. Elements of equal fan-out are one group of a probe, so a runner
answers a few sums a sample instead of one number an element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear, window
from spikec.ir.op import Op
from spikec.ir.types import Shape, Weight


@dataclass(frozen=True, eq=False)
class FanOut:
    """The fan-out of each element, as groups of equal fan-out.

    Args:
        groups: int64 labels 0..G-1 of the operand's shape; None where every element reaches equally many.
        reach: [G] int64, the outputs that an element of each group reaches.
    """

    groups: NDArray[np.int64] | None
    reach: NDArray[np.int64]


def fan_out(graph: Graph, node: Node, *, skip_zeros: bool = False) -> FanOut:
    """The fan-out of a Conv's or Linear's operand, from a cache by op, shapes and (with skip_zeros) weight.

    Args:
        graph: the graph of `node`.
        node: a Conv1d, Conv2d or Linear.
        skip_zeros: whether a connection whose weight is zero does not count.
    """
    shape = graph.types[node.inputs[0]].shape
    weight = graph.weights[node.weights["weight"]]
    return _of_values(node.op, shape, weight) if skip_zeros else _of_shape(node.op, shape, weight.array.shape)


# In the inner loop of a search the same layer shapes come again with every candidate.
@lru_cache(maxsize=4096)
def _of_shape(op: Op, shape: Shape, weight_shape: Shape) -> FanOut:
    return by_reach(REACH[type(op)](op, shape, np.broadcast_to(np.bool_(True), weight_shape)))


# Keyed by the Weight object, whose array is read-only; held by the cache, so that its identity stays its own.
@lru_cache(maxsize=128)
def _of_values(op: Op, shape: Shape, weight: Weight) -> FanOut:
    return by_reach(REACH[type(op)](op, shape, weight.array != 0))


def by_reach(reach: NDArray[np.int64]) -> FanOut:
    """The fan-out of elements that reach so many each, [*shape]."""
    values, labels = np.unique(reach, return_inverse=True)
    if values.size == 1:
        return FanOut(None, values)
    return FanOut(labels.reshape(reach.shape).astype(np.int64), values)


def reach_of_linear(op: Linear, shape: Shape, connected: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[..., I]: the number of rows of `connected` [O, I] that hold a connection from each input."""
    return np.broadcast_to(connected.sum(0, dtype=np.int64), shape)


def reach_of_conv(op: Conv1d | Conv2d, shape: Shape, connected: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[C, *places]: the outputs that each input element of a convolution reaches.

    The number of connections of channel c at kernel offset k, times whether some output position reads place x at
    offset k, summed over the offsets: the transposed convolution of ones, one axis at a time, in exact integers.

    Args:
        op: strides, paddings, dilations and groups.
        shape: the operand's shape [C, *places].
        connected: [O, C / groups, *kernel], which weights count.
    """
    outputs, channels, *kernel = connected.shape
    by_group = connected.reshape(op.groups, outputs // op.groups, channels, *kernel)
    reach: NDArray[np.int64] = by_group.sum(1, dtype=np.int64).reshape(op.groups * channels, *kernel)
    for axis, size in enumerate(shape[1:]):
        taps = taps_of(size, kernel[axis], op.stride[axis], op.padding[axis], op.dilation[axis])
        # Contracts the kernel's first axis still there and appends the place's: [C, KH, KW] -> [C, KW, H] -> [C, H, W].
        reach = np.asarray(np.tensordot(reach, taps, axes=(1, 0)), dtype=np.int64)
    return reach


def taps_of(size: int, kernel: int, stride: int, padding: int, dilation: int) -> NDArray[np.int64]:
    """[kernel, size]: 1 where some output position reads place x through kernel offset k, else 0."""
    taps = np.zeros((kernel, size), dtype=np.int64)
    positions = np.arange(window(size, kernel, stride, padding, dilation)) * stride - padding
    for offset in range(kernel):
        places = positions + offset * dilation
        taps[offset, places[(places >= 0) & (places < size)]] = 1
    return taps


# Any: each function takes the op of its own key.
REACH: dict[type[Op], Callable[[Any, Shape, NDArray[np.bool_]], NDArray[np.int64]]] = {
    Conv1d: reach_of_conv,
    Conv2d: reach_of_conv,
    Linear: reach_of_linear,
}
