"""Numbers of a report by the names that budgets and limits give them: `energy_mj`, `latency_us`, `cores`, `ac`."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from spikec.errors import UnknownName, UsageError
from spikec.report.units import ENERGY, TIME, Ladder
from spikec.report.view import chip_label

Plain = Mapping[str, Any]  # Any: a report as JSON holds it


@dataclass(frozen=True)
class Quantity:
    """Where a report has a number, and what to do where it has none.

    Args:
        part, key: of the report.
        why: it may be missing.
        mend: how to get it.
        size: how many of the report's unit (pJ, ns) are one of the name's.
    """

    part: str
    key: str
    why: str
    mend: str
    size: int = 1


def _in_units(what: str, ladder: Ladder, why: str, mend: str) -> dict[str, Quantity]:
    key = f"{what}_{ladder[0].name.lower()}"
    return {f"{what}_{unit.name.lower()}": Quantity("totals", key, why, mend, int(unit.size)) for unit in ladder}


_UNPRICED = ("nothing was priced", "an estimate with --data, or of a model with a calibration batch")
_TIMELESS = ("the estimate has no model of time", "an estimate with --map and samples, on a chip that models time")
_UNMAPPED = ("nothing was mapped to cores", "an estimate with --map, on a chip that has cores")

QUANTITIES: dict[str, Quantity] = {
    **_in_units("energy", ENERGY, *_UNPRICED),
    **_in_units("latency", TIME, *_TIMELESS),
    "cores": Quantity("mapping", "cores", *_UNMAPPED),
    "chips": Quantity("mapping", "chips", *_UNMAPPED),
    "parameters": Quantity("model", "parameters", "the report does not say", "an estimate of the model anew"),
}
"""What every report may have; beside these, each kind of count that it lists."""


def check_name(name: str) -> None:
    """Does nothing where a report may have a number of that name; whether one has a kind of count, only it can say.

    Raises:
        UnknownName: an energy or a latency in a unit that there is not, or in none.
    """
    if name.partition("_")[0] in ("energy", "latency") and name not in QUANTITIES:
        raise UnknownName(name, "quantity", QUANTITIES)


def value_of(name: str, report: Plain, where: str = "") -> Fraction:
    """The number of that name per inference, in the unit that the name says, as the report's JSON prints it.

    So a bound that was copied from a report holds: the double behind a printed 0.3 may be a little more than 0.3.

    Args:
        name: one of `QUANTITIES`, or a kind of count.
        report: as `Report.to_dict` gives it.
        where: of the report, for messages; its chip unless given.

    Raises:
        UsageError: the report has no such number, though another could: says how to get it.
        UnknownName: it has no count of that kind; the nearest are shown.
    """
    quantity = QUANTITIES.get(name)
    if quantity is None:
        return _printed(_count(name, report, where or label(report)))
    found = (report.get(quantity.part) or {}).get(quantity.key)
    if found is None:
        raise UsageError(f"no {name} to judge: {quantity.why}", where=where or label(report), mend=quantity.mend)
    return _printed(found) / quantity.size


def rounded(value: Fraction, digits: int) -> str:
    """The number at that many significant digits, also where it is beyond a float."""
    if value and not 1e-300 < abs(value) < 1e300:
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits}g}"
    return f"{float(value):.{digits}g}"


def label(report: Plain) -> str:
    """Which chip's report it is: `45nm`, or `45nm (mine.toml)`."""
    hardware = report["hardware"]
    return chip_label(str(hardware.get("name") or "hardware"), hardware.get("file"))


def _count(name: str, report: Plain, where: str) -> float:
    counts: Mapping[str, float] = report["totals"].get("counts") or {}
    if name not in counts:
        raise UnknownName(name, "quantity", (*QUANTITIES, *counts), where=where)
    return counts[name]


def _printed(found: float) -> Fraction:
    return Fraction(found) if isinstance(found, int) else Fraction(repr(float(found)))
