"""spikec estimate on a chip that prices memory."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest


def estimate(run, *words):
    result = run("estimate", *words, "--samples", 4, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_its_report_holds_accesses_prices_and_assumptions(run, model: Path) -> None:
    report = estimate(run, model, "--hw", "45nm-memory")
    counts, terms = report["totals"]["counts"], report["hardware"]["terms"]
    assert {"read_weight", "read_bias", "read_potential", "write_potential", "read_input"} <= set(counts)
    paid = [energy for node in report["nodes"] for energy in node["energy_pj"].values()]
    assert math.fsum(paid) == pytest.approx(report["totals"]["energy_pj"], rel=1e-12)
    sizes = [term["note"] for term in terms if term["name"] == "read_weight"]
    assert len(set(sizes)) == len(sizes) > 3
    assert all(term["source"] for term in terms)
    assert any("no reuse" in said for said in report["assumptions"])
    assert any("no rule for the memory accesses" in said and "matmul" in said for said in report["assumptions"])
    assert report["hardware"]["evidence"] == "assumed"
    assert {"residual_add", "pool"} <= set(report["left_out"])
    arithmetic = estimate(run, model, "--hw", "45nm")
    assert report["ann"]["macs"] == arithmetic["ann"]["macs"]
    assert report["ann"]["energy_pj"] > 3.2 * report["ann"]["macs"]


def test_a_reading_changes_the_prices_and_is_named(run, model: Path) -> None:
    default, line = (estimate(run, model, "--hw", "45nm-memory", *more) for more in ((), ("--memory", "line")))
    assert (default["policy"]["memory"], line["policy"]["memory"]) == ("piecewise", "line")
    assert line["totals"]["energy_pj"] != default["totals"]["energy_pj"]
    prices = [term["energy_pj"] for term in line["hardware"]["terms"] if term["note"]]
    assert min(prices) >= 13.2


def test_the_named_policy_takes_the_other_reading_beside_it(run, model: Path) -> None:
    words = (model, "--hw", "45nm-memory", "--policy", "lemaire")
    report, line = estimate(run, *words), estimate(run, *words, "--memory", "line")
    assert (report["policy"]["name"], report["policy"]["counting"]) == ("lemaire", "rate")
    assert "product_left_out" in report["left_out"]
    same = ("read_input", "read_weight", "read_potential", "mac", "spike")
    assert {kind: line["totals"]["counts"][kind] for kind in same} == {
        kind: report["totals"]["counts"][kind] for kind in same
    }


def test_the_table_has_one_line_for_the_memories_of_a_kind(run, model: Path) -> None:
    result = run("estimate", model, "--hw", "45nm-memory", "--samples", 2)
    assert result.exit_code == 0
    assert " ".join(result.stdout.split()).count("read_weight") == 1
    assert "memories, assumed" in " ".join(result.stdout.split())


def test_a_chip_without_memory_refuses_the_named_policy_and_says_which_chip_has_one(run, model: Path) -> None:
    result = run("estimate", model, "--hw", "45nm", "--samples", 1, "--policy", "lemaire")
    assert result.exit_code == 2
    assert "45nm-memory" in result.stderr
