"""Totals: exact sums, standard error, bounds, and what is left out."""

import math

import numpy as np
import pytest

from hwmodels.prices import bounds, charge, evidence
from hwmodels.totals import (
    left_out,
    standard_error_pj,
    total_bounds_pj,
    total_counts,
    total_energy_pj,
    weakest_evidence,
)
from spikec.cost import Cost, Evidence, Term

TERMS = (
    Term("ac", "ac", 0.9, evidence=Evidence.DERIVED),
    Term("synapse", "mac", 20.0, low_pj=15.0, evidence=Evidence.SIMULATED),
    Term("update", "neuron_update", 2.0, high_pj=5.0, evidence=Evidence.ASSUMED),
)


def cost(counts, per_sample=(0.0,), terms=TERMS):
    low, high = bounds(counts, terms)
    energy = charge(counts, terms)
    return Cost("n", "", "op", None, counts, energy, np.array(per_sample), low, high, evidence=evidence(counts, terms))


def test_the_total_is_one_exact_sum_and_one_division():
    tricky = [Cost("n", "", "op", None, {}, {"a": a, "b": 1.0}, np.zeros(1)) for a in (1e16, -1e16, 0.1)]
    assert total_energy_pj(tricky, samples=3) == (3 + 0.1) / 3
    assert sum(e for c in tricky for e in c.energy_pj.values()) != 3 + 0.1


def test_the_standard_error_is_that_of_the_mean_over_samples():
    costs = [cost({}, (1.0, 2.0, 3.0)), cost({}, (0.0, 0.0, 3.0))]
    assert standard_error_pj(costs) == pytest.approx(np.std([1, 2, 6], ddof=1) / math.sqrt(3))
    assert standard_error_pj([cost({}, (1.0,))]) is None


def test_bounds_come_from_sources_alone():
    assert bounds({"ac": 10}, TERMS) == (None, None)
    assert bounds({"ac": 10, "mac": 1}, TERMS) == (9 + 15, None)
    assert bounds({"mac": 1, "neuron_update": 1}, TERMS) == (15 + 2, 20 + 5)
    assert bounds({"ac": 1, "mac": 0}, TERMS) == (None, None)
    costs = [cost({"ac": 10}), cost({"mac": 1})]
    assert total_bounds_pj(costs, samples=2) == ((9 + 15) / 2, None)
    assert total_bounds_pj(costs[:1], samples=1) == (None, None)


def test_the_weakest_evidence_used_is_the_reports():
    assert weakest_evidence([cost({"mac": 1}), cost({"ac": 0})]) is Evidence.SIMULATED
    assert weakest_evidence([cost({"mac": 1}), cost({"ac": 1})]) is Evidence.DERIVED
    assert cost({"mac": 1, "ac": 1}).evidence is Evidence.DERIVED
    assert weakest_evidence([]) is Evidence.MEASURED


def test_counts_of_any_size_are_added_exactly():
    costs = [cost({"ac": 2**60 + 1}), cost({"ac": -(2**60)})]
    assert total_counts(costs, samples=1) == {"ac": 1}


def test_what_no_term_prices_is_left_out_with_its_counts():
    costs = [cost({"ac": 4, "bias_add": 6}), cost({"spike": 1, "bias_add": 2})]
    assert left_out(costs, TERMS, samples=2) == {"bias_add": 4, "spike": 0.5}
