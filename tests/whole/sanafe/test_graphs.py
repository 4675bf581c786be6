"""The interpreter runs these networks spike for spike as SANA-FE does, and its values say which neurons are updated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sanafe_cases import CASES
from sanafe_graphs import core_of, data_of, graph_of
from sanafe_networks import INPUT, Case
from sanafe_oracle import measured
from sanafe_simulation import offsets, simulate

from spikec.cost import Probe
from spikec.run.interp import Interpreter


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def spikes_of(case: Case, *, delayed: bool = True) -> dict[str, np.ndarray]:
    """[T, neurons] of every layer."""
    names = [layer.name for layer in case.layers]
    found = Interpreter(torch.float64).run(graph_of(case, delayed=delayed), data_of(case), keep=names)
    return {name: value.numpy().reshape(case.steps, -1).astype(bool) for name, value in found.items()}


@pytest.mark.full
def test_every_spike_of_a_graph_with_delays_is_sanafes(case: Case) -> None:
    theirs, at = measured(case.name).spikes, offsets(case)
    for name, ours in spikes_of(case).items():
        assert np.array_equal(ours, theirs[:, at[name] : at[name] + ours.shape[1]]), name


def test_every_spike_of_a_graph_with_delays_is_the_simulations(case: Case) -> None:
    theirs, at = simulate(case).spikes, offsets(case)
    for name, ours in spikes_of(case).items():
        assert np.array_equal(ours, theirs[:, at[name] : at[name] + ours.shape[1]]), name


def test_without_delays_a_layer_is_ahead_by_its_depth(case: Case) -> None:
    theirs, at = simulate(case).spikes, offsets(case)
    for name, ours in spikes_of(case, delayed=False).items():
        depth = case.depth(name)
        lagging = theirs[:, at[name] : at[name] + ours.shape[1]]
        assert not lagging[:depth].any()
        assert np.array_equal(ours[:-depth], lagging[depth:]), name


def test_updates_can_be_asked_for_by_core(case: Case) -> None:
    names = [layer.name for layer in case.layers]
    probes = {
        name: Probe((f"{name}.touched",), "nonzero", groups=core_of(case)[name], keep=frozenset({"sample", "step"}))
        for name in names
    }
    counts = Interpreter(torch.float64).count(graph_of(case, tracked=True), data_of(case), tuple(probes.values()))
    theirs, at = simulate(case).updated, offsets(case)
    for layer in case.layers:
        shown = theirs[:, at[layer.name] : at[layer.name] + layer.size]
        expected = np.array([np.bincount(layer.cores, each, layer.cores.max() + 1) for each in shown])
        assert np.array_equal(counts.of(probes[layer.name])[0], expected), layer.name


def test_a_drive_of_zero_does_not_say_that_nothing_came() -> None:
    case = CASES["zeros-and-pairs-that-cancel"]
    (layer,) = case.layers
    found = Interpreter(torch.float64).run(
        graph_of(case, tracked=True),
        data_of(case),
        keep=["layer0.synapses", "layer0.reached", "layer0.before", "layer0.touched"],
    )
    drive, reached, before, touched = (value.numpy() for value in found.values())
    missed = (touched != 0) & (drive == 0) & (before == 0)
    assert missed.any()
    assert ((drive == 0) & (reached != 0)).sum() >= missed.sum()
    assert set(core_of(case)) == {INPUT, layer.name}
