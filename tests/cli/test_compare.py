"""spikec compare: two real reports, its exit codes, and that every run says the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def reports(run: Run, model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """One network with its first layer billed once and at every step; the second on another chip beside it."""
    for name, words in (("a.json", ()), ("b.json", ("--first-layer", "per-step", "--hw", "45nm-int8", "--hw", "45nm"))):
        written = ("--samples", 4, "--format", "json", "-o", tmp_path / name)
        assert run("estimate", model, *words, *written).exit_code == 0
    return tmp_path / "a.json", tmp_path / "b.json"


def energy(path: Path, chip: str) -> float:
    found = json.loads(path.read_text())
    (total,) = (
        one["totals"] for one in (found if isinstance(found, list) else [found]) if one["hardware"]["name"] == chip
    )
    value: float = total["energy_pj"]
    return value


def test_assumptions_first_then_numbers_and_who_has_no_partner(run: Run, reports: tuple[Path, Path]) -> None:
    result = run("compare", *reports)
    assert result.exit_code == 0
    assert result.stderr == ""
    parts = (
        "45nm-int8 is not compared: not in A",
        "\n45nm: ",
        "policy.first_layer",
        "once -> per-step",
        "Totals per inference",
        "\nlayer ",
    )
    places = [result.stdout.index(part) for part in parts]
    assert places == sorted(places)
    assert "\x1b" not in result.stdout
    assert run("compare", *reports).stdout == result.stdout


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_the_file_of_out_holds_what_stdout_would(
    run: Run, reports: tuple[Path, Path], tmp_path: Path, form: str
) -> None:
    out = tmp_path / "changes"
    shown = run("compare", *reports, "--format", form).stdout
    assert run("compare", *reports, "--format", form, "-o", out).exit_code == 0
    assert out.read_text() == shown
    assert run("compare", *reports, "-o", out).exit_code == 2
    assert run("compare", *reports, "-o", out, "--force").exit_code == 0


def test_the_numbers_are_those_of_the_reports(run: Run, reports: tuple[Path, Path]) -> None:
    words = ("--fail-on", "+1000%", "--fail-on", "parameters:+0")
    (chip,) = (plain := json.loads(run("compare", *reports, "--format", "json", *words).stdout))["chips"]
    a, b = (json.loads(path.read_text()) for path in reports)
    one, other = a, b[1]
    total = chip["totals"]["energy_pj"]
    assert (total["a"], total["b"]) == (one["totals"]["energy_pj"], other["totals"]["energy_pj"])
    assert total["difference"] == total["b"] - total["a"]
    assert {(n["name"], k): v["b"] for n in chip["nodes"] for k, v in n["counts"].items()} == {
        (n["name"], k): v for n in other["nodes"] for k, v in n["counts"].items()
    }
    assert {one["name"] for one in chip["assumptions"]} >= {"policy.first_layer", "passes", "priced_graph_sha256"}
    assert [(limit["limit"], limit["holds"]) for limit in plain["limits"]] == [
        ("energy_pj:+1000%", True),
        ("parameters:+0", True),
    ]
    lines = run("compare", *reports, "--format", "csv").stdout.splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert next(float(row["b"]) for row in rows if (row["node"], row["quantity"]) == ("", "energy_pj")) == total["b"]


def test_over_is_exit_code_1_after_the_report(run: Run, reports: tuple[Path, Path]) -> None:
    a, b = reports
    more = 100 * (energy(b, "45nm") / energy(a, "45nm") - 1)
    assert more > 50
    held = run("compare", a, b, "--fail-on", f"+{more + 0.1:.6f}%", "--fail-on", "-5%")
    assert held.exit_code == 0
    assert [line.rpartition(": ")[2] for line in held.stderr.splitlines()] == ["holds", "holds"]
    result = run("compare", a, b, "--fail-on", f"+{more - 0.1:.6f}%", "--fail-on", "energy_j:+1")
    assert result.exit_code == 1
    assert result.stdout == run("compare", a, b).stdout
    first, second, last = result.stderr.splitlines()
    assert first.endswith("%): over")
    assert second.endswith(": holds")
    assert last.startswith("error: beyond what --fail-on allows: energy_pj:+")
    assert last.endswith("% on 45nm")
    assert run("compare", b, a).exit_code == 0
    back = run("compare", b, a, "--fail-on", "-0.5%")
    assert back.exit_code == 1
    assert "energy_pj:-0.5% on 45nm, 45nm-int8 has no numbers in " in back.stderr


def test_nothing_to_judge_is_exit_code_2(run: Run, reports: tuple[Path, Path]) -> None:
    for limit, said in (
        ("latency_ms:+5%", "models time"),
        ("cores:+0", "--map"),
        ("spik:+5%", "Try: spike"),
        ("5%", "+5%"),
        ("energy:+5%", "energy_pj"),
    ):
        result = run("compare", *reports, "--fail-on", limit)
        assert result.exit_code == 2
        assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such file"),
        ("spikec", "no JSON"),
        ("{}", "no schema_version"),
        ('{"schema_version": 7}', "expected 1"),
        ('{"schema_version": 1, "steps": NaN}', "NaN"),
        ("[]", "an empty list"),
    ],
)
def test_what_is_no_report_is_exit_code_2(run: Run, reports: tuple[Path, Path], text: str | None, said: str) -> None:
    bad = reports[0].with_name("bad.json")
    if text is not None:
        bad.write_text(text)
    for words in ((bad, reports[1]), (reports[0], bad)):
        result = run("compare", *words, "-o", bad.with_name("out"))
        assert result.exit_code == 2
        assert said in result.stderr
        assert "bad.json" in result.stderr
        assert not bad.with_name("out").exists()


def test_chips_that_are_not_in_both_are_exit_code_2(run: Run, reports: tuple[Path, Path], tmp_path: Path) -> None:
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps([json.loads(reports[1].read_text())[0]] * 2))
    result = run("compare", reports[0], alone)
    assert result.exit_code == 2
    assert "expected one of those of " in result.stderr
