"""A study's folder as the plain view that tables, plots and pages show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikec.errors import StudyError, why_unread
from spikec.report.view import StudyRow, StudyView, TestResult
from spikec.search.folder import DATABASE
from spikec.search.front import hypervolume
from spikec.search.record import Record
from spikec.search.record import read as read_record
from spikec.search.trial import Trial
from spikec.tasks.search_setup import SearchSettings, named_policy, settings_of

RESULT = "result.json"
RANDOM = "random"
NUMBERS = (
    ("winner", "trial"),
    ("winner", "final", "energy_pj"),
    ("largest", "final", "energy_pj"),
    ("test", "winner_accuracy"),
    ("test", "largest_accuracy"),
)
TEXT = ("test", "paired", "text")
"""Where a result holds what a view shows."""


def view_of(folder: Path) -> StudyView:
    """What the study in `folder` holds so far, whether or not a search is at work on it.

    Raises:
        StudyError: there is no study, or it is damaged.
    """
    record = read_record(folder)
    random = read_record(folder / RANDOM).trials if (folder / RANDOM).exists() else ()
    result = result_of(folder) or {}
    settings = settings_of(record.config)
    told = [trial for trial in record.trials if trial.screen is not None]
    front = {t.number for t in record.front("screen", {"accuracy": settings.floor})} if told else set()
    chosen = result.get("winner", {}).get("trial")
    accuracy, energy = record.config.objectives
    steps = [int(value) for value in record.space.gene("steps").values]
    return StudyView(
        space=record.space.name,
        method=record.config.method,
        hardware=settings.hardware,
        policy=" ".join(_policy_words(settings)),
        data=settings.data,
        seed=settings.seed,
        split=settings.split,
        steps=(min(steps), max(steps)),
        rows=(
            *(_row(trial, "search", trial.number in front, trial.number == chosen) for trial in told),
            *(_row(trial, "random", False, False) for trial in random if trial.screen is not None),
        ),
        accuracy_floor=settings.floor,
        reference=(float(accuracy.reference or 0.0), float(energy.reference or 0.0)),
        hypervolume=_hypervolume(record, record.trials),
        random_hypervolume=_hypervolume(record, random),
        equal_hypervolumes=_at_equal_trials(record, random),
        failed=sum(trial.state == "failed" for trial in record.trials),
        winner_rule=str(settings.rule),
        tests=_tests(result),
        paired_test=result.get("test", {}).get("paired", {}).get("text", ""),
        config={"method": record.config.method, "seed": record.config.seed, **record.config.run},
        fingerprints=record.fingerprints,
        next_commands=_next(folder, settings, bool(result)),
    )


def search_beside(folder: Path) -> Path | None:
    """The study that the random subnets in `folder` stand beside, which alone is gone on with; None for any other."""
    whole = folder.resolve()
    if whole.name != RANDOM or not (whole.parent / DATABASE).is_file():
        return None
    return folder.parent if folder.name == RANDOM else whole.parent  # '.' has no parent in its spelling


def result_of(folder: Path) -> dict[str, Any] | None:  # Any: JSON
    """What the search in `folder` came to; None while it has not.

    Raises:
        StudyError: the file cannot be read, or is none of ours.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    mend = "delete it, then --resume makes it again"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudyError(why_unread(error), where=str(path), mend=mend) from error
    missing = [".".join(keys) for keys in NUMBERS if not isinstance(_at(found, keys), int | float)]
    if missing or not isinstance(_at(found, TEXT) or "", str):
        what = f"no number in {', '.join(missing)}" if missing else f"no text in {'.'.join(TEXT)}"
        raise StudyError(f"no result of a search: {what}", where=str(path), mend=mend)
    assert isinstance(found, dict)
    return found


def _at(found: object, keys: Sequence[str]) -> object:
    """What lies under these keys, one in the other; an empty dict where nothing does."""
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else ("nothing",)
    return found


def _policy_words(settings: SearchSettings) -> list[str]:
    """The options that say the policy; none where it is the default."""
    named, _ = named_policy(settings.policy_name)
    words = ["--policy", settings.policy_name] if settings.policy_name else []
    for name, value in vars(settings.policy).items():
        if value != getattr(named, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def _row(trial: Trial, kind: Any, on_front: bool, chosen: bool) -> StudyRow:  # Any: StudyRow's literal
    assert trial.screen is not None
    final = trial.final or {}
    return StudyRow(
        number=trial.number,
        genome=str(trial.genome),
        accuracy=trial.screen["accuracy"],
        energy_pj=trial.screen["energy_pj"],
        kind=kind,
        final_accuracy=final.get("accuracy"),
        final_energy_pj=final.get("energy_pj"),
        on_front=on_front,
        winner=chosen,
    )


def _hypervolume(record: Record, trials: Sequence[Trial]) -> float | None:
    rows = [trial.screen for trial in trials if trial.screen is not None]
    return hypervolume(rows, record.config.objectives) if rows else None


def _at_equal_trials(record: Record, random: Sequence[Trial]) -> tuple[float, float] | None:
    """Hypervolumes of the first trials of both, as many as the fewer has; None where they are as many, or none."""
    told = [[trial for trial in trials if trial.screen is not None] for trials in (record.trials, random)]
    fewer, more = sorted(map(len, told))
    own, drawn = (_hypervolume(record, trials[:fewer]) for trials in told)
    return None if own is None or drawn is None or fewer == more else (own, drawn)


def _tests(result: Mapping[str, Any]) -> tuple[TestResult, ...]:  # Any: JSON
    if not result:
        return ()
    test = result["test"]
    return (
        TestResult("winner", test["winner_accuracy"], result["winner"]["final"]["energy_pj"]),
        TestResult("largest subnet", test["largest_accuracy"], result["largest"]["final"]["energy_pj"]),
    )


def _next(folder: Path, settings: SearchSettings, finished: bool) -> tuple[str, ...]:
    if (search := search_beside(folder)) is not None:
        return _next(search, settings_of(read_record(search).config), result_of(search) is not None)
    if not finished:
        return (f"spikec search --resume {shlex.quote(str(folder))}",)
    winner = shlex.quote(str(folder / "winners" / "winner.pt"))
    # With the search's own chip and policy, so that it gives the energy that the search did.
    words = ["spikec", "estimate", winner, "--hw", shlex.quote(settings.hardware), *_policy_words(settings)]
    return (
        " ".join(words),
        f"spikec export {winner} --target lava --verify -o lava_export",
    )
