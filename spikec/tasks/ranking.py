"""rank: whether two orders of a study's trials agree, by Kendall's tau."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikec.errors import StudyError
from spikec.search.comparison import kendall_tau
from spikec.search.objectives import Values
from spikec.search.record import read
from spikec.search.trial import Trial
from spikec.tasks.study_view import RANDOM

LEAST = 2


@dataclass(frozen=True)
class Ranking:
    """How far two values order the same trials alike.

    Args:
        what: the two values, and of which trials.
        trials: how many.
        tau: Kendall's tau-b in [-1, 1]: 1 the same order, -1 the opposite; nan where one value is constant.
    """

    what: str
    trials: int
    tau: float


def rank(folder: Path) -> tuple[Ranking, ...]:
    """The orders of a study's trials compared, as far as it has got; a search may be at work on it.

    Accuracy against energy over the told trials, and over those drawn at random beside them; and, over the
    finalists, screen values against final ones: whether the cheap order was the right one.

    Raises:
        StudyError: there is no study, it is damaged, or fewer than two trials were told.
    """
    record = read(folder)
    random = read(folder / RANDOM).trials if (folder / RANDOM).exists() else ()
    names = [objective.name for objective in record.config.objectives]
    told = [trial.screen for trial in record.trials if trial.screen is not None]
    if len(told) < LEAST:
        raise StudyError(f"{len(told)} told trials", where=str(folder), expected="two or more to rank")
    found = []
    for words, rows in ((record.config.method, told), (RANDOM, [t.screen for t in random if t.screen is not None])):
        if len(rows) >= LEAST and len(names) == LEAST:
            found.append(_ranking(f"{names[0]} and {names[1]}, screen, {words}", rows, rows, names[0], names[1]))
    finalists = [trial for trial in record.trials if trial.final is not None]
    if len(finalists) >= LEAST:
        screens, finals = _values(finalists, lambda t: t.screen), _values(finalists, lambda t: t.final)
        found += [_ranking(f"{name}, screen and final, finalists", screens, finals, name, name) for name in names]
    return tuple(found)


def _ranking(what: str, first: Sequence[Values], second: Sequence[Values], one: str, other: str) -> Ranking:
    return Ranking(what, len(first), kendall_tau([row[one] for row in first], [row[other] for row in second]))


def _values(trials: Sequence[Trial], kind: Callable[[Trial], Values | None]) -> list[Values]:
    return [values for trial in trials if (values := kind(trial)) is not None]
