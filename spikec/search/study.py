"""The study: a search in a folder, asked and told, that survives whatever ends it."""

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from spikec.errors import OutputError, StudyError
from spikec.search.config import StudyConfig
from spikec.search.folder import DATABASE, Files, make, read_files, require_same, require_study
from spikec.search.lock import Lock
from spikec.search.objectives import Values, finite
from spikec.search.record import Kind, Record
from spikec.search.replay import replay, sampler_of
from spikec.search.sampler import Sampler
from spikec.search.space import SearchSpace
from spikec.search.store import Store
from spikec.search.trial import State, Trial


def create(folder: Path, space: SearchSpace, config: StudyConfig, fingerprints: Mapping[str, str]) -> "Study":
    """A new study in a new folder.

    Args:
        folder: where; its parents are made.
        space: what is searched.
        config: what follows from nothing else: method, seed, objectives, options, the caller's own settings.
        fingerprints: of all that values depend on (space, data, hardware file, versions), by name; whoever
            resumes has to bring the same.

    Raises:
        OutputError: the folder exists, or cannot be written; nothing is left then.
        UnknownName, StudyError, UsageError: a method, option or configuration that will not do.
    """
    sampler_of(space, config)  # whatever it refuses is refused before there is a folder
    make(folder, Files(space, config, dict(fingerprints)))
    return resume(folder, fingerprints)


def resume(folder: Path, fingerprints: Mapping[str, str]) -> "Study":
    """The study in that folder, its sampler as it was: rebuilt from its seed, the told trials replayed.

    Raises:
        StudyError: there is no study, another process is at work on it, a fingerprint differs (the message
            says which), or it was changed or damaged.
        OutputError: its folder cannot be written; `read` only looks.
    """
    require_study(folder)
    with ExitStack() as held:
        held.callback(Lock(folder).close)
        store = Store(folder / DATABASE)
        held.callback(store.close)
        files = read_files(folder, store)
        require_same(files.fingerprints, fingerprints, folder)
        trials = store.trials()
        sampler = sampler_of(files.space, files.config)
        replay(sampler, trials, folder)
        return Study(folder, _Parts(files, store, sampler, held.pop_all()), trials)


@dataclass(frozen=True)
class _Parts:
    """What an open study works with."""

    files: Files
    store: Store
    sampler: Sampler
    held: ExitStack


class Study:
    """A search that can be stopped and killed at any point and goes on as if it had not been.

    Its folder holds study.db (one row a trial), space.toml, config.toml and fingerprints.json. Made by
    `create` and `resume`; a context manager; open in one process at a time, while any number may `read`.

    No sampler's state is stored: a sampler depends on its seed and the order of asks and tells, and each
    trial holds its place in that order.
    """

    def __init__(self, folder: Path, parts: _Parts, trials: list[Trial]) -> None:
        self.folder = folder
        self._files, self._store, self._sampler = parts.files, parts.store, parts.sampler
        self._held = parts.held
        self._trials = trials
        self._told = sum(trial.told_as is not None for trial in trials)
        # Handed out before the process ended, never told: they are handed out again before anything new.
        self._again = [trial for trial in trials if trial.state == "asked"]
        self._unrecorded: Trial | None = None
        self._facts: Mapping[str, object] = {}

    @property
    def space(self) -> SearchSpace:
        """Its search space."""
        return self._files.space

    @property
    def config(self) -> StudyConfig:
        """Its resolved configuration."""
        return self._files.config

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial so far, by number."""
        return tuple(self._trials)

    def ask(self) -> Trial:
        """The next trial to evaluate, already on disk: first those that an earlier process left untold.

        May be called again before the last one was told.

        Raises:
            StudyError: every subnet of the space has been tried.
            OutputError: it could not be written; asking again gives the same trial.
        """
        if self._again:
            return self._again.pop(0)
        self._store_facts()
        if self._unrecorded is None:
            # The sampler has moved on once asked, so its genome is kept until it is on disk.
            self._unrecorded = Trial(len(self._trials), self._sampler.ask(), asked_after=self._told)
        trial = self._unrecorded
        self._store.add(trial)
        self._unrecorded = None
        self._trials.append(trial)
        return trial

    def tell(self, trial: Trial, values: Values, seconds: float | None = None) -> Trial:
        """The trial with its screen values, which are on disk when this returns.

        Args:
            trial: as asked.
            values: a finite number for every objective, and any others worth keeping; raw, never scaled.
            seconds: what the evaluation took.

        Raises:
            StudyError: the trial is not of this study or was told already, or a value is missing or not
                finite.
            OutputError: it could not be written; the trial stays asked and can be told again.
        """
        stored = self._require(trial, "asked")
        told = replace(stored, state="told", screen=self._checked(values), seconds=seconds, told_as=self._told)
        self._store.tell(told)
        self._sampler.tell(told.genome, told.screen or {})
        self._told += 1
        return self._keep(told)

    def fail(self, trial: Trial, reason: str) -> Trial:
        """The trial, given up for that reason; the sampler is not told.

        Raises:
            StudyError: it is not of this study, or was told already.
            OutputError: it could not be written; the trial stays asked.
        """
        failed = replace(self._require(trial, "asked"), state="failed", reason=reason)
        self._store.fail(failed)
        return self._keep(failed)

    def finish(self, trial: Trial, values: Values) -> Trial:
        """The trial with its final values, of the canonical evaluation, which are on disk when this returns.

        Raises:
            StudyError: the trial was not told or is final already; or as for `tell`.
            OutputError: they could not be written; the trial stays told.
        """
        final = replace(self._require(trial, "told"), state="final", final=self._checked(values))
        self._store.finish(final)
        return self._keep(final)

    def record(self) -> Record:
        """All it holds, as plain data."""
        files = self._files
        return Record(files.space, files.config, files.fingerprints, self._sampler.facts(), self.trials)

    def front(self, values: Kind = "screen", floors: Mapping[str, float] | None = None) -> tuple[Trial, ...]:
        """The trials that no other beats; see `Record.front`."""
        return self.record().front(values, floors)

    def close(self) -> None:
        """Lets the folder go; what was told is on disk already. Closing twice does nothing."""
        # Facts follow from the told trials: where they cannot be written now, resuming finds them again.
        with suppress(OutputError, StudyError):
            self._store_facts()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require(self, trial: Trial, state: State) -> Trial:
        number = trial.number
        stored = self._trials[number] if 0 <= number < len(self._trials) else None
        if stored is None or stored.genome != trial.genome:
            raise StudyError(found=f"trial {number} is not of this study", where=str(self.folder))
        if stored.state != state:
            raise StudyError(
                found=f"trial {number} is {stored.state}",
                where=str(self.folder),
                expected=f"it to be {state}",
            )
        return stored

    def _checked(self, values: Values) -> dict[str, float]:
        return finite(values, self.config.objectives)

    def _keep(self, trial: Trial) -> Trial:
        self._trials[trial.number] = trial
        return trial

    def _store_facts(self) -> None:
        facts = self._sampler.facts()
        if facts != self._facts:
            self._store.set_facts({name: json.dumps(value) for name, value in facts.items()})
            self._facts = facts
