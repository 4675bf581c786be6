import json
import sqlite3

import pytest

from spikec.errors import StudyError, UnknownName, UsageError
from spikec.search import record, study
from spikec.search.config import StudyConfig, config_toml, parse_config
from spikec.search.objectives import Objective
from spikec.search.sampler import SAMPLERS

NAMES = sorted(SAMPLERS)


@pytest.fixture
def new(tmp_path, digits, synthetic):
    """A new study; closed at the end of the test."""
    opened = []

    def make(method="nsga2", name="run", seed=0, **changes):
        config = synthetic.config(method, seed)
        opened.append(study.create(tmp_path / name, digits, config, synthetic.FINGERPRINTS, **changes))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def search(opened, evaluate, trials):
    for _ in range(trials):
        trial = opened.ask()
        opened.tell(trial, evaluate(trial.genome), seconds=0.25)


def row(folder, number):
    """A trial as a process of its own would see it."""
    with sqlite3.connect(folder / "study.db") as second:
        return second.execute("SELECT state, screen, final, reason FROM trials WHERE number = ?", (number,)).fetchone()


def test_a_study_is_a_folder_that_says_what_it_is(new, tmp_path, digits, synthetic):
    opened = new()
    search(opened, synthetic.evaluate, 3)
    opened.close()
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} >= {
        "study.db", "space.toml", "config.toml", "fingerprints.json"
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    seen = record.read(folder)
    assert seen.space == digits
    assert seen.config == synthetic.config("nsga2")
    assert seen.fingerprints == synthetic.FINGERPRINTS
    assert seen.trials == opened.trials
    assert 'axis = "log10"' in (folder / "config.toml").read_text().replace("'", '"')


def test_an_asked_trial_is_on_disk_and_so_is_a_told_one(new, synthetic):
    opened = new()
    for number in range(20):
        trial = opened.ask()
        assert trial.number == number
        assert row(opened.folder, number) == ("asked", None, None, None)
        values = synthetic.evaluate(trial.genome)
        opened.tell(trial, values)
        state, screen, final, _ = row(opened.folder, number)
        assert (state, json.loads(screen), final) == ("told", values, None)


def test_what_is_written_outlives_a_power_cut(new):
    (level,) = new()._store.connection.execute("PRAGMA synchronous").fetchone()
    assert level == 2  # FULL
    (mode,) = new(name="other")._store.connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == "wal"


def test_the_life_of_a_trial(new, synthetic):
    opened = new()
    asked = opened.ask()
    assert (asked.state, asked.screen, asked.final) == ("asked", None, None)
    with pytest.raises(StudyError, match="trial 0 is asked; expected it to be told"):
        opened.finish(asked, synthetic.evaluate(asked.genome))
    told = opened.tell(asked, {"accuracy": 0.5, "energy_pj": 2e5}, seconds=1.5)
    assert (told.state, told.seconds) == ("told", 1.5)
    with pytest.raises(StudyError, match="trial 0 is told; expected it to be asked"):
        opened.tell(asked, {"accuracy": 0.6, "energy_pj": 1e5})
    final = opened.finish(told, {"accuracy": 0.75, "energy_pj": 1e5})
    assert (final.screen, final.final) == (told.screen, {"accuracy": 0.75, "energy_pj": 1e5})
    assert row(opened.folder, 0)[0] == "final"
    with pytest.raises(StudyError, match="trial 0 is final"):
        opened.finish(told, {"accuracy": 0.8, "energy_pj": 1e5})
    failed = opened.fail(opened.ask(), "no spike at all")
    assert row(opened.folder, 1) == ("failed", None, None, "no spike at all")
    assert opened.trials == (final, failed)
    opened.close()
    assert study.resume(opened.folder, synthetic.FINGERPRINTS).trials == (final, failed)


def test_a_trial_of_another_study_is_refused(new, synthetic):
    one, other = new(), new(name="other", seed=1)
    for _ in range(6):
        one.ask(), other.ask()
    with pytest.raises(StudyError, match="trial 5 is not of this study"):
        one.tell(other.trials[5], {"accuracy": 0.5, "energy_pj": 1.0})


@pytest.mark.parametrize(
    "values", [{}, {"accuracy": 0.5}, {"accuracy": 0.5, "energy_pj": -1.0}, {"accuracy": None, "energy_pj": 1.0}]
)
def test_values_that_will_not_do_change_nothing(new, synthetic, values):
    opened = new()
    trial = opened.ask()
    with pytest.raises(StudyError):
        opened.tell(trial, values)
    assert row(opened.folder, 0)[0] == "asked"
    opened.tell(trial, {"accuracy": 0.5, "energy_pj": 1.0})


def test_fronts_keep_screen_and_final_apart(new):
    opened = new()
    screens = [(0.5, 10.0), (0.9, 100.0), (0.4, 20.0), (0.8, 50.0)]
    for accuracy, energy in screens:
        opened.tell(opened.ask(), {"accuracy": accuracy, "energy_pj": energy})
    assert [trial.number for trial in opened.front()] == [0, 3, 1]
    assert [trial.number for trial in opened.front(floors={"accuracy": 0.6})] == [3, 1]
    assert opened.front("final") == ()
    opened.finish(opened.trials[2], {"accuracy": 0.1, "energy_pj": 99.0})
    opened.finish(opened.trials[1], {"accuracy": 0.2, "energy_pj": 98.0})
    assert [trial.number for trial in opened.front("final")] == [1]
    assert [trial.number for trial in opened.front()] == [0, 3, 1]
    assert record.read(opened.folder).front() == opened.front()


def test_a_config_survives_being_written(synthetic):
    config = StudyConfig(
        "evolution", 7, synthetic.OBJECTIVES, {"population": 8, "alpha": 0.25}, {"hw": ["45nm"], "a": {"b": True}}
    )
    assert parse_config(config_toml(config), "config.toml") == config


@pytest.mark.parametrize(
    ("method", "objectives", "options", "run", "error", "message"),
    [
        ("nsga3", None, {}, {}, UnknownName, "nsga2"),
        ("nsga2", None, {"population": 0}, {}, StudyError, "options of nsga2: population"),
        ("nsga2", None, {}, {"resume": None}, UsageError, r"run\.resume"),
        ("evolution", (Objective("accuracy", "max"),), {}, {}, StudyError, "one of each"),
    ],
)
def test_a_config_that_will_not_do_leaves_no_folder(
    tmp_path, digits, synthetic, method, objectives, options, run, error, message
):
    config = StudyConfig(method, 0, objectives or synthetic.OBJECTIVES, options, run)
    with pytest.raises(error, match=message):
        study.create(tmp_path / "run", digits, config, {})
    assert list(tmp_path.iterdir()) == []


def test_objectives_have_names_of_their_own():
    for objectives in ((), (Objective("accuracy", "max"), Objective("accuracy", "min"))):
        with pytest.raises(StudyError, match="at least one objective"):
            StudyConfig("random", 0, objectives)


def test_facts_are_recorded(new, synthetic):
    opened = new("evolution")
    search(opened, synthetic.evaluate, 9)
    assert record.read(opened.folder).facts == opened.record().facts
    assert opened.record().facts["accuracy_high"] == max(t.screen["accuracy"] for t in opened.trials[:8])
    opened.close()
    assert record.read(opened.folder).facts == opened.record().facts


def test_facts_are_recorded_when_the_search_ends_on_them(new, synthetic):
    opened = new("evolution")
    search(opened, synthetic.evaluate, 8)
    opened.close()
    assert "energy_low" in record.read(opened.folder).facts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "cifar10"}, "data was digits, is cifar10"),
        ({"torch": "2.13"}, "torch was not given, is 2.13"),
        ({"hardware": None, "space": "def"}, "hardware was 45nm, is not given; space was abc, is def"),
    ],
)
def test_resuming_with_something_else_names_what(new, synthetic, change, message):
    opened = new()
    opened.close()
    now = {k: v for k, v in {**synthetic.FINGERPRINTS, **change}.items() if v is not None}
    with pytest.raises(StudyError, match=message):
        study.resume(opened.folder, now)
    study.resume(opened.folder, synthetic.FINGERPRINTS).close()


@pytest.mark.parametrize("name", ["space.toml", "config.toml", "fingerprints.json"])
def test_a_file_changed_by_hand_is_noticed(new, synthetic, name):
    opened = new()
    opened.close()
    path = opened.folder / name
    text = path.read_text()
    path.write_text(text + "\n")
    for look in (lambda: study.resume(opened.folder, synthetic.FINGERPRINTS), lambda: record.read(opened.folder)):
        with pytest.raises(StudyError, match=f"{name}: changed since the study was made"):
            look()
    path.unlink()
    with pytest.raises(StudyError, match=f"{name}: there is no such file"):
        study.resume(opened.folder, synthetic.FINGERPRINTS)
    path.write_text(text)
    study.resume(opened.folder, synthetic.FINGERPRINTS).close()


def test_a_sampler_that_changed_is_noticed(new, synthetic, monkeypatch):
    opened = new()
    search(opened, synthetic.evaluate, 12)
    opened.close()
    monkeypatch.setattr("spikec.search.replay._STREAM", 1)
    with pytest.raises(StudyError, match=r"trial 4 was depth=.*now gives depth="):
        study.resume(opened.folder, synthetic.FINGERPRINTS)
