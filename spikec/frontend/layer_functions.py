"""What torch's layer functions add to a recording: linear, convolutions, norms, pools, softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from spikec.frontend.axes import View
from spikec.frontend.operands import with_axis
from spikec.frontend.recorder import Recorder
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Pad, Upsample


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
        ones = [d for d, items in enumerate(x.dims[1:], start=1) if not items]
        if len(x.dims) == axes + 1 and ones and not any(isinstance(item, int) for item in x.dims[0]):
            return _batched(r, with_axis(r, x, ones[0]), axes)
        raise r.error(f"an input of {axes + 1} axes, the first for time and batch alone, is expected here")
    return x


def linear(r: Recorder, y: Tensor, input: View, weight: Tensor, bias: Tensor | None = None) -> View:
    """F.linear."""
    x = r.settled(input)
    x.axis_of(-1)
    return r.add(Linear(), x, weights={"weight": weight, "bias": bias})


def _padding(
    r: Recorder, padding: Any, weight: Tensor, dilation: tuple[int, ...], axes: int
) -> tuple[int, ...]:  # Any: see _sizes, or a word
    if not isinstance(padding, str):
        return _sizes(padding, axes)
    if padding == "valid":
        return (0,) * axes
    spans = [d * (kernel - 1) for d, kernel in zip(dilation, weight.shape[2:], strict=True)]
    if any(span % 2 for span in spans):
        raise r.error(f"padding='{padding}' of an even kernel, which pads one side more", "give the padding as numbers")
    return tuple(span // 2 for span in spans)


def convolution(op: Callable[..., Conv1d | Conv2d], axes: int) -> Callable[..., View]:
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
        spread = _sizes(dilation, axes)
        windows = (_sizes(stride, axes), _padding(r, padding, weight, spread, axes), spread)
        return r.add(op(*windows, groups), _batched(r, input, axes + 1), weights={"weight": weight, "bias": bias})

    return record


def batch_norm(
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
    """F.batch_norm in evaluation."""
    if training or running_mean is None or running_var is None:
        raise r.error("a BatchNorm that uses the statistics of its batch", mend="call .eval(); track_running_stats")
    if len(input.dims[1]) != 1:
        input = r.settled(input)
    statistics = {"mean": running_mean, "var": running_var, "weight": weight, "bias": bias}
    return r.add(BatchNorm(input.axis_of(1), float(eps)), input, weights=statistics)


def torch_batch_norm(
    r: Recorder,
    y: Tensor,
    input: View,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> View:
    """torch.batch_norm, whose arguments stand in another order."""
    return batch_norm(r, y, input, running_mean, running_var, weight, bias, training, momentum, eps)


def layer_norm(
    r: Recorder,
    y: Tensor,
    input: View,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> View:
    """F.layer_norm and torch.layer_norm over the last axes."""
    x = r.settled(input)
    for axis in range(-len(normalized_shape), 0):
        x.axis_of(axis)
    return r.add(LayerNorm(len(normalized_shape), float(eps)), x, weights={"weight": weight, "bias": bias})


def softmax(
    r: Recorder, y: Tensor, input: View, dim: int | None = None, _stacklevel: int = 3, dtype: object = None
) -> View:
    """Softmax along one axis."""
    if dim is None:
        raise r.error("a softmax without an axis", mend="softmax(x, dim=-1)")
    x = input if len(input.dims[dim]) == 1 else r.settled(input)
    return r.add(Softmax(x.axis_of(dim)), x)


def gelu(r: Recorder, y: Tensor, input: View, *, approximate: Any = "none") -> View:  # Any: torch's own words
    """F.gelu."""
    return r.add(Gelu(approximate), input)


def exp(r: Recorder, y: Tensor, input: View) -> View:
    """torch.exp."""
    return r.add(Exp(), input)


def _pooled(r: Recorder, y: Tensor, op: Op, x: View) -> View:
    view = r.add(op, x)
    if view.torch_shape != tuple(y.shape):
        raise r.error(f"{op.mnemonic} with ceil_mode, whose last window reaches past the edge, is not taken")
    return view


def max_pool2d(
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
    """F.max_pool2d."""
    if return_indices or _pair(dilation) != (1, 1):
        raise r.error("max pooling with indices or dilation is not taken")
    op = MaxPool(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    return _pooled(r, y, op, _batched(r, input, 3))


def avg_pool2d(
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
    """F.avg_pool2d."""
    padded = _pair(padding) != (0, 0)
    if divisor_override or (padded and not count_include_pad):
        raise r.error("average pooling with a divisor or uncounted padding is not taken")
    op = AvgPool(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    return _pooled(r, y, op, _batched(r, input, 3))


def avg_pool1d(
    r: Recorder,
    y: Tensor,
    input: View,
    kernel_size: Any,  # Any: see _sizes
    stride: Any = None,  # Any: see _sizes
    padding: Any = 0,  # Any: see _sizes
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> View:
    """F.avg_pool1d, as an average over a map of one row."""
    x = _batched(r, input, 2)
    row = r.shaped(x, (x.shape[0], 1, x.shape[1]), (x.dims[0], (0,), (1,), (2,)))
    kernel, step = ((1, _sizes(value, 1)[0]) for value in (kernel_size, stride or kernel_size))
    pads = (0, _sizes(padding, 1)[0])
    pooled = avg_pool2d(r, y.unsqueeze(-2), row, kernel, step, pads, ceil_mode, count_include_pad)
    channels, _, length = pooled.shape
    return r.shaped(pooled, (channels, length), (x.dims[0], (0,), (1,)))


def adaptive_avg_pool2d(r: Recorder, y: Tensor, input: View, output_size: object) -> View:
    """F.adaptive_avg_pool2d to one element, or to parts of equal size."""
    x = _batched(r, input, 3)
    _, height, width = x.shape
    rows, columns = int(y.shape[-2]), int(y.shape[-1])
    if (rows, columns) == (1, 1):
        return r.add(Mean((1, 2)), x, dims=(x.dims[0], (0,), (), ()))
    if height % rows or width % columns:
        raise r.error(f"an adaptive pool of {height} x {width} to {rows} x {columns}, whose windows differ in size")
    kernel = (height // rows, width // columns)
    return r.add(AvgPool(kernel, kernel), x)


def adaptive_avg_pool1d(r: Recorder, y: Tensor, input: View, output_size: object) -> View:
    """F.adaptive_avg_pool1d to one element."""
    x = _batched(r, input, 2)
    if y.shape[-1] != 1:
        raise r.error(f"an adaptive pool of {x.shape[1]} to {y.shape[-1]} elements", mend="F.avg_pool1d")
    return r.add(Mean((1,)), x, dims=(x.dims[0], (0,), ()))


def interpolate(
    r: Recorder,
    y: Tensor,
    input: View,
    size: object = None,
    scale_factor: object = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> View:
    """F.interpolate that repeats every element a whole number of times."""
    x = _batched(r, input, 3)
    (_, height, width), (rows, columns) = x.shape, y.shape[-2:]
    if not mode.startswith("nearest") or rows % height or columns % width:
        mend = "mode='nearest' and a whole factor"
        raise r.error(f"an interpolation '{mode}' of {height} x {width} to {rows} x {columns}", mend=mend)
    return r.add(Upsample((int(rows) // height, int(columns) // width)), x)


def pad(
    r: Recorder, y: Tensor, input: View, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> View:
    """F.pad with zeros."""
    if mode != "constant" or value:
        raise r.error(f"a pad of mode '{mode}', value {value}, is not taken", mend="pad with zeros")
    x = r.settled(input)
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    for place in range(len(pad) // 2):
        one, other = int(pad[2 * place]), int(pad[2 * place + 1])
        if not (one or other):
            continue
        if min(one, other) < 0:
            raise r.error("a pad below 0", mend="slice the tensor")
        x = x if x.dims[-1 - place] else with_axis(r, x, len(x.dims) - 1 - place)
        if len(before) < len(x.shape):
            raise r.error("a pad of an axis of size 1 that the value does not have", mend="concatenate zeros")
        before[x.axis_of(-1 - place)], after[x.axis_of(-1 - place)] = one, other
    return r.add(Pad(tuple(before), tuple(after)), x)


def dropout(r: Recorder, y: Tensor, input: View, p: float = 0.5, training: bool = True, inplace: bool = False) -> View:
    """A dropout that is off."""
    if training and p > 0:
        raise r.error("a dropout that is on", mend="call .eval() first")
    return replace(input)


def alpha_dropout(
    r: Recorder, y: Tensor, input: View, p: float = 0.5, training: bool = False, inplace: bool = False
) -> View:
    """F.alpha_dropout and F.feature_alpha_dropout, which are off unless told otherwise."""
    return dropout(r, y, input, p, training, inplace)


def torch_dropout(r: Recorder, y: Tensor, input: View, p: float, train: bool) -> View:
    """torch.dropout and its kin, which call their switch by another name."""
    return dropout(r, y, input, p, train)
