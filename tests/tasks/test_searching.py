"""A search that is stopped anywhere and resumed gives what one that was never stopped gives."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import spikec
from hwmodels.policies import preset
from hwmodels.registry import CHIPS
from spikec import model as models
from spikec.cost import Policy
from spikec.errors import DataError, OutputError, SpaceError, StudyError, UnknownName, UsageError
from spikec.search import record as records
from spikec.search import spacefile
from spikec.search.objectives import Values
from spikec.search.winner import WinnerRule
from spikec.tasks import search_run
from spikec.tasks.estimation import estimate
from spikec.tasks.search_run import moved
from spikec.tasks.search_setup import SearchSettings, set_up
from spikec.tasks.searching import Searched, search
from spikec.tasks.study_view import result_of

TINY = SearchSettings(trials=10, baseline=3, finalists=3, epochs=2, floor=0.1)


class Stop:
    """Raises KeyboardInterrupt when a step has got so far, once."""

    def __init__(self, step: str, done: int) -> None:
        self.at: tuple[str, int] | None = (step, done)

    def __call__(self, step: str, done: int, total: int, words: str) -> None:
        if (step, done) == self.at:
            self.at = None
            raise KeyboardInterrupt


def told(folder: Path) -> list[tuple[str, Values | None, Values | None]]:
    return [(t.genome.to_json(), t.screen, t.final) for t in records.read(folder).trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    return search(TINY, out=tmp_path_factory.mktemp("whole") / "study")


@pytest.mark.full
@pytest.mark.parametrize("stop", [("supernet", 1), ("search", 1), ("search", 7), ("random", 2), ("finalists", 2)])
def test_resumed_equals_uninterrupted(whole: Searched, tmp_path: Path, stop: tuple[str, int]) -> None:
    folder = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        search(TINY, out=folder, tick=Stop(*stop))
    resumed = search(out=folder, resume=True)
    assert told(folder) == told(whole.folder)
    assert told(folder / "random") == told(whole.folder / "random")
    theirs, ours = (json.loads(json.dumps(s.result)) for s in (whole, resumed))
    assert ours == theirs
    assert models.load(resumed.winner).graph.sha256 == models.load(whole.winner).graph.sha256


@pytest.mark.full
def test_another_seed_gives_other_trials(whole: Searched, tmp_path: Path) -> None:
    other = search(replace(TINY, seed=5, trials=4, finalists=1, baseline=0), out=tmp_path / "study")
    assert told(other.folder)[:4] != told(whole.folder)[:4]


@pytest.mark.full
def test_the_folder_holds_the_study(whole: Searched) -> None:
    names = {path.name for path in whole.folder.iterdir()}
    expected = {"study.db", "space.toml", "config.toml", "supernet.pt", "checkpoints", "winners", "report.html"}
    assert expected | {"front.png", "result.json", "largest.pt"} <= names
    assert not [name for name in names if name.startswith(".")]
    record = records.read(whole.folder)
    assert record.config.objectives[1].axis == "log10"
    assert record.config.objectives[1].reference
    assert {"space", "data", "hardware", "torch"} <= set(record.fingerprints)


@pytest.mark.full
def test_final_energy_is_what_estimate_gives(whole: Searched) -> None:
    (report,) = estimate(whole.winner)
    assert report.energy_pj == whole.result["winner"]["final"]["energy_pj"]  # type: ignore[union-attr]


@pytest.mark.full
def test_a_study_on_another_chip_is_not_resumed(whole: Searched, tmp_path: Path) -> None:
    chip = tmp_path / "mine.toml"
    source = Path(__file__).parents[2] / "hwmodels" / "chips" / "45nm.toml"
    chip.write_text(source.read_text())
    folder = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        search(replace(TINY, hardware=str(chip)), out=folder, tick=Stop("supernet", 1))
    chip.write_text(source.read_text() + "\n# changed\n")
    with pytest.raises(StudyError, match="hardware"):
        search(out=folder, resume=True)


@pytest.mark.full
@pytest.mark.parametrize("rule", [WinnerRule("alpha", 1.0), WinnerRule("min-accuracy", 0.05)])
def test_other_rules_choose_otherwise(whole: Searched, tmp_path: Path, rule: WinnerRule) -> None:
    found = search(replace(TINY, rule=rule, baseline=0), out=tmp_path / "study")
    finals = [t.final for t in records.read(found.folder).trials if t.final is not None]
    assert found.result["winner"]["final"]["energy_pj"] == min(final["energy_pj"] for final in finals)
    assert str(rule) in found.result["rule"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (replace(TINY, space="digit"), UnknownName),
        (replace(TINY, hardware="45mn"), UnknownName),
        (replace(TINY, data="digitz"), UnknownName),
        (replace(TINY, method="nsga3"), UnknownName),
        (replace(TINY, space="auto-spikformer-st-small"), UsageError),
        (replace(TINY, options={"population": 1}), StudyError),
        (replace(TINY, split=2**32), DataError),
        (replace(TINY, policy=Policy(counting="rate", domain="observed")), UsageError),
    ],
)
def test_what_will_not_do_is_refused_before_anything_is_written(
    tmp_path: Path, settings: SearchSettings, error: type[Exception]
) -> None:
    with pytest.raises(error):
        search(settings, out=tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("policy_name", ["spikformer-paper", "neurobench"])
def test_final_energy_under_a_named_policy_is_what_the_printed_command_gives(tmp_path: Path, policy_name: str) -> None:
    policy = replace(preset(policy_name).policy, zero_weights="count")
    found = search(replace(TINY, baseline=0, policy=policy, policy_name=policy_name), out=tmp_path / "study")
    command = found.view.next_commands[0]
    assert f"--policy {policy_name}" in command
    result = CliRunner().invoke(spikec, [*shlex.split(command)[1:], "--format", "json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["totals"]["energy_pj"] == found.result["winner"]["final"]["energy_pj"]
    assert report["passes"] == []  # the policy's own pipeline, not the chip's
    assert search(out=found.folder, resume=True).view.next_commands == found.view.next_commands


@pytest.mark.full
def test_the_next_command_names_the_chip_of_the_search(tmp_path: Path) -> None:
    found = search(replace(TINY, trials=2, epochs=1, baseline=0, hardware="45nm-int8"), out=tmp_path / "study")
    assert found.view.next_commands[0].endswith("--hw 45nm-int8")


def test_hypervolume_is_measured_from_a_bound_of_the_policy_itself() -> None:
    bounds = {
        name: set_up(replace(TINY, policy=policy)).energy_bound_pj()
        for name, policy in {
            "default": Policy(),
            "mac": Policy(multibit="mac"),
            "observed": Policy(domain="observed", zero_weights="skip"),
            "per-step": Policy(first_layer="per-step"),
        }.items()
    }
    assert bounds["default"] < bounds["per-step"] < bounds["mac"]
    assert bounds["observed"] == bounds["mac"]


@pytest.mark.full
def test_the_random_subnets_of_a_search_are_not_gone_on_with(whole: Searched) -> None:
    before = told(whole.folder / "random")
    with pytest.raises(StudyError, match="random subnets beside another search"):
        search(out=whole.folder / "random", resume=True)
    assert told(whole.folder / "random") == before
    assert not (whole.folder / "random" / "supernet.pt").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"winner": 1}'])
def test_a_damaged_result_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(StudyError, match=r"result\.json"):
        result_of(tmp_path)


@pytest.mark.parametrize(
    "field", [{"seed": 2**63}, {"split": -1}, {"floor": 1.5}, {"floor": -0.1}, {"floor": float("nan")}]
)
def test_settings_beyond_their_range(field: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(field))):
        SearchSettings(**field)


@pytest.mark.parametrize("field", ["trials", "finalists", "epochs"])
def test_settings_out_of_range(field: str) -> None:
    with pytest.raises(UsageError, match=field):
        SearchSettings(**{field: 0})


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        search(TINY, out=tmp_path / "study")
    assert (tmp_path / "study" / "mine").read_text() == "mine"


def test_resuming_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        search(out=tmp_path, resume=True)


def test_a_space_without_a_spikformer_is_refused(tmp_path: Path) -> None:
    text = spacefile.space_toml(spacefile.load("digits")).replace("attention_scale", "attention_scales")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SpaceError, match="attention_scale"):
        search(replace(TINY, space=str(tmp_path / "mine.toml")), out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_full_disk_ends_the_search_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = tmp_path / "study", search_run.save_checkpoint

    def full(path: Path, state: object) -> None:
        raise OutputError("the disk is full", where=str(path))

    monkeypatch.setattr(search_run, "save_checkpoint", full)
    with pytest.raises(OutputError, match="disk is full"):
        search(replace(TINY, epochs=1, trials=2, baseline=0, finalists=1), out=folder)
    monkeypatch.setattr(search_run, "save_checkpoint", real)
    assert search(out=folder, resume=True).winner.exists()


def test_images_move_by_whole_pixels() -> None:

    x = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    assert moved(x, 1, 0)[0, 0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert moved(x, 0, -1)[0, 0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert moved(x, -1, 1)[0, 0].tolist() == [[0, 4, 5], [0, 7, 8], [0, 0, 0]]


@pytest.mark.full
def test_ctrl_c_keeps_all_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = ["-m", "cli", "search", "--out", "study", "--trials", "3000", "--epochs", "1", "--random", "0"]
    # A job in the background of a shell without job control hears no Ctrl-C, nor do its children unless they ask to.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; import sys; from cli.main import main; sys.argv[0] = 'spikec'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words[2:]],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if (tmp_path / "study" / "study.db").exists() and len(records.read(tmp_path / "study").trials) > 3:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.endswith("\nstopped; all that was done is kept. Go on with: spikec search --resume study\n")
    assert "interrupted" not in said
    assert "Traceback" not in said
    kept = [t for t in records.read(tmp_path / "study").trials if t.screen is not None]
    assert len(kept) >= 3


def test_a_study_of_own_files_goes_on_from_another_folder_and_without_its_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space_file, chip = tmp_path / "mine.toml", tmp_path / "chip.toml"
    space_file.write_text(spacefile.space_toml(spacefile.load(TINY.space)))
    chip.write_text((CHIPS / "45nm.toml").read_text())
    own = replace(TINY, space="mine.toml", hardware="chip.toml", trials=3, epochs=1, finalists=1, baseline=0)
    with pytest.raises(KeyboardInterrupt):
        search(own, out=tmp_path / "study", tick=Stop("search", 2))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    space_file.unlink()
    (tmp_path / "study" / "checkpoints" / ".supernet.pt.0123abcd").write_bytes(b"a killed write")
    (tmp_path / "study" / ".supernet.pt.mine").write_bytes(b"not ours")
    assert search(out=tmp_path / "study", resume=True).winner.is_file()
    assert not list((tmp_path / "study" / "checkpoints").glob(".*"))
    assert (tmp_path / "study" / ".supernet.pt.mine").is_file()
