"""Conv, Gemm and MatMul: Conv1d, Conv2d and Linear where the weights are constants, else MatMul."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikec.frontend.axes import View
from spikec.frontend.onnx.alignment import aligned
from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing, Named
from spikec.frontend.onnx.movement import dropped, filled, rows, single, stacked
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.frontend.onnx.taking.arithmetic import multiplied, scaled, summed
from spikec.frontend.onnx.windows import Window, padded, window_of
from spikec.ir.arithmetic import MatMul
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import Role


def conv(d: Drawing, call: Call) -> Sequence[Symbol]:
    """A convolution over one or two axes with constant weights."""
    x, w = call.data(), call.const(1, "its weight")
    b = call.maybe_const(2, "its bias")
    axes = len(w.shape) - 2
    if axes not in (1, 2):
        raise Refusal(f"a convolution over {axes} axes; one or two are taken")
    _check_rank(x, axes + 2)
    kernel = call.wholes("kernel_shape", w.shape[2:])
    if kernel != w.shape[2:]:
        raise Refusal(f"kernel_shape {list(kernel)} beside weights of {list(w.shape)}")
    window = window_of(call, kernel, x.shape[2:])
    weights = {"weight": d.weight(w, Role.PARAMETER)}
    if b is not None:
        weights["bias"] = d.weight(b, Role.PARAMETER)
    values, view = rows(d, x.view, axes + 1)
    op = _conv_op(window, call.whole("group", 1))
    return [Data(stacked(d, _each(d, op, values, window, weights), view, axes + 1))]


def _conv_op(window: Window, groups: int) -> Conv1d | Conv2d:
    padding = window.before if window.symmetric else (0,) * len(window.before)
    if len(window.kernel) == 1:
        return Conv1d((window.stride[0],), (padding[0],), (window.dilation[0],), groups)
    stride, padding, dilation = (tuple(part[:2]) for part in (window.stride, padding, window.dilation))
    return Conv2d((stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]), groups)


def _each(
    d: Drawing, op: Conv1d | Conv2d, values: Sequence[str], window: Window, weights: dict[str, Named]
) -> list[str]:
    """The results for all values; the same value, such as an image shown at every step, is convolved once."""
    done: dict[str, str] = {}
    for value in values:
        if value not in done:
            source = value if window.symmetric else padded(d, value, window)
            done[value] = d.add(op, source, weights=weights)
    if len(done) < len(values):
        d.remark(f"'{d.scope}' takes the same input at all {len(values)} steps, and is computed once")
    return [done[value] for value in values]


def gemm(d: Drawing, call: Call) -> Sequence[Symbol]:
    """alpha A B + beta C with a constant B: Linear."""
    a, b = call.data(), call.const(1, "its second operand")
    c = call.maybe_const(2, "its third operand")
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    _check_rank(a, 2)
    if len(b.shape) != 2:
        raise Refusal(f"a second operand of shape {list(b.shape)}; two axes are expected")
    if call.whole("transA", 0):
        a = replace(a, view=a.view.permuted((1, 0)))
    weight = b.array if call.whole("transB", 0) else b.array.T
    bias = c if alpha == 1.0 and beta == 1.0 and c is not None and _is_row(c, len(weight)) else None
    y: Data | Const = Data(linear(d, a.view, b, weight, bias))
    if alpha != 1.0 and isinstance(y, Data):
        y = scaled(d, y, alpha)
    if c is not None and bias is None:
        if len(c.shape) > 2 or not all(
            n in (1, m) for n, m in zip(c.shape[::-1], (len(weight), *a.shape), strict=False)
        ):
            raise Refusal(f"a third operand of shape {list(c.shape)} does not broadcast to the product")
        y = summed(d, y, multiplied(d, c, Const(np.asarray(beta, c.array.dtype))))
    return [y]


def matmul(d: Drawing, call: Call) -> Sequence[Symbol]:
    """A product of two values, or Linear where one is a constant matrix."""
    a, b = call.operand(0), call.operand(1)
    if isinstance(b, Const) and (len(b.shape) == 1 or set(b.shape[:-2]) <= {1}):
        return [_by_columns(d, call.data(0), b, call)]
    if isinstance(a, Const) and (len(a.shape) == 1 or set(a.shape[:-2]) <= {1}):
        return [_by_rows(d, a, call.data(1))]
    left = a if isinstance(a, Const) else call.data(0)
    right = b if isinstance(b, Const) else call.data(1)
    if min(len(left.shape), len(right.shape)) < 2:
        raise Refusal("a product of vectors, which would run over the batch")
    return [_dynamic(d, left, right)]


def _by_columns(d: Drawing, x: Data, b: Const, call: Call) -> Data:
    """x B of a constant matrix or vector B."""
    vector = len(b.shape) == 1
    matrix = b.array.reshape(-1, 1) if vector else b.array.reshape(b.shape[-2:])
    rank = max(len(x.shape), len(b.shape))
    view = View(x.view.value, x.view.shape, (*((),) * (rank - len(x.shape)), *x.view.dims), x.view.sizes)
    bias = (
        call.followed if call.followed is not None and not vector and _is_row(call.followed, matrix.shape[1]) else None
    )
    y = linear(d, view, b, matrix.T, bias)
    return Data(dropped(d, y, rank - 1) if vector else y, absorbed=bias)


def _by_rows(d: Drawing, a: Const, x: Data) -> Data:
    """A x of a constant matrix or vector A: Linear on the last axis but one."""
    vector = len(a.shape) == 1
    matrix = a.array.reshape(1, -1) if vector else a.array.reshape(a.shape[-2:])
    if len(x.shape) < 2:
        raise Refusal("a product that runs over the batch")
    rank = max(len(x.shape), len(a.shape))
    view = View(x.view.value, x.view.shape, (*((),) * (rank - len(x.shape)), *x.view.dims), x.view.sizes)
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    y = linear(d, view.permuted(swapped), a, matrix, None).permuted(swapped)
    return Data(dropped(d, y, rank - 2) if vector else y)


def linear(d: Drawing, view: View, source: Const, weight: np.ndarray, bias: Const | None) -> View:
    """The tensor after a Linear on its last axis, `weight` [O, I] being laid out anew from `source`."""
    view = filled(d, view, len(view.dims) - 1)
    view, axis = single(d, view, len(view.dims) - 1)
    if axis != len(view.shape) - 1:
        raise Refusal("the axis that it sums over is not the value's last")
    weights = {"weight": d.weight(source, Role.PARAMETER, weight)}
    if bias is not None:
        weights["bias"] = d.weight(bias, Role.PARAMETER, np.broadcast_to(bias.array.reshape(-1), weight.shape[:1]))
    value = d.add(Linear(), view.value, weights=weights)
    return View(value, d.shape(value), view.dims, view.sizes)


def _dynamic(d: Drawing, a: Data | Const, b: Data | Const) -> Data:
    """A product of two values, or of one and a stack of constant matrices."""
    rank = max(len(a.shape), len(b.shape))
    found = aligned(d, a, b, apart=(rank - 2, rank - 1))
    value = d.add(MatMul(), *found.whole(d))
    return Data(found.view(value, d.shape(value)))


def _is_row(c: Const, outputs: int) -> bool:
    """Whether a constant adds one number, or the same, to each output of every row."""
    return c.array.dtype.kind == "f" and set(c.shape[:-1]) <= {1} and c.array.size in (1, outputs) and len(c.shape) <= 2


def _check_rank(x: Data, rank: int) -> None:
    if len(x.shape) != rank:
        raise Refusal(f"an input of shape {list(x.shape)}; {rank} axes are expected")
