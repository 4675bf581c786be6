"""The record: what a study's folder holds, to look at while or after it runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from spikec.errors import StudyError
from spikec.search.config import StudyConfig
from spikec.search.folder import DATABASE, read_files, require_study
from spikec.search.front import nondominated
from spikec.search.plain import Plain
from spikec.search.space import SearchSpace
from spikec.search.store import Store
from spikec.search.trial import Trial

Kind: TypeAlias = Literal["screen", "final"]


@dataclass(frozen=True)
class Record:
    """A study as plain data.

    Args:
        space: its search space.
        config: its resolved configuration.
        fingerprints: of everything that its values depend on, by name.
        facts: what was fixed along the way, such as the scaling set of F_AEB.
        trials: by number.
    """

    space: SearchSpace
    config: StudyConfig
    fingerprints: Mapping[str, str]
    facts: Mapping[str, Plain]
    trials: tuple[Trial, ...]

    def front(self, values: Kind = "screen", floors: Mapping[str, float] | None = None) -> tuple[Trial, ...]:
        """The trials that no other beats by these values, from the best in the last objective on.

        Args:
            values: which of the two kinds; trials without them are left out, the kinds are never mixed.
            floors: the least of some values, such as {'accuracy': 0.5}.
        """
        rows = [(trial, trial.screen if values == "screen" else trial.final) for trial in self.trials]
        scored = [(trial, row) for trial, row in rows if row is not None]
        chosen = nondominated([row for _, row in scored], self.config.objectives, floors)
        return tuple(scored[i][0] for i in chosen)


def read(folder: Path) -> Record:
    """The study in that folder, whether or not a process is at work on it, writable or not.

    Raises:
        StudyError: there is no study, or it is damaged or was changed by hand.
    """
    require_study(folder)
    store = Store(folder / DATABASE, read_only=True)
    try:
        files = read_files(folder, store)
        facts = {name: json.loads(text) for name, text in store.facts().items()}
        return Record(files.space, files.config, files.fingerprints, facts, tuple(store.trials()))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        found = f"damaged: {type(error).__name__} {error}"
        raise StudyError(f"{found:.200}", where=str(folder / DATABASE)) from error
    finally:
        store.close()
