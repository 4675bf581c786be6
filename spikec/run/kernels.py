"""What each stateless op computes, in torch, on [N, *shape] with every step and sample in N."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.run.numbers import ELEMENTWISE, FLOATS, Elementwise

Operands = Sequence[Tensor]
Weights = Mapping[str, Tensor]
Kernel = Callable[[Any, Operands, Weights], Tensor]  # Any: each kernel takes the op of its own key


def _plain(elementwise: Elementwise) -> Kernel:
    """The kernel of floating-point numbers."""
    return lambda op, x, w: elementwise(op, x[0], w, FLOATS)


def _linear(op: Linear, x: Operands, w: Weights) -> Tensor:
    return F.linear(x[0], w["weight"], w.get("bias"))


def _conv1d(op: Conv1d, x: Operands, w: Weights) -> Tensor:
    return F.conv1d(x[0], w["weight"], w.get("bias"), op.stride, op.padding, op.dilation, op.groups)


def _conv2d(op: Conv2d, x: Operands, w: Weights) -> Tensor:
    return F.conv2d(x[0], w["weight"], w.get("bias"), op.stride, op.padding, op.dilation, op.groups)


def _batch_norm(op: BatchNorm, x: Operands, w: Weights) -> Tensor:
    moved = x[0].movedim(op.axis + 1, 1)
    y = F.batch_norm(moved, w["mean"], w["var"], w.get("weight"), w.get("bias"), eps=op.eps)
    return y.movedim(1, op.axis + 1)


def _matmul(op: MatMul, x: Operands, w: Weights) -> Tensor:
    a = x[0].transpose(-1, -2) if op.transpose_a else x[0]
    b = x[1].transpose(-1, -2) if op.transpose_b else x[1]
    return a @ b


def _max_pool(op: MaxPool, x: Operands, w: Weights) -> Tensor:
    return F.max_pool2d(x[0], op.kernel, op.stride, op.padding)


def _sum_pool(op: SumPool, x: Operands, w: Weights) -> Tensor:
    return F.avg_pool2d(x[0], op.kernel, op.stride, op.padding, divisor_override=1)


def _avg_pool(op: AvgPool, x: Operands, w: Weights) -> Tensor:
    return F.avg_pool2d(x[0], op.kernel, op.stride, op.padding)


def _axes(op: Sum | Mean) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in op.axes)


def _layer_norm(op: LayerNorm, x: Operands, w: Weights) -> Tensor:
    return F.layer_norm(x[0], x[0].shape[x[0].ndim - op.axes :], w.get("weight"), w.get("bias"), op.eps)


def _slice(op: Slice, x: Operands, w: Weights) -> Tensor:
    axis = op.axis + 1
    return x[0][(slice(None),) * axis + (slice(op.start, op.stop, op.step),)]


def _pad(op: Pad, x: Operands, w: Weights) -> Tensor:
    last_first = [n for pair in zip(reversed(op.before), reversed(op.after), strict=True) for n in pair]
    return F.pad(x[0], last_first)


def _upsample(op: Upsample, x: Operands, w: Weights) -> Tensor:
    return x[0].repeat_interleave(op.factors[0], 2).repeat_interleave(op.factors[1], 3)


def _transpose(op: Transpose, x: Operands, w: Weights) -> Tensor:
    return x[0].permute(0, *(axis + 1 for axis in op.axes))


KERNELS: dict[type[Op], Kernel] = {
    Add: lambda op, x, w: x[0] + x[1],
    AvgPool: _avg_pool,
    BatchNorm: _batch_norm,
    Concat: lambda op, x, w: torch.cat(list(x), op.axis + 1),
    Constant: lambda op, x, w: w["value"].unsqueeze(0),
    Conv1d: _conv1d,
    Conv2d: _conv2d,
    Exp: lambda op, x, w: torch.exp(x[0]),
    Expand: lambda op, x, w: x[0].expand(-1, *op.shape),
    Gelu: lambda op, x, w: F.gelu(x[0], approximate=op.approximate),
    LayerNorm: _layer_norm,
    Linear: _linear,
    MatMul: _matmul,
    MaxPool: _max_pool,
    Mean: lambda op, x, w: torch.mean(x[0], _axes(op)),
    Mul: lambda op, x, w: x[0] * x[1],
    Pad: _pad,
    Reshape: lambda op, x, w: x[0].reshape(x[0].shape[0], *op.shape),
    Slice: _slice,
    Softmax: lambda op, x, w: torch.softmax(x[0], op.axis + 1),
    Sum: lambda op, x, w: torch.sum(x[0], _axes(op)),
    SumPool: _sum_pool,
    Transpose: _transpose,
    Upsample: _upsample,
    **{kind: _plain(elementwise) for kind, elementwise in ELEMENTWISE.items()},
}
