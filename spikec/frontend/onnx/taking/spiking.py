"""Comparisons as Threshold, what is made of them (And, Or, Not, Where, Cast), and integer neurons (Round of Clip)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx

from spikec.frontend.onnx.alignment import aligned, broadcast_shapes, broadcast_to
from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.symbol import Clipped, Const, Data, Kind, Symbol
from spikec.frontend.onnx.taking.arithmetic import multiplied, negated, operands, summed, value_or_const
from spikec.frontend.onnx.tensor import type_name
from spikec.ir.arithmetic import Scale
from spikec.ir.neurons import FiresAt, MultiLevelSpike, Threshold
from spikec.ir.types import Role

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
WHOLE = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
MOST_LEVELS = 2**16


def comparison(fires_at: FiresAt, *, turned: bool) -> Callable[[Drawing, Call], Sequence[Symbol]]:
    """a > b or a >= b; `turned` where it is b > a or b >= a. Between two values: their difference against 0.

    x - c against a 0, as snnTorch and SpikingJelly write it, is x against c: floating-point numbers with gradual
    underflow differ by 0 exactly where they are equal (IEEE 754-2019), and by the right sign elsewhere.
    """

    def take(d: Drawing, call: Call) -> Sequence[Symbol]:
        a, b = operands(call)
        if turned:
            a, b = b, a
        if isinstance(a, Const):  # a > x is -x > -a, exactly
            a, b = negated(d, b), negated(d, a)
        if isinstance(b, Data):  # a - b is 0 exactly where they are equal
            a, b = summed(d, a, negated(d, b)), Const(np.zeros(()))
        assert isinstance(a, Data)
        assert isinstance(b, Const)
        if b.number == 0.0:
            a, b = d.differences.get(a.view, (a, b))
        return [_fired(d, a, b, fires_at)]

    return take


def _fired(d: Drawing, x: Data, threshold: Const, fires_at: FiresAt) -> Data:
    found = aligned(d, x, threshold)
    drive, level = found.values
    assert not isinstance(level, str)
    level = level if threshold.number is None else np.asarray(threshold.number, level.dtype)
    weight = d.weight(replace(threshold, name=threshold.name or f"{d.scope}.v_threshold"), Role.CONSTANT, level)
    value = d.add(Threshold(fires_at), d.expand(str(drive), found.shapes[0]), weights={"v_threshold": weight})
    return Data(found.view(value), "bool")


def logical_and(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Both: their product."""
    return [_both(d, *_flags(call))]


def logical_or(d: Drawing, call: Call) -> Sequence[Symbol]:
    """One or both: not (neither)."""
    a, b = _flags(call)
    return [_not(d, _both(d, _not(d, a), _not(d, b)))]


def logical_not(d: Drawing, call: Call) -> Sequence[Symbol]:
    """1 where it is 0."""
    (a,) = _flags(call)
    return [_not(d, a)]


def where(d: Drawing, call: Call) -> Sequence[Symbol]:
    """One of two by a mask of 0 and 1: q a + (1 - q) b, exact for finite numbers."""
    flag, a, b = (value_or_const(call, place) for place in range(3))
    if _kind(flag) != "bool" or _kind(a) != _kind(b):
        raise Refusal("a choice by a mask that is not boolean, or between tensors of two kinds")
    kind = _kind(a)
    shape = broadcast_shapes(flag.shape, a.shape, b.shape)
    terms = [_masked(d, mask, side) for mask, side in ((flag, a), (_not(d, flag), b))]
    left = [term for term in terms if term is not None]
    if not left:
        return [Const(np.zeros(shape, np.float32))]
    total = left[0] if len(left) == 1 else summed(d, *left)
    if isinstance(total, Const):
        return [replace(total, array=np.broadcast_to(total.array, shape))]
    return [Data(broadcast_to(d, total, shape), kind)]


def _masked(d: Drawing, mask: Data | Const, side: Data | Const) -> Data | Const | None:
    """The mask times one side, or None where that is 0 everywhere."""
    number = side.number if isinstance(side, Const) else None
    if number == 0.0:
        return None
    return multiplied(d, _as_numbers(mask), _as_numbers(side))


def _as_numbers(value: Data | Const) -> Data | Const:
    """0 and 1 as real numbers."""
    if isinstance(value, Data):
        return Data(value.view)
    return replace(value, array=value.array.astype(np.float32)) if value.array.dtype.kind == "b" else value


def cast(d: Drawing, call: Call) -> Sequence[Symbol]:
    """To real numbers, of what holds such or whole ones: nothing. A run's own precision is the runner's."""
    x = call.any_data()
    to = call.whole("to", 0)
    if to in FLOATS:
        return [replace(x, kind="float", absorbed=None)]
    if to == onnx.TensorProto.BOOL and x.kind == "bool":
        return [x]
    if to in WHOLE and x.kind != "float":
        return [replace(x, kind="int")]
    raise Refusal(f"a cast from {x.kind} to {type_name(to)} changes numbers in a way that has no form")


def clip(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The bounds of an integer neuron, for the Round before or behind it."""
    before = call.operand(0)
    if isinstance(before, Clipped) and before.most is not None:
        raise Refusal("a clip of a clip")
    data = before.data if isinstance(before, Clipped) else call.data()
    least, most = _bound(call, "min", 1), _bound(call, "max", 2)
    if isinstance(before, Clipped):
        return [_levels(d, data, least, most)]
    return [Clipped(data, least, most)]


def rounded(d: Drawing, call: Call) -> Sequence[Symbol]:
    """An integer neuron, with the Clip before or behind it; ties to the even number, as both have it."""
    before = call.operand(0)
    if isinstance(before, Clipped) and before.most is not None:
        return [_levels(d, before.data, before.least, before.most)]
    if isinstance(before, Clipped):
        return [before]
    return [Clipped(call.data())]


def _levels(d: Drawing, data: Data, least: float | None, most: float | None) -> Data:
    if least != 0.0 or most is None or not 1 <= most <= MOST_LEVELS or most != int(most):
        raise Refusal(f"a rounding between {least} and {most}; 0 and a whole number of levels are taken")
    value = d.add(MultiLevelSpike(int(most), 1.0), data.view.value)
    return Data(replace(data.view, value=value))


def _bound(call: Call, name: str, place: int) -> float:
    limit = float(np.finfo(np.float32).max)
    default = -limit if name == "min" else limit
    given = call.maybe_const(place, f"its {name}")
    if given is None:
        return call.number(name, default)
    if given.number is None:
        raise Refusal(f"its {name} has several numbers")
    return given.number


def _flags(call: Call) -> list[Data | Const]:
    found = [value_or_const(call, place) for place in range(len(call.operands))]
    if any(_kind(value) != "bool" for value in found):
        raise Refusal("logic of what is not boolean")
    return found


def _kind(value: Data | Const) -> Kind:
    if isinstance(value, Data):
        return value.kind
    kinds: dict[str, Kind] = {"f": "float", "b": "bool"}
    return kinds.get(value.array.dtype.kind, "int")


def _both(d: Drawing, a: Data | Const, b: Data | Const) -> Data | Const:
    found = multiplied(d, _as_numbers(a), _as_numbers(b))
    return replace(found, kind="bool") if isinstance(found, Data) else replace(found, array=found.array != 0)


def _not(d: Drawing, a: Data | Const) -> Data | Const:
    if isinstance(a, Const):
        return replace(a, array=~a.array)
    return replace(a, view=replace(a.view, value=_complement(d, a.view.value)))


def _complement(d: Drawing, value: str) -> str:
    """1 - q of a spike q, as a spike: q < 1/2."""
    half = d.weight(Const(np.asarray(-0.5), f"{d.scope}.half"), Role.CONSTANT)
    return d.add(Threshold(">"), d.add(Scale(-1.0), value), weights={"v_threshold": half})
