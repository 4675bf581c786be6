"""The chip file loihi1-sanafe on spikec's own graphs, counted by its probes: SANA-FE's numbers, of the same spikes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from sanafe_cases import CASES
from sanafe_graphs import core_of, data_of, graph_of
from sanafe_oracle import measured

from hwmodels.cores_model import CoresModel
from hwmodels.mapping.placed import placed_on
from hwmodels.mapping.plans import given_plan
from hwmodels.registry import load
from spikec.cost import Cost, Policy
from spikec.run.interp import Interpreter

SYNAPSES = ("synapse_dense", "synapse_sparse", "synapse_conv")
SOMA = ("soma_access", "soma_update", "soma_spike")
NETWORK = ("message", "message_in", "hop_ew", "hop_ns")


@dataclass(frozen=True, eq=False)
class Estimated:
    """What the model says of a case: costs, pJ of the events that cores process, and ns an inference.

    The delays of the graph hold back what the last step sends: SANA-FE has its events within the run, and so have the
    cores, while the nodes of the graph never take it.
    """

    costs: tuple[Cost, ...]
    synapse_pj: float
    latency_ns: float

    def energy_pj(self, terms: Iterable[str]) -> float:
        return sum(cost.energy_pj.get(term, 0.0) for cost in self.costs for term in terms)


@cache
def estimated(name: str) -> Estimated:
    case, chip = CASES[name], load("loihi1-sanafe")
    assert isinstance(chip, CoresModel)
    sparse = any(layer.kind == "sparse" for layer in case.layers)
    policy = Policy(zero_weights="skip" if sparse else "count")
    graph = graph_of(case)
    skips = policy.zero_weights == "skip"
    plan, on = given_plan(graph, chip.table, chip.form, chip.name, core_of(case), skip_zeros=skips)
    counts = Interpreter(torch.float64).count(graph, data_of(case), chip.probes(graph, policy, plan))
    placed = placed_on(plan, on)
    costs = chip.price(graph, counts, policy, placed)
    facts = chip.describe(plan, policy, placed, counts, costs)
    prices = {term.count: term.energy_pj for term in chip.prices(graph, policy)}
    run = placed.run(counts, chip.prices(graph, policy))
    synapses = sum(run.counts[kind].sum() * prices[kind] for kind in SYNAPSES)
    return Estimated(costs, synapses, facts["latency"]["inference_ns"])


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.full
def test_energy_of_synapses(name: str) -> None:
    assert estimated(name).synapse_pj == pytest.approx(measured(name).synapse_pj.sum(), rel=1e-9)


@pytest.mark.full
def test_energy_of_the_network(name: str) -> None:
    assert estimated(name).energy_pj(NETWORK) == pytest.approx(measured(name).network_pj.sum(), rel=1e-9)


@pytest.mark.full
def test_energy_of_somas_whose_membranes_are_tracked(name: str) -> None:
    assert estimated(name).energy_pj(SOMA) == pytest.approx(measured(name).soma_pj.sum(), rel=1e-9)


@pytest.mark.full
def test_simple_latency(name: str) -> None:
    assert estimated(name).latency_ns == pytest.approx(measured(name).total_ns.sum(), rel=1e-9)


def steps_less_one(name: str) -> float:
    """What SANA-FE says of the synapses, but for the last step's spikes."""
    return float(measured(name).synapse_pj[:-1].sum())


@pytest.mark.full
def test_the_nodes_of_a_graph_with_delays_take_all_but_what_the_last_step_sends(name: str) -> None:
    assert estimated(name).energy_pj(SYNAPSES) == pytest.approx(steps_less_one(name), rel=1e-9)


@pytest.mark.full
def test_the_parts_are_all_that_is_priced(name: str) -> None:
    found = estimated(name)
    whole = sum(sum(cost.energy_pj.values()) for cost in found.costs)
    assert whole == pytest.approx(found.energy_pj((*SYNAPSES, *SOMA, *NETWORK)), rel=1e-12)
