"""spikec study: of a search that is still at work, and of one that has ended."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from spikec.search import spacefile
from spikec.search import study as studies
from spikec.search.study import Study


def test_show_while_a_search_is_at_work(run, study: Study, tmp_path: Path) -> None:
    result = run("study", "show", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "digits on 45nm: nsga2, 12 trials, seed 0, split 0" in result.stdout
    assert "failed: 1" in result.stdout
    assert "winner: trial none" in result.stdout
    assert "--resume" in result.stdout
    study.tell(study.ask(), {"accuracy": 0.99, "energy_pj": 10.0})
    assert "13 trials" in run("study", "show", tmp_path / "run").stdout


def test_show_names_the_winner_and_what_the_test_split_gave(run, finished: Path) -> None:
    result = run("study", "show", finished)
    assert "winner: trial 6" in result.stdout
    assert "95" in result.stdout
    assert "-2.00 points" in result.stdout
    assert "spikec estimate" in result.stdout


def test_the_random_subnets_go_on_with_the_search_beside_them(
    run, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("study", "show", tmp_path / "run" / "random").stdout
    assert f"spikec search --resume {tmp_path / 'run'}\n" in shown
    monkeypatch.chdir(tmp_path / "run" / "random")
    assert f"spikec search --resume {tmp_path / 'run'}\n" in run("study", "show", ".").stdout
    refused = run("search", "--resume", ".")
    assert refused.exit_code == 2
    assert f"--resume {tmp_path / 'run'}, its search" in refused.stderr


def test_hypervolumes_are_compared_at_the_trials_that_both_have(run, study: Study, tmp_path: Path) -> None:
    # Of the first three of the search, accuracies 0.80 to 0.82, each step at 1.2 times the energy; of the random
    # ones those of numbers 5, 3 and 8, of which 3 spends the least. From 0.5 and 1e8 pJ.
    def decades(number: int) -> float:
        return math.log10(1e8 / (1000.0 * 1.2**number))

    own = 0.30 * decades(0) + 0.01 * decades(1) + 0.01 * decades(2)
    drawn = 0.33 * decades(3) + 0.02 * decades(5) + 0.03 * decades(8)
    said = " ".join(run("study", "show", tmp_path / "run").stdout.split())
    assert f"of the first 3 of each {own:.4f} and {drawn:.4f}" in said


def test_plot_and_report_are_made_anew_beside_the_study(run, finished: Path) -> None:
    (finished / "front.png").write_text("old")
    assert run("study", "plot", finished).exit_code == 0
    assert (finished / "front.png").read_bytes().startswith(b"\x89PNG")
    assert run("study", "report", finished).exit_code == 0
    assert "<svg" in (finished / "report.html").read_text()


def test_other_files_are_refused_where_they_exist(run, finished: Path, tmp_path: Path) -> None:
    for command, name in (("plot", "a.svg"), ("report", "a.html")):
        out = tmp_path / name
        assert run("study", command, finished, "-o", out).exit_code == 0
        out.write_text("mine")
        result = run("study", command, finished, "-o", out)
        assert result.exit_code == 2
        assert "--force" in result.stderr
        assert out.read_text() == "mine"
        assert run("study", command, finished, "-o", out, "--force").exit_code == 0
        assert out.read_text() != "mine"


def test_rank_by_hand(run, study: Study, tmp_path: Path) -> None:
    # Energies ascend with the number. Accuracies too, but that trials 4 and 9 are 10 points lower: 4 is below
    # 0..3 (4 pairs of 66) and 9 below 0..3 and 5..8 (8 pairs); against 4 it is above. tau = (66 - 2 x 12) / 66.
    rows = [line.split(maxsplit=2) for line in run("study", "rank", tmp_path / "run").stdout.splitlines()]
    assert rows[0] == ["tau", "trials", "orders compared"]
    assert rows[1][:2] == [f"{(66 - 24) / 66:+.3f}", "12"]
    assert rows[2] == ["+1.000", "3", "accuracy and energy_pj, screen, random"]
    assert rows[3] == ["-1.000", "3", "accuracy, screen and final, finalists"]
    assert rows[4] == ["+1.000", "3", "energy_pj, screen and final, finalists"]
    assert len(rows) == 5


def test_what_is_no_study_is_said(run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for command in ("show", "plot", "report", "rank"):
        for name in ("absent", "empty", "file"):
            result = run("study", command, tmp_path / name)
            assert result.exit_code == 2
            assert str(tmp_path / name) in result.stderr


def test_a_study_without_told_trials_shows_and_cannot_be_ranked(run, study: Study, tmp_path: Path) -> None:
    with studies.create(tmp_path / "new", spacefile.load("digits"), study.config, {"space": "abc"}) as new:
        new.ask()
        for command in ("show", "plot", "report"):
            assert run("study", command, tmp_path / "new").exit_code == 0
        result = run("study", "rank", tmp_path / "new")
        assert result.exit_code == 2
        assert "0 told trials" in result.stderr


@pytest.mark.parametrize("name", ["front.gif", "front"])
def test_a_plot_of_another_kind_is_refused(run, finished: Path, tmp_path: Path, name: str) -> None:
    result = run("study", "plot", finished, "-o", tmp_path / name)
    assert result.exit_code == 2
    assert ".svg" in result.stderr
    assert not (tmp_path / name).exists()
