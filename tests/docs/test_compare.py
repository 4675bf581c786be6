"""The page of comparisons: its example runs and prints what it says, its keys and limits are the command's."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import spikec
from spikec.report.difference_csv import HEADER
from spikec.report.limit import parse

TEXT = (Path(__file__).parents[2] / "docs" / "compare.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def without_hashes(text: str) -> str:
    """A hash is of the graph's whole text, whose form is no business of this page."""
    return re.sub(r"\b[0-9a-f]{12}\b", "............", text)


def test_its_example_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,), (lines,), (table, last) = blocks("python"), blocks("sh"), blocks("text")
    (tmp_path / "mynet.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)
    try:
        results = [CliRunner().invoke(spikec, shlex.split(line)[1:]) for line in lines.splitlines()]
    finally:
        sys.modules.pop("mynet", None)
    assert [result.exit_code for result in results] == [0] * 5, results[-1].output
    assert without_hashes(results[-1].stdout) == without_hashes(table)
    assert results[-1].stderr == last
    words = ["compare", "before.json", "after.json", "--format", "json", "--fail-on", "+5%"]
    plain = json.loads(CliRunner().invoke(spikec, words).stdout)
    (chip,), (limit,) = plain["chips"], plain["limits"]
    keys = {*plain, *chip, *chip["nodes"][0], *chip["totals"]["energy_pj"], *chip["assumptions"][0], *limit}
    assert not {key for key in keys if f"`{key}`" not in TEXT}


def test_its_limits_are_limits_and_its_csv_has_these_columns() -> None:
    limits = re.findall(r"^\| `([^`]*[+-][^`]*)` \|", TEXT, re.MULTILINE)
    assert len(limits) == 5
    assert [parse(text).percent for text in limits] == [True, True, True, False, False]
    assert ", ".join(f"`{name}`" for name in HEADER[2:]) in " ".join(TEXT.split())
