"""spikec new."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikec.errors import UsageError
from spikec.model import load
from spikec.snn.registry import NETWORKS
from spikec.tasks import networks
from spikec.tasks.networks import BUILT, TRACED, new


def test_writes_a_traced_model_and_says_what_it_is(run, tmp_path: Path) -> None:
    result = run("new", "spikformer-2-384", "--seed", 3, "-o", tmp_path / "model.pt")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "seed 3" in result.stderr
    assert "5,765,050 parameters" in result.stderr
    assert "701,251,584" in result.stderr
    assert "3,840" in result.stderr
    model = load(tmp_path / "model.pt")
    assert model.name == "spikformer-2-384"
    assert model.graph.parameters == 5_765_050
    assert model.provenance["graph"] == TRACED
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


# DVS128's network is the other DVS one with a wider head, and each replays for a quarter of a minute or more.
TIERS = {"spikformer-dvs128-2-256": pytest.mark.long}


@pytest.mark.parametrize("name", [pytest.param(n, marks=TIERS.get(n, pytest.mark.full)) for n in NETWORKS])
def test_every_network_is_made_and_is_the_one_whose_counts_are_tested(run, tmp_path: Path, name: str) -> None:
    result = run("new", name, "-o", tmp_path / "model.pt")
    assert result.exit_code == 0, result.output
    model = load(tmp_path / "model.pt")
    assert model.graph.sha256 == new(name, replay=False).graph.sha256
    assert model.provenance["graph"] == (BUILT if NETWORKS[name].image[1] > 128 else TRACED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spikformer-digits", "tracing it and replaying its graph against it in fp64, 4 steps of 1x8x8\n"),
        ("spikformer-dvs128-2-256", "in fp64, 16 steps of 2x128x128: a minute or more\n"),
        ("spikformer-8-768", "building its graph from the config\n"),
    ],
)
def test_what_takes_long_is_said_before_it_is_done(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    def stop(*_: object) -> None:
        raise UsageError("seen")

    monkeypatch.setattr(networks, "model_of_network", stop)
    result = run("new", name, "-o", tmp_path / "model.pt")
    assert result.stderr.index(said) < result.stderr.index("error: seen")


def test_help_lists_the_networks(run) -> None:
    result = run("new", "--help")
    assert all(name in result.stdout for name in NETWORKS)


def test_seeds_reproduce_and_differ(run, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("new", "spikformer-digits", "--seed", seed, "-o", tmp_path / name).exit_code == 0
    a, b, c = (load(tmp_path / name).graph.sha256 for name in "abc")
    assert a == b
    assert a != c


def test_a_bad_name_gives_the_nearest_and_writes_nothing(run, tmp_path: Path) -> None:
    result = run("new", "spikformer-4-348", "-o", tmp_path / "model.pt")
    assert result.exit_code == 2
    assert "unknown network 'spikformer-4-348'" in result.stderr
    assert "Try: spikformer-4-384" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_left_as_it_was_without_force(run, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("mine")
    result = run("new", "spikformer-digits", "-o", tmp_path / "model.pt")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (tmp_path / "model.pt").read_text() == "mine"
    assert run("new", "spikformer-digits", "-o", tmp_path / "model.pt", "--force").exit_code == 0
    assert load(tmp_path / "model.pt").name == "spikformer-digits"


@pytest.mark.parametrize(
    ("out", "words"), [(".", "this is a folder"), ("absent/model.pt", "its folder does not exist")]
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(run, tmp_path: Path, out: str, words: str) -> None:
    result = run("new", "spikformer-8-768", "-o", tmp_path / out)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "seed" not in result.stderr


@pytest.mark.parametrize("words", [(), ("--seed", "-1"), ("--seed", "x"), ("--seed", str(2**64))])
def test_wrong_usage_is_2(run, tmp_path: Path, words: tuple[str, ...]) -> None:
    out = ("-o", tmp_path / "model.pt") if words else ()
    assert run("new", "spikformer-digits", *words, *out).exit_code == 2
    assert list(tmp_path.iterdir()) == []
