"""Numbers as people read them: one unit a column, chosen by its greatest value, and never `nan`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = 4  # significant digits of the greatest value in a column
MOST_DECIMALS = 8


@dataclass(frozen=True)
class Unit:
    """A unit to print in.

    Args:
        name: as printed, such as nJ.
        size: how many base units (pJ, ns, counts) it holds.
    """

    name: str
    size: float


Ladder = tuple[Unit, ...]

ENERGY: Ladder = (Unit("pJ", 1.0), Unit("nJ", 1e3), Unit("uJ", 1e6), Unit("mJ", 1e9), Unit("J", 1e12))
TIME: Ladder = (Unit("ns", 1.0), Unit("us", 1e3), Unit("ms", 1e6), Unit("s", 1e9))
COUNT: Ladder = (Unit("", 1.0), Unit("k", 1e3), Unit("M", 1e6), Unit("G", 1e9), Unit("T", 1e12))

NOT_FINITE = "not finite"


def unit_of(values: Iterable[float | None], ladder: Ladder = ENERGY, digits: int = DIGITS) -> Unit:
    """The least unit in which the greatest value reads below 1000, once rounded to `digits`.

    Args:
        values: in the ladder's base unit (pJ, ns); None and what is not finite is passed over.
        ladder: the units to choose from, ascending.
        digits: how many significant digits will be printed: 999.96 pJ at four of them reads 1.000 nJ.
    """
    greatest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)
    return next((unit for unit in ladder if rounded(greatest / unit.size, digits) < 1000), ladder[-1])


def rounded(value: float, digits: int) -> float:
    """The value at that many significant digits."""
    return float(f"{value:.{digits - 1}e}")


@dataclass(frozen=True)
class Column:
    """One unit and one number of decimals for all of a column.

    Args:
        unit: of every number in it; printed in the header, or behind the number by `with_unit`.
        decimals: how many.
    """

    unit: Unit
    decimals: int

    @staticmethod
    def of(values: Iterable[float | None], ladder: Ladder = ENERGY, digits: int = DIGITS) -> "Column":
        """The column for these values, in the ladder's base unit; its greatest shows `digits` digits."""
        known = [abs(v) for v in values if v is not None and math.isfinite(v)]
        unit = unit_of(known, ladder, digits)
        greatest = rounded(max(known, default=0.0) / unit.size, digits)
        before = math.floor(math.log10(greatest)) + 1 if greatest >= 1 else 1
        return Column(unit, max(digits - before, 0))

    @staticmethod
    def spanning(values: Iterable[float | None], ladder: Ladder = ENERGY, digits: int = 3) -> "Column":
        """The column for values that may be orders of magnitude apart: the least above 0 shows `digits` digits.

        Never more than `MOST_DECIMALS`; what is still less reads as less than that.
        """
        known = [abs(v) for v in values if v is not None and math.isfinite(v)]
        column = Column.of(known, ladder)
        least = min((v for v in known if v), default=0.0) / column.unit.size
        if not least:
            return column
        needed = digits - 1 - math.floor(math.log10(rounded(least, digits)))
        return Column(column.unit, min(max(column.decimals, needed), MOST_DECIMALS))

    def number(self, value: float | None) -> str:
        """The value, given in the base unit, without its unit; `-` for None.

        What is above 0 and rounds to 0 reads as `<` the least that can be shown: it is not nothing.
        """
        if value is None:
            return "-"
        if not math.isfinite(value):
            return NOT_FINITE
        text = f"{value / self.unit.size:.{self.decimals}f}"
        if value > 0 and float(text) == 0:
            return f"<{10.0**-self.decimals:.{self.decimals}f}"
        return "0" if value == 0 else text

    def with_unit(self, value: float | None) -> str:
        """The value with its unit; `not priced` for None."""
        return "not priced" if value is None else f"{self.number(value)} {self.unit.name}"


def energy(energy_pj: float | None) -> str:
    """An energy by itself, in the unit that suits it, such as `12.34 nJ`; `not priced` for None."""
    return Column.of([energy_pj]).with_unit(energy_pj)


def duration(nanoseconds: float | None) -> str:
    """A time by itself, such as `1.250 us`; `not modelled` for None."""
    return "not modelled" if nanoseconds is None else Column.of([nanoseconds], TIME).with_unit(nanoseconds)


def count(value: float) -> str:
    """A count at three digits, such as `4.71 M`; whole ones below 1000 as they are."""
    if not math.isfinite(value):
        return NOT_FINITE
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    column = Column.of([value], COUNT, digits=3)
    return f"{column.number(value)} {column.unit.name}".rstrip()


def rate(value: float) -> str:
    """A rate of events per element and step, at three decimals."""
    return Column(COUNT[0], 3).number(value)


def percent(fraction: float | None, decimals: int = 1) -> str:
    """A fraction in percent, without the sign: `<0.1` where it would round to nothing, `-` for None."""
    return Column(Unit("%", 0.01), decimals).number(fraction)


def short_hash(digest: str) -> str:
    """The first twelve characters of a hash."""
    return digest[:12]


def compact(value: object) -> str:
    """A plain value of a report in one line: lists with commas, tables as `key value`."""
    match value:
        case None:
            return "not given"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}" if math.isfinite(value) else NOT_FINITE
        case dict():
            return ", ".join(f"{key} {compact(item)}" for key, item in value.items()) or "none"
        case list() | tuple():
            return ", ".join(compact(item) for item in value) or "none"
    return str(value)
