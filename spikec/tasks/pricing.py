"""From a graph and samples to costs: the one path that both estimate and search take.

The canonical evaluation of design.md: the chip's pipeline, the samples as one batch, fp32, one thread, the
interpreter; int64 counts; one sum in a fixed order. So a search's final energy and an estimate's total are the
same number to the last digit, on the same machine and versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hwmodels.model import HardwareModel, Pipeline
from hwmodels.policies import pipeline_for
from hwmodels.totals import total_energy_pj
from passes.manager import run as run_passes
from spikec.cost import Cost, Policy, Rates
from spikec.ir.graph import Graph
from spikec.ir.types import Timing
from spikec.run.interp import Interpreter

EVALUATION = "interpreter, float32, one batch, one thread"


@dataclass(frozen=True, eq=False)
class Priced:
    """What a graph costs on one chip.

    Args:
        graph: after the chip's pipeline: what would run, and what was priced.
        passes: the passes that changed it, in order, with their parameters.
        costs: one a node, in the graph's order.
        samples, steps: of the run.
        outputs: of the run, by value, [samples, ...]; empty where rates were given.
    """

    graph: Graph
    passes: tuple[str, ...]
    costs: tuple[Cost, ...]
    samples: int
    steps: int
    outputs: Mapping[str, NDArray[np.float64]]

    @property
    def energy_pj(self) -> float:
        """pJ per inference."""
        return total_energy_pj(self.costs, self.samples)


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread: sums then have one order, and small networks run faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def legal(
    graph: Graph, hardware: HardwareModel, policy: Policy, pipeline: Pipeline | None = None
) -> tuple[Graph, tuple[str, ...]]:
    """The graph as this chip would run it under this policy, and the passes that changed it."""
    passed = run_passes(graph, pipeline_for(policy, hardware.pipeline if pipeline is None else pipeline))
    return passed.graph, tuple(map(str, passed.applied))


def price(
    graph: Graph,
    inputs: NDArray[np.float32],
    steps: int,
    hardware: HardwareModel,
    policy: Policy,
    pipeline: Pipeline | None = None,
) -> Priced:
    """What `graph` costs on `inputs`, counted by the canonical evaluation.

    Args:
        graph: as traced.
        inputs: [samples, *shape], or [samples, T, *shape] for frames; one batch.
        steps: T.
        hardware: the chip.
        policy: how operations are counted.
        pipeline: in place of the chip's own, where a preset says so.

    Raises:
        DataError: the samples do not fit the graph's input.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    partition = hardware.plan(priced, policy)
    probes = hardware.probes(priced, policy, partition)
    with one_thread():
        outputs, counts = Interpreter(torch.float32).run_and_count(priced, feed(graph, inputs), probes, steps)
    mapping = hardware.place(partition, counts)
    costs = hardware.price(priced, counts, policy, mapping)
    arrays = {name: value.double().numpy() for name, value in outputs.items()}
    return Priced(priced, applied, costs, counts.samples, counts.steps, arrays)


def price_rates(
    graph: Graph, rates: Rates, hardware: HardwareModel, policy: Policy, pipeline: Pipeline | None = None
) -> Priced:
    """What `graph` costs at given rates, without running it.

    Raises:
        DataError: a rate is missing, impossible, or names no operand.
        UsageError: the policy counts events.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    hardware.plan(priced, policy)
    costs = hardware.price(priced, rates, policy)
    return Priced(priced, applied, costs, rates.samples, rates.steps, {})


def feed(graph: Graph, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Samples [n, ...] as the data of the graph's single input, time first where it has a time axis."""
    ((name, kind),) = graph.inputs.items()
    return {name: inputs if kind.timing is Timing.ONCE else np.swapaxes(inputs, 0, 1)}
