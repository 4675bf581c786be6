"""spikec search: what its options say to the search that they start, and what it prints at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import search as command
from cli.main import spikec
from spikec.errors import StudyError
from spikec.search.winner import WinnerRule
from spikec.tasks import searching
from spikec.tasks.search_setup import SearchSettings

Asked = Callable[..., SearchSettings]


@pytest.fixture
def asked(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The settings that words ask for."""

    def call(*words: str) -> SearchSettings:
        given: list[SearchSettings] = []

        def search(settings: SearchSettings, **_: object) -> None:
            given.append(settings)
            raise StudyError("seen")

        monkeypatch.setattr(command, "run", search)
        run("search", *words, "--out", tmp_path / "study")
        (settings,) = given
        return settings

    return call


def test_no_option_asks_for_the_defaults(asked: Asked) -> None:
    assert asked() == SearchSettings()


@pytest.mark.parametrize(("method", "trials"), [("nsga2", 160), ("random", 160), ("evolution", 320)])
def test_each_method_has_its_trials(asked: Asked, method: str, trials: int) -> None:
    assert asked("--method", method).trials == trials
    assert asked("--method", method, "--trials", "7").trials == 7


@pytest.mark.parametrize(
    ("words", "sought"), [(["--alpha", "0.8", "--method", "evolution"], {"alpha": 0.8}), (["--alpha", "0.8"], {})]
)
def test_evolution_seeks_by_the_alpha_that_chooses(asked: Asked, words: list[str], sought: dict[str, float]) -> None:
    settings = asked(*words)
    assert dict(settings.options) == sought
    assert settings.rule == WinnerRule("alpha", 0.8)


def test_a_least_accuracy_is_the_rule(asked: Asked) -> None:
    assert asked("--min-accuracy", "0.9").rule == WinnerRule("min-accuracy", 0.9)


@pytest.mark.full
def test_a_search_ends_with_its_front_its_rule_and_what_to_do_next(run, tmp_path: Path) -> None:
    out = tmp_path / "study"
    small = ("--trials", "8", "--epochs", "2", "--random", "3", "--finalists", "2", "--floor", "0.15")
    result = run("search", *small, "--min-accuracy", "0.05", "--out", out)
    assert result.exit_code == 0, result.output
    table, words = result.stdout, result.stderr
    assert "digits on 45nm: nsga2, 8 trials, seed 0, split 0" in table
    assert "trials of accuracy 15.0 % or more" in table
    assert "least energy at an accuracy of 5 % or more" in table
    assert "hypervolume: nsga2" in table
    assert "random sampling" in table
    assert "test split: winner" in table
    assert "exact McNemar p" in table
    assert f"spikec estimate {out / 'winners' / 'winner.pt'} --hw 45nm" in table
    assert f"winner: {out / 'winners' / 'winner.pt'}" in table
    assert f"{out / 'report.html'}" in words
    for step in ("supernet: 2/2 epochs", "search: 8/8 trials", "random: 3/3 trials", "finalists: 2/2 subnets"):
        assert step in words
    shown = [line for line in table.splitlines() if "front" in line and "depth=" in line]
    assert shown
    assert all(float(line.split()[1]) >= 15.0 for line in shown)


def test_nothing_is_said_of_a_search_before_its_input_is_found_good(run, tmp_path: Path) -> None:
    for words in (("--space", "digit"), ("--hw", "45mn"), ("--data", "cifar10"), ("--resume", tmp_path / "absent")):
        out = () if words[0] == "--resume" else ("--out", tmp_path / "study")
        result = run("search", *words, *out)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")


def test_ctrl_c_says_one_thing_before_the_study_and_one_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(settings: SearchSettings, *, out: Path, begun: Callable[[str], None], **_: object) -> None:
        if out.name == "a study":
            begun("")
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", search)
    for name, said in (("early", "interrupted"), ("a study", f"--resume '{tmp_path}/a study'")):
        result = CliRunner().invoke(spikec, ["search", "--out", str(tmp_path / name)])
        assert result.exit_code == 130
        assert result.stderr.rstrip().endswith(said)
        assert result.stderr.count("stopped;") + result.stderr.count("interrupted") == 1


def test_resuming_says_how_far_it_got(tmp_path: Path) -> None:
    folder, settings = tmp_path / "study", SearchSettings(trials=3, baseline=0, finalists=1, epochs=2)

    def stopping(step: str, at: int) -> Callable[..., None]:
        def tick(now: str, done: int, total: int, words: str) -> None:
            if (now, done) == (step, at):
                raise KeyboardInterrupt

        return tick

    def said(chosen: SearchSettings | None = None) -> str:
        told: list[str] = []

        def begun(done: str) -> None:
            told.append(done)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            searching.search(chosen, out=folder, resume=chosen is None, begun=begun)
        return told[0]

    assert said(settings) == ""
    assert said() == "nothing is done yet"
    for step, at, words in (
        ("supernet", 1, "the supernet is trained to epoch 1 of 2"),
        ("supernet", 2, "the supernet is trained to epoch 2 of 2"),
        ("search", 2, "2 of 3 trials are told"),
    ):
        with pytest.raises(KeyboardInterrupt):
            searching.search(out=folder, resume=True, tick=stopping(step, at))
        assert said() == words
    (folder / "result.json").write_text("{}")
    assert said() == "it has ended"


def test_the_line_of_a_resumed_search_has_those_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(settings: None, *, begun: Callable[[str], None], **_: object) -> None:
        begun("2 of 3 trials are told")
        raise StudyError("seen")

    monkeypatch.setattr(command, "run", search)
    result = CliRunner().invoke(spikec, ["search", "--resume", "a"])
    assert result.stderr.startswith("going on with a: 2 of 3 trials are told\n")
