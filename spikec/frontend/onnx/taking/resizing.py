"""Pad with one number, and Resize and Upsample by whole factors (nearest neighbour)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikec.frontend.axes import View
from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import cut, rows, single, stacked
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.frontend.onnx.taking.arithmetic import summed
from spikec.frontend.onnx.taking.norms import axis_of
from spikec.ir.shapes import Pad, Upsample
from spikec.ir.types import Shape

REPEATING = {
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
}
"""Ways to find the nearest element that repeat each one `factor` times, where the factor is whole: (i + 1/2) / factor
- 1/2 lies less than 1/2 from the element that i came from, i / factor less than 1 behind it."""


def pad(d: Drawing, call: Call) -> Sequence[Symbol]:
    """One number before and behind axes; where less than none, elements are cut off."""
    x = call.data()
    rank = len(x.shape)
    pads = call.wholes_of("pads", 1) or ()
    given = call.maybe_const(2, "its value")
    fill = call.number("value", 0.0) if given is None else given.number
    axes = call.const_wholes(3, "its axes") if call.operand(3) is not None else tuple(range(rank))
    if call.word("mode", "constant") != "constant" or fill is None:
        raise Refusal(f"mode '{call.word('mode', '')}', or several numbers; one is taken")
    if len(pads) != 2 * len(axes) or any(abs(n) > MOST_PADDING for n in pads):
        raise Refusal(f"{len(pads)} pads for {len(axes)} axes, or very many")
    view = x.view
    inside = [slice(None)] * rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        place = axis_of(axis, rank)
        low, high = max(-before, 0), x.shape[place] - max(-after, 0)
        if low >= high:
            raise Refusal("padding that leaves nothing")
        view = _padded(d, cut(d, view, place, low, high), place, max(before, 0), max(after, 0))
        inside[place] = slice(max(before, 0), max(before, 0) + high - low)
    if fill == 0.0:
        return [Data(view)]
    frame = np.full(view.torch_shape, fill, np.float32)
    frame[tuple(inside)] = 0.0
    return [summed(d, Data(view), Const(frame, f"{d.scope}.frame"))]


def _padded(d: Drawing, view: View, place: int, before: int, after: int) -> View:
    if not before and not after:
        return view
    view, own = single(d, view, place)
    behind, ahead = (tuple(n if at == own else 0 for at in range(len(view.shape))) for n in (before, after))
    value = d.add(Pad(behind, ahead), view.value)
    return replace(view, value=value, shape=d.shape(value))


def resize(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Each element repeated, along the last one or two axes."""
    x = call.data()
    old = call.op == "Upsample" or call.opset < 11
    if call.word("mode", "nearest") != "nearest":
        raise Refusal(f"mode '{call.word('mode', '')}'; nearest is taken")
    how = (call.word("coordinate_transformation_mode", "half_pixel"), call.word("nearest_mode", "round_prefer_floor"))
    factors = _factors(call, x.shape, old=old)
    if all(factor == 1 for factor in factors):
        return [x]
    if not old and how not in REPEATING:
        raise Refusal(f"{how[0]} with {how[1]}, which does not repeat each element alike")
    axes = 1 if len(factors) == 3 else 2
    if any(factor != 1 for factor in factors[:-axes]) or len(factors) < 3:
        raise Refusal(f"factors {list(factors)}; only the last one or two axes of [B, C, ...] are resized")
    values, view = rows(d, x.view, axes + 1)
    return [Data(stacked(d, [_repeated(d, value, factors[-axes:]) for value in values], view, axes + 1))]


def _factors(call: Call, shape: Shape, *, old: bool) -> Shape:
    """By how much each axis grows."""
    scales = call.maybe_const(1 if old else 2, "its scales")
    sizes = None if old else call.maybe_const(3, "its sizes")
    if call.op == "Upsample" and "scales" in call.attributes:
        found = call.attributes["scales"]
        numbers = np.asarray(found, dtype=np.float64)
    elif sizes is not None and sizes.array.size:
        if call.word("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Refusal("sizes that keep a ratio")
        numbers = sizes.array.astype(np.float64).reshape(-1)
    elif scales is not None:
        numbers = scales.array.astype(np.float64).reshape(-1)
    else:
        raise Refusal("neither scales nor sizes")
    axes = tuple(axis_of(axis, len(shape)) for axis in call.wholes("axes", range(len(shape))))
    if len(numbers) != len(axes) or not np.all(np.isfinite(numbers)):
        raise Refusal(f"{len(numbers)} factors for {len(axes)} axes")
    factors = [1.0] * len(shape)
    for axis, number in zip(axes, numbers, strict=True):
        factors[axis] = float(number) / shape[axis] if sizes is not None and sizes.array.size else float(number)
    if any(factor != int(factor) or factor < 1 for factor in factors):
        raise Refusal(f"factors {factors}; whole ones of 1 or more are taken")
    return tuple(int(factor) for factor in factors)


def _repeated(d: Drawing, value: str, factors: Shape) -> str:
    """A value [C, N] or [C, H, W] with each element repeated; over one axis as [C, 1, N]."""
    if len(factors) == 2:
        return d.add(Upsample((factors[0], factors[1])), value)
    channels, length = d.shape(value)
    y = d.add(Upsample((1, factors[0])), d.reshape(value, (channels, 1, length)))
    return d.reshape(y, (channels, length * factors[0]))


MOST_PADDING = 2**20
"""Zeros at one end of an axis."""
