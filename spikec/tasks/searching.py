"""search: from a space and data to a winner, in a folder that can be stopped and resumed anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spikec.errors import StudyError
from spikec.files import sweep, write_text
from spikec.report.plots import front_plot
from spikec.report.study_html import study_html
from spikec.report.view import StudyView
from spikec.search.folder import SPACE
from spikec.tasks.search_run import (
    CHECKPOINT,
    SUPERNET,
    Tick,
    baseline,
    done_so_far,
    finals,
    open_study,
    results,
    screen,
    settings_from,
    trained,
)
from spikec.tasks.search_setup import SearchSettings, located, set_up, settings_of
from spikec.tasks.study_view import search_beside, view_of
from spikec.tasks.subnets import Subnets


@dataclass(frozen=True, eq=False)
class Searched:
    """A finished search.

    Args:
        folder: the study.
        winner: the file of the chosen subnet.
        result: as result.json holds it: winner, largest subnet, test accuracies, the paired test, the rule.
        view: what tables and plots show.
    """

    folder: Path
    winner: Path
    result: dict[str, Any]  # Any: JSON
    view: StudyView


def _silent(step: str, done: int, total: int, words: str) -> None:
    """No progress wanted."""


def _refuse_baseline(folder: Path) -> None:
    """Raises StudyError where the study is the random one beside another: going on would spoil that one's baseline."""
    if (search := search_beside(folder)) is not None:
        raise StudyError(
            "the random subnets beside another search", where=str(folder), mend=f"--resume {search}, its search"
        )


def search(
    settings: SearchSettings | None = None,
    *,
    out: Path,
    resume: bool = False,
    tick: Tick | None = None,
    begun: Callable[[str], None] | None = None,
) -> Searched:
    """Trains a supernet, searches its subnets, re-scores the finalists and chooses the winner.

    Args:
        settings: what to search; those of the study itself where it is resumed.
        out: the study's folder: new, or with `resume` one that an earlier search left.
        resume: go on where that one stopped; the result is that of a search that was never stopped.
        tick: told of every step: its name, how many are done, of how many, and words.
        begun: told as soon as all input is found good and everything that follows can be resumed; with how far an
            earlier run got, '' where there was none.

    Raises:
        UnknownName, UsageError, SpaceError, DataError, HardwareFileError: before anything is written.
        OutputError, StudyError: the folder exists, cannot be written, or cannot be resumed with this.
        KeyboardInterrupt: as raised; all that was told is on disk.
    """
    tick = tick or _silent
    if resume:
        _refuse_baseline(out)
    if resume:
        # The study holds its space: the file that it came from may be gone by now.
        chosen = replace(settings_of(settings_from(out)), space=str(out / SPACE))
    else:
        chosen = located(settings or SearchSettings())
    setup = set_up(chosen)
    with open_study(setup, out, resume=resume) as study:
        for written in (out / SUPERNET, out / CHECKPOINT):
            sweep(written.parent, [written.name])
        if begun is not None:
            begun(done_so_far(study, setup, out) if resume else "")
        supernet = trained(setup, out, tick)
        subnets = Subnets(supernet, setup.space, setup.dataset, setup.hardware, chosen.policy, chosen.pipeline)
        screen(study, subnets, chosen.trials, "search", tick)
        baseline(setup, out, subnets, tick)
        found = finals(study, subnets, setup, tick)
        result = results(study, out, setup, subnets, found)
    view = view_of(out)
    write_text(out / "report.html", study_html(view))
    front_plot(view, out / "front.png")
    return Searched(out, out / "winners" / "winner.pt", json.loads(json.dumps(result)), view)
