"""spikec train."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spikec.model import Model, load
from spikec.tasks import training


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
