"""What each stateless op computes, in torch, on [N, *shape] with every step and sample in N."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose

Operands = Sequence[Tensor]
Weights = Mapping[str, Tensor]
Kernel = Callable[[Any, Operands, Weights], Tensor]  # Any: each kernel takes the op of its own key


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


def _threshold(op: Threshold, x: Operands, w: Weights) -> Tensor:
    fired = x[0] > w["v_threshold"] if op.fires_at == ">" else x[0] >= w["v_threshold"]
    return fired.to(x[0].dtype)


def _transpose(op: Transpose, x: Operands, w: Weights) -> Tensor:
    return x[0].permute(0, *(axis + 1 for axis in op.axes))


KERNELS: dict[type[Op], Kernel] = {
    Add: lambda op, x, w: x[0] + x[1],
    AvgPool: _avg_pool,
    BatchNorm: _batch_norm,
    Conv1d: _conv1d,
    Conv2d: _conv2d,
    Linear: _linear,
    MatMul: _matmul,
    MaxPool: _max_pool,
    Mean: lambda op, x, w: torch.mean(x[0], _axes(op)),
    Mul: lambda op, x, w: x[0] * x[1],
    Reshape: lambda op, x, w: x[0].reshape(x[0].shape[0], *op.shape),
    Scale: lambda op, x, w: x[0] * op.factor,
    Sum: lambda op, x, w: torch.sum(x[0], _axes(op)),
    SumPool: _sum_pool,
    Threshold: _threshold,
    Transpose: _transpose,
}
