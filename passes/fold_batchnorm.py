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
    """Folds a BatchNorm into the Conv1d, Conv2d or Linear that alone feeds it.

        y = (W x + b - mean) / sqrt(var + eps) * weight + bias
          = W' x + b',  W' = g W,  b' = g (b - mean) + bias,  g = weight / sqrt(var + eps)

    A Reshape or Transpose may stand between them while it keeps the channels on an axis of their own.

    Keeps: function, to rounding: W' and b' are computed and held in float64, since float32 would move the drive
    of a neuron that stands near its threshold. Result types; name, scope and weight names of the linear op.
    Changes: weights (both become float64, a bias appears where there was none); counts (a folded BatchNorm costs
    nothing).
    Leaves alone: a BatchNorm that follows no linear op or normalises another axis than its outputs; one whose
    input has another user or is an output; weights in fixed point, whose format folding would lose.
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
    for norm in graph.nodes_of(BatchNorm):
        linear = _feeder(graph, norm)
        if linear is None:
            continue
        weights = folded(linear, norm, graph).items()
        names = {slot: edit.weight_for(linear, slot, weight) for slot, weight in weights}
        edit.replace(linear, replace(linear, weights=names))
        edit.remove(norm)
    return edit.graph()


def folded(linear: Node, norm: Node, graph: Graph) -> dict[str, Weight]:
    """Weight and bias of `linear` after `norm`, in float64, of the roles that they had.

    Args:
        linear: a Conv1d, Conv2d or Linear; weight [O, ...], bias [O] or none.
        norm: a BatchNorm over O channels.
        graph: holds the weights of both.
    """
    assert isinstance(norm.op, BatchNorm)
    zeros = np.zeros(graph.weights[linear.weights["weight"]].array.shape[0])
    mean, var = _array(graph, norm, "mean", zeros), _array(graph, norm, "var", zeros)
    gain = _array(graph, norm, "weight", zeros + 1) / np.sqrt(var + norm.op.eps)
    weight = graph.weights[linear.weights["weight"]]
    columns = gain.reshape(-1, *[1] * (weight.array.ndim - 1))
    bias = gain * (_array(graph, linear, "bias", zeros) - mean) + _array(graph, norm, "bias", zeros)
    return {
        "weight": Weight(columns * weight.values.astype(np.float64), weight.role, FLOAT64),
        "bias": Weight(bias, weight.role, FLOAT64),
    }


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
        if type(node.op) in OUTPUT_AXIS:
            fits = axis == OUTPUT_AXIS[type(node.op)](node.type.shape) and is_floating(graph, node)
            return node if fits else None
        if type(node.op) not in AXIS_BEFORE:
            return None
        axis = AXIS_BEFORE[type(node.op)](node.op, graph.types[node.inputs[0]].shape, axis)
        user = node
    return None


def _axis_before_reshape(op: Reshape, shape: Shape, axis: int) -> int | None:
    """The axis of `shape` that holds exactly what `axis` holds after the reshape."""
    before, size = prod(op.shape[:axis]), op.shape[axis]
    fits = (i for i, found in enumerate(shape) if found == size and prod(shape[:i]) == before)
    return next(fits, None)


def _axis_before_transpose(op: Transpose, shape: Shape, axis: int) -> int | None:
    return op.axes[axis]


OUTPUT_AXIS: dict[type[Op], Callable[[Shape], int]] = {
    Conv1d: lambda shape: 0,
    Conv2d: lambda shape: 0,
    Linear: lambda shape: len(shape) - 1,
}

# Any: each function takes the op of its own key.
AXIS_BEFORE: dict[type[Op], Callable[[Any, Shape, int], int | None]] = {
    Reshape: _axis_before_reshape,
    Transpose: _axis_before_transpose,
}
