"""The interpreter: the reference for every pass, runner and backend.

Values per step are [T, B, *shape], values for the inference [B, *shape]. Ops are computed one by one over all steps
at once, only neurons being stepped through time; the nodes of a cycle are stepped together.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spikec.ir.graph import Graph
from spikec.run.evaluate import TIME, compute, values_of
from spikec.run.inputs import Data, inputs_of
from spikec.run.integer import integer_values
from spikec.run.runner import ValueRunner

__all__ = ["TIME", "Interpreter", "compute"]


@dataclass(frozen=True)
class Interpreter(ValueRunner):
    """Runs graphs in torch on the CPU; a Runner.

    Args:
        dtype: torch.float64 (the reference), torch.float32 (the canonical evaluation of energy), or torch.int64:
            whole numbers and nothing else, for graphs of fixed-point weights and integer inputs (see
            `spikec.run.integer`, which says what is taken and in which dtype values are given).
    """

    dtype: torch.dtype = torch.float64

    def values(self, graph: Graph, data: Data, steps: int, wanted: Set[str]) -> Iterator[tuple[str, Tensor]]:
        """See `ValueRunner`."""
        if not self.dtype.is_floating_point:
            return integer_values(graph, data, steps, wanted)
        inputs = inputs_of(graph, data, steps, self.dtype)
        weights = {name: torch.as_tensor(np.array(w.values)).to(self.dtype) for name, w in graph.weights.items()}
        return values_of(graph, inputs, weights, steps, wanted)
