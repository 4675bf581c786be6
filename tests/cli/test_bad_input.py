"""Bad input through every command that takes it: one paragraph, the right exit code, nothing written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result

from spikec.model import Model, save

Run = Callable[..., Result]
COMMANDS = {
    "estimate": ("estimate", "{model}"),
    "export": ("export", "{model}", "--target", "lava", "-o", "out"),
    "show": ("show", "{model}"),
    "train": ("train", "{model}", "--data", "digits", "-o", "out.pt"),
}


class Payload:
    """Runs when it is unpickled, and leaves a file."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("ran", "w")


def missing(path: Path, good: bytes) -> None:
    path.unlink(missing_ok=True)


def folder(path: Path, good: bytes) -> None:
    path.mkdir()


def empty(path: Path, good: bytes) -> None:
    path.write_bytes(b"")


def truncated(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2])


def foreign(path: Path, good: bytes) -> None:
    torch.save({"state_dict": {"w": torch.ones(2)}}, path)


def text(path: Path, good: bytes) -> None:
    path.write_text("not a model")


def bare_pickle(path: Path, good: bytes) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def pickled_module(path: Path, good: bytes) -> None:
    torch.save({"format": "spikec-model", "version": 1, "module": Payload()}, path)


BAD = (missing, folder, empty, truncated, foreign, text, bare_pickle, pickled_module)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_file_that_is_no_model(run: Run, small: Model, place: Path, make: Callable[..., None], command: str) -> None:
    save(small, place / "good.pt")
    good = (place / "good.pt").read_bytes()
    (place / "good.pt").unlink()
    make(place / "bad.pt", good)
    before = sorted(path.name for path in place.iterdir())
    result = run(*(word.format(model="bad.pt") for word in COMMANDS[command]))
    assert result.exit_code == 2
    assert "bad.pt" in result.stderr
    assert "Try: " in result.stderr
    assert sorted(path.name for path in place.iterdir()) == before  # neither an output nor the payload's file


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("estimate", "{model}", "--hw", "45mn"), "45nm"),
        (("estimate", "{model}", "--policy", "neurobnch"), "neurobench"),
        (("estimate", "{model}", "--data", "digit"), "digits"),
        (("export", "{model}", "--target", "lave", "-o", "out"), "lava"),
        (("export", "{model}", "--target", "nir", "--dialect", "extendet", "-o", "out"), "extended"),
        (("search", "--space", "digit", "--out", "out"), "digits"),
        (("search", "--hw", "45mn", "--out", "out"), "45nm"),
        (("new", "spikformer-4-385", "-o", "out"), "spikformer-4-384"),
        (("show", "{model}", "--passes", "fold-batchnrm"), "fold-batchnorm"),
        (("serch",), "search"),
    ],
)
def test_unknown_names_show_the_nearest(run: Run, model: Path, place: Path, words: tuple[str, ...], near: str) -> None:
    result = run(*(word.format(model=model) for word in words))
    assert result.exit_code == 2
    assert f"Try: {near}" in result.stderr
    assert not (place / "out").exists()


def test_nan_weights(run: Run, small: Model, place: Path) -> None:
    save(small, place / "nan.pt")
    plain = torch.load(place / "nan.pt", weights_only=True)
    plain["weights"]["head.weight"]["value"][0, 0] = float("nan")
    torch.save(plain, place / "nan.pt")
    result = run("estimate", "nan.pt")
    assert result.exit_code == 2
    assert "head.weight" in result.stderr
    assert "NaN" in result.stderr


def test_zero_calibration_samples(run: Run, small: Model, place: Path) -> None:
    save(small, place / "none.pt")
    plain = torch.load(place / "none.pt", weights_only=True)
    batch = plain["calibration"]
    batch["inputs"], batch["ids"] = batch["inputs"][:0], batch["ids"][:0]
    torch.save(plain, place / "none.pt")
    result = run("estimate", "none.pt")
    assert result.exit_code == 2
    assert "samples" in result.stderr
    assert run("estimate", place / "model.pt", "--samples", "0").exit_code == 2


def test_zero_samples_asked_for(run: Run, model: Path) -> None:
    for words in (("--samples", "0"), ("--samples", "-3"), ("--data", "digits", "--samples", "0"), ("--steps", "0")):
        result = run("estimate", model, *words)
        assert result.exit_code == 2, words


@pytest.mark.parametrize("command", ["export", "search", "estimate", "keep"])
def test_an_output_that_exists(run: Run, model: Path, place: Path, command: str) -> None:
    (place / "out").write_text("mine")
    words = {
        "export": ("export", model, "--target", "lava", "-o", "out"),
        "search": ("search", "--out", "out"),
        "estimate": ("estimate", model, "-o", "out"),
        "keep": ("estimate", model, "--keep-counts", "out"),
    }[command]
    result = run(*words)
    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert (place / "out").read_text() == "mine"


@pytest.mark.parametrize("command", ["export", "search", "estimate", "new"])
def test_an_output_that_cannot_be_written(run: Run, model: Path, place: Path, command: str) -> None:
    (place / "file").write_text("no folder")
    words = {
        "export": ("export", model, "--target", "lava", "-o", "file/out"),
        "search": ("search", "--out", "file/out"),
        "estimate": ("estimate", model, "-o", "file/out.txt"),
        "new": ("new", "spikformer-digits", "-o", "file/out.pt"),
    }[command]
    result = run(*words)
    assert result.exit_code == 2
    assert (place / "file").read_text() == "no folder"


def test_npz_of_another_shape(run: Run, model: Path, place: Path) -> None:
    np.savez(place / "x.npz", inputs=np.zeros((3, 3, 32, 32)))
    result = run("estimate", model, "--data", "npz:x.npz")
    assert result.exit_code == 2
    assert "[3, 3, 32, 32]" in result.stderr
    assert "1, 8, 8" in result.stderr


def test_a_plot_of_no_format_is_refused_before_anything_is_printed(run: Run, model: Path, place: Path) -> None:
    result = run("estimate", model, "--plot", "plot.txt")
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--rate-of", "nonzero"),
            "--rate-of nonzero beside --counting events: it has no effect. Try: --counting rate",
        ),
        (("--multibit", "ac", "--domain", "observed"), "--multibit ac beside --domain observed"),
        (("--multibit", "mac", "--domain", "observed"), "--multibit mac beside --domain observed"),
        (
            ("--multibit", "ac", "--counting", "rate"),
            "--multibit ac beside --counting rate: it has no effect. Try: --rate",
        ),
        (("--policy", "neurobench", "--multibit", "ac"), "beside --policy neurobench, which is --domain observed"),
        (("--policy", "spikformer-paper", "--counting", "events", "--rate-of", "nonzero"), "beside --counting events"),
        (("--policy", "spikingjelly", "--multibit", "ac"), "beside --policy spikingjelly, which is --counting spiking"),
        (("--counting", "syops", "--first-layer", "per-step"), "--first-layer per-step beside --counting syops"),
    ],
)
def test_a_policy_option_without_effect_is_refused(
    run, model: Path, place: Path, words: tuple[str, ...], said: str
) -> None:
    for command in (("estimate", model), ("search", "--out", "out")):
        result = run(*command, *words)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--policy", "spikformer-paper"),
        ("--policy", "spikformer-paper", "--multibit", "ac"),
        ("--counting", "rate", "--rate-of", "nonzero"),
        ("--counting", "rate", "--multibit", "mac"),
        ("--domain", "observed", "--multibit", "unit"),
        ("--policy", "spikingjelly", "--first-layer", "per-step"),
        ("--policy", "syops"),
        ("--counting", "spikingjelly"),
    ],
)
def test_a_policy_that_says_what_it_does_is_taken(run, model: Path, words: tuple[str, ...]) -> None:
    assert run("estimate", model, *words).exit_code == 0


def test_settings_of_a_search_are_refused_by_their_option(run, place: Path) -> None:
    for words in (("--random", "-1"), ("--trials", "0"), ("--finalists", "0"), ("--epochs", "0"), ("--floor", "2.0")):
        result = run("search", *words, "--out", "out")
        assert result.exit_code == 2
        assert f"error: {' '.join(words)}; expected" in result.stderr


def test_what_contradicts(run: Run, model: Path, place: Path) -> None:
    (place / "r.json").write_text("{}")
    by_rates = ("estimate", model, "--counting", "rate", "--rates", "r.json")
    for words in (
        ("estimate", model, "--data", "digits", "--rates", "r.json"),
        ("estimate", model, "--rates", "r.json"),
        (*by_rates, "--keep-counts", "out"),
        ("estimate", model, "-o", "out", "--keep-counts", "out"),
        ("estimate", model, "--data", "digits:99999999999"),
        ("search", "--seed", "99999999999999999999", "--out", "out"),
        ("search", "--split", "99999999999", "--out", "out"),
        ("search", "--policy", "spikformer-paper", "--domain", "observed", "--out", "out"),
        ("estimate", model, "--format", "html", "--hw", "45nm", "--hw", "45nm-int8"),
        ("search", "--alpha", "0.5", "--min-accuracy", "0.9", "--out", "out"),
        ("search", "--resume", "out", "--seed", "1"),
        ("search", "--alpha", "1.5", "--out", "out"),
        ("export", model, "--target", "lava", "--dialect", "strict", "-o", "out"),
        ("export", model, "--target", "lava", "--samples", "8", "-o", "out"),
    ):
        assert run(*words).exit_code == 2, words
    assert not (place / "out").exists()
