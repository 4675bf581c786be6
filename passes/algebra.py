"""Which laws an op keeps: what it may be moved past, and what a factor before it becomes behind it.

An op that stands in none of these is left alone by every pass that asks.
"""

from __future__ import annotations

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import MultiLevelSpike, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample

STORED = (Conv1d, Conv2d, Linear)
"""Ops that multiply by stored weights."""

MOVES = (Expand, Pad, Reshape, Slice, Transpose, Upsample)
"""Ops of one operand each of whose results is an element of it, or zero."""

HOMOGENEOUS = (AvgPool, MatMul, MaxPool, Mean, Scale, Sum, SumPool, *MOVES)
"""Ops with f(s x) = s f(x) in each operand by itself, for s > 0."""

JOINTLY_HOMOGENEOUS = (Add, AvgPool, Concat, MaxPool, Mean, Scale, Sum, SumPool, *MOVES)
"""Ops with f(s x, s y, ...) = s f(x, y, ...), for s > 0: every operand times the same factor."""

ADDITIVE = (Add, AvgPool, Concat, Mean, Scale, Sum, SumPool, *MOVES)
"""Ops with f(x + y) = f(x) + f(y), all operands at once; so are those of `STORED` without a bias."""

AFFINE = (*ADDITIVE, BatchNorm, *STORED)
"""Ops f with mean(f(x)) = f(mean(x)): affine maps, biases included, since the mean of a constant is the constant."""

TIME_FREE = (*AFFINE, Exp, Gelu, LayerNorm, MatMul, MaxPool, Mul, MultiLevelSpike, Softmax, Threshold)
"""Ops whose result at a step depends on their operands at that step alone."""
