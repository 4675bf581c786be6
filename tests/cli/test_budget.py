"""spikec estimate --budget: the report is printed whatever comes of it, and the exit code says what came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def found(run: Run, model: Path) -> dict[str, float]:
    totals: dict[str, float] = json.loads(run("estimate", model, "--samples", 2, "--format", "json").stdout)["totals"]
    return totals


def test_a_budget_that_holds_is_said_and_changes_nothing(run: Run, model: Path, found: dict[str, float]) -> None:
    words = ("estimate", model, "--samples", 2, "--format", "json")
    printed = f"energy_pj<={found['energy_pj']!r}"
    bare, asked = run(*words), run(*words, "--budget", "energy_mj<=1", "--budget", printed)
    assert asked.exit_code == 0
    assert asked.stdout == bare.stdout
    first, second = asked.stderr.splitlines()
    assert first.startswith("budget energy_mj<=1 on 45nm: found ")
    assert second.endswith("holds with 0 (0 %) to spare")


def test_over_is_exit_code_1_after_the_report_and_every_chip_must_hold(run: Run, model: Path, tmp_path: Path) -> None:
    chips = ("estimate", model, "--samples", 2, "--hw", "45nm-int8", "--hw", "45nm", "--format", "json")
    int8, fp32 = (report["totals"]["energy_pj"] for report in json.loads(run(*chips).stdout))
    assert int8 < fp32
    between = f"energy_pj<={(int8 + fp32) / 2}"
    result = run(*chips, "-o", tmp_path / "r.json", "--budget", between, "--budget", "parameters<1e9")
    assert result.exit_code == 1
    assert len(json.loads((tmp_path / "r.json").read_text())) == 2
    *lines, last = result.stderr.splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == [
        f"budget {budget} on {chip}" for chip in ("45nm-int8", "45nm") for budget in (between, "parameters<1e9")
    ]
    assert last == f"error: over budget, 1 of 4: {between} on 45nm"


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("latency_ms<=1", "a chip that models time"),
        ("cores<=1", "--map"),
        ("macs<=1", "Try: mac"),
        ("energy<=1", "energy_pj"),
        ("energy_mj>1", "energy_mj<=0.5"),
    ],
)
def test_what_cannot_be_judged_is_exit_code_2(run: Run, model: Path, budget: str, said: str) -> None:
    result = run("estimate", model, "--samples", 1, "--budget", budget)
    assert result.exit_code == 2
    assert said in result.stderr
