"""Units of chip files: energies in pJ, powers in pJ a ns (which is mW), times in ns."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pint import UnitRegistry

Dimension = Literal["energy", "power", "time"]
BASE: dict[Dimension, str] = {"energy": "pJ", "power": "mW", "time": "ns"}
"""What the numbers are held in: 1 mW is 1 pJ a ns."""
LEAST_PJ, MOST_PJ = 1e-6, 1e9
"""Prices of one operation that are taken: from an attojoule to a millijoule. Beyond, a unit was mistaken."""
LEAST_MW, MOST_MW = 1e-6, 1e6
"""Powers of one chip that are taken: from a nanowatt to a kilowatt."""
LEAST_NS, MOST_NS = 1e-6, 1e9
"""Times of one operation that are taken: from a femtosecond to a second."""
RANGES: dict[Dimension, tuple[float, float, str]] = {
    "energy": (LEAST_PJ, MOST_PJ, "price, {least} to {most} pJ an operation"),
    "power": (LEAST_MW, MOST_MW, "power, {least} to {most} mW a chip"),
    "time": (LEAST_NS, MOST_NS, "time, {least} to {most} ns an operation"),
}
LONGEST_UNIT = 32
UNIT = re.compile(r"[^\W\d]+( ?[*/] ?[^\W\d]+)*")
"""What pint is asked about: names and their products. It computes powers of any size, and takes long for long texts."""


def dimension_of(unit: str, allowed: tuple[Dimension, ...]) -> Dimension:
    """The one of `allowed` that a unit measures.

    Raises:
        PydanticCustomError: the unit is unknown, or measures something else.
    """
    expected = f"a unit of {allowed[0]} such as {BASE[allowed[0]]}"
    if len(unit) > LONGEST_UNIT or not UNIT.fullmatch(unit):
        raise PydanticCustomError("unit", "{e}, unknown: {u}", {"e": expected, "u": unit[:LONGEST_UNIT]})
    try:
        known = _units().parse_units(unit)
    # pint gives AssertionError and the tokenizer's errors for what is no expression at all.
    except (AttributeError, ValueError, AssertionError, TypeError, SyntaxError) as error:
        raise PydanticCustomError("unit", "{e}, unknown: {u}", {"e": expected, "u": unit}) from error
    for dimension in allowed:
        if known.is_compatible_with(BASE[dimension]):
            return dimension
    raise PydanticCustomError("unit", "{e}, found {u}", {"e": expected, "u": unit})


def check_plausible(value: float | None, unit: str, dimension: Dimension) -> None:
    """Checks that a number is 0, or one that an operation or a chip can have.

    Raises:
        PydanticCustomError: it is not.
    """
    found = 0.0 if value is None else converted(value, unit, dimension)
    least, most, words = RANGES[dimension]
    if found and not least <= found <= most:
        shown = f"{value} {unit}, which is {found:g} {BASE[dimension]}"
        words = words.format(least=f"{least:g}", most=f"{most:g}")
        raise PydanticCustomError("plausible", "a plausible {w}, or 0; found {s}", {"w": words, "s": shown})


def converted(value: float, unit: str, dimension: Dimension) -> float:
    """A value in the base unit of its dimension; one that is in it already is kept to the last digit."""
    units = _units()
    return float(units.Quantity(value, unit).to(BASE[dimension]).magnitude)


@lru_cache(maxsize=1)
def _units() -> UnitRegistry[Any]:  # Any: the registry's magnitudes
    import pint  # a tenth of a second that only a chip file needs

    return pint.UnitRegistry()
