"""spikec train."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import spikec
from spikec.model import Model, load, save
from spikec.snn.training import Progress
from spikec.tasks import training
from spikec.tasks.networks import new


def test_trains_says_how_and_writes_a_model_that_estimate_prices(run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pt"
    before = model.read_bytes()
    result = run("train", model, "--data", "digits", "--epochs", 2, "--seed", 1, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "training small on digits, 2 epochs, learning rate 0.012, seed 1" in result.stderr
    assert "2/2 epochs" in result.stderr
    found = re.search(r"on 360 validation samples: ([\d.]+) % before, ([\d.]+) % after", result.stderr)
    assert found is not None
    assert float(found[2]) > 2 * float(found[1])
    assert model.read_bytes() == before
    assert load(out).provenance["made"] == "trained"
    priced = run("estimate", out, "--format", "csv")
    assert priced.exit_code == 0, priced.output
    assert "blocks.0.attn.q_linear" in priced.stdout


def test_an_existing_output_is_refused_before_training(
    run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("it trained")

    (tmp_path / "out.pt").write_text("mine")
    monkeypatch.setattr(training, "train_network", never)
    result = run("train", model, "--data", "digits", "-o", tmp_path / "out.pt")
    assert result.exit_code == 2
    assert (tmp_path / "out.pt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--data", "digit"), "Try: digits"),
        (("--data", "digits:x"), "digits:SPLIT"),
        (("--data", "digits", "--epochs", "0"), "epochs 0"),
        (("--data", "digits", "--lr", "nan"), "learning rate"),
        (("--data", "digits", "--seed", "-3"), "seed -3"),
        ((), "--data"),
    ],
)
def test_wrong_usage_is_2_and_writes_nothing(
    run, model: Path, tmp_path: Path, words: tuple[str, ...], found: str
) -> None:
    result = run("train", model, *words, "-o", tmp_path / "out.pt")
    assert result.exit_code == 2
    assert found in result.stderr
    assert not (tmp_path / "out.pt").exists()


def test_a_checkpoint_is_gone_on_from(run, model: Path, small: Model, tmp_path: Path) -> None:
    words = ("train", model, "--data", "digits", "--epochs", 1, "--checkpoint", tmp_path / "kept")
    assert run(*words, "-o", tmp_path / "a.pt").exit_code == 0
    assert run(*words, "-o", tmp_path / "b.pt").exit_code == 0
    assert len(list((tmp_path / "kept").iterdir())) == 1
    a, b = (load(tmp_path / name).graph.sha256 for name in ("a.pt", "b.pt"))
    assert a == b != small.graph.sha256


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets a training be interrupted after so many epochs; 0 before the first is done, None never."""
    whole = training.train_network

    def at(epoch: int | None) -> None:
        def stopping(*args: Any, progress: Callable[[Progress], None], **options: Any) -> list[float]:  # Any: passed on
            def told(at: Progress) -> None:
                progress(at)
                if at.epoch == epoch:
                    raise KeyboardInterrupt

            if epoch == 0:
                raise KeyboardInterrupt
            return whole(*args, progress=told, **options)

        monkeypatch.setattr(training, "train_network", stopping)

    return at


def interrupted(*words: object) -> str:
    result = CliRunner().invoke(spikec, [str(word) for word in words])
    assert result.exit_code == 130
    assert "interrupted" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_ctrl_c_says_what_is_kept_and_the_next_run_from_where_it_goes_on(
    run, model: Path, tmp_path: Path, stop: Callable[[int | None], None]
) -> None:
    kept = tmp_path / "kept"
    words = ("train", model, "--data", "digits", "--epochs", 3, "--checkpoint", kept, "-o", tmp_path / "a.pt")
    stop(0)
    assert interrupted(*words) == "stopped before the first epoch was done: nothing is kept yet"
    stop(2)
    last = interrupted(*words)
    (file,) = kept.iterdir()
    assert last == f"stopped; epoch 2 of 3 is kept in {file}. Go on with the same command"
    stop(None)
    result = run(*words)
    assert result.exit_code == 0
    assert f"going on after epoch 2 of 3, kept in {file}\n" in result.stderr
    assert load(tmp_path / "a.pt").provenance["made"] == "trained"


def test_ctrl_c_without_a_checkpoint_says_that_nothing_is_kept(model: Path, tmp_path: Path, stop) -> None:
    stop(1)
    last = interrupted("train", model, "--data", "digits", "--epochs", 2, "-o", tmp_path / "a.pt")
    assert last == "stopped; nothing is kept. Next time: --checkpoint FOLDER keeps every epoch"


def test_what_is_refused_is_refused_before_anything_is_said_of_training(run, model: Path, tmp_path: Path) -> None:
    save(new("spikformer-2-384", replay=False), tmp_path / "other.pt")
    for words in ((tmp_path / "other.pt", "--data", "digits"), (model, "--data", "digits:x")):
        result = run("train", *words, "-o", tmp_path / "out.pt")
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")


def test_a_split_that_the_model_has_not_seen_apart_is_said_before_training(model: Path, tmp_path: Path, stop) -> None:
    stop(0)
    words = ("train", model, "--data", "digits:1", "-o", tmp_path / "a.pt")
    said = CliRunner().invoke(spikec, [str(word) for word in words]).stderr.splitlines()
    assert said[0].startswith("training small on digits:1")
    assert said[1].startswith("note: the model was made with digits:0:validation")
