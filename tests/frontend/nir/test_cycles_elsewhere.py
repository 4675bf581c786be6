"""Cycles as nirtorch, on which snnTorch and SpikingJelly import, takes them: where it does as we do, and where not.

What docs/export.md and docs/decisions/0014 say of them is measured here.
"""

from pathlib import Path

import nir
import numpy as np
import pytest
import torch

from spikec.backend.nir.writer import write
from spikec.frontend.foreign import read
from spikec.ir.graph import Graph

DT, N, STEPS = 1e-4, 6, 25


@pytest.fixture
def exchange():
    return pytest.importorskip("spikingjelly.activation_based.nir_exchange")


def ring(biased: bool) -> nir.NIRGraph:
    """Neurons that hear themselves through weights, without a Delay."""
    random, one = np.random.default_rng(3), np.ones(N)
    weight, bias = random.normal(0.1, 0.6, size=(N, N)), random.uniform(0.2, 0.6, size=N)
    nodes = {
        "input": nir.Input(np.array([N])),
        "n": nir.LIF(4 * DT * one, 4 * one, 0 * one, 0.75 * one, 0 * one),
        "back": nir.Affine(weight, bias) if biased else nir.Linear(weight),
        "output": nir.Output(np.array([N])),
    }
    return nir.NIRGraph(nodes, [("input", "n"), ("n", "back"), ("back", "n"), ("n", "output")])


def taken(graph: nir.NIRGraph, folder: Path) -> Graph:
    nir.write(folder / "ring.nir", graph)
    return read(folder / "ring.nir").graph


def spikes_of(network: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    state, given = None, []
    with torch.no_grad():
        for frame in torch.from_numpy(x):
            y, state = network(frame, state)
            given.append(y.numpy().copy())
    return np.stack(given)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(8).uniform(-0.2, 1.0, size=(STEPS, 8, N))


def differing(exchange, foreign: nir.NIRGraph, graph: Graph, x: np.ndarray, values, alive) -> np.ndarray:
    """Where spikes differ, [T, B, N]."""
    (ours,) = values(graph, x).values()
    alive(ours)
    return spikes_of(exchange.import_from_nir(foreign, dt=DT, dtype=torch.float64), x) != ours


def test_weights_on_the_way_back_are_heard_alike(exchange, tmp_path, x, values, alive):
    assert not differing(exchange, ring(False), taken(ring(False), tmp_path), x, values, alive).any()


def test_a_bias_on_the_way_back_is_what_nirtorch_leaves_out_of_the_first_step(exchange, tmp_path, x, values, alive):
    ours = taken(ring(True), tmp_path)
    off = differing(exchange, ring(True), ours, x, values, alive)
    assert off[0].any()
    late = x.copy()
    late[0] += ring(True).nodes["back"].bias  # given what it leaves out, it does as we do
    (expected,) = values(ours, x).values()
    found = spikes_of(exchange.import_from_nir(ring(True), dt=DT, dtype=torch.float64), late)
    assert np.array_equal(found, expected)


class PassesOn(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Waits(torch.nn.Module):
    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        return (torch.zeros_like(x) if state is None else state), x


@pytest.mark.parametrize("module", [PassesOn, Waits])
def test_nirtorch_waits_a_step_itself_where_a_delay_is_written(
    exchange, tmp_path, x, values, alive, monkeypatch, module
):
    graph = taken(ring(False), tmp_path)
    write(graph, tmp_path, "strict")
    written = nir.read(tmp_path / "network.nir")
    assert any(isinstance(node, nir.Delay) for node in written.nodes.values())
    with pytest.raises(ValueError, match="Delay"):
        exchange.import_from_nir(written, dt=DT)
    monkeypatch.setitem(pytest.importorskip("nirtorch.nir_interpreter").DEFAULT_MAP, nir.Delay, lambda node: module())
    off = differing(exchange, written, graph, x, values, alive)
    assert off.any() is np.bool_(module is Waits)
