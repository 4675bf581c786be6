"""hoist-repeat: what does not change from step to step is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from passes.algebra import TIME_FREE
from passes.sink import sink
from spikec.ir.graph import Graph
from spikec.ir.time import Repeat


@dataclass(frozen=True)
class HoistRepeat:
    """Moves a Repeat behind the time-free ops that it alone feeds, up to the first op with state.

    Keeps: function: computed once is what was computed at every step (in the same bits, where a runner's matrix product
    does not depend on its number of rows); names, scopes and weights of every node.
    Changes: the timing of the ops before the Repeat (Step to Once), so counts: the first convolution is computed
    once an inference. Where an op takes several Repeats, only the first of them remains.
    Leaves alone: a Repeat with several users or that is an output; an op of which another operand is per step.
    """

    name: ClassVar[str] = "hoist-repeat"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with Repeats hoisted."""
        return sink(graph, Repeat, lambda node: type(node.op) in TIME_FREE)
