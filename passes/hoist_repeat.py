"""hoist-repeat: what does not change from step to step is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from passes.sink import sink
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import MultiLevelSpike, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Repeat

TIME_FREE = frozenset(
    {
        Add,
        AvgPool,
        BatchNorm,
        Concat,
        Conv1d,
        Conv2d,
        Exp,
        Expand,
        Gelu,
        LayerNorm,
        Linear,
        MatMul,
        MaxPool,
        Mean,
        Mul,
        MultiLevelSpike,
        Pad,
        Reshape,
        Scale,
        Slice,
        Softmax,
        Sum,
        SumPool,
        Threshold,
        Transpose,
        Upsample,
    }
)
"""Ops whose result at a step depends on their operands at that step alone."""


@dataclass(frozen=True)
class HoistRepeat:
    """Moves a Repeat behind the time-free ops that it alone feeds, up to the first op with state.

    Keeps: function, bit for bit; names, scopes and weights of every node.
    Changes: the timing of the ops before the Repeat (Step to Once), so counts: the first convolution is computed
    once an inference. Where an op takes several Repeats, only the first of them remains.
    Leaves alone: a Repeat with several users or that is an output; an op of which another operand is per step.
    """

    name: ClassVar[str] = "hoist-repeat"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with Repeats hoisted."""
        return sink(graph, Repeat, TIME_FREE)
