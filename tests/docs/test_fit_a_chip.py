"""The page of fitted chips: its runs give what it prints, its command lines run, and every column is on it."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import spikec
from spikec.tasks.measurements import read_measurements

PAGE = (Path(__file__).parents[2] / "docs" / "fit-a-chip.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(blocks("csv")[0])
    return tmp_path


def commands(folder: Path, first: int, last: int) -> list[Result]:
    (lines,) = blocks("sh")
    assert len(lines.splitlines()) == 4
    results = [CliRunner().invoke(spikec, shlex.split(line)[1:]) for line in lines.splitlines()[first:last]]
    assert all(result.exit_code == 0 for result in results), [result.output for result in results]
    return results


def test_its_runs_give_the_table_that_it_prints_and_a_good_chip(folder: Path) -> None:
    fitted, checked = commands(folder, 0, 2)
    assert fitted.stdout == blocks("text")[0]
    assert checked.stdout.startswith("good: chip, 28 nm")
    terms = tomllib.loads((folder / "chip.toml").read_text())["terms"]
    for kind, price in (("ac", 2.5), ("mac", 11.0)):
        assert terms[kind]["energy"]["low"] < price < terms[kind]["energy"]["high"]
    assert (folder / "fit.png").stat().st_size > 10_000


@pytest.mark.full
def test_a_network_is_estimated_on_the_chip_of_its_runs(folder: Path) -> None:
    *_, estimated = commands(folder, 0, 4)
    assert "chip (28 nm), file chip.toml" in estimated.stdout
    assert "evidence: measured" in estimated.stdout


def test_what_it_says_is_refused_is_refused_in_these_words(folder: Path) -> None:
    (folder / "runs.csv").write_text(blocks("csv")[1])
    result = CliRunner().invoke(spikec, ["hw", "fit", "runs.csv"])
    assert result.exit_code == 1
    assert result.stderr == blocks("text")[1]


def test_every_column_is_on_the_page(folder: Path) -> None:
    for title in ("time_us", "latency_us", "sd", "sd_uj", "weight", "name"):
        (folder / "one.csv").write_text(f"ac,energy_uj,{title}\n1,2,3\n")
        read_measurements(folder / "one.csv")
        column = title.replace("_us", "_<unit>").replace("_uj", "_<unit>")
        assert f"`{column}`" in PAGE
    for unit in ("pj", "nj", "uj", "mj", "j"):
        assert f"`_{unit}`" in PAGE or f"`energy_{unit}`" in PAGE
