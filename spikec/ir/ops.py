"""The table of all ops by the mnemonic that the text form prints."""

from __future__ import annotations

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum

OPS: dict[str, type[Op]] = {
    op.mnemonic: op
    for op in (
        Add,
        AvgPool,
        BatchNorm,
        Conv1d,
        Conv2d,
        Delay,
        IF,
        LIF,
        Linear,
        MatMul,
        MaxPool,
        Mean,
        Mul,
        Repeat,
        Reshape,
        Scale,
        Sum,
        SumPool,
        Threshold,
        TimeLast,
        TimeMean,
        TimeSum,
        Transpose,
    )
}
