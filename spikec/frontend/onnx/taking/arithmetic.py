"""Add, Sub, Mul, Div, Neg, Sum: of two values, or of a value and a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikec.frontend.onnx.alignment import aligned, broadcast_shapes, broadcast_to
from spikec.frontend.onnx.call import Call, Refusal, clipped_reason
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.ir.arithmetic import Add, Mul, Scale

INEXACT = (
    "a division by {what} is taken as a product with its inverse, which differs in the last bit: a neuron that is "
    "exactly at its threshold could flip"
)


def add(d: Drawing, call: Call) -> Sequence[Symbol]:
    """a + b."""
    a, b = operands(call)
    for value, other in ((a, b), (b, a)):
        if isinstance(value, Data) and value.absorbed is other:
            return [replace(value, absorbed=None)]
    return [summed(d, a, b)]


def sub(d: Drawing, call: Call) -> Sequence[Symbol]:
    """a - b, as a + (-1) b, which rounds alike."""
    a, b = operands(call)
    found = summed(d, a, negated(d, b))
    if isinstance(a, Data) and isinstance(b, Const) and b.number is not None and found.shape == a.shape:
        assert isinstance(found, Data)
        d.differences[found.view] = (a, b)
    return [found]


def add_all(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The sum of any number of operands, from the first to the last."""
    first, *rest = operands(call)
    for other in rest:
        first = summed(d, first, other)
    return [first]


def neg(d: Drawing, call: Call) -> Sequence[Symbol]:
    """-x."""
    return [negated(d, call.data())]


def mul(d: Drawing, call: Call) -> Sequence[Symbol]:
    """a * b."""
    a, b = operands(call)
    return [multiplied(d, a, b)]


def div(d: Drawing, call: Call) -> Sequence[Symbol]:
    """a / c of a constant c: exact for powers of two, else a product with 1 / c."""
    a, c = operands(call)
    if not isinstance(c, Const):
        raise Refusal("a division by what is computed from the input has no form")
    if np.any(c.array == 0):
        raise Refusal(f"a division by '{c.name}', which holds 0")
    inverse = np.asarray(1.0 / c.array.astype(np.float64))
    if np.any(np.abs(np.frexp(c.array)[0]) != 0.5):
        d.remark(INEXACT.format(what=f"{c.number:g}" if c.number is not None else f"'{c.name}'"))
    return [multiplied(d, a, replace(c, array=inverse))]


def operands(call: Call) -> list[Data | Const]:
    """The operands, each a constant of real numbers or a value of such.

    Raises:
        Refusal: one is of whole or boolean numbers, or no value.
    """
    found: list[Data | Const] = []
    for place, operand in enumerate(call.operands):
        if isinstance(operand, Const) and operand.array.dtype.kind != "f":
            raise Refusal(f"arithmetic on {operand.array.dtype} tensors is not taken")
        found.append(operand if isinstance(operand, Const) else call.data(place))
    return found


def summed(d: Drawing, a: Data | Const, b: Data | Const) -> Data | Const:
    """a + b."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.array + b.array, a.name, a.learnt or b.learnt)
    for value, other in ((a, b), (b, a)):
        if isinstance(value, Data) and isinstance(other, Const) and other.number == 0.0:
            return Data(broadcast_to(d, value, broadcast_shapes(value.shape, other.shape)))
    found = aligned(d, a, b)
    return Data(found.view(d.add(Add(), *found.whole(d))))


def multiplied(d: Drawing, a: Data | Const, b: Data | Const) -> Data | Const:
    """a * b; a Scale where one is the same number everywhere."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.array * b.array, a.name, a.learnt or b.learnt)
    for value, other in ((a, b), (b, a)):
        if isinstance(value, Data) and isinstance(other, Const) and other.number is not None:
            return scaled(d, Data(broadcast_to(d, value, broadcast_shapes(value.shape, other.shape))), other.number)
    found = aligned(d, a, b)
    return Data(found.view(d.add(Mul(), *found.whole(d))))


def scaled(d: Drawing, data: Data, factor: float) -> Data:
    """The value times a number."""
    if factor == 1.0:
        return Data(data.view)
    return Data(replace(data.view, value=d.add(Scale(float(factor)), data.view.value)))


def negated(d: Drawing, a: Data | Const) -> Data | Const:
    """-a."""
    return replace(a, array=-a.array) if isinstance(a, Const) else scaled(d, a, -1.0)


def value_or_const(call: Call, place: int) -> Data | Const:
    """The operand there, of whatever kind."""
    operand = call.operand(place)
    if not isinstance(operand, Data | Const):
        raise Refusal(f"operand {place} is no value: {clipped_reason(operand)}")
    return operand
