"""Prices fitted to measured runs, as their table, JSON and plot show them; plain data that its callers fill in."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PriceRow:
    """What one count costs, by the runs.

    Args:
        kind: of count.
        unit: of the price.
        value: of it.
        low, high: its interval.
        time_ns: what one count takes; None where no times were fitted.
        time_low_ns, time_high_ns: its interval.
    """

    kind: str
    unit: str
    value: float
    low: float
    high: float
    time_ns: float | None = None
    time_low_ns: float | None = None
    time_high_ns: float | None = None


@dataclass(frozen=True)
class RunRow:
    """One run: what was measured, and what the prices make of its counts.

    Args:
        name: of the run.
        measured_pj: its energy.
        predicted_pj: counts times prices.
        left_out_pj: what the prices of all other runs make of it; None where these would tell no price.
    """

    name: str
    measured_pj: float
    predicted_pj: float
    left_out_pj: float | None

    @property
    def residual(self) -> float:
        """How much more was measured than predicted, as a share of the measured."""
        return (self.measured_pj - self.predicted_pj) / self.measured_pj

    @property
    def left_out_residual(self) -> float | None:
        """The same of what the other runs predict."""
        return None if self.left_out_pj is None else (self.measured_pj - self.left_out_pj) / self.measured_pj


@dataclass(frozen=True)
class FitView:
    """A fit.

    Args:
        file, sha256: of the runs.
        level: of the intervals.
        scatter: how runs were taken to scatter, in words.
        condition, most_condition: condition number of the counts, and what is still taken.
        r_squared, time_r_squared: share of the variance that is explained; None where there is none.
        misfit: scatter over the standard deviations that were given, if they were.
        prices: in the order of the terms.
        runs: in the order of the file.
        notes: sentences.
    """

    file: str
    sha256: str
    level: float
    scatter: str
    condition: float
    most_condition: float
    r_squared: float | None
    time_r_squared: float | None
    misfit: float | None
    prices: tuple[PriceRow, ...]
    runs: tuple[RunRow, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """`2 prices from 24 runs of runs.csv`."""
        prices = f"{len(self.prices)} price{'s' * (len(self.prices) != 1)}"
        return f"{prices} from {len(self.runs)} runs of {self.file}"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """The fit as JSON values."""
        return asdict(self)


def root_mean_square(shares: Sequence[float]) -> float:
    """The root of the mean of squares, of at least one."""
    return math.sqrt(math.fsum(share**2 for share in shares) / len(shares))
