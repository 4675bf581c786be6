"""spikec estimate: what it writes, and in which order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from cli.main import spikec
from spikec.model import load


def test_files_are_written_although_the_reader_of_stdout_went_away(model: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    files = ("--keep-counts", tmp_path / "counts.pt", "--plot", tmp_path / "plot.svg")
    words = [sys.executable, "-m", "cli.main", "estimate", model, *files]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141
    assert load(tmp_path / "counts.pt").counts is not None
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


def test_a_chip_that_cannot_count_so_is_a_row_beside_one_that_can(run, model: Path) -> None:
    """TrueNorth multiplies nothing: under `--multibit mac` 45nm answers all the same, and nobody is an error."""
    words = ("estimate", str(model), "--multibit", "mac", "--format", "json")
    both = CliRunner().invoke(spikec, [*words, "--hw", "45nm", "--hw", "truenorth"])  # no error: an answer is 'no'
    assert both.exit_code == 1
    first, second = json.loads(both.stdout)
    assert first["totals"]["energy_pj"] > 0
    assert "multiply nothing" in second["refused"]
    alone = run(*words, "--hw", "truenorth")
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert "multiply nothing" in alone.stderr
    none = run(*words, "--hw", "truenorth", "--hw", "odin")
    assert (none.exit_code, none.stdout) == (2, "")
