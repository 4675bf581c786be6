"""What CI says of a run of the tests, told by what they printed; `make` is a stand-in that prints it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSED = "== 12 passed, 1 skipped in 3.21s =="
PILOTNET = "SKIPPED [2] tests/frontend/netx/conftest.py:22: needs x/pilotnet_lif: lava-dl's PilotNet with its spikes"


def ran(folder: Path, printed: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """What comes of a checkout in a folder where `make test` prints this and exits so."""
    checkout = folder / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    (checkout / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text("utf-8"), "utf-8")
    (folder / "printed").write_text(printed)
    make = folder / "bin" / "make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\n[ "$1" = test ] && cat {folder}/printed\nexit {code}\n')
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{make.parent}:{os.environ['PATH']}"}
    words = ["bash", str(checkout / ".ci" / "run")]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("printed", "code", "said"),
    [
        (PASSED, 2, ""),
        ("== 3 skipped in 0.02s ==", 0, "no test was run"),
        ("", 0, "no test was run"),
        (f"SKIPPED [1] a.py:3: scripts/install-oracles installs it\n{PASSED}", 0, "should have installed"),
        (f"SKIPPED [1] a.py:3: could not import 'norse'\n{PASSED}", 0, "should have installed"),
    ],
)
def test_a_run_that_proves_too_little_fails(tmp_path: Path, printed: str, code: int, said: str) -> None:
    done = ran(tmp_path, f"{printed}\n", code)
    assert done.returncode != 0
    assert said in done.stderr


def test_pilotnet_may_be_skipped_only_where_it_is_not_there(tmp_path: Path) -> None:
    assert ran(tmp_path / "without", f"{PILOTNET}\n{PASSED}\n").returncode == 0
    (tmp_path / "with" / "shared" / "data" / "pilotnet_lif").mkdir(parents=True)
    done = ran(tmp_path / "with", f"{PILOTNET}\n{PASSED}\n")
    assert done.returncode == 1
    assert "pilotnet_lif is there" in done.stderr


def test_a_run_that_passed_is_told_with_its_numbers(tmp_path: Path) -> None:
    done = ran(tmp_path, f"{PASSED}\n")
    assert done.returncode == 0
    assert done.stdout.endswith(f"pytest: {PASSED}\n")


def test_the_reason_for_skipping_is_the_one_that_is_looked_for() -> None:
    assert "lava-dl's PilotNet" in (ROOT / "tests" / "frontend" / "netx" / "conftest.py").read_text("utf-8")
