"""The closed forms of energy and time on cores are SANA-FE's own numbers, step by step.

What the cores did is counted edge by edge from a simulation in numpy; only its counts by kind and its times are of
`hwmodels.mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from sanafe_cases import CASES, large
from sanafe_networks import Case
from sanafe_oracle import NS, PJ, SYNC_NS, measured, run
from sanafe_simulation import activity, flat, offsets, simulate

from hwmodels.mapping.core_activity import COUNTS, SYNAPSE_KINDS, CoreActivity, counts_of, update_bounds
from hwmodels.mapping.latency import BOTTLENECKS, CoreTimes, simple_latency
from hwmodels.mapping.mesh import Distances

SYNAPSES = tuple(f"synapse_{kind}" for kind in SYNAPSE_KINDS)
SOMA = ("soma_access", "soma_update", "soma_spike")
NETWORK = ("message", "message_in", "hop_ew", "hop_ns")
TIMES = CoreTimes(
    {name: ns for name, ns in NS.items() if name in COUNTS}, tuple(SYNC_NS), tuple(SYNC_NS.values()), between="next"
)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def steps_of(found: CoreActivity) -> Iterable[CoreActivity]:
    """Each step as an activity of its own."""
    for t in range(found.steps):
        at = slice(t, t + 1)
        yield CoreActivity(
            found.events[:, at],
            found.neurons,
            found.updated[:, at],
            found.spikes[:, at],
            found.pairs,
            found.packets[:, at],
            found.places,
        )


def energy(found: CoreActivity, hops: Distances, names: Iterable[str]) -> NDArray[np.float64]:
    """[T] pJ of these counts."""
    each = [counts_of(step, hops) for step in steps_of(found)]
    return np.array([sum(counts[name].sum() * PJ[name] for name in names) for counts in each])


def same(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=0)
    np.testing.assert_allclose(ours.sum(), theirs.sum(), rtol=1e-9, atol=0)
    assert ours.sum() > 0


@pytest.mark.full
def test_every_spike_and_every_update_is_sanafes(case: Case) -> None:
    ours, theirs = simulate(case), measured(case.name)
    assert np.array_equal(ours.spikes, theirs.spikes)
    # SANA-FE calls an input that fires updated as well; neither costs it anything.
    inputs = case.spikes.reshape(case.steps, -1).sum(1)
    assert (ours.updated.sum(1) + inputs).tolist() == theirs.updated.tolist()
    assert activity(case, ours)[0].packets.sum() == theirs.packets


@pytest.mark.full
def test_energy_of_synapses(case: Case) -> None:
    same(energy(*activity(case, simulate(case)), SYNAPSES), measured(case.name).synapse_pj)


@pytest.mark.full
def test_energy_of_the_network(case: Case) -> None:
    same(energy(*activity(case, simulate(case)), NETWORK), measured(case.name).network_pj)


@pytest.mark.full
def test_energy_of_somas_where_potentials_are_tracked(case: Case) -> None:
    same(energy(*activity(case, simulate(case)), SOMA), measured(case.name).soma_pj)


@pytest.mark.full
def test_energy_of_somas_lies_between_what_counts_alone_say(case: Case) -> None:
    found, hops = activity(case, simulate(case))
    least, most = (energy(bound, hops, SOMA) for bound in update_bounds(found))
    theirs = measured(case.name).soma_pj
    assert (least <= theirs * (1 + 1e-9)).all()
    assert (theirs <= most * (1 + 1e-9)).all()
    assert least.sum() < theirs.sum() < most.sum()


@pytest.mark.full
def test_simple_latency(case: Case) -> None:
    found, _ = activity(case, simulate(case))
    same(simple_latency(found, TIMES).total_ns[0], measured(case.name).total_ns)


@pytest.mark.long
def test_a_large_network() -> None:
    case = large()
    ours, theirs = simulate(case), run(case)
    assert flat(case).neurons == 71_108
    assert flat(case).source.size == 2_869_344
    assert np.array_equal(ours.spikes, theirs.spikes)
    found, hops = activity(case, ours)
    same(energy(found, hops, SYNAPSES), theirs.synapse_pj)
    same(energy(found, hops, NETWORK), theirs.network_pj)
    same(energy(found, hops, SOMA), theirs.soma_pj)
    same(simple_latency(found, TIMES).total_ns[0], theirs.total_ns)


def test_the_networks_are_alive(case: Case) -> None:
    spikes, at = simulate(case).spikes, offsets(case)
    for layer in case.layers:
        rate = spikes[:, at[layer.name] : at[layer.name] + layer.size].mean()
        assert 0.05 < rate < 0.9, layer.name


def test_the_networks_cover_what_differs() -> None:
    assert len(CASES) >= 12
    found = {name: activity(case, simulate(case))[0] for name, case in CASES.items()}
    layers = [layer for case in CASES.values() for layer in case.layers]
    assert {layer.kind for layer in layers} == set(SYNAPSE_KINDS)
    assert {layer.reset for layer in layers} == {"hard", "soft"}
    assert len({layer.decay for layer in layers}) > 3
    assert min(each.cores for each in found.values()) == 1
    assert {1, 2, 3, 4, 32} <= {each.tiles for each in found.values()}
    bound = {BOTTLENECKS[index] for each in found.values() for index in np.unique(simple_latency(each, TIMES).binds)}
    assert bound == {"neurons", "messages"}
    assert any((each.pairs[:, 0] == each.pairs[:, 1]).any() for each in found.values())


def test_one_neuron_reaches_two_layers_on_a_core_by_one_packet() -> None:
    case = CASES["two-layers-on-one-core"]
    net, (found, _) = flat(case), activity(case, simulate(case))
    by_layer = np.unique(np.stack([net.source, net.target >= offsets(case)["layer1"], net.core[net.target]]), axis=1)
    assert found.packets.sum() < (simulate(case).spikes[:, by_layer[0]]).sum()
