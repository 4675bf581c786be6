"""What every chip keeps to, whatever it prices: `hwmodels.conformance` on random spikes."""

from importlib.metadata import EntryPoint

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import conformance, registry
from hwmodels.conformance import synaptic
from hwmodels.conformance_networks import POLICIES, dense_network
from hwmodels.model import ArithmeticModel
from hwmodels.registry import load, names
from hwmodels.totals import standard_error_pj, total_energy_pj
from spikec.cost import Evidence, Policy, Term
from spikec.run.interp import Interpreter

COUNT = Interpreter(torch.float64).count
MODELS = {name: load(name) for name in names()}
FAST = ("45nm", "45nm-memory", "loihi1", "loihi1-sanafe", "loihi2", "spinnaker")
"""One chip of every kind; the others differ by their numbers."""


def tiered(name, *more, **given):
    return pytest.param(name, *more, marks=() if name in FAST else pytest.mark.full, **given)


chips = pytest.mark.parametrize("name", [tiered(name) for name in MODELS])
taken = pytest.mark.parametrize(
    ("name", "policy"),
    [
        tiered(name, policy, id=f"{name}-{number}")
        for name, chip in MODELS.items()
        for number, policy in enumerate(POLICIES)
        if conformance.takes(chip, policy) is not None
    ],
)
spikes = st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1))


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
@pytest.mark.parametrize("name", ["45nm", "45nm-fp16", "45nm-int8", "45nm-memory"])
def test_what_prices_arithmetic_takes_every_policy_and_the_network_with_attention(name, policy):
    assert conformance.takes(load(name), policy).text() == dense_network(bias=True).text()


@chips
def test_every_chip_takes_a_network_by_default(name):
    assert conformance.takes(MODELS[name], Policy()) is not None


@taken
@settings(max_examples=2, deadline=None)
@given(drawn=spikes)
def test_energy_is_finite_not_negative_and_the_sum_of_its_terms(name, policy, drawn):
    conformance.check_energies(MODELS[name], policy, COUNT, drawn)
    run = conformance.price(MODELS[name], policy, COUNT, drawn)
    assert standard_error_pj(run.costs) >= 0


@taken
@settings(max_examples=2, deadline=None)
@given(drawn=spikes, more=spikes)
def test_more_spikes_cost_no_less(name, policy, drawn, more):
    conformance.check_more_spikes(MODELS[name], policy, COUNT, drawn, more)


@taken
def test_without_spikes_there_is_no_synaptic_event(name, policy):
    conformance.check_silence(MODELS[name], policy, COUNT)


@taken
def test_with_spikes_every_synaptic_node_has_events(name, policy):
    run = conformance.price(MODELS[name], policy, COUNT, (0, 0.5))
    scopes = {cost.scope for cost in run.costs if synaptic(cost)}
    assert conformance.with_events(run.graph, policy) <= scopes


@taken
def test_fewer_of_one_count_cost_no_more(name, policy):
    conformance.check_each_count(MODELS[name], policy, COUNT, (0, 0.5))


@taken
def test_twice_the_steps_of_the_same_cost_twice_as_much(name, policy):
    conformance.check_repeated(MODELS[name], policy, COUNT, (0, 0.5))


@taken
def test_prices_are_numbers_with_sources(name, policy):
    conformance.check_prices(MODELS[name], policy)


@taken
def test_each_question_is_asked_once(name, policy):
    conformance.check_questions(MODELS[name], policy)


@chips
def test_the_same_counts_price_the_same_to_the_last_bit(name):
    first, again = (conformance.price(MODELS[name], Policy(), COUNT, (0, 0.3)).costs for _ in range(2))
    assert total_energy_pj(first, 3) == total_energy_pj(again, 3) > 0


@chips
def test_an_op_without_a_rule_is_refused_by_name(name):
    conformance.check_unknown_ops(MODELS[name])


PRICE = Term("ac", "ac", 1.0, evidence=Evidence.MEASURED, source="our bench")


def of_another_package():
    return ArithmeticModel("own", "28 nm", "", ("fold-batchnorm",), (PRICE,))


def test_a_model_of_another_package_is_checked_whole(monkeypatch):
    point = EntryPoint("own", f"{__name__}:of_another_package", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: of_another_package)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "spikec.hardware" else [])
    conformance.check_model(load("own"), COUNT)


class Rising(ArithmeticModel):
    """Broken on purpose: less activity costs more."""

    def price(self, graph, activity, policy, mapping=None):
        costs = super().price(graph, activity, policy, mapping)
        events = sum(cost.counts.get("ac", 0) for cost in costs)
        dearer = Term("ac", "ac", 1e12 / (1 + events) ** 2, source="none")
        return ArithmeticModel(self.name, self.node, "", (), (dearer,)).price(graph, activity, policy)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Rising("rising", "28 nm", "", (), (PRICE,)), "as counts in pJ"),
        (ArithmeticModel("bare", "28 nm", "", (), (Term("ac", "ac", 1.0),)), "a source of ac"),
        (ArithmeticModel("free", "28 nm", "", (), ()), "a price"),
        (ArithmeticModel("back", "28 nm", "", (), (Term("ac", "ac", 1.0, low_pj=2.0, source="x"),)), "low <= price"),
    ],
    ids=["falls", "no source", "no price", "bounds"],
)
def test_what_is_broken_is_found(model, said):
    with pytest.raises(AssertionError, match=said):
        conformance.check_model(model, COUNT)


@pytest.mark.parametrize(
    ("check", "said"), [("check_each_count", "no more energy for fewer"), ("check_repeated", "linear in the steps")]
)
def test_each_check_finds_what_it_is_for(check, said):
    with pytest.raises(AssertionError, match=said):
        getattr(conformance, check)(Rising("rising", "28 nm", "", (), (PRICE,)), Policy(), COUNT, (0, 0.5))
