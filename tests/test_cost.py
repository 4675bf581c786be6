"""The plain data that counting and pricing speak."""

import dataclasses
import json

import numpy as np
import pytest

from spikec.cost import Evidence, Policy, Probe, Report

DEFAULTS = {  # the policy table's fields, the default first
    "counting": ("events", "rate", "spikingjelly", "syops"),
    "multibit": ("unit", "ac", "mac"),
    "zero_weights": ("count", "skip"),
    "first_layer": ("once", "per-step"),
    "ssa": ("graph", "qk", "kv"),
    "bias": ("apart", "in-ops"),
    "rate_of": ("mean", "nonzero"),
}


def test_the_policys_fields_values_and_defaults():
    choices = Policy.choices()
    assert {field: choices[field] for field in DEFAULTS} == DEFAULTS
    assert set(choices) == {field.name for field in dataclasses.fields(Policy)}
    for field, values in choices.items():
        assert getattr(Policy(), field) == values[0]


def test_the_weakest_evidence_is_the_least():
    assert min(Evidence) is Evidence.ASSUMED
    assert min(Evidence.MEASURED, Evidence.DERIVED, Evidence.SIMULATED).label == "derived"


def test_groups_of_a_probe():
    assert Probe(("x",), "sum").group_count == 1
    assert Probe(("x",), "sum", np.array([[0, 4], [1, 0]])).group_count == 5


def report(**changed):
    values = {
        "schema_version": 1,
        "model": {"name": "m", "graph_sha256": "0" * 64},
        "priced_graph_sha256": "1" * 64,
        "passes": ("fold-batchnorm",),
        "steps": 4,
        "hardware": {"name": "45nm"},
        "policy": {"counting": "events"},
        "data": {"samples": 2},
        "nodes": ({"name": "b", "counts": {"mac": 1, "ac": 2}},),
        "totals": {"energy_pj": 0.1 + 0.2},
        "ann": {},
        "left_out": {},
    }
    return Report(**{**values, **changed})


def test_a_report_as_json_is_sorted_and_exact():
    text = report().to_json()
    again = json.loads(text)
    assert again["totals"]["energy_pj"] == 0.1 + 0.2 == report().energy_pj
    assert list(again) == sorted(again)
    assert list(again["nodes"][0]["counts"]) == ["ac", "mac"]
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_report_holds_no_number_that_json_has_not(value):
    with pytest.raises(ValueError, match="JSON"):
        report(totals={"energy_pj": value}).to_json()
