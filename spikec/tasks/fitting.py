"""hw fit: measured runs to a chip file, with what the fit is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwmodels.event_kinds import POWERED
from hwmodels.fitting import Fit, Rules, fit
from hwmodels.schema import read
from spikec.errors import DataError, FitRefused, UnknownName, UsageError
from spikec.tasks.counted_reports import counts_of
from spikec.tasks.fit_notes import notes_on
from spikec.tasks.fitted_chip import Card, chip_toml, model_of
from spikec.tasks.measurements import KINDS, Measurements, read_measurements

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What to fit and how.

    Args:
        terms: kinds of count that have a price; every kind of the file unless given.
        static: also a static power, from the times.
        times: also a time for each count, where the file has times.
        rules: of the fit.
        card: what the chip file says beside its prices.

    Raises:
        UsageError: a number out of its range.
    """

    terms: tuple[str, ...] | None = None
    static: bool = False
    times: bool = True
    rules: Rules = field(default_factory=Rules)
    card: Card = field(default_factory=Card)

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not 0.5 <= self.rules.level < 1:
            raise UsageError(f"--level {self.rules.level:g}", expected="0.5 or more, and below 1")
        if not 1 <= self.rules.most_condition <= MOST_CONDITION:
            raise UsageError(f"--max-condition {self.rules.most_condition:g}", expected=f"1 to {MOST_CONDITION:g}")
        if self.terms is not None and len(set(self.terms)) != max(len(self.terms), 1):
            raise UsageError(f"--terms {','.join(self.terms)}", expected="kinds with commas between, each once")


MOST_CONDITION = 1e6
"""With more, the digits of a price are those of rounding errors in what was measured."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fit and the chip file that it gives.

    Args:
        runs: what was measured.
        energy: prices in pJ a count.
        time: in ns a count; None where no times were fitted.
        notes: what must be known of them, a sentence each.
        toml: the chip file's text, which keeps to the schema.
    """

    runs: Measurements
    energy: Fit
    time: Fit | None
    notes: tuple[str, ...]
    toml: str


def fit_chip(path: Path, wanted: Wanted | None = None) -> Fitted:
    """The chip file that the runs of a CSV file give.

    Raises:
        DataError, UnknownName: the file, or a column of it, cannot be read.
        UsageError: options that contradict each other or the file.
        FitRefused: the runs cannot tell the prices apart, or contradict them.
        HardwareFileError: the pipeline, or a name, is none that a chip file can hold.
    """
    wanted = wanted or Wanted()
    wanted.card.check()
    runs = read_measurements(path)
    _check_scatter(runs, wanted)
    counts, policy, reports = _counts(runs, path, wanted)
    terms = _terms(runs, counts, path, wanted)
    model_of(list(terms), wanted.card.model)
    try:
        energy = _energy(runs, terms, wanted)
        time, untimed = _time(runs, terms, wanted)
        beside = tuple(kind for kind in counts if kind not in terms)
        notes = (*notes_on(runs, terms, energy, time, beside), *untimed)
        toml = chip_toml(runs, energy, time, wanted.card, (*notes, *_policy_note(policy), *reports))
    except FitRefused as error:
        error.where = str(path)
        raise
    read(toml.encode("utf-8"), f"the chip file of {path}")  # what is written is what spikec hw check takes
    return Fitted(runs, energy, time, notes, toml)


def _check_scatter(runs: Measurements, wanted: Wanted) -> None:
    given = "sd" if runs.sd_pj is not None else "weight" if runs.weights is not None else ""
    if given and wanted.rules.scatter == "relative":
        raise UsageError(
            f"--scatter relative beside a column '{given}', which says how the runs scatter", mend="one of them"
        )


def _counts(
    runs: Measurements, path: Path, wanted: Wanted
) -> tuple[Mapping[str, Vector], Mapping[str, str], tuple[str, ...]]:
    """The counts by kind; from reports, also their policy and their hashes as sentences."""
    if not runs.reports:
        return runs.counts, {}, ()
    if wanted.terms is None:
        raise UsageError("a column 'report' without --terms", expected=_WHICH, mend="--terms ac,mac")
    found = counts_of(runs.reports, KINDS, [f"{path}, {name}" for name in runs.names])
    hashes = dict(zip(runs.reports, found.sha256, strict=True))
    said = tuple(f"counts from {report.name}, sha256 {digest}" for report, digest in hashes.items())
    return found.counts, found.policy, said


_WHICH = "the kinds of count to price, since a report has every kind, and most change together"


def _policy_note(policy: Mapping[str, str]) -> tuple[str, ...]:
    said = ", ".join(f"{key} {value}" for key, value in policy.items() if value)
    return (f"counted under the policy {said}",) if said else ()


def _terms(runs: Measurements, counts: Mapping[str, Vector], path: Path, wanted: Wanted) -> dict[str, Vector]:
    """The counts that get a price, in order."""
    chosen = tuple(counts) if wanted.terms is None else wanted.terms
    for kind in chosen:
        if kind not in counts and not (kind == POWERED and runs.time_ns is not None):
            raise UnknownName(kind, "term", counts, where=f"--terms, {path}")
    if wanted.static and POWERED not in chosen:
        chosen = (*chosen, POWERED)
    found = dict(counts)
    if POWERED in chosen and POWERED not in counts:
        if runs.time_ns is None:
            mend = "a column time_<unit>, or no --static"
            raise DataError(
                "no times for a static power", where=str(path), expected="how long each run took", mend=mend
            )
        found[POWERED] = runs.time_ns
    return {kind: found[kind] for kind in chosen}


def _matrix(terms: Mapping[str, Vector]) -> NDArray[np.float64]:
    return np.column_stack(list(terms.values()))


def _energy(runs: Measurements, terms: Mapping[str, Vector], wanted: Wanted) -> Fit:
    counts = _matrix(terms)
    return fit(counts, runs.energy_pj, list(terms), wanted.rules, deviations=runs.sd_pj, weights=runs.weights)


def _time(runs: Measurements, terms: Mapping[str, Vector], wanted: Wanted) -> tuple[Fit | None, tuple[str, ...]]:
    """Times on counts, and a note where these explain none; `sd` is that of the energies and says nothing here."""
    timed = {kind: column for kind, column in terms.items() if kind != POWERED}
    if runs.time_ns is None or not wanted.times or not timed:
        return None, ()
    try:
        found = fit(_matrix(timed), runs.time_ns, list(timed), wanted.rules, weights=runs.weights)
    except FitRefused as error:
        words, mend = f"the times: {error.found}", f"{error.mend}; or --no-times, for energies alone"
        raise FitRefused(words, expected=error.expected, mend=mend) from error
    if found.r_squared is not None and found.r_squared < 0:
        return None, (f"no times: the counts explain them worse than their mean does (R^2 {found.r_squared:.2f})",)
    return found, ()
