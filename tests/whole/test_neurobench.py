"""`--policy neurobench` on a trained digits Spikformer is NeuroBench's own count, exactly, both in fp64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwmodels.policies import pipeline_for, preset
from hwmodels.registry import load
from passes.manager import run
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.model import Model
from spikec.run.interp import Interpreter
from spikec.tasks.networks import network_of

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("digits-search")]


def neurobench_counts(model: Model, x: torch.Tensor) -> tuple[float, float]:
    """Effective MACs and ACs per sample of one batch, by NeuroBench itself."""
    reason = "scripts/install-oracles installs it"
    models = pytest.importorskip("neurobench.models.torch_model", reason=reason)
    workload = pytest.importorskip("neurobench.metrics.workload.synaptic_operations", reason=reason)
    wrapped = models.TorchModel(network_of(model).double())
    wrapped.register_hooks()
    metric = workload.SynapticOperations()
    with torch.no_grad():
        found = metric(wrapped, wrapped(x), (x, torch.zeros(len(x))))
    return found["Effective_MACs"], found["Effective_ACs"]


def our_counts(model: Model, x: torch.Tensor) -> tuple[float, float]:
    named, chip = preset("neurobench"), load("45nm")
    assert named.pipeline == ()
    graph = run(model.graph, pipeline_for(named.policy, named.pipeline)).graph
    counts = Interpreter(torch.float64).count(graph, {"input": x.numpy()}, chip.probes(graph, named.policy))
    costs = {cost.node: cost for cost in chip.price(graph, counts, named.policy)}
    layers = [costs[node.name] for node in graph.nodes_of(Conv1d, Conv2d, Linear)]
    assert len(layers) > 8
    assert all(cost.counts.get("mac", 0) == 0 for name, cost in costs.items() if "matmul" in name)
    return tuple(sum(cost.counts.get(kind, 0) for cost in layers) / len(x) for kind in ("mac", "ac"))  # type: ignore[return-value]


@pytest.mark.parametrize("batch", [1, 64])
def test_macs_and_acs_are_neurobenchs(winner: Model, batch: int) -> None:
    assert winner.calibration is not None
    x = torch.from_numpy(winner.calibration.inputs[:batch].astype(np.float64))
    ours, theirs = our_counts(winner, x), neurobench_counts(winner, x)
    assert theirs[0] > 0
    assert theirs[1] > 0
    assert ours == theirs
