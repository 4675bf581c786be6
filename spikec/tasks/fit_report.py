"""A fit as the report room shows it."""

from __future__ import annotations

import math

from hwmodels.fitting import Price
from spikec.errors import one_line
from spikec.report.fit_view import FitView, PriceRow, RunRow
from spikec.tasks.fitted_chip import unit_of_price
from spikec.tasks.fitting import Fitted, Wanted


def view_of(fitted: Fitted, wanted: Wanted) -> FitView:
    """The view of a fit."""
    energy, time, runs = fitted.energy, fitted.time, fitted.runs
    times = {} if time is None else {price.kind: price for price in time.prices}
    numbers = zip(runs.names, energy.measured, energy.predicted, energy.left_out, strict=True)
    return FitView(
        file=one_line(runs.file),
        sha256=runs.sha256,
        level=energy.level,
        scatter=energy.scatter,
        condition=energy.condition,
        most_condition=wanted.rules.most_condition,
        r_squared=energy.r_squared,
        time_r_squared=None if time is None else time.r_squared,
        misfit=energy.misfit,
        prices=tuple(_row(price, times.get(price.kind)) for price in energy.prices),
        runs=tuple(_run(one_line(name), *map(float, found)) for name, *found in numbers),
        notes=fitted.notes,
    )


def _run(name: str, measured: float, predicted: float, left_out: float) -> RunRow:
    return RunRow(name, measured, predicted, None if math.isnan(left_out) else left_out)


def _row(price: Price, time: Price | None) -> PriceRow:
    unit = unit_of_price(price.kind)
    if time is None:
        return PriceRow(price.kind, unit, price.value, price.low, price.high)
    return PriceRow(price.kind, unit, price.value, price.low, price.high, time.value, time.low, time.high)
