"""The command line as a shell sees it, a trained-size digits model, and a study that is half done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import spikec
from spikec.data import digits
from spikec.model import Model, save
from spikec.search import spacefile
from spikec.search import study as studies
from spikec.search.config import StudyConfig
from spikec.search.objectives import Objective
from spikec.search.study import Study
from spikec.snn.config import uniform_config
from spikec.tasks.networks import model_of_network, untrained
from spikec.tasks.search_setup import SearchSettings

Run = Callable[..., Result]
FINGERPRINTS = {"space": "abc", "data": "digits"}


@pytest.fixture
def run() -> Run:
    """Runs `spikec` with words; checks that an error is one paragraph without a traceback."""

    def call(*words: object) -> Result:
        result = CliRunner().invoke(spikec, [str(word) for word in words])
        assert result.exit_code in (0, 1, 2), result.output
        assert "Traceback" not in result.output
        if result.exit_code:
            assert result.stderr.count("error: ") == 1
        return result

    return call


@pytest.fixture(scope="session")
def small() -> Model:
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=2.0, steps=2)
    return model_of_network(untrained(config, 0), "small", {"made": "for tests"}, digits.load(0))


@pytest.fixture
def model(small: Model, tmp_path: Path) -> Path:
    save(small, tmp_path / "small.pt")
    return tmp_path / "small.pt"


def values(number: int) -> dict[str, float]:
    """Accuracy rises with energy, but for every fifth trial."""
    return {"accuracy": 0.8 + 0.01 * number - 0.1 * (number % 5 == 4), "energy_pj": 1000.0 * 1.2**number}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """Twelve trials told, three final, one failed; random ones beside; the process still at work on it."""
    objectives = (Objective("accuracy", "max", "linear", 0.5), Objective("energy_pj", "min", "log10", 1e8))
    space = spacefile.load("digits")
    config = StudyConfig("nsga2", 0, objectives, {}, SearchSettings().to_plain())
    with studies.create(tmp_path / "run", space, config, FINGERPRINTS) as search:
        for number in range(12):
            trial = search.tell(search.ask(), values(number))
            if number in (2, 6, 11):
                search.finish(trial, {"accuracy": 0.9 - 0.001 * number, "energy_pj": 1000.0 * 1.3**number})
        search.fail(search.ask(), "made up")
        random = StudyConfig("random", 0, objectives, {}, SearchSettings().to_plain())
        with studies.create(tmp_path / "run" / "random", space, random, FINGERPRINTS) as beside:
            for number in (5, 3, 8):
                beside.tell(beside.ask(), values(number))
        yield search


@pytest.fixture
def finished(study: Study, tmp_path: Path) -> Path:
    """The study with its result."""
    test = {"samples": 360, "winner_accuracy": 0.95, "largest_accuracy": 0.97, "paired": {"text": "-2.00 points"}}
    final = {"accuracy": 0.894, "energy_pj": 1000.0 * 1.3**6}
    result = {"winner": {"trial": 6, "final": final}, "largest": {"final": final}, "test": test, "rule": "made up"}
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    return tmp_path / "run"
