"""What a fit is refused for: too few runs, counts that go together, prices below 0; and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.collinearity import Matrix, best_change, condition_number, going_together
from spikec.errors import FitRefused

Vector = NDArray[np.float64]


def check_enough(counts: Matrix, kinds: Sequence[str]) -> None:
    """Checks that there are more runs than terms, and that each count was ever more than 0.

    Raises:
        FitRefused: it is not so.
    """
    runs, terms = counts.shape
    silent = [kind for kind, column in zip(kinds, counts.T, strict=True) if not column.any()]
    if silent:
        names = _listed(silent)
        rest = ",".join(kind for kind in kinds if kind not in silent)
        mend = f"runs that have some, or --terms {rest}" if rest else "runs that have some"
        raise FitRefused(f"{names} 0 in every run: the runs say nothing of the price", mend=mend)
    if runs < terms + 1:
        raise FitRefused(
            f"{runs} runs for {terms} prices",
            expected=f"{terms + 1} runs or more: as many as prices always fit, and nothing would be left to judge by",
            mend="more runs, or fewer kinds in --terms",
        )


def check_condition(columns: Matrix, counts: Matrix, kinds: Sequence[str], most: float) -> float:
    """The condition number of weighted columns, where it is at most `most`.

    Raises:
        FitRefused: it is more; names the counts that go together and what would tell them apart.
    """
    condition = condition_number(columns)
    if condition <= most:
        return condition
    among = going_together(columns, most)
    column, then = best_change(columns, among)
    others = [kinds[i] for i in among if i != column]
    mend = (
        f"runs in which {kinds[column]} changes and {_joined(others)} {'does' if len(others) == 1 else 'do'} not "
        f"(these runs again at half the {kinds[column]} would give {then:.3g}), or --terms without "
        f"{kinds[column] if len(others) == 1 else 'some of them'}"
    )
    found = f"condition number {_condition(condition)}: {_joined([kinds[i] for i in among])} go together"
    raise FitRefused(
        f"{found}{_ratio(counts, kinds, among)}, so the runs do not tell their prices apart",
        expected=f"a condition number of at most {most:g} (--max-condition)",
        mend=mend,
    )


def check_signs(free: Vector, high: Vector, kinds: Sequence[str], level: float) -> None:
    """Checks that no price is surely negative.

    Args:
        free: unconstrained estimates.
        high: upper ends of their intervals.
        kinds: the terms.
        level: of the intervals.

    Raises:
        FitRefused: one is.
    """
    below = [int(place) for place in np.flatnonzero(high < 0)]
    if not below:
        return
    told = ", ".join(f"{kinds[i]} at {free[i]:.4g} (at most {high[i]:.4g})" for i in below)
    raise FitRefused(
        f"least squares prices {told}: the {100 * level:g} % interval lies below 0",
        expected="prices of 0 or more",
        mend="counts and energies of the same thing (both of one inference), another kind of count beside them, "
        "or other --terms",
    )


def _condition(value: float) -> str:
    # Beyond what double precision resolves, digits are those of rounding errors.
    return f"{value:.4g}" if value < 1e12 else "above 1e12"


def _ratio(counts: Matrix, kinds: Sequence[str], among: Sequence[int]) -> str:
    """Between what bounds one count is of the other, where it is two."""
    if len(among) != 2:
        return ""
    first, second = among
    both = counts[:, first] > 0
    ratios = counts[both, second] / counts[both, first]
    low, high = f"{ratios.min():.4g}", f"{ratios.max():.4g}"
    span = low if low == high else f"{low} to {high}"
    return f" ({kinds[second]} is {span} times {kinds[first]} in every run)" if both.all() else ""


def _listed(names: Sequence[str]) -> str:
    return f"{_joined(names)} {'is' if len(names) == 1 else 'are'}"


def _joined(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
