"""What each operator of torch is as a public function of torch, which is what the recording sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.frontend.pt2.refusal import Refusal

MOST_PARTS = 4096
"""Tensors that one operator may give."""

Number = bool | int | float
Sizes = Sequence[int]


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    """aten.convolution, of one or two axes."""
    if transposed:
        raise Refusal("a transposed convolution")
    functions = {3: torch.conv1d, 4: torch.conv2d}
    if weight.dim() not in functions:
        raise Refusal(f"a convolution over {weight.dim() - 2} axes")
    return functions[weight.dim()](input, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """aten.batch_norm."""
    if training:
        raise Refusal("a BatchNorm in training mode: call .eval() before the export")
    return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)


def batch_norm_in_evaluation(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> Tensor:
    """aten._native_batch_norm_legit_no_training, of which the first result is used."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Sizes,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = False,
) -> Tensor:
    """aten.layer_norm, and the first result of aten.native_layer_norm."""
    return F.layer_norm(input, list(normalized_shape), weight, bias, eps)


def softmax(input: Tensor, dim: int, half_to_float: bool | None = None) -> Tensor:
    """aten.softmax and aten._softmax."""
    if half_to_float:
        raise Refusal("a softmax that changes the format")
    return torch.softmax(input, dim)


def addmm(bias: Tensor, input: Tensor, turned: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """aten.addmm as a linear layer."""
    if (beta, alpha) != (1, 1):
        raise Refusal("a product with beta or alpha")
    return F.linear(input, turned.transpose(0, 1), bias)


def mm(input: Tensor, turned: Tensor) -> Tensor:
    """aten.mm as a linear layer."""
    return F.linear(input, turned.transpose(0, 1))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """aten.matmul: by a matrix as a linear layer, which it is where the matrix is the network's own."""
    return F.linear(a, b.transpose(0, 1)) if b.dim() == 2 and a.dim() > 1 else torch.matmul(a, b)


def turned(input: Tensor) -> Tensor:
    """aten.t."""
    return torch.transpose(input, 0, 1) if input.dim() == 2 else input


def same(input: Tensor, *rest: object, **named: object) -> Tensor:
    """An operator that changes no number: a copy, an alias, a conversion to the network's own format."""
    return input


def as_numbers(input: Tensor, *rest: object, **named: object) -> Tensor:
    """A conversion to the network's own format, of truths too."""
    return input.double() if input.dtype == torch.bool else input


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """aten.dropout that is off."""
    if train and p > 0:
        raise Refusal("a dropout that is on: call .eval() before the export")
    return input


def max_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = (0,),
    dilation: Sizes = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    """aten.max_pool2d, and the first result of aten.max_pool2d_with_indices."""
    step = tuple(stride) or tuple(kernel_size)
    return F.max_pool2d(input, tuple(kernel_size), step, tuple(padding), tuple(dilation), ceil_mode)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """aten.avg_pool2d."""
    step = tuple(stride) or tuple(kernel_size)
    return F.avg_pool2d(input, tuple(kernel_size), step, tuple(padding), ceil_mode, count_include_pad, divisor_override)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """aten.avg_pool1d."""
    step = tuple(stride) or tuple(kernel_size)
    return F.avg_pool1d(input, tuple(kernel_size), step, tuple(padding), ceil_mode, count_include_pad)


def upsample(
    input: Tensor,
    output_size: Sizes | None,
    *scales: Any,  # Any: numbers, or a list of them
) -> Tensor:
    """aten.upsample_nearest2d by whole factors."""
    size = output_size
    if size is None:
        factors = scales[0] if scales and isinstance(scales[0], tuple) else scales
        size = [int(n * factor) for n, factor in zip(input.shape[-2:], factors, strict=True)]
    return F.interpolate(input, size=tuple(size), mode="nearest")


def pad(input: Tensor, pads: Sizes, mode: object = 0, value: Number | None = None) -> Tensor:
    """aten.pad, and aten.constant_pad_nd, whose third operand is the value."""
    word, number = (mode, value) if isinstance(mode, str) else ("constant", mode)
    return F.pad(input, list(pads), word, number)  # type: ignore[arg-type]  # torch refuses what is no number


def add(a: Tensor, b: Tensor | Number, alpha: Number = 1) -> Tensor:
    """aten.add."""
    return torch.add(a, b, alpha=alpha) if alpha != 1 else torch.add(a, b)


def sub(a: Tensor, b: Tensor | Number, alpha: Number = 1) -> Tensor:
    """aten.sub."""
    return torch.sub(a, b, alpha=alpha) if alpha != 1 else torch.sub(a, b)


def rsub(a: Tensor, b: Tensor | Number, alpha: Number = 1) -> Tensor:
    """aten.rsub: b - alpha a."""
    if not isinstance(b, Tensor):
        return torch.rsub(a, b, alpha=alpha)
    return torch.sub(b, a, alpha=alpha)


def div(a: Tensor, b: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """aten.div."""
    if rounding_mode is not None:
        raise Refusal(f"a division with rounding_mode '{rounding_mode}'")
    return torch.div(a, b)


def mean(input: Tensor, dim: Sizes | None = None, keepdim: bool = False, *, dtype: None = None) -> Tensor:
    """aten.mean."""
    return torch.mean(input, list(dim) if dim else list(range(input.dim())), keepdim)


def total(input: Tensor, dim: Sizes | None = None, keepdim: bool = False, *, dtype: None = None) -> Tensor:
    """aten.sum."""
    return torch.sum(input, list(dim) if dim else list(range(input.dim())), keepdim)


def reshape(input: Tensor, size: Sizes) -> Tensor:
    """aten.view and aten.reshape."""
    return torch.reshape(input, tuple(size))


def like(input: Tensor, other: Tensor) -> Tensor:
    """aten.view_as and aten.reshape_as."""
    return torch.reshape(input, tuple(other.shape))


def unflatten(input: Tensor, dim: int, sizes: Sizes) -> Tensor:
    """aten.unflatten."""
    dim = dim % input.dim()
    return torch.reshape(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """aten.unsqueeze, by an index: a reshape could take a batch of one for the new axis."""
    return input[(*(slice(None),) * (dim % (input.dim() + 1)), None)]


def squeeze(input: Tensor, dim: int | Sizes | None = None) -> Tensor:
    """aten.squeeze."""
    if dim is None:
        return torch.squeeze(input)
    return torch.squeeze(input, dim)  # type: ignore[arg-type]  # torch types the tuple away


def expand(input: Tensor, size: Sizes, *, implicit: bool = False) -> Tensor:
    """aten.expand."""
    return input.expand(tuple(size))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """aten.expand_as."""
    return input.expand(tuple(other.shape))


def repeat(input: Tensor, repeats: Sizes) -> Tensor:
    """aten.repeat."""
    return input.repeat(tuple(repeats))


def cut(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """aten.slice."""
    dim = dim % input.dim()
    return input[(*(slice(None),) * dim, slice(start, end, step))]


def _bounded(count: int) -> None:
    if count > MOST_PARTS:
        raise Refusal(f"it gives {count} tensors; {MOST_PARTS} is the most")


def unbind(input: Tensor, dim: int = 0) -> Sequence[Tensor]:
    """aten.unbind."""
    _bounded(input.shape[dim])
    return torch.unbind(input, dim)


def split(input: Tensor, sizes: int | Sizes, dim: int = 0) -> Sequence[Tensor]:
    """aten.split and aten.split_with_sizes."""
    if isinstance(sizes, int):
        _bounded(-(-input.shape[dim] // max(sizes, 1)))
        return torch.split(input, sizes, dim)
    return torch.split(input, list(sizes), dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> Sequence[Tensor]:
    """aten.chunk."""
    _bounded(chunks)
    return torch.chunk(input, chunks, dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """aten.stack."""
    return torch.stack(list(tensors), dim)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """aten.cat."""
    return torch.cat(list(tensors), dim)


def joined(tensors: Sequence[Tensor], dim: int, size: Sizes) -> Tensor:
    """aten.cat and the aten.view of it, which is a stack where the sizes are those of one."""
    shape = tuple(tensors[0].shape)
    axis = dim % len(shape)
    if tuple(size) == (*shape[:axis], len(tensors), *shape[axis:]):
        return torch.stack(list(tensors), axis)
    return torch.reshape(torch.cat(list(tensors), dim), tuple(size))


def new_zeros(input: Tensor, size: Sizes, *, dtype: None = None) -> Tensor:
    """aten.new_zeros, and aten.zeros."""
    return input.new_zeros(tuple(size))


def new_ones(input: Tensor, size: Sizes, *, dtype: None = None) -> Tensor:
    """aten.new_ones, and aten.ones."""
    return input.new_ones(tuple(size))


def new_full(input: Tensor, size: Sizes, value: Number, *, dtype: None = None) -> Tensor:
    """aten.new_full, and aten.full."""
    return input.new_full(tuple(size), value)


def zeros_like(input: Tensor, *, dtype: None = None) -> Tensor:
    """aten.zeros_like."""
    return torch.zeros_like(input)


def ones_like(input: Tensor, *, dtype: None = None) -> Tensor:
    """aten.ones_like."""
    return torch.ones_like(input)


def full_like(input: Tensor, value: Number, *, dtype: None = None) -> Tensor:
    """aten.full_like."""
    return torch.full_like(input, value)


def size(input: Tensor, dim: int) -> int:
    """aten.sym_size."""
    return input.size(dim)
