"""spikec hw fit as a shell sees it: a chip file from runs, estimates with it, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.image import imread

from spikec.data import digits
from spikec.model import save
from spikec.snn.config import uniform_config
from spikec.tasks.networks import model_of_network, untrained

PRICES = {"ac": 2.5, "mac": 11.0}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs on a chip that is known."""
    lines = ["name,ac,mac,energy_nj"]
    for run, (ac, mac) in enumerate([(10, 90), (40, 20), (70, 60), (20, 15), (90, 5)]):
        energy = 1 + 0.001 * (-1) ** run
        lines.append(f"r{run},{ac}000,{mac}000,{energy * (PRICES['ac'] * ac + PRICES['mac'] * mac)}")
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "runs.csv"


def test_runs_become_a_chip_that_is_good_and_is_estimated_with(run, runs: Path, model: Path, tmp_path: Path) -> None:
    chip, plot = tmp_path / "board.toml", tmp_path / "fit.png"
    result = run("hw", "fit", runs, "-o", chip, "--node", "28 nm", "--plot", plot)
    assert result.exit_code == 0
    assert f"written: {chip}" in result.stderr
    for part in ("2 prices from 5 runs of runs.csv", "95 % interval", "measured [uJ]", "condition number", "R^2", "r3"):
        assert part in result.stdout
    assert imread(plot).shape[:2] == (800, 1200)
    assert run("hw", "check", chip).stdout.startswith("good: board, 28 nm, passes fold-batchnorm, sha256 ")
    report = json.loads(run("estimate", model, "--hw", chip, "--format", "json").stdout)
    assert report["hardware"]["evidence"] == "measured"
    terms = {term["name"]: term for term in report["hardware"]["terms"]}
    for kind, price in PRICES.items():
        assert terms[kind]["energy_pj"] == pytest.approx(price, rel=0.01)
        assert terms[kind]["low_pj"] < price < terms[kind]["high_pj"]
    totals = report["totals"]
    assert totals["energy_pj_low"] < totals["energy_pj"] < totals["energy_pj_high"]


@pytest.mark.full
def test_reports_of_networks_and_their_energies_give_the_prices_back(run, tmp_path: Path) -> None:
    """What one would do on a board: networks estimated, measured, fitted; the chip then gives what was measured."""
    lines, models = ["report,energy_pj"], []
    for width, heads, steps in ((16, 2, 1), (32, 2, 2), (48, 4, 4), (24, 2, 8)):
        config = uniform_config("digits", (1, 8, 8), 10, width=width, depth=1, heads=heads, ratio=2.0, steps=steps)
        models.append(tmp_path / f"w{width}.pt")
        save(model_of_network(untrained(config, 0), f"w{width}", {"made": "for tests"}, digits.load(0)), models[-1])
        run("estimate", models[-1], "--hw", "45nm", "--format", "json", "-o", tmp_path / f"w{width}.json")
        counted = json.loads((tmp_path / f"w{width}.json").read_text())["totals"]["counts"]
        lines.append(f"w{width}.json,{sum(price * counted[kind] for kind, price in PRICES.items())!r}")
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    result = run("hw", "fit", tmp_path / "runs.csv", "--terms", "ac,mac", "-o", tmp_path / "chip.toml")
    assert result.exit_code == 0, result.output
    for path, line in zip(models, lines[1:], strict=True):
        report = json.loads(run("estimate", path, "--hw", tmp_path / "chip.toml", "--format", "json").stdout)
        assert report["totals"]["energy_pj"] == pytest.approx(float(line.split(",")[1]), rel=1e-7)


def test_json_has_the_fit_in_full(run, runs: Path) -> None:
    plain = json.loads(run("hw", "fit", runs, "--format", "json", "--level", "0.9").stdout)
    assert plain["level"] == 0.9
    assert [row["kind"] for row in plain["prices"]] == ["ac", "mac"]
    assert {"name", "measured_pj", "predicted_pj", "left_out_pj"} == set(plain["runs"][0])
    assert plain["condition"] < plain["most_condition"] == 30


def test_runs_that_do_not_tell_prices_apart_are_the_answer_no(run, runs: Path, tmp_path: Path) -> None:
    text = runs.read_text().splitlines()
    runs.write_text("\n".join([text[0], *(f"r,{ac},{2 * ac},{5 * ac}" for ac in (1, 2, 3, 5))]))
    result = run("hw", "fit", runs, "-o", tmp_path / "chip.toml")
    assert result.exit_code == 1
    assert "condition number above 1e12: ac and mac go together (mac is 2 times ac in every run)" in result.stderr
    assert "these runs again at half the" in result.stderr
    assert not (tmp_path / "chip.toml").exists()


def test_bad_input_is_2_and_writes_nothing(run, runs: Path, tmp_path: Path) -> None:
    chip = tmp_path / "chip.toml"
    runs.write_text(runs.read_text().replace("r3,20000", "r3,nan"))
    result = run("hw", "fit", runs, "-o", chip)
    assert result.exit_code == 2
    assert f"{runs}, line 5, column ac: 'nan'" in result.stderr
    assert not chip.exists()
    assert "no such file" in run("hw", "fit", tmp_path / "absent.csv").stderr


def test_outputs_are_checked_before_the_work(run, runs: Path, tmp_path: Path) -> None:
    chip = tmp_path / "chip.toml"
    chip.write_text("mine")
    assert "--force" in run("hw", "fit", runs, "-o", chip).stderr
    assert "a plot called fit.gif" in run("hw", "fit", runs, "--plot", tmp_path / "fit.gif").stderr
    both = run("hw", "fit", runs, "-o", tmp_path / "a.png", "--plot", tmp_path / "a.png")
    assert "-o and --plot are one file" in both.stderr
    assert chip.read_text() == "mine"
    assert run("hw", "fit", runs, "-o", chip, "--force").exit_code == 0
    assert 'name = "chip"' in chip.read_text()
