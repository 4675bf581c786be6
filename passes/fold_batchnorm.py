"""fold-batchnorm: a normalisation becomes part of the weights before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from passes.users import is_floating, only_user
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.op import Op
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.types import FLOAT64, Shape, Weight

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FoldBatchNorm:
    """Folds a BatchNorm into the Conv1d, Conv2d or Linear that alone feeds it, else into the one that alone takes it.

        y = g (W x + b) + s,     W' = g W,  b' = g b + s        the linear op before it
        y = W (g x + s) + b,     W' = W g,  b' = W s + b        the linear op behind it

    with g = weight / sqrt(var + eps) and s = bias - g mean. A Reshape or Transpose may stand between them while it
    keeps the channels on an axis of their own.

    Keeps: function, to rounding: W' and b' are computed and held in float64, since float32 would move the drive
    of a neuron that stands near its threshold. Result types; name, scope and weight names of the linear op.
    Changes: weights (both become float64, a bias appears where there was none and s is not 0); counts (a folded
    BatchNorm costs nothing); the domain of what a linear op behind it takes, and so whether it counts as MACs.
    Leaves alone: a BatchNorm between no such ops or over another axis than their channels; one whose input has
    another user or is an output, as far as the linear op before it goes, and one that has itself several users or is
    an output, as far as the one behind it goes; a convolution behind it that pads, where s is not 0: the padding is
    0 behind the BatchNorm and would be s folded; weights in fixed point, whose format folding would lose.
    """

    name: ClassVar[str] = "fold-batchnorm"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with BatchNorms folded."""
        # A BatchNorm behind a BatchNorm meets its linear op only once the first one is folded.
        while (folded := _fold_all(graph)) is not graph:
            graph = folded
        return graph


def _fold_all(graph: Graph) -> Graph:
    edit = Edit(graph)
    folded: set[str] = set()  # a linear op between two BatchNorms takes the second one in the next round
    for norm in graph.nodes_of(BatchNorm):
        linear, weights_of = _feeder(graph, norm), folded_behind
        if linear is None:
            linear, weights_of = _taker(graph, norm), folded_before
        if linear is None or linear.name in folded:
            continue
        folded.add(linear.name)
        weights = weights_of(linear, norm, graph).items()
        names = {slot: edit.weight_for(linear, slot, weight) for slot, weight in weights}
        edit.replace(linear, replace(linear, weights=names))
        edit.remove(norm)
    return edit.graph()


def folded_behind(linear: Node, norm: Node, graph: Graph) -> dict[str, Weight]:
    """Weight and bias of `linear` with the `norm` that follows it, in float64, of the roles that they had.

    Args:
        linear: a Conv1d, Conv2d or Linear; weight [O, ...], bias [O] or none.
        norm: a BatchNorm over O channels.
        graph: holds the weights of both.
    """
    weight = graph.weights[linear.weights["weight"]]
    gain, mean, added = _terms(norm, graph)
    columns = gain.reshape(-1, *[1] * (weight.array.ndim - 1))
    bias = gain * (_array(graph, linear, "bias", 0 * mean) - mean) + added
    return {
        "weight": Weight(columns * weight.values.astype(np.float64), weight.role, FLOAT64),
        "bias": Weight(bias, weight.role, FLOAT64),
    }


def folded_before(linear: Node, norm: Node, graph: Graph) -> dict[str, Weight]:
    """Weight and bias of `linear` with the `norm` that stands before it, in float64, of the roles that they had.

    Args:
        linear: a Conv1d, Conv2d or Linear; weight [O, C / groups, ...], bias [O] or none.
        norm: a BatchNorm over C channels.
        graph: holds the weights of both.
    """
    weight = graph.weights[linear.weights["weight"]]
    values = weight.values.astype(np.float64)
    outputs, inputs, *kernel = values.shape
    groups = getattr(linear.op, "groups", 1)
    gain, shift = (np.repeat(x.reshape(groups, inputs), outputs // groups, axis=0) for x in affine(norm, graph))
    ones = [1 for _ in kernel]
    found = {"weight": Weight(values * gain.reshape(outputs, inputs, *ones), weight.role, FLOAT64)}
    if "bias" in linear.weights or shift.any():
        added = (values * shift.reshape(outputs, inputs, *ones)).reshape(outputs, -1).sum(1)
        found["bias"] = Weight(_array(graph, linear, "bias", 0 * added) + added, weight.role, FLOAT64)
    return found


def affine(norm: Node, graph: Graph) -> tuple[Floats, Floats]:
    """What a BatchNorm does to each channel: the factor g and the shift s, [C] each."""
    gain, mean, bias = _terms(norm, graph)
    return gain, bias - gain * mean


def _terms(norm: Node, graph: Graph) -> tuple[Floats, Floats, Floats]:
    """Factor, mean and bias, [C] each."""
    assert isinstance(norm.op, BatchNorm)
    zeros = np.zeros(graph.weights[norm.weights["mean"]].array.shape)
    mean, var = _array(graph, norm, "mean", zeros), _array(graph, norm, "var", zeros)
    gain = _array(graph, norm, "weight", zeros + 1) / np.sqrt(var + norm.op.eps)
    return gain, mean, _array(graph, norm, "bias", zeros)


def _array(graph: Graph, node: Node, slot: str, default: Floats) -> Floats:
    name = node.weights.get(slot)
    return default if name is None else graph.weights[name].values.astype(np.float64)


def _feeder(graph: Graph, norm: Node) -> Node | None:
    """The linear op that alone feeds `norm` and whose outputs lie along the axis that it normalises."""
    assert isinstance(norm.op, BatchNorm)
    axis: int | None = norm.op.axis
    user = norm
    while axis is not None:
        node = graph.producers.get(user.inputs[0])
        if node is None or only_user(graph, user.inputs[0]) is not user:
            return None
        if type(node.op) in CHANNELS:
            fits = axis == CHANNELS[type(node.op)](node.type.shape) and is_floating(graph, node)
            return node if fits else None
        if type(node.op) not in AXIS_BEFORE:
            return None
        axis = AXIS_BEFORE[type(node.op)](node.op, graph.types[node.inputs[0]].shape, axis)
        user = node
    return None


def _taker(graph: Graph, norm: Node) -> Node | None:
    """The linear op that alone takes `norm`, its inputs along the axis that it normalises, and may be folded into."""
    assert isinstance(norm.op, BatchNorm)
    axis: int | None = norm.op.axis
    value = norm.name
    while axis is not None:
        user, shape = only_user(graph, value), graph.types[value].shape
        if user is None:
            return None
        if type(user.op) in CHANNELS:
            fits = axis == CHANNELS[type(user.op)](shape) and is_floating(graph, user)
            pads = any(getattr(user.op, "padding", ()))
            return user if fits and not (pads and affine(norm, graph)[1].any()) else None
        if type(user.op) not in AXIS_BEHIND:
            return None
        axis = AXIS_BEHIND[type(user.op)](user.op, shape, axis)
        value = user.name
    return None


def _same_axis(whole: Shape, axis: int, other: Shape) -> int | None:
    """The axis of `other` that holds exactly what `axis` of `whole` holds, of which it is a reshape."""
    before, size = prod(whole[:axis]), whole[axis]
    fits = (i for i, found in enumerate(other) if found == size and prod(other[:i]) == before)
    return next(fits, None)


CHANNELS: dict[type[Op], Callable[[Shape], int]] = {
    Conv1d: lambda shape: 0,
    Conv2d: lambda shape: 0,
    Linear: lambda shape: len(shape) - 1,
}
"""The axis of the channels, of an operand's shape and of a result's."""

# Any: each function takes the op of its own key.
AXIS_BEFORE: dict[type[Op], Callable[[Any, Shape, int], int | None]] = {
    Reshape: lambda op, before, axis: _same_axis(op.shape, axis, before),
    Transpose: lambda op, before, axis: op.axes[axis],
}
AXIS_BEHIND: dict[type[Op], Callable[[Any, Shape, int], int | None]] = {
    Reshape: lambda op, before, axis: _same_axis(before, axis, op.shape),
    Transpose: lambda op, before, axis: op.axes.index(axis),
}
"""What a move makes of an axis, from its operand's shape: the axis before it, and the one behind it."""
