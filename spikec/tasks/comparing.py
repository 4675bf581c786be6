"""compare: two files of reports, and limits on what may change from the one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikec.errors import printable
from spikec.report.compared import Compared, compared
from spikec.report.limit import Limit, Moved, judge
from spikec.report.saved import read


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two files of reports beside each other.

    Args:
        found: chip by chip.
        moved: what came of each limit on each chip.
    """

    found: Compared
    moved: tuple[Moved, ...]

    def to_plain(self) -> dict[str, Any]:  # Any: JSON
        """As JSON values; see `docs/compare.md` for each key."""
        return {**self.found.to_plain(), "limits": [one.to_plain() for one in self.moved]}


def compare(a: Path, b: Path, limits: Sequence[Limit] = ()) -> Comparison:
    """What differs between two files that `spikec estimate --format json` wrote, A the earlier one.

    Raises:
        InputError: a file cannot be read or holds no report, or no chip is in both.
        UsageError, UnknownName: a limit is about something that a report does not have.
    """
    found = compared(printable(str(a)), read(a), printable(str(b)), read(b))
    return Comparison(found, judge(limits, found))
