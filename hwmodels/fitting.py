"""Prices from measured runs: least squares of energy (or time) on counts, non-negative, with intervals.

The model is the arithmetic one: a run's energy is the sum over terms of count times price, and no constant; energy
that a run spends whatever it counts is a term of its own (a count of time) or an error of all others.

    interval   of unconstrained weighted least squares: estimate +- t(level, runs - terms) standard errors, the scatter
               taken from the residuals; a price cannot be negative, so what lies below 0 is cut off
    value      of non-negative least squares (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23)

A price whose interval lies below 0 is no price: the runs do not follow the model, and the fit is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import stdtrit

from hwmodels.collinearity import MOST_CONDITION, Matrix
from hwmodels.fit_checks import check_condition, check_enough, check_signs

Vector = NDArray[np.float64]
Scatter = Literal["equal", "relative"]
SCATTERED = {
    "equal": "runs taken to scatter all alike",
    "relative": "runs taken to scatter in proportion to what they take",
    "deviations": "runs taken to scatter as the standard deviations given",
    "weights": "runs taken to scatter as the weights given",
}
"""What was taken of the errors of the runs, in words."""
ROUNDS = 30
NEGLIGIBLE = 1e-9
"""Share of all energy below which a price's part is a rounding error."""
ALONE = 1e-9
"""One less leverage below which a run alone determines a price."""


@dataclass(frozen=True)
class Price:
    """What one count costs, by the runs.

    Args:
        kind: of count.
        value: 0 or more, in the unit of what was measured (pJ, ns).
        low, high: the interval; `value` lies in it.
        unconstrained: the estimate that may be negative.
    """

    kind: str
    value: float
    low: float
    high: float
    unconstrained: float

    @property
    def told_from_zero(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0


@dataclass(frozen=True, eq=False)
class Fit:
    """Prices and how well they hold.

    Args:
        prices: in the order of the terms.
        measured: [runs].
        predicted: [runs], counts times prices.
        left_out: [runs], what the other runs predict of each; NaN where they cannot, since a price hangs on it alone.
        level: of the intervals, such as 0.95.
        scatter: of the runs, in words of `SCATTERED`.
        condition: condition number of the counts, weighted, columns at length 1.
        r_squared: share of the weighted variance about the mean that is explained; None where there is no variance.
        misfit: scatter of the residuals over the standard deviations that were given; None where none were.
    """

    prices: tuple[Price, ...]
    measured: Vector
    predicted: Vector
    left_out: Vector
    level: float
    scatter: str
    condition: float
    r_squared: float | None
    misfit: float | None

    @property
    def runs(self) -> int:
        """How many runs were fitted."""
        return len(self.measured)


@dataclass(frozen=True)
class Rules:
    """How to fit.

    Args:
        level: of the intervals, between 0 and 1.
        scatter: whether runs scatter all by the same amount, or in proportion to what they measure.
        most_condition: the condition number above which the runs do not tell the terms apart.
    """

    level: float = 0.95
    scatter: Scatter = "equal"
    most_condition: float = MOST_CONDITION


def fit(
    counts: Matrix,
    measured: Vector,
    kinds: Sequence[str],
    rules: Rules | None = None,
    *,
    deviations: Vector | None = None,
    weights: Vector | None = None,
) -> Fit:
    """The prices of `kinds` that explain what was measured.

    Args:
        counts: [runs, kinds], 0 or more.
        measured: [runs], above 0.
        kinds: the terms.
        rules: how to fit.
        deviations: the standard deviation of each measurement; intervals are then never narrower than these imply.
        weights: the weight of each run, in place of deviations; only their ratios matter.

    Raises:
        FitRefused: the runs cannot tell the terms apart, or no prices of 0 or more explain them.
    """
    rules = rules or Rules()
    check_enough(counts, kinds)
    given = _weights(measured, deviations, weights)
    given_as = "deviations" if deviations is not None else "weights" if weights is not None else ""
    if rules.scatter == "relative":
        given = given * _relative(counts, measured, given)
    columns, target = counts * np.sqrt(given)[:, None], measured * np.sqrt(given)
    condition = check_condition(columns, counts, kinds, rules.most_condition)
    known = deviations is not None and rules.scatter == "equal"
    free, errors, leverage, variance = _least_squares(columns, target, at_least=1.0 if known else 0.0)
    reach = errors * float(stdtrit(len(target) - len(kinds), 0.5 + rules.level / 2))
    low, free, high = (_cut(found, columns, target) for found in (free - reach, free, free + reach))
    check_signs(free, high, kinds, rules.level)
    values = _cut(_non_negative(columns, target), columns, target)
    predicted = counts @ values
    return Fit(
        prices=tuple(_price(*row) for row in zip(kinds, values, low, high, free, strict=True)),
        measured=measured,
        predicted=predicted,
        left_out=_without_each(measured, predicted, leverage),
        level=rules.level,
        scatter=SCATTERED[given_as or rules.scatter],
        condition=condition,
        r_squared=_r_squared(measured, predicted, given),
        misfit=float(np.sqrt(variance)) if known else None,
    )


def _weights(measured: Vector, deviations: Vector | None, weights: Vector | None) -> Vector:
    if deviations is not None:
        return np.asarray(deviations**-2.0)
    return np.ones_like(measured) if weights is None else weights


def _relative(counts: Matrix, measured: Vector, given: Vector) -> Vector:
    """Weights of runs that scatter in proportion to what they should measure.

    Weighted by what they did measure, those that came out low would weigh more, and prices would be low as well; so
    the prediction takes its place, round after round.
    """
    expected = measured
    for _ in range(ROUNDS):
        root = np.sqrt(given) / expected
        predicted = counts @ _non_negative(counts * root[:, None], measured * root)
        expected = np.maximum(predicted, 0.1 * measured)
    return np.asarray(expected**-2.0)


def _least_squares(columns: Matrix, target: Vector, at_least: float) -> tuple[Vector, Vector, Vector, float]:
    """Estimates, their standard errors, each run's leverage, and the variance of a run of weight 1."""
    lengths = np.linalg.norm(columns, axis=0)
    left, values, right = np.linalg.svd(columns / lengths, full_matrices=False)
    estimates = (right.T @ ((left.T @ target) / values)) / lengths
    residuals = target - columns @ estimates
    variance = float(residuals @ residuals) / (len(target) - columns.shape[1])
    spread = np.sqrt(((right.T / values) ** 2).sum(axis=1)) / lengths
    leverage = (left**2).sum(axis=1)
    return estimates, np.sqrt(max(variance, at_least)) * spread, leverage, variance


def _without_each(measured: Vector, predicted: Vector, leverage: Vector) -> Vector:
    """What a fit without each run predicts of it, by the hat matrix: exact where no price is held at 0."""
    free = 1.0 - leverage
    alone = free < ALONE
    return np.where(alone, np.nan, measured - (measured - predicted) / np.where(alone, 1.0, free))


def _non_negative(columns: Matrix, target: Vector) -> Vector:
    lengths = np.linalg.norm(columns, axis=0)
    size = float(np.linalg.norm(target))
    found, _ = nnls(columns / lengths, target / size)
    return np.asarray(found * size / lengths)


def _cut(values: Vector, columns: Matrix, target: Vector) -> Vector:
    """The prices without those whose part of the whole is a rounding error."""
    shares = np.abs(values) * np.linalg.norm(columns, axis=0) / float(np.linalg.norm(target))
    return np.where(shares < NEGLIGIBLE, 0.0, values)


def _price(kind: str, value: float, low: float, high: float, free: float) -> Price:
    # Where several prices are held at 0, the others may leave their own interval: it is then made wider.
    return Price(kind, float(value), float(min(max(low, 0.0), value)), float(max(high, value)), float(free))


def _r_squared(measured: Vector, predicted: Vector, weights: Vector) -> float | None:
    about = measured - np.average(measured, weights=weights)
    whole, rest = float(weights @ about**2), float(weights @ (measured - predicted) ** 2)
    return 1.0 - rest / whole if whole else None
