"""Whether runs can tell prices apart: the condition number of their counts, and which counts go together.

Belsley, Kuh and Welsch, Regression Diagnostics (Wiley, 1980), chapter 3: columns are scaled to length 1 and not
centred. A condition index is the greatest singular value over another one: 5 to 10 is a weak dependence among the
columns, 30 to 100 a moderate to strong one. A dependence is that of the columns whose variance it is half of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

MOST_CONDITION = 30.0
"""Condition number from which on a dependence is called moderate to strong."""
LARGEST_SHARE = 0.5
"""Share of a price's variance that one dependence must hold for the price to be part of it."""


def condition_number(columns: Matrix) -> float:
    """The greatest condition index of a matrix whose columns are scaled here; infinite where they are dependent."""
    return float(condition_indexes(columns).max())


def condition_indexes(columns: Matrix) -> Matrix:
    """One index a singular value, ascending, the first is 1.

    Args:
        columns: [runs, terms], none of them all 0.
    """
    values = np.linalg.svd(scaled(columns), compute_uv=False)
    with np.errstate(divide="ignore"):
        return np.asarray(values[0] / values)


def variance_shares(columns: Matrix) -> Matrix:
    """The share of each price's variance [terms] that each singular value makes [values], those descending."""
    _, values, rows = np.linalg.svd(scaled(columns), full_matrices=False)
    # A dependence without any remainder has a value of rounding errors, or 0, which no division should meet.
    parts = (rows / np.maximum(values, np.finfo(float).eps * values[0])[:, None]) ** 2
    return np.asarray(parts / parts.sum(axis=0))


def going_together(columns: Matrix, most: float = MOST_CONDITION) -> tuple[int, ...]:
    """The columns that are part of a dependence of an index above `most`; two at least where there is one.

    Dependences that compete for a column share its variance, so their shares are added up.
    """
    close = condition_indexes(columns) > most
    shares = variance_shares(columns)[close].sum(axis=0)
    found = np.flatnonzero(shares >= LARGEST_SHARE)
    if close.any() and len(found) < 2:  # of a weak one, which a low `most` asks about, no column need have half
        found = np.sort(np.argsort(shares, kind="stable")[-2:])
    return tuple(int(column) for column in found)


def condition_with(columns: Matrix, changed: int, factor: float) -> float:
    """The condition number, were every run done once more with that count times `factor` and nothing else changed."""
    again = columns.copy()
    again[:, changed] *= factor
    return condition_number(np.vstack([columns, again]))


def best_change(columns: Matrix, among: Sequence[int], factor: float = 0.5) -> tuple[int, float]:
    """Of these columns the one that helps most where it alone changes, and the condition number that it gives."""
    found = [(condition_with(columns, column, factor), column) for column in among]
    condition, column = min(found)
    return column, condition


def scaled(columns: Matrix) -> Matrix:
    """The columns at length 1."""
    return np.asarray(columns / np.linalg.norm(columns, axis=0))
