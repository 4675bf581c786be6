"""time-mean-last: the mean over the steps stands last, where a caller can take it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from passes.sink import sink
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.pools import AvgPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import TimeMean

AFFINE = frozenset(
    {
        Add,
        AvgPool,
        BatchNorm,
        Concat,
        Conv1d,
        Conv2d,
        Expand,
        Linear,
        Mean,
        Pad,
        Reshape,
        Scale,
        Slice,
        Sum,
        SumPool,
        Transpose,
        Upsample,
    }
)
"""Ops f with mean(f(x)) = f(mean(x)): affine maps, biases included, since the mean of a constant is the constant."""


@dataclass(frozen=True)
class TimeMeanLast:
    """Moves a TimeMean behind the affine ops that it alone feeds: mean(W x + b) = W mean(x) + b.

    For targets without a time axis, whose caller does the TimeMean (`spikec.backend.protocol`).

    Keeps: function, to rounding; names, scopes and weights of every node.
    Changes: the timing of the ops that it passes (Once to Step) and the domain of what they take, so counts: a
    head runs at every step, on what the network emits there instead of on its Real mean. Output names: the mean's
    name is now the last one. Where an op takes several TimeMeans, only the first of them remains.
    Leaves alone: a TimeMean with several users or before an op that is not affine; TimeSum (a bias would count T
    times) and TimeLast.
    """

    name: ClassVar[str] = "time-mean-last"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with TimeMeans last."""
        return sink(graph, TimeMean, AFFINE)
