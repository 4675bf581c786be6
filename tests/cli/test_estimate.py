"""spikec estimate: what it writes, and in which order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
