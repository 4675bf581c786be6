"""What must be known of a fit, a sentence each: what it leaves out, what it cannot tell, what it hangs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from hwmodels.event_kinds import ON_CORES, POWERED
from hwmodels.fitting import SCATTERED, Fit
from spikec.errors import one_line
from spikec.tasks.measurements import Measurements

Vector = NDArray[np.float64]
WIDE = 5.0
"""Greatest energy over the least from which on it matters how errors are taken to grow."""
UNLIKELY = 0.01
"""Chance below which residuals are too large for the standard deviations that were given."""


def notes_on(
    runs: Measurements, terms: Mapping[str, Vector], energy: Fit, time: Fit | None, beside: Sequence[str]
) -> tuple[str, ...]:
    """The notes on a fit.

    Args:
        runs: what was measured.
        terms: the counts that have a price.
        energy: its fit.
        time: its fit, where there is one.
        beside: kinds of the file that have no price.
    """
    return (
        *_left_out(runs, terms, beside),
        *_constant(terms),
        *_near_zero(energy, "pJ"),
        *(_near_zero(time, "ns") if time is not None else ()),
        *_alone(runs, energy),
        *_unexplained(energy),
        *_span(energy),
        *_misfit(energy),
        *_serial(time),
    )


def _left_out(runs: Measurements, terms: Mapping[str, Vector], beside: Sequence[str]) -> Iterator[str]:
    if beside:
        yield f"counted and not priced: {', '.join(beside)}; what they cost is in the other prices, as far as it fits"
    if POWERED not in terms:
        way = (
            "spikec hw fit --static fits one"
            if runs.time_ns is not None
            else "it takes a column of times, and --static"
        )
        yield f"no static power: energy that a run spends whatever it counts is in no term; {way}"
    if on_cores := [kind for kind in terms if kind in ON_CORES]:
        why = (
            "counted on cores alone, which a table [cores] in the file describes; without it an estimate leaves it out"
        )
        yield f"{' and '.join(on_cores)}: {why}"


def _constant(terms: Mapping[str, Vector]) -> Iterator[str]:
    for kind, column in terms.items():
        if (column == column[0]).all():
            yield f"{kind} is the same in every run, so its price holds whatever all runs cost alike"


def _near_zero(fit: Fit, unit: str) -> Iterator[str]:
    for price in fit.prices:
        if price.value == 0:
            estimate = f"least squares gives {price.unconstrained:.3g} {unit}, and {price.high:.3g} {unit} at most"
            yield f"{price.kind} takes 0 {unit}, which is no proof that it takes none: {estimate}"
        elif not price.told_from_zero:
            yield f"the interval of {price.kind} reaches 0 {unit}: these runs do not show that it takes any"


def _alone(runs: Measurements, fit: Fit) -> Iterator[str]:
    for place in map(int, np.flatnonzero(np.isnan(fit.left_out))):
        yield f"a price hangs on {one_line(runs.names[place])} alone: no other run would tell it"


def _unexplained(fit: Fit) -> Iterator[str]:
    if fit.r_squared is not None and fit.r_squared < 0:
        yield "the prices explain the energies worse than their mean does: what costs most here is not counted"


def _span(fit: Fit) -> Iterator[str]:
    factor = float(fit.measured.max() / fit.measured.min())
    if fit.scatter == SCATTERED["equal"] and factor >= WIDE:
        better = "where errors grow with the energy, --scatter relative has the better prices and intervals"
        yield f"energies span a factor of {factor:.3g}, so the largest runs decide: {better}"


def _misfit(fit: Fit) -> Iterator[str]:
    if fit.misfit is None:
        return
    # The chi-square distribution's upper tail, at the sum of squares of the residuals over their deviations.
    free = fit.runs - len(fit.prices)
    if gammaincc(free / 2, free * fit.misfit**2 / 2) < UNLIKELY:
        yield (
            f"the runs scatter {fit.misfit:.3g} times as much as the given sd: something that costs energy is not "
            "counted, or the sd are too small; the intervals are widened by it"
        )


def _serial(time: Fit | None) -> Iterator[str]:
    if time is not None:
        yield "times are added up, as if one count followed the other: cores that work at once are not modelled"
