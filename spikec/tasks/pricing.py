"""From a graph and samples to costs: the one path that both estimate and search take.

The canonical evaluation: the chip's pipeline; the samples in their order, in batches of 256 (a calibration batch is
one at most); fp32, one thread, the interpreter; int64 counts; one sum in a fixed order. So a search's final energy
and an estimate's total are the same number to the last digit, on the same machine and versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hwmodels.cores_model import Cored
from hwmodels.mapping.partition import Method
from hwmodels.model import HardwareModel, Pipeline
from hwmodels.policies import pipeline_for
from hwmodels.totals import total_energy_pj
from passes.manager import run as run_passes
from spikec.cost import Activity, Cost, Counts, Partition, Policy, Probe, Rates
from spikec.cost import Mapping as Placement
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
        mapping: the key of that name in a report; None where none was asked for, or the chip has no cores.
    """

    graph: Graph
    passes: tuple[str, ...]
    costs: tuple[Cost, ...]
    activity: Activity
    outputs: Mapping[str, NDArray[np.float64]]
    mapping: Mapping[str, Any] | None = None  # Any: JSON

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


@dataclass(frozen=True)
class Where:
    """That cores are wanted, what stands on them, and where they stand.

    Args:
        places: a file that gives the place of each core; found for the traffic counted unless given.
        partition: how neurons of dense layers are put on cores.
    """

    places: Path | None = None
    partition: Method = "rule"


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
    where: Where | None = None,
) -> Priced:
    """What `graph` costs on `inputs`, counted by the canonical evaluation.

    Args:
        graph: as traced.
        inputs: [samples, *shape], or [samples, T, *shape] for frames; run in batches of at most `BATCH`.
        steps: T.
        hardware: the chip.
        policy: how operations are counted.
        pipeline: in place of the chip's own, where a preset says so.
        where: that the network is mapped to the chip's cores.

    Raises:
        DataError: the samples do not fit the graph's input.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    partition = _partition(hardware, priced, policy, where)
    probes = hardware.probes(priced, policy, partition)
    with one_thread():
        runs = [
            Interpreter(torch.float32).run_and_count(priced, feed(graph, inputs[at : at + BATCH]), probes, steps)
            for at in range(0, max(len(inputs), 1), BATCH)
        ]
    outputs = {name: np.concatenate([run[0][name].double().numpy() for run in runs]) for name in priced.outputs}
    counts = joined(probes, [run[1] for run in runs])
    mapping = _mapping(hardware, partition, counts, where)
    costs = hardware.price(priced, counts, policy, mapping)
    facts = _facts(hardware, partition, policy, mapping, counts, costs)
    return Priced(priced, applied, costs, counts, outputs, facts)


def price_counts(
    graph: Graph,
    counts: Counts,
    hardware: HardwareModel,
    policy: Policy,
    pipeline: Pipeline | None = None,
    where: Where | None = None,
) -> Priced:
    """What `graph` costs at counts that were taken before; unless they say what cores do, a mapping tells of no run.

    Raises:
        DataError: they answer other questions than this chip and policy ask.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    partition = _partition(hardware, priced, policy, where)
    of_cores = partition is not None and counts.answers_all(hardware.probes(priced, policy, partition))
    run = counts if of_cores else None
    mapping = _mapping(hardware, partition, run, where)
    costs = hardware.price(priced, counts, policy, mapping if of_cores else None)
    return Priced(priced, applied, costs, counts, {}, _facts(hardware, partition, policy, mapping, run, costs))


def _partition(hardware: HardwareModel, graph: Graph, policy: Policy, where: Where | None) -> Partition | None:
    """The graph on cores as it is wanted there; None where that is not asked for, or the chip has none.

    Raises:
        UsageError: neurons are to be regrouped, and the policy leaves nothing to gain.
    """
    if where is None:
        return None
    chip = hardware.partitioned(where.partition) if isinstance(hardware, Cored) else hardware
    return chip.plan(graph, policy)


def _mapping(
    hardware: HardwareModel, partition: Partition | None, counts: Counts | None, where: Where | None
) -> Placement | None:
    """The partition at given places, or at those that the chip finds for counts; None where a layer does not fit."""
    if partition is None or where is None:
        return None
    if where.places is not None and isinstance(hardware, Cored):
        return hardware.read_mapping(partition, where.places)
    return hardware.place(partition, counts) if counts is not None else None


def _facts(
    hardware: HardwareModel,
    partition: Partition | None,
    policy: Policy,
    mapping: Placement | None = None,
    activity: Activity | None = None,
    costs: tuple[Cost, ...] = (),
) -> Mapping[str, Any] | None:  # Any: JSON
    if partition is None or not isinstance(hardware, Cored):
        return None
    return hardware.describe(partition, policy, mapping, activity, costs)


def mapped(
    graph: Graph, hardware: HardwareModel, policy: Policy, pipeline: Pipeline | None, where: Where
) -> tuple[Graph, tuple[str, ...], Mapping[str, Any] | None]:  # Any: JSON
    """The graph as the chip would run it, the passes that changed it, and its cores, without a run."""
    priced, applied = legal(graph, hardware, policy, pipeline)
    partition = _partition(hardware, priced, policy, where)
    return priced, applied, _facts(hardware, partition, policy, _mapping(hardware, partition, None, where))


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
    graph: Graph,
    rates: Rates,
    hardware: HardwareModel,
    policy: Policy,
    pipeline: Pipeline | None = None,
    where: Where | None = None,
) -> Priced:
    """What `graph` costs at given rates, without running it; a mapping then tells of no run.

    Raises:
        DataError: a rate is missing, impossible, or names no operand.
        UsageError: the policy counts events.
    """
    priced, applied = legal(graph, hardware, policy, pipeline)
    partition = _partition(hardware, priced, policy, where)
    costs = hardware.price(priced, rates, policy)
    facts = _facts(hardware, partition, policy, _mapping(hardware, partition, None, where))
    return Priced(priced, applied, costs, rates, {}, facts)


def feed(graph: Graph, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Samples [n, ...] as the data of the graph's single input, time first where it has a time axis.

    Raises:
        DataError: the graph has several inputs.
    """
    name, kind = only_input(graph)
    return {name: inputs if kind.timing is Timing.ONCE else np.swapaxes(inputs, 0, 1)}
