"""spikec search: what its options say to the search that they start."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import search as command
from spikec.errors import StudyError
from spikec.tasks.search_setup import SearchSettings


@pytest.mark.parametrize(
    ("words", "sought"), [(["--alpha", "0.8", "--method", "evolution"], {"alpha": 0.8}), (["--alpha", "0.8"], {})]
)
def test_evolution_seeks_by_the_alpha_that_chooses(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sought: dict[str, float]
) -> None:
    given: list[SearchSettings] = []

    def search(settings: SearchSettings, **_: object) -> None:
        given.append(settings)
        raise StudyError("seen")

    monkeypatch.setattr(command, "run", search)
    run("search", *words, "--out", tmp_path / "study")
    (settings,) = given
    assert dict(settings.options) == sought
    assert (settings.rule.kind, settings.rule.value) == ("alpha", 0.8)
