"""What each of NIR's stateless nodes becomes: the numbers checked first, the ops added once its input is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from spikec.errors import TraceError
from spikec.frontend.nir.clock import CLOSE, Clock
from spikec.frontend.nir.fields import Fields, Numbers
from spikec.frontend.nir.notes import Notes
from spikec.ir.arithmetic import Mul, Scale
from spikec.ir.builder import GraphBuilder, WeightLike
from spikec.ir.linear import Conv1d, Conv2d, Linear, Pair
from spikec.ir.neurons import Threshold
from spikec.ir.pools import AvgPool, SumPool
from spikec.ir.shapes import Constant, Pad, Reshape
from spikec.ir.time import Repeat
from spikec.ir.types import Role, Shape, Weight, constant, weight_of

Part = Callable[[GraphBuilder, str, str], str]
"""Adds the ops of a node under a scope, on a value, and gives their result."""

Taker = Callable[[Fields, Clock, Notes], Part]
"""Checks a node's fields, and gives its part.

Raises:
    ModelFileError: a field is missing, or holds what it may not.
    TraceError: why what they say cannot be taken.
"""


def through(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Output, and the ends of a subgraph: what enters, of the shape that is stated."""
    stated = fields.shape("shape")

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        _expect(build.type(x).shape == stated, f"its shape is {list(stated)}, {list(build.type(x).shape)} enters")
        return x

    return part


def affine(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Affine and Linear; with leading axes, a matrix for each vector along the last axis."""
    weight = fields.numbers("weight")
    bias = {"bias": fields.numbers("bias")} if fields.item.kind == "Affine" else {}
    if weight.ndim > 2:
        return _stacked(weight, bias.get("bias"))

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        if len(build.type(x).shape) > 1:
            notes.add(
                "NIR's Affine and Linear take one vector; these are applied to each along the last axis", fields.name
            )
        return build.add(Linear(), x, scope=scope, weights={"weight": weight, **bias})

    return part


def _stacked(weight: Numbers, bias: Numbers | None) -> Part:
    """y[l] = W[l] x[l] + b[l], as a convolution of one group for each l."""
    *lead, outputs, inputs = weight.shape
    groups = prod(lead)
    weights: dict[str, WeightLike] = {"weight": weight.reshape(groups * outputs, inputs, 1)}
    _expect(bias is None or bias.shape == (*lead, outputs), f"weight is {list(weight.shape)}, its bias is not")
    if bias is not None:
        weights["bias"] = bias.reshape(-1)

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        _expect(build.type(x).shape == (*lead, inputs), f"weight is {list(weight.shape)}, {build.type(x)} enters")
        x = build.add(Reshape(shape=(groups * inputs, 1)), x, scope=scope, inner=True)
        x = build.add(Conv1d(groups=groups), x, scope=scope, weights=weights)
        return build.add(Reshape(shape=(*lead, outputs)), x, scope=scope, inner=True)

    return part


def scale(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Scale."""
    factors = fields.numbers("scale")
    return lambda build, scope, x: scaled(build, scope, x, factors, Role.PARAMETER, inner=False)


def scaled(build: GraphBuilder, scope: str, x: str, factors: Numbers, role: Role, *, inner: bool) -> str:
    """x times one factor for all, or one for each element.

    Raises:
        TraceError: the factors do not fit x.
    """
    fitted = fit(factors, build.type(x).shape, "factors")
    if fitted.ndim == 0:
        return build.add(Scale(factor=float(fitted)), x, scope=scope, inner=inner)
    whole = np.ascontiguousarray(np.broadcast_to(fitted, build.type(x).shape))
    value = build.add(Constant(), scope=scope, inner=True, weights={"value": weight_of(whole, role)})
    value = build.add(Repeat(), value, scope=scope, inner=True)
    return build.add(Mul(), x, value, scope=scope, inner=inner)


def threshold(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Threshold, which fires above it."""
    level = fields.numbers("threshold")

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        weights = {"v_threshold": number(level, build.type(x).shape, "threshold")}
        return build.add(Threshold(fires_at=">"), x, scope=scope, weights=weights)

    return part


def flatten(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Flatten; its axes are those of a sample, since NIR has no batch."""
    start, end = fields.whole("start_dim"), fields.whole("end_dim")
    stated = fields.shape("input_type") if "input_type" in fields else None

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        shape = build.type(x).shape
        _expect(stated in (None, shape), f"its input_type is {list(stated or ())}, {list(shape)} enters")
        rank = len(shape)
        first, last = (axis + rank if axis < 0 else axis for axis in (start, end))
        _expect(0 <= first <= last < rank, f"axes {start} to {end} are none of {list(shape)}; NIR counts without batch")
        merged = (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])
        return build.add(Reshape(shape=merged), x, scope=scope)

    return part


def conv1d(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Conv1d."""
    (stride,), (dilation,), (before,), (after,) = _windows(fields, 1)
    op = Conv1d((stride,), (before if before == after else 0,), (dilation,), fields.whole("groups"))
    return _convolution(fields, notes, op, (before,), (after,))


def conv2d(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """Conv2d."""
    stride, dilation, before, after = (_pair(n) for n in _windows(fields, 2))
    op = Conv2d(stride, before if before == after else (0, 0), dilation, fields.whole("groups"))
    return _convolution(fields, notes, op, before, after)


def _windows(fields: Fields, axes: int) -> tuple[tuple[int, ...], ...]:
    """Stride, dilation, and the zeros before and after each axis."""
    stride, dilation = fields.wholes("stride", axes), fields.wholes("dilation", axes)
    said = fields.text("padding")
    if said is None:
        padding = fields.wholes("padding", axes)
        return stride, dilation, padding, padding
    if said not in ("same", "valid"):
        raise fields.bad("padding", f"is '{said}'", "'same', 'valid' or numbers")
    kernel = fields.numbers("weight").shape[2:]
    if said == "valid" or len(kernel) != axes:
        return stride, dilation, (0,) * axes, (0,) * axes
    if any(s != 1 for s in stride):
        raise TraceError(
            f"padding 'same' with a stride of {list(stride)}: nir says that the size stays, torch refuses it"
        )
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    before = tuple(total // 2 for total in totals)  # where it is odd, torch puts the one more behind
    return stride, dilation, before, tuple(total - b for total, b in zip(totals, before, strict=True))


def _pair(numbers: tuple[int, ...]) -> Pair:
    a, b = numbers
    return a, b


def _convolution(fields: Fields, notes: Notes, op: Conv1d | Conv2d, before: Shape, after: Shape) -> Part:
    weight, bias = fields.numbers("weight"), fields.numbers("bias")
    weights: dict[str, WeightLike] = {"weight": weight}
    _expect(bias.shape == weight.shape[:1], f"its weight is {list(weight.shape)}, its bias {list(bias.shape)}")
    if bias.any():
        weights["bias"] = bias
    else:
        notes.add("NIR's convolutions always have a bias; those that hold zeros alone are left away", fields.name)
    stated = fields.wholes("input_shape", len(before)) if "input_shape" in fields else None

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        shape = build.type(x).shape
        _expect(stated in (None, shape[1:]), f"its input_shape is {list(stated or ())}, {list(shape)} enters")
        if before != after:
            x = build.add(Pad(before=(0, *before), after=(0, *after)), x, scope=scope, inner=True)
        return build.add(op, x, scope=scope, weights=weights)

    return part


def pool(kind: type[AvgPool] | type[SumPool]) -> Taker:
    """AvgPool2d, zeros of the padding counted, and SumPool2d."""

    def taker(fields: Fields, clock: Clock, notes: Notes) -> Part:
        kernel, stride, padding = (_pair(fields.wholes(key, 2)) for key in ("kernel_size", "stride", "padding"))
        deep = any(2 * p > k for p, k in zip(padding, kernel, strict=True))
        op = kind(kernel, stride, (0, 0) if deep else padding)

        def part(build: GraphBuilder, scope: str, x: str) -> str:
            if deep:  # more than torch's pools take by themselves
                x = build.add(Pad(before=(0, *padding), after=(0, *padding)), x, scope=scope, inner=True)
            return build.add(op, x, scope=scope)

        return part

    return taker


def fit(numbers: Numbers, shape: Shape, what: str) -> Numbers:
    """One number where all are equal, else as many axes as `shape`, each of its size or 1.

    Raises:
        TraceError: they do not fit: NIR has one number for each element.
    """
    axes = zip(numbers.shape, shape, strict=False)
    alike = numbers.ndim == len(shape) and all(n in (1, s) for n, s in axes)
    _expect(numbers.size == 1 or alike, f"{what} of shape {list(numbers.shape)} do not fit {list(shape)}")
    first = numbers.reshape(-1)[0]
    return np.asarray(first) if (numbers == first).all() else numbers


def number(numbers: Numbers, shape: Shape, what: str) -> Weight:
    """A neuron's numbers as a weight in float64; see `fit`."""
    fitted = fit(numbers, shape, what).astype(np.float64)
    return constant(float(fitted)) if fitted.ndim == 0 else weight_of(fitted, Role.CONSTANT)


def close_to(numbers: Numbers, value: float) -> bool:
    """Whether all numbers are `value`, to the tolerance that SpikingJelly's importer grants."""
    return bool(np.allclose(numbers.astype(np.float64), value, rtol=CLOSE, atol=0.0))


def _expect(condition: bool, reason: str) -> None:
    if not condition:
        raise TraceError(reason)


STATELESS: Mapping[str, Taker] = {
    "Affine": affine,
    "AvgPool2d": pool(AvgPool),
    "Conv1d": conv1d,
    "Conv2d": conv2d,
    "Flatten": flatten,
    "Input": through,
    "Linear": affine,
    "Output": through,
    "Scale": scale,
    "SumPool2d": pool(SumPool),
    "Threshold": threshold,
}
