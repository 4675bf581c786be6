"""MaxPool, AveragePool and their global forms, over one axis or two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import rows, stacked
from spikec.frontend.onnx.symbol import Const, Data, Numbers, Symbol
from spikec.frontend.onnx.taking.arithmetic import INEXACT
from spikec.frontend.onnx.windows import Window, padded, window_of
from spikec.ir.arithmetic import Mul
from spikec.ir.linear import Pair
from spikec.ir.pools import AvgPool, MaxPool, Mean, SumPool
from spikec.ir.types import Shape

Pool = Callable[[Drawing, str, Window], str]
"""What a pool does to a value [C, H, W]."""


def max_pool(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The greatest value of each window."""
    if len(call.wanted) > 1 and call.wanted[1]:
        raise Refusal("the places of the greatest values (its second result) have no form")
    window = _window(call)
    if set(window.dilation) != {1}:
        raise Refusal("a max pool with dilation")
    return [_pooled(d, call.any_data(), window, _greatest)]


def average_pool(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The mean of each window, with or without the padding."""
    window = _window(call)
    if set(window.dilation) != {1}:
        raise Refusal("an average pool with dilation")
    include = bool(call.whole("count_include_pad", 0))

    def average(d: Drawing, value: str, window: Window) -> str:
        return _average(d, value, window, include)

    return [_pooled(d, call.data(), window, average)]


def global_average_pool(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The mean over all axes behind the channels, which stay with size 1."""
    x = call.data()
    axes = len(x.shape) - 2
    if axes < 1:
        raise Refusal(f"an input of shape {list(x.shape)}; [B, C, ...] is expected")
    values, view = rows(d, x.view, axes + 1)
    over = tuple(range(1, axes + 1))
    means = {value: d.add(Mean(over), value) for value in dict.fromkeys(values)}
    ones = (view.shape[len(view.shape) - axes - 1], *(1,) * axes)
    return [Data(stacked(d, [d.reshape(means[value], ones) for value in values], view, axes + 1))]


def global_max_pool(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The greatest value over all axes behind the channels, which stay with size 1."""
    x = call.data()
    sizes = x.shape[2:]
    if len(sizes) not in (1, 2):
        raise Refusal(f"an input of shape {list(x.shape)}; [B, C, N] or [B, C, H, W] is expected")
    none = (0,) * len(sizes)
    window = Window(sizes, (1,) * len(sizes), (1,) * len(sizes), none, none, none)
    return [_pooled(d, x, window, _greatest)]


def _window(call: Call) -> Window:
    sizes = call.any_data().shape[2:]
    kernel = call.wholes("kernel_shape")
    if len(kernel) not in (1, 2):
        raise Refusal(f"a window over {len(kernel)} axes; one or two are taken")
    return window_of(call, kernel, sizes)


def _pooled(d: Drawing, x: Data, window: Window, pool: Pool) -> Data:
    axes = len(window.kernel)
    if len(x.shape) != axes + 2:
        raise Refusal(f"an input of shape {list(x.shape)}; {axes + 2} axes are expected")
    values, view = rows(d, x.view, axes + 1)
    done = {value: _over_two(d, value, window, pool) for value in dict.fromkeys(values)}
    return Data(stacked(d, [done[value] for value in values], view, axes + 1), x.kind)


def _over_two(d: Drawing, value: str, window: Window, pool: Pool) -> str:
    """The pool of a value [C, N] or [C, H, W]; over one axis as [C, 1, N]."""
    if len(window.kernel) == 2:
        return pool(d, value, window)
    channels, length = d.shape(value)
    flat = Window((1, *window.kernel), (1, *window.stride), (1, 1), (0, *window.before), (0, *window.after), (0, 0))
    flat = replace(flat, grown=(0, *window.grown))
    y = pool(d, d.reshape(value, (channels, 1, length)), flat)
    return d.reshape(y, (channels, d.shape(y)[2]))


def _greatest(d: Drawing, value: str, window: Window) -> str:
    if not _is_plain(window):
        value, window = _edged(d, value, window)
    return d.add(MaxPool(_pair(window.kernel), _pair(window.stride), _pair(window.before)), value)


def _edged(d: Drawing, value: str, window: Window) -> tuple[str, Window]:
    """The value with its own edges repeated where padding is, which changes no maximum.

    A window that reaches over the edge holds the edge itself, as it begins before the end.
    """
    parts = zip(d.shape(value)[1:], window.kernel, window.stride, window.before, window.after, strict=True)
    for axis, (size, kernel, stride, before, after) in enumerate(parts, start=1):
        last = (size + before + after - kernel) // stride * stride - before
        if kernel <= before or last >= size:
            raise Refusal("a window that lies in the padding alone")
        first = d.slice(value, axis, 0, 1)
        behind = d.slice(value, axis, size - 1, size)
        shape = d.shape(first)
        pieces = [
            d.expand(edge, (*shape[:axis], count, *shape[axis + 1 :]))
            for edge, count in ((first, before), (behind, after))
            if count
        ]
        if before or after:
            value = d.concat([*pieces[: bool(before)], value, *pieces[bool(before) :]], axis)
    return value, replace(window, before=(0, 0), after=(0, 0))


def _average(d: Drawing, value: str, window: Window, include: bool) -> str:
    counts = _counts(d.shape(value)[1:], window, include)
    full = bool(np.all(counts == prod(window.kernel)))
    if full and not _is_plain(window):
        value, window = padded(d, value, window), replace(window, before=(0, 0), after=(0, 0))
    kernel, stride, padding = _pair(window.kernel), _pair(window.stride), _pair(window.before)
    if full:
        return d.add(AvgPool(kernel, stride, padding), value)
    d.remark(INEXACT.format(what="the elements of a window without its padding"))
    if any((*window.before, *window.after)):
        value = padded(d, value, window)
    y = d.add(SumPool(kernel, stride), value)
    share = Const(1.0 / counts[np.newaxis], f"{d.scope}.share")
    return d.add(Mul(), y, d.constant(share, share.array, d.shape(y)))


def _counts(sizes: Shape, window: Window, include: bool) -> Numbers:
    """By how much the sum of each window is divided, [H', W']."""
    found = []
    parts = zip(sizes, window.kernel, window.stride, window.before, window.after, window.grown, strict=True)
    for size, kernel, stride, before, after, grown in parts:
        counted = np.full(before + size + after, float(include))
        counted[before : before + size] = 1.0
        counted[len(counted) - grown :] = 0.0
        found.append(np.lib.stride_tricks.sliding_window_view(counted, kernel)[::stride].sum(1))
    return np.outer(*found)


def _is_plain(window: Window) -> bool:
    """Whether the pools take the padding themselves."""
    return window.symmetric and all(2 * p <= k for p, k in zip(window.before, window.kernel, strict=True))


def _pair(sizes: Shape) -> Pair:
    rows, columns = sizes
    return rows, columns
