"""Counts of measured runs from the reports of `spikec estimate --format json`, one report a run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikec.errors import DataError, why_unread


class CountedRuns(NamedTuple):
    """What reports counted.

    Args:
        counts: [runs] by kind; 0 where a report has none of a kind.
        policy: that all of them were counted under.
        sha256: of each file.
    """

    counts: Mapping[str, NDArray[np.float64]]
    policy: Mapping[str, str]
    sha256: tuple[str, ...]


def counts_of(reports: Sequence[Path], kinds: Sequence[str], where: Sequence[str]) -> CountedRuns:
    """The counts per inference of every run.

    Args:
        reports: a file a run; one may serve several runs.
        kinds: to look for.
        where: the place that names each file, for errors.

    Raises:
        DataError: a file is no such report, or two were counted under different policies.
    """
    read = {path: _report(path, place) for path, place in dict(zip(reports, where, strict=True)).items()}
    (first, policy), *others = ((path, one.policy) for path, one in read.items())
    for path, other in others:
        if other != policy:
            differ = sorted(key for key in {*policy, *other} if policy.get(key) != other.get(key))
            told = ", ".join(f"{key} {policy.get(key)} and {other.get(key)}" for key in differ)
            expected = "one policy for all runs, since a price is that of a way to count"
            raise DataError(f"policies that differ: {told}", where=f"{first.name} and {path.name}", expected=expected)
    found = {kind: np.array([read[path].counts.get(kind, 0.0) for path in reports]) for kind in kinds}
    counted = {kind: column for kind, column in found.items() if column.any()}
    return CountedRuns(counted, policy, tuple(read[path].sha256 for path in reports))


class _Read(NamedTuple):
    counts: Mapping[str, float]
    policy: Mapping[str, str]
    sha256: str


def _report(path: Path, place: str) -> _Read:
    where = f"{place}, {path}"
    try:
        content = path.read_bytes()
        plain = json.loads(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(why_unread(error), where=where, expected="a report as JSON") from error
    except (ValueError, RecursionError) as error:  # of numbers too long, and of lists too deep
        raise DataError(f"no JSON: {error}", where=where, expected=_EXPECTED) from error
    totals, policy = (plain.get(key) if isinstance(plain, dict) else None for key in ("totals", "policy"))
    counts = totals.get("counts") if isinstance(totals, dict) else None
    if not isinstance(counts, dict) or not isinstance(policy, dict):
        raise DataError("no counts", where=where, expected=_EXPECTED)
    for kind, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, float)) or not 0 <= count < math.inf:
            raise DataError(f"a count of {str(count)[:40]}", where=f"{where}, {kind}", expected="0 or more")
    said = {str(key): str(value) for key, value in policy.items()}
    return _Read({str(kind): float(count) for kind, count in counts.items()}, said, hashlib.sha256(content).hexdigest())


_EXPECTED = "what `spikec estimate MODEL --format json -o FILE` writes for one --hw"
