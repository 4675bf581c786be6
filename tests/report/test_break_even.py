import math

import pytest

from spikec.report.break_even import break_even
from spikec.report.table import estimate_table


def scaled(report, factor):
    """Nodes whose input rates, and with them their events, are `factor` times as high."""
    return [
        node
        if node["rate"] is None
        else {
            **node,
            "rate": node["rate"] * factor,
            "counts": {kind: n * (factor if kind in ("ac", "mac") else 1) for kind, n in node["counts"].items()},
            "energy_pj": {term: pj * factor for term, pj in node["energy_pj"].items()},
        }
        for node in report.nodes
    ]


def test_by_hand(make_report):
    nodes = [
        {"name": "a", "scope": "a", "op": "conv2d", "rate": None, "counts": {"mac": 10}, "energy_pj": {"mac": 46.0}},
        {"name": "b", "scope": "b", "op": "linear", "rate": 0.2, "counts": {"ac": 80}, "energy_pj": {"ac": 72.0}},
    ]
    report = make_report(nodes, ann={"energy_pj": 4.6 * 110, "macs": 110})
    tie = break_even(report, report.ann.get("energy_pj"))
    assert tie.rate_now == pytest.approx(80 / (4 * 100))
    assert tie.rate == pytest.approx((4.6 * 110 - 46) / 0.9 / (4 * 100))


def test_what_a_layer_pays_for_its_biases_does_not_follow_its_events(make_report):
    paid = {"ac": 72.0, "read_bias": 10.0, "bias_add": 2.0}
    nodes = [{"name": "b", "scope": "b", "op": "linear", "rate": 0.2, "counts": {"ac": 80}, "energy_pj": paid}]
    tie = break_even(make_report(nodes, ann={"energy_pj": 460.0, "macs": 100}), 460.0)
    assert tie.rate == pytest.approx((460 - 12) / 0.9 / (4 * 100))


def test_events_that_a_chip_prices_by_their_synapses_are_events(make_report):
    nodes = [
        {"name": f"{kind}", "scope": kind, "op": "linear", "rate": 0.2, "counts": {kind: 40}, "energy_pj": {kind: 80.0}}
        for kind in ("synapse_dense", "synapse_conv")
    ]
    tie = break_even(make_report(nodes, ann={"energy_pj": None, "macs": 100}), 20.0)
    assert tie.rate_now == pytest.approx(80 / (4 * 100))
    assert tie.rate == pytest.approx(20.0 / 2.0 / (4 * 100))


def test_what_a_host_multiplies_is_none_of_the_macs_that_events_are_held_to(make_report):
    nodes = [
        {"name": "a", "scope": "a", "op": "conv2d", "rate": None, "counts": {"host_mac": 30}, "energy_pj": {}},
        {"name": "b", "scope": "b", "op": "linear", "rate": 0.2, "counts": {"ac": 80}, "energy_pj": {"ac": 72.0}},
    ]
    tie = break_even(make_report(nodes, ann={"energy_pj": None, "macs": 130}), 90.0)
    assert tie.rate_now == pytest.approx(80 / (4 * 100))


@pytest.mark.parametrize("fixture", ["digits_report", "small_report"])
def test_at_the_tie_both_spend_the_same(request, make_report, fixture):
    report = request.getfixturevalue(fixture)
    tie = break_even(report, report.ann.get("energy_pj"))
    at_the_tie = make_report(scaled(report, tie.rate / tie.rate_now), ann=report.ann, policy=report.policy)
    assert math.isclose(at_the_tie.energy_pj, report.ann["energy_pj"], rel_tol=1e-12)


def test_not_derived_where_the_first_layer_is_billed_a_step(digits_report, make_report):
    policy = {**digits_report.policy, "first_layer": "per-step"}
    report = make_report(digits_report.nodes, policy=policy)
    assert break_even(report, report.ann.get("energy_pj")) is None
    assert "not derived" in estimate_table(report, 100)


@pytest.mark.parametrize("ann", [{}, {"energy_pj": None, "macs": None}, {"energy_pj": 0.0, "macs": 0}])
def test_not_derived_without_an_ann(digits_report, make_report, ann):
    report = make_report(digits_report.nodes, ann=ann)
    assert break_even(report, report.ann.get("energy_pj")) is None
    assert "nan" not in estimate_table(report, 100)


def test_an_ann_that_is_always_cheaper(digits_report, make_report):
    macs = digits_report.ann["macs"]
    report = make_report(digits_report.nodes, ann={"energy_pj": 1.0, "macs": macs})
    assert break_even(report, report.ann.get("energy_pj")).rate < 0
    assert "at no rate" in estimate_table(report, 100)
