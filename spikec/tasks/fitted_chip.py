"""The chip file that a fit gives: its prices with interval, evidence and source, and what was assumed as comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwmodels.event_kinds import ON_CHIP, ON_CORES, POWERED
from hwmodels.fitting import Fit, Price
from hwmodels.quantities import BASE, RANGES, Dimension
from passes.manager import entry_of, make
from spikec.errors import FitRefused, UsageError, one_line
from spikec.search.plain import Plain, to_toml
from spikec.tasks.measurements import Measurements

DIGITS = 9
"""Significant digits of a number in the file: more than anyone measures, and less than what rounding leaves."""


@dataclass(frozen=True)
class Card:
    """What a chip file says beside its prices.

    Args:
        name: that reports call it by.
        title: in words; made of the runs where it is ''.
        node: the process node.
        pipeline: the passes that make a graph legal, as `passes.manager.entry_of` reads them.
        model: that counts and prices, `arithmetic` or `events`; where it is '', the one that counts the terms.
    """

    name: str = "measured"
    title: str = ""
    node: str = "not given"
    pipeline: tuple[str, ...] = ("fold-batchnorm",)
    model: str = ""

    def check(self) -> None:
        """Checks that the passes exist.

        Raises:
            UnknownName, UsageError: one does not, or has no such parameter.
        """
        for entry in map(entry_of, self.pipeline):
            make(entry)


def chip_toml(runs: Measurements, energy: Fit, time: Fit | None, card: Card, notes: Sequence[str]) -> str:
    """The text of the chip file.

    Raises:
        FitRefused: a price that no operation can have: a unit, or what was counted, was mistaken.
        UsageError: no model of chips counts all of the terms.
    """
    file = one_line(runs.file)
    pipeline: list[Plain] = [_entry(entry_of(name)) for name in card.pipeline]
    times = {} if time is None else {price.kind: price for price in time.prices}
    model = model_of([price.kind for price in energy.prices], card.model)
    chip: dict[str, Plain] = {
        "name": card.name,
        "title": card.title or f"fitted to {runs.runs} measured runs of {file}",
        "node": card.node,
        "model": model,
        "pipeline": pipeline,
        **BEHAVIOUR[model],
        "terms": {price.kind: _term(price, times.get(price.kind), runs, energy, time) for price in energy.prices},
    }
    comments = (
        "Fitted by `spikec hw fit`: a run's energy is the sum over terms of count times price, and no constant.",
        f"{runs.runs} runs of {file}, sha256 {runs.sha256}.",
        f"{_quality(energy)}.",
        *notes,
    )
    return "".join(f"# {one_line(line)}\n" for line in comments) + to_toml(chip)


BEHAVIOUR: dict[str, dict[str, Plain]] = {
    "arithmetic": {},
    "events": {"real_input": "refuse", "attention": "unsupported"},
}
"""What a chip of each model says of the networks that it takes: no more than what runs can show."""


def model_of(kinds: Sequence[str], asked: str = "") -> str:
    """The model of chips that counts these kinds: `events` where one of them is of spikes or cores alone.

    Raises:
        UsageError: none does, or the one that is asked for does not.
    """
    special = [kind for kind in kinds if kind in (*ON_CHIP, *ON_CORES)]
    found = asked or ("events" if special else "arithmetic")
    other = special if found == "arithmetic" else [kind for kind in kinds if kind == "mac"]
    if other:
        beside = f" beside {special[0]}" if special and found == "events" else ""
        expected = "model 'arithmetic' for mac, model 'events' for kinds of spikes and cores"
        raise UsageError(f"a price of {other[0]}{beside} in a chip of the model '{found}'", expected=expected)
    return found


def unit_of_price(kind: str) -> str:
    """The unit of what one count of a kind costs: 1 mW is 1 pJ a nanosecond."""
    return BASE[_dimension(kind)]


def _dimension(kind: str) -> Dimension:
    return "power" if kind == POWERED else "energy"


def _entry(entry: str | Mapping[str, object]) -> Plain:
    """An entry of a pipeline as TOML holds it."""
    if isinstance(entry, str):
        return entry
    return {key: value for key, value in entry.items() if isinstance(value, (bool, int, float, str))}


def _term(price: Price, time: Price | None, runs: Measurements, energy: Fit, times: Fit | None) -> Plain:
    amount = _amount(price, _dimension(price.kind), runs, energy)
    term: dict[str, Plain] = {"count": price.kind, "energy": {**amount, "scope": "per-term"}}
    if time is not None and times is not None:
        term["time"] = _amount(time, "time", runs, times)
    return term


def _amount(price: Price, dimension: Dimension, runs: Measurements, fit: Fit) -> dict[str, Plain]:
    low, value, high = _plausible(price, dimension)
    return {
        "value": value,
        "unit": BASE[dimension],
        "low": low,
        "high": high,
        "evidence": "measured",
        "source": f"{_beginning(runs)}; {_quality(fit)}",
    }


def _beginning(runs: Measurements) -> str:
    return f"least squares on {runs.runs} runs of {one_line(runs.file)} (sha256 {runs.sha256[:12]})"


def _quality(fit: Fit) -> str:
    explained = "" if fit.r_squared is None else f", R^2 {fit.r_squared:.4f}"
    return f"{100 * fit.level:g} % intervals, {fit.scatter}, condition number {fit.condition:.3g}{explained}"


def _plausible(price: Price, dimension: Dimension) -> tuple[float, float, float]:
    """Low, value and high as the file has them: 0, or in the range that chip files take.

    Raises:
        FitRefused: the price is neither.
    """
    low, value, high = (float(f"{part:.{DIGITS}g}") for part in (price.low, price.value, price.high))
    least, most, _ = RANGES[dimension]
    if value and not least <= value <= most:
        unit = BASE[dimension]
        raise FitRefused(
            f"{value:.3g} {unit} for each {price.kind}",
            expected=f"0, or {least:g} to {most:g} {unit}",
            mend="the unit of the column, and counts and energies of the same thing (both of one inference)",
        )
    # Bounds that the file cannot hold move outwards; they bound all the same.
    return (low if low >= least else 0.0), value, min(max(high, least), most) if high else high
