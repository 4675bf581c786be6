"""The table of all ops by the mnemonic that the text form prints."""

from __future__ import annotations

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum

OPS: dict[str, type[Op]] = {
    op.mnemonic: op
    for op in (
        Add,
        Alpha,
        AvgPool,
        BatchNorm,
        Concat,
        Constant,
        Conv1d,
        Conv2d,
        CubaLIF,
        Delay,
        Exp,
        Expand,
        Gelu,
        I,
        IF,
        LI,
        LIF,
        LayerNorm,
        Linear,
        MatMul,
        MaxPool,
        Mean,
        Mul,
        MultiLevelSpike,
        PLIF,
        Pad,
        Repeat,
        Reshape,
        Scale,
        Slice,
        Softmax,
        Sum,
        SumPool,
        Threshold,
        TimeLast,
        TimeMean,
        TimeSum,
        Transpose,
        Upsample,
    )
}
