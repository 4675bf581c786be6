"""From a graph and samples to costs: the one path that both estimate and search take.

The canonical evaluation: the chip's pipeline; the samples in their order, in batches of 256 (a calibration batch is
one at most); fp32, one thread, the interpreter; int64 counts; one sum in a fixed order. So a search's final energy
and an estimate's total are the same number to the last digit, on the same machine and versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hwmodels.model import HardwareModel, Pipeline
from hwmodels.policies import pipeline_for
from hwmodels.totals import total_energy_pj
from passes.manager import run as run_passes
from spikec.cost import Activity, Cost, Counts, Policy, Probe, Rates
from spikec.ir.graph import Graph
from spikec.ir.types import Timing
from spikec.run.inputs import only_input
from spikec.run.interp import Interpreter

BATCH = 256
"""Samples a batch: a calibration batch is one, larger data are several."""
EVALUATION = f"interpreter, float32, one thread, in batches of at most {BATCH} samples"


@dataclass(frozen=True, eq=False)
class Priced:
    """What a graph costs on one chip.

    Args:
        graph: after the chip's pipeline: what would run, and what was priced.
        passes: the passes that changed it, in order, with their parameters.
        costs: one a node, in the graph's order.
        activity: the counts or rates that were priced.
        outputs: of the run, by value, [samples, ...]; empty where rates were given.
    """

    graph: Graph
    passes: tuple[str, ...]
    costs: tuple[Cost, ...]
    activity: Activity
    outputs: Mapping[str, NDArray[np.float64]]

    @property
    def samples(self) -> int:
        """Samples of the run; 1 where rates were given."""
        return self.activity.samples

    @property
    def steps(self) -> int:
        """T of the run."""
        return self.activity.steps

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
        inputs: [samples, *shape], or [samples, T, *shape] for frames; run in batches of at most `BATCH`.
        steps: T.
        hardware: the chip.
        policy: how operations are counted.
        pipeline: in place of the chip's own, where a preset says so.

    Raises:
        DataError: the samples do not fit the graph's input.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    probes = hardware.probes(priced, policy, hardware.plan(priced, policy))
    with one_thread():
        runs = [
            Interpreter(torch.float32).run_and_count(priced, feed(graph, inputs[at : at + BATCH]), probes, steps)
            for at in range(0, max(len(inputs), 1), BATCH)
        ]
    outputs = {name: np.concatenate([run[0][name].double().numpy() for run in runs]) for name in priced.outputs}
    return _priced(priced, applied, joined(probes, [run[1] for run in runs]), hardware, policy, outputs)


def price_counts(
    graph: Graph, counts: Counts, hardware: HardwareModel, policy: Policy, pipeline: Pipeline | None = None
) -> Priced:
    """What `graph` costs at counts that were taken before.

    Raises:
        DataError: they answer other questions than this chip and policy ask.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    return _priced(priced, applied, counts, hardware, policy, {})


def _priced(
    graph: Graph,
    applied: tuple[str, ...],
    counts: Counts,
    hardware: HardwareModel,
    policy: Policy,
    outputs: Mapping[str, NDArray[np.float64]],
) -> Priced:
    mapping = hardware.place(hardware.plan(graph, policy), counts)
    costs = hardware.price(graph, counts, policy, mapping)
    return Priced(graph, applied, costs, counts, outputs)


def joined(probes: Sequence[Probe], parts: Sequence[Counts]) -> Counts:
    """The counts of batches as those of one run over all their samples; exact, since counts are whole numbers."""
    if len(parts) == 1:
        return parts[0]
    answers: dict[str, NDArray[np.int64]] = {}
    for probe in probes:
        stacked = np.concatenate([part.of(probe) for part in parts])
        if "sample" not in probe.keep:
            stacked = (stacked.max if probe.kind == "max" else stacked.sum)(axis=0, keepdims=True)
        answers[probe.key] = stacked
    return Counts(answers, sum(part.samples for part in parts), parts[0].steps)


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
    return Priced(priced, applied, costs, rates, {})


def feed(graph: Graph, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Samples [n, ...] as the data of the graph's single input, time first where it has a time axis.

    Raises:
        DataError: the graph has several inputs.
    """
    name, kind = only_input(graph)
    return {name: inputs if kind.timing is Timing.ONCE else np.swapaxes(inputs, 0, 1)}
