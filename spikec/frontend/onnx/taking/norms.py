"""BatchNormalization, LayerNormalization, Softmax, Gelu, Exp, Dropout: what they are in inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import filled, single
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.ir.linear import BatchNorm
from spikec.ir.op import Op
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.types import Role

_SLOTS = (
    ("weight", 1, Role.PARAMETER),
    ("bias", 2, Role.PARAMETER),
    ("mean", 3, Role.STATISTIC),
    ("var", 4, Role.STATISTIC),
)


def batch_normalization(d: Drawing, call: Call) -> Sequence[Symbol]:
    """BatchNorm with the statistics of the file."""
    if call.whole("training_mode", 0) or any(call.wanted[1:]):
        raise Refusal("statistics of the batch (training)")
    if not call.whole("spatial", 1):
        raise Refusal("statistics for every place (spatial 0)")
    x = call.data()
    if len(x.shape) < 2:
        raise Refusal(f"an input of shape {list(x.shape)}; [B, C, ...] is expected")
    view, axis = single(d, x.view, 1)
    weights = {slot: d.weight(call.const(place, f"its {slot}"), role) for slot, place, role in _SLOTS}
    value = d.add(BatchNorm(axis, call.number("epsilon", 1e-5)), view.value, weights=weights)
    return [Data(replace(view, value=value))]


def layer_normalization(d: Drawing, call: Call) -> Sequence[Symbol]:
    """LayerNorm over the last axes."""
    if any(call.wanted[1:]):
        raise Refusal("its mean and deviation (its second and third result) have no form")
    x = call.data()
    rank = len(x.shape)
    first = axis_of(call.whole("axis", -1), rank)
    view = filled(d, x.view, *range(first, rank))
    for place in range(first, rank):
        view, _ = single(d, view, place)
    over = x.shape[first:]
    weights = {}
    for slot, place in (("weight", 1), ("bias", 2)):
        const = call.maybe_const(place, f"its {slot}")
        if const is not None:
            weights[slot] = d.weight(const, Role.PARAMETER, _spread(const, over, slot))
    value = d.add(LayerNorm(len(over), call.number("epsilon", 1e-5)), view.value, weights=weights)
    return [Data(replace(view, value=value))]


def softmax(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Softmax along one axis."""
    x = call.data()
    rank = len(x.shape)
    joined = call.opset < 13  # until then over the axis and all behind it
    axis = axis_of(call.whole("axis", 1 if joined else -1), rank)
    if joined and axis != rank - 1:
        raise Refusal(f"a softmax over {rank - axis} axes together, as operators of version {call.opset} have it")
    view, own = single(d, x.view, axis)
    return [Data(replace(view, value=d.add(Softmax(own), view.value)))]


def gelu(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Gelu by erf, or by tanh."""
    how = call.word("approximate", "none")
    if how not in ("none", "tanh"):
        raise Refusal(f"approximate '{how}'")
    return [_each(d, call, Gelu("tanh" if how == "tanh" else "none"))]


def exp(d: Drawing, call: Call) -> Sequence[Symbol]:
    """e^x."""
    return [_each(d, call, Exp())]


def dropout(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Nothing: it is off in inference."""
    training = call.maybe_const(2, "training_mode")
    ratio = call.maybe_const(1, "ratio")
    share = call.number("ratio", 0.5) if ratio is None else ratio.number
    if training is not None and bool(np.any(training.array)) and share != 0.0:
        raise Refusal("dropout that is on (training_mode)")
    x = call.operand(0)
    assert x is not None
    shape = x.shape if isinstance(x, Data | Const) else ()
    return [x, Const(np.ones(shape, bool), f"{d.scope}.mask")]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises:
        Refusal: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise Refusal(f"axis {axis} of {rank}")
    return axis % rank


def _each(d: Drawing, call: Call, op: Op) -> Data:
    x = call.data()
    return Data(replace(x.view, value=d.add(op, x.view.value)))


def _spread(const: Const, over: tuple[int, ...], slot: str) -> np.ndarray:
    try:
        return np.broadcast_to(const.array, over)
    except ValueError as error:
        raise Refusal(f"its {slot} of shape {list(const.shape)} does not broadcast to {list(over)}") from error
