"""spikec export and verify: what is known before the work, and what is said of a folder that stays."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from cli.export import print_verdict
from cli.main import spikec
from spikec.backend.verdict import Layer, Verdict
from spikec.backend.verify import BY_MEMBRANE
from spikec.errors import OutputError
from spikec.ir.builder import GraphBuilder
from spikec.ir.neurons import LIF
from spikec.ir.time import Repeat
from spikec.ir.types import TensorType, Timing
from spikec.model import InputSpec, Model, save
from spikec.tasks import exporting

LAVA = ("--target", "lava", "--verify")
NIR = ("--target", "nir", "--dialect", "extended")


@pytest.fixture(autouse=True)
def no_lava(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPIKEC_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("named", ["option", "variable", "nowhere"])
def test_a_missing_runtime_is_known_before_anything_is_written(
    run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    words = ["export", model, *LAVA, "-o", tmp_path / "out"]
    if named == "option":
        words += ["--lava-python", "/nope"]
    if named == "variable":
        monkeypatch.setenv("SPIKEC_LAVA_PYTHON", "/nope")
    label = {"option": "/nope (--lava-python)", "variable": "/nope (SPIKEC_LAVA_PYTHON)", "nowhere": "Lava's"}[named]
    for _ in range(2):  # the same again: nothing stands in the way
        result = run(*words)
        assert result.exit_code == 2
        assert f"error: {label}" in result.stderr
        assert "spikec doctor --install-lava" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_verification_that_could_not_be_written_says_that_the_export_stays(
    run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("cannot be written (the disk is full)", mend="free some space")

    monkeypatch.setattr(exporting, "verify_export", full)
    result = run("export", model, *NIR, "--verify", "-o", tmp_path / "an export")
    assert result.exit_code == 2
    assert f"Try: free some space, then spikec verify '{tmp_path}/an export'" in result.stderr
    assert "the export is there, not verified" in result.stderr
    assert (tmp_path / "an export" / "manifest.json").is_file()


def test_ctrl_c_in_a_verification_says_that_the_export_stays(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "verify_export", interrupt)
    words = ["export", model, *NIR, "--verify", "-o", tmp_path / "out"]
    result = CliRunner().invoke(spikec, [str(word) for word in words])
    assert result.exit_code == 130
    assert result.stderr.endswith(f"not verified. Go on with: spikec verify {tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*NIR, "--verify", "--lava-python", "/nope"), "--lava-python beside the target nir"),
        ((*NIR, "--lava-python", "/nope"), "--lava-python without --verify"),
        (("--target", "lava", "--lava-python", "/nope"), "--lava-python without --verify"),
    ],
)
def test_an_interpreter_that_would_run_nothing_is_refused(
    run, model: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    result = run("export", model, *words, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_verify_takes_an_interpreter_for_lava_alone(run, model: Path, tmp_path: Path) -> None:
    assert run("export", model, *NIR, "-o", tmp_path / "nir").exit_code == 0
    assert "beside the target nir" in run("verify", tmp_path / "nir", "--lava-python", "/nope").stderr
    assert run("export", model, "--target", "lava", "-o", tmp_path / "lava").exit_code == 0
    result = run("verify", tmp_path / "lava", "--lava-python", "/nope")
    assert result.exit_code == 2
    assert "/nope (--lava-python)" in result.stderr


@pytest.mark.parametrize(
    ("shape", "timing", "hint"),
    [
        ((1, 8, 8), Timing.ONCE, "Try: --data digits or --data npz:FILE;"),
        ((3, 4, 4), Timing.ONCE, "Try: --data npz:FILE with an array 'inputs' of [samples, 3, 4, 4];"),
        ((1, 8, 8), Timing.STEP, "Try: --data npz:FILE with an array 'inputs' of [samples, T, 1, 8, 8];"),
    ],
)
def test_only_data_that_would_fit_are_suggested(
    run, tmp_path: Path, shape: tuple[int, ...], timing: Timing, hint: str
) -> None:
    build = GraphBuilder(steps=2)
    x = build.input("x", TensorType(shape, timing=timing))
    x = build.add(Repeat(), x) if timing is Timing.ONCE else x
    graph = build.graph(build.add(LIF(), x, weights={"tau": 2.0, "v_threshold": 0.5}))
    encoder = "direct" if timing is Timing.ONCE else "frames"
    save(Model("bare", graph, InputSpec(shape, encoder, 2)), tmp_path / "bare.pt")
    for words in (("estimate",), ("export", *NIR, "-o", tmp_path / "out")):
        result = run(*words, tmp_path / "bare.pt")
        assert result.exit_code == 2
        assert hint in result.stderr


def test_what_is_no_export_is_said_in_plain_words(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in (
        ("absent", "absent: there is no such folder"),
        ("file", "file: a file"),
        ("empty", "empty/manifest.json: there is no such file"),
    ):
        result = run("verify", tmp_path / name)
        assert result.exit_code == 2
        assert said in result.stderr
        assert "Errno" not in result.stderr


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file of nir's, whose name has a character that no terminal shows."""
    size, ones = np.array([4]), np.ones(4)
    layers = {
        "in": nir.Input(size),
        "fc": nir.Linear(np.eye(4)),
        "lif": nir.LIF(ones * 0.02, ones, ones * 0, ones * 0.01),
        "out": nir.Output(size),
    }
    path = tmp_path / "n\u00a0m.nir"
    nir.write(path, nir.NIRGraph(layers, [("in", "fc"), ("fc", "lif"), ("lif", "out")]))
    return path


def test_what_was_assumed_of_a_foreign_file_is_said_and_kept(run, foreign: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", inputs=np.random.default_rng(0).integers(0, 2, (16, 16, 4)).astype(np.float32))
    data = f"npz:{tmp_path / 'data.npz'}"
    result = run("export", foreign, "--target", "nir", "--data", data, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    said = [line.removeprefix("n?m.nir: ") for line in result.stderr.splitlines() if line.startswith("n?m.nir: ")]
    assert any("dt" in line for line in said)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["remarks"] == said


def test_what_trace_writes_can_be_read(run, foreign: Path, tmp_path: Path) -> None:
    assert run("trace", foreign, "-o", tmp_path / "n.pt").exit_code == 0
    assert run("show", tmp_path / "n.pt").exit_code == 0
    result = run("trace", foreign, "--name", "a\nb", "-o", tmp_path / "other.pt")
    assert result.exit_code == 2
    assert r"--name 'a\nb'; expected text of one line" in result.stderr
    assert not (tmp_path / "other.pt").exists()


@pytest.mark.parametrize(
    "words", [("trace",), ("show",), ("estimate",), ("export", "--target", "nir"), ("train", "--data", "digits")]
)
def test_arrays_beyond_max_bytes_are_refused_by_every_command(
    run, foreign: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = run(words[0], foreign, *words[1:], "--max-bytes", 100, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "n?m.nir" in result.stderr
    assert "--max-bytes" in result.stderr
    assert not (tmp_path / "out").exists()


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
from cli.main import main
sys.argv = ["spikec", *sys.argv[1:]]
main()
"""


@pytest.mark.full
@pytest.mark.parametrize("target", [("nir", "--dialect", "extended"), ("lava",)], ids=lambda words: words[0])
@pytest.mark.parametrize("most", [3_000, 30_000, 200_000])
def test_a_disk_that_takes_no_more_ends_an_export_and_leaves_nothing(
    model: Path, tmp_path: Path, target: tuple[str, ...], most: int
) -> None:
    """A limit on each file's size stops the writer as a full disk does, in the middle of a file."""
    code = LIMITED.format(most=most)
    folder = tmp_path / "exports"
    folder.mkdir()
    words = ["export", str(model), "--target", *target, "-o", str(folder / "out")]
    found = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == 2, found.stderr
    assert found.stderr.count("error: ") == 1
    assert "cannot be written" in found.stderr
    assert "Traceback" not in found.stderr
    assert list(folder.iterdir()) == []


def test_a_verdict_counts_its_layers_and_names_those_judged_by_their_membrane(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lives = Layer("lif0", "stem.lif", 64, 0, 0.171, 0.0)
    reads = Layer("lif1", "head.lif", 64, 0, 0.0, 0.0, note=BY_MEMBRANE)
    verdict = Verdict(True, (), "nir", "abc", 16, 4, 1e-9, None, (lives,), {}, {})
    print_verdict(verdict)
    assert "1 neuron layer, rate 0.171 spikes per neuron and step" in capsys.readouterr().out
    print_verdict(replace(verdict, layers=(lives, reads)))
    said = capsys.readouterr().out
    assert "2 neuron layers, rates 0.000 to 0.171 spikes per neuron and step" in said
    assert f"  head.lif: {BY_MEMBRANE}\n" in said
    assert "stem.lif: " not in said
