"""What each torch function adds to a recording: the table of functions that the tracer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import frexp
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.frontend.axes import Item, View
from spikec.frontend.recorder import Recorder
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum
from spikec.ir.time import Repeat, TimeMean, TimeSum
from spikec.ir.types import Timing

# Any: torch's own argument lists, which the functions below spell out again by name
Record = Callable[..., View]


def _sizes(value: Any, axes: int) -> tuple[int, ...]:  # Any: torch takes a number, or a sequence of one or each
    return (int(value),) * axes if isinstance(value, int) else (int(value[0]), int(value[-1]))[:axes]


def _pair(value: Any) -> tuple[int, int]:  # Any: as above
    rows, columns = _sizes(value, 2)
    return rows, columns


def _batched(r: Recorder, x: View, axes: int) -> View:
    """x settled as [batch and time, *axes].

    Raises:
        TraceError: an axis of the value is part of the batch, time or batch of another axis, or the rank differs.
    """
    x = r.settled(x)
    mixed = any(len(items) != 1 or not isinstance(items[0], int) for items in x.dims[1:])
    if len(x.dims) != axes + 1 or mixed or any(isinstance(item, int) for item in x.dims[0]):
        raise r.error(f"an input of {axes + 1} axes, the first for time and batch alone, is expected here")
    return x


def _linear(r: Recorder, y: Tensor, input: View, weight: Tensor, bias: Tensor | None = None) -> View:
    x = r.settled(input)
    x.axis_of(-1)
    return r.add(Linear(), x, weights={"weight": weight, "bias": bias})


def _convolution(op: Callable[..., Conv1d | Conv2d], axes: int) -> Record:
    """Takes torch's convolution over `axes` axes."""

    def record(
        r: Recorder,
        y: Tensor,
        input: View,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,  # Any: see _sizes
        padding: Any = 0,  # Any: see _sizes, or a word
        dilation: Any = 1,  # Any: see _sizes
        groups: int = 1,
    ) -> View:
        if isinstance(padding, str):
            raise r.error(f"padding='{padding}' is not taken", mend="give the padding as numbers")
        windows = (_sizes(value, axes) for value in (stride, padding, dilation))
        return r.add(op(*windows, groups), _batched(r, input, axes + 1), weights={"weight": weight, "bias": bias})

    return record


def _batch_norm(
    r: Recorder,
    y: Tensor,
    input: View,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> View:
    if training or running_mean is None or running_var is None:
        raise r.error("a BatchNorm that uses the statistics of its batch", mend="call .eval(); track_running_stats")
    if len(input.dims[1]) != 1:
        input = r.settled(input)
    statistics = {"mean": running_mean, "var": running_var, "weight": weight, "bias": bias}
    return r.add(BatchNorm(input.axis_of(1), float(eps)), input, weights=statistics)


def _max_pool2d(
    r: Recorder,
    y: Tensor,
    input: View,
    kernel_size: Any,  # Any: see _pair
    stride: Any = None,  # Any: see _pair
    padding: Any = 0,  # Any: see _pair
    dilation: Any = 1,  # Any: see _pair
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> View:
    if ceil_mode or return_indices or _pair(dilation) != (1, 1):
        raise r.error("max pooling with ceil_mode, indices or dilation is not taken")
    op = MaxPool(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    return r.add(op, _batched(r, input, 3))


def _avg_pool2d(
    r: Recorder,
    y: Tensor,
    input: View,
    kernel_size: Any,  # Any: see _pair
    stride: Any = None,  # Any: see _pair
    padding: Any = 0,  # Any: see _pair
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> View:
    padded = _pair(padding) != (0, 0)
    if ceil_mode or divisor_override or (padded and not count_include_pad):
        raise r.error("average pooling with ceil_mode, a divisor or uncounted padding is not taken")
    op = AvgPool(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    return r.add(op, _batched(r, input, 3))


def _add(r: Recorder, y: Tensor, a: View, b: View, *, alpha: float = 1) -> View:
    a, b = _alike(r, a, b)
    if alpha != 1:
        b = r.add(Scale(float(alpha)), b)
    return r.add(Add(), a, b)


def _alike(r: Recorder, a: View, b: View) -> tuple[View, View]:
    for operand in (a, b):
        if not isinstance(operand, View):
            raise r.error(f"an operand ({operand!r:.60}) that does not come from the input")
    if a.dims != b.dims or a.shape != b.shape:
        a, b = r.settled(a), r.settled(b)
    if a.dims != b.dims:
        raise r.error(f"operands whose axes differ: {a.shape} and {b.shape}", mend="give both the same shape")
    return a, b


def _mul(r: Recorder, y: Tensor, a: View | float, b: View | float) -> View:
    if isinstance(a, View) and isinstance(b, View):
        return r.add(Mul(), *_alike(r, a, b))
    view, factor = (a, b) if isinstance(a, View) else (b, a)
    if not isinstance(view, View) or not isinstance(factor, (int, float)):
        raise r.error("a product with a tensor that does not come from the input")
    return r.add(Scale(float(factor)), view)


def _div(r: Recorder, y: Tensor, a: View, b: View | float) -> View:
    if not isinstance(a, View) or not isinstance(b, (int, float)) or b == 0:
        raise r.error("a division by a tensor or zero")
    if abs(frexp(b)[0]) != 0.5:
        mend = f"multiply by {1.0 / b!r}, or take a mean"
        raise r.error(f"a division by {b}, whose reciprocal is not exact: a neuron on a tie could flip", mend=mend)
    return r.add(Scale(1.0 / float(b)), a)


def _matmul(r: Recorder, y: Tensor, a: View, b: View) -> View:
    if not (isinstance(a, View) and isinstance(b, View)):
        raise r.error("a product with a tensor that does not come from the input", mend="use a Linear layer")
    if len(a.dims) != len(b.dims) or a.dims[:-2] == ():
        raise r.error(f"a product of tensors of {len(a.dims)} and {len(b.dims)} axes", mend="give both the same rank")
    (a, turned_a), (b, turned_b) = _plane(r, a), _plane(r, b)
    if a.dims[:-2] != b.dims[:-2]:
        raise r.error(f"a product of tensors whose leading axes differ: {a.shape} and {b.shape}")
    view = r.add(MatMul(turned_a, turned_b), a, b)
    last = len(view.shape) - 1
    return View(view.value, view.shape, (*a.dims[:-2], (last - 1,), (last,)), r.sizes)


def _plane(r: Recorder, x: View) -> tuple[View, bool]:
    """x settled with its last two axes in the value's own order; and whether torch has them the other way round."""
    turned = x.axis_of(-2) > x.axis_of(-1)
    if turned:
        x = x.permuted([*range(len(x.dims) - 2), len(x.dims) - 1, len(x.dims) - 2])
    return r.settled(x), turned


def _reshape(r: Recorder, y: Tensor, input: View, *sizes: Any, **named: Any) -> View:  # Any: y has the shape
    return r.reshaped(input, y.shape)


def _transpose(r: Recorder, y: Tensor, input: View, dim0: int, dim1: int) -> View:
    axes = list(range(len(input.dims)))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return input.permuted(axes)


def _permute(r: Recorder, y: Tensor, input: View, *dims: Any) -> View:  # Any: numbers, or one sequence
    axes = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return input.permuted([axis % len(input.dims) for axis in axes])


def _expand(r: Recorder, y: Tensor, input: View, *sizes: Any) -> View:  # Any: y has the shape
    """Direct coding: an axis of size 1 that grows to T is a Repeat; nothing else may grow."""
    input = replace(input, dims=((),) * (y.ndim - len(input.dims)) + input.dims)
    grown = [d for d, group in enumerate(input.dims) if not group and y.shape[d] > 1]
    once = r.builder.type(input.value).timing is Timing.ONCE
    if r.sizes[0] == 1 and once and not grown:  # a repetition over one step, which grows nothing
        grown = [d for d, group in enumerate(input.dims) if not group][:1]
    if not grown:
        return input
    if len(grown) != 1 or not once or y.shape[grown[0]] != r.sizes[0]:
        raise r.error(f"an expansion to {list(y.shape)} that is no repetition over the {r.sizes[0]} steps")
    dims = tuple(("T",) if d == grown[0] else group for d, group in enumerate(input.dims))
    return r.add(Repeat(), input, dims=dims)


def _reduction(time: type[TimeMean] | type[TimeSum], axes_op: type[Mean] | type[Sum]) -> Record:
    def record(r: Recorder, y: Tensor, input: View, dim: Any = None, keepdim: bool = False) -> View:  # Any: see dims
        dims = range(len(input.dims)) if dim is None else [dim] if isinstance(dim, int) else dim
        items: list[Item] = [item for d in dims for item in input.dims[d]]
        if "B" in items:
            raise r.error(f"a {axes_op.mnemonic} over the batch")
        view = input
        axes = sorted(item for item in items if isinstance(item, int))
        if axes:
            view = r.add(axes_op(tuple(axes)), view, dims=view.without(axes, keepdim=keepdim))
        if "T" in items:
            view = r.add(time(), view, dims=view.without(["T"], keepdim=keepdim))
        return view

    return record


def _same(r: Recorder, y: Tensor, input: View, *rest: Any, **named: Any) -> View:  # Any: no effect on values
    return input


def _dropout(r: Recorder, y: Tensor, input: View, p: float = 0.5, training: bool = True, inplace: bool = False) -> View:
    if training and p > 0:
        raise r.error("a dropout that is on", mend="call .eval() first")
    return input


_mean = _reduction(TimeMean, Mean)
_sum = _reduction(TimeSum, Sum)
T = torch.Tensor

FUNCTIONS: dict[Any, Record] = {  # Any: functions and method descriptors
    F.linear: _linear,
    torch.conv1d: _convolution(Conv1d, 1),
    torch.conv2d: _convolution(Conv2d, 2),
    F.batch_norm: _batch_norm,
    F.max_pool2d: _max_pool2d,
    F.avg_pool2d: _avg_pool2d,
    F.dropout: _dropout,
    **dict.fromkeys((T.add, torch.add, T.__add__, T.__radd__), _add),
    **dict.fromkeys((T.mul, torch.mul, T.__mul__, T.__rmul__), _mul),
    **dict.fromkeys((T.div, torch.div, T.__truediv__, T.true_divide), _div),
    **dict.fromkeys((T.matmul, torch.matmul, T.__matmul__, torch.bmm, T.bmm), _matmul),
    **dict.fromkeys((T.mean, torch.mean), _mean),
    **dict.fromkeys((T.sum, torch.sum), _sum),
    **dict.fromkeys((T.transpose, torch.transpose, T.swapaxes), _transpose),
    **dict.fromkeys((T.permute, torch.permute), _permute),
    **dict.fromkeys((T.reshape, torch.reshape, T.view, T.flatten, torch.flatten, T.unflatten), _reshape),
    **dict.fromkeys((T.unsqueeze, torch.unsqueeze, T.squeeze, torch.squeeze), _reshape),
    **dict.fromkeys((T.expand, T.repeat), _expand),
    **dict.fromkeys((T.contiguous, T.detach, T.clone, torch.clone), _same),
}
