"""The program in an export's folder: held against the one that spikec ships, and never run by a verification."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.backend.export import verify_export, write_export
from spikec.backend.golden import read_golden
from spikec.backend.lava.environment import LavaPython
from spikec.backend.lava.program import SHIPPED, inspect, staged
from spikec.backend.registry import load
from spikec.backend.verify import judge
from spikec.errors import VerificationFailed
from spikec.ir.text import parse
from spikec.ir.types import constant, weight_of
from spikec.target import Target, Traces


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A layer of neurons, as `spikec export` writes it."""
    weight = np.random.default_rng(0).normal(0.3, 1, (5, 4))
    graph = parse(
        """
        graph(%x: real step [4]) steps 3
        %d = linear(%x; weight=w)
        %q = lif(%d; tau=two, v_threshold=one) @lif
        return %q
        """,
        {"w": weight_of(weight), "two": constant(2.0), "one": constant(0.5)},
    )
    data = {"x": np.random.default_rng(1).normal(0.5, 1, (3, 16, 4))}
    return write_export(load("lava"), graph, tmp_path / "out", data=data)


def appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def one_letter(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace("1", "2", 1))
    assert len(path.read_text()) == len(text)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a longer run.py": (lambda out: appended(out / "run.py"), "run.py is not the one"),
    "one digit of a kernel": (
        lambda out: one_letter(out / "spikec_lava" / "kernels" / "state.py"),
        "spikec_lava/kernels/state.py is not the one",
    ),
    "a file that is gone": (
        lambda out: (out / "spikec_lava" / "node.py").unlink(),
        "spikec_lava/node.py is not the one",
    ),
    "a folder in the place of a file": (
        lambda out: ((out / "run.py").unlink(), (out / "run.py").mkdir()),
        "run.py is not the one",
    ),
    "a library's name": (lambda out: (out / "numpy.py").write_text(""), "numpy.py is none of spikec's, and could be"),
    "a library's package": (
        lambda out: ((out / "lava").mkdir(), (out / "lava" / "__init__.py").write_text("")),
        "lava is none of spikec's, and could be",
    ),
    "a library that is linked to": (
        lambda out: (out / "numpy").symlink_to(SHIPPED / "spikec_lava"),
        "numpy is none of spikec's, and could be",
    ),
    "a compiled module before a module": (
        lambda out: (out / "spikec_lava" / "node.cpython-310-x86_64-linux-gnu.so").write_bytes(b""),
        "spikec_lava/node.cpython-310-x86_64-linux-gnu.so is none of spikec's, and lies in its package",
    ),
    "a package before a module": (
        lambda out: (out / "spikec_lava" / "kernels" / "plain").mkdir(),
        "spikec_lava/kernels/plain is none of spikec's, and lies in its package",
    ),
}


def test_what_was_written_is_what_is_shipped(exported: Path) -> None:
    assert inspect(exported) == ()


@pytest.mark.parametrize("case", CHANGES)
def test_what_python_would_run_instead_is_named(case: str, exported: Path) -> None:
    change, words = CHANGES[case]
    change(exported)
    found = inspect(exported)
    assert [line for line in found if line.startswith(words)], found
    assert len(found) == 1


def test_what_a_run_leaves_behind_and_notes_are_no_matter(exported: Path) -> None:
    for folder in (exported, exported / "spikec_lava", exported / "spikec_lava" / "kernels"):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "run.cpython-310.pyc").write_bytes(b"")
    (exported / "lava-out.npz").write_bytes(b"")
    (exported / "notes").mkdir()
    (exported / "README.txt").write_text("ours")
    assert inspect(exported) == ()


def test_what_is_run_is_shipped_and_only_the_data_are_the_folders(exported: Path, tmp_path: Path) -> None:
    appended(exported / "run.py")
    (exported / "numpy.py").write_text("raise SystemExit")
    run = staged(exported, tmp_path / "stage")
    assert run.read_bytes() == (SHIPPED / "run.py").read_bytes()
    linked = {path.name for path in run.parent.iterdir() if path.is_symlink()}
    assert linked == {"network.json", "weights.npz"}
    assert all((run.parent / name).samefile(exported / name) for name in linked)
    shipped = {path.name for path in SHIPPED.iterdir()} - {"__pycache__"}
    assert {path.name for path in run.parent.iterdir()} == linked | shipped


def test_a_changed_program_fails_the_verdict_though_the_network_runs(exported: Path) -> None:
    """Without Lava: the executor gives what the interpreter gave."""
    target = load("lava")
    graph, data = target.reader(exported), dict(np.load(exported / "inputs.npz"))
    assert judge(with_golden(target, exported), exported, graph, data, 3).passed
    appended(exported / "run.py")
    verdict = judge(with_golden(target, exported), exported, graph, data, 3)
    assert not verdict.passed
    assert verdict.reasons == (
        "run.py is not the one that this spikec ships, so a run of the folder's run.py is not proven",
    )
    assert [layer.spikes_differing for layer in verdict.layers] == [0]


def with_golden(target: Target, folder: Path) -> Target:
    def execute(*_: object) -> Traces:
        return read_golden(folder / "golden.npz")[1]

    return replace(target, execute=execute)


@pytest.mark.full
def test_a_hostile_program_is_not_run(exported: Path, tmp_path: Path, lava: LavaPython) -> None:
    mark = tmp_path / "mark"
    hostile = f"open({os.fspath(mark)!r}, 'w')\n"
    for name in ("run.py", "spikec_lava/worker.py", "spikec_lava/__init__.py"):
        (exported / name).write_text(hostile + (exported / name).read_text())
    for name in ("numpy.py", "lava.py", "sitecustomize.py"):
        (exported / name).write_text(hostile)
    with pytest.raises(VerificationFailed, match=r"run\.py is not the one that this spikec ships"):
        verify_export(exported)
    said = json.loads((exported / "verdict.json").read_text())
    assert len(said["reasons"]) == 6
    assert [(layer["name"], layer["spikes_differing"]) for layer in said["layers"]] == [("q", 0)]
    assert 0.05 < said["layers"][0]["rate"] < 0.95
    assert not mark.exists()
