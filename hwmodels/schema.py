"""The form of chips/*.toml: every number with its unit, evidence, scope and source; the errors of a bad file."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from hwmodels.counting import Aside, Synaptic
from spikec.cost import Evidence, Term, Terms
from spikec.errors import HardwareFileError, nearest

if TYPE_CHECKING:
    from pint import UnitRegistry

Kind = Literal[Synaptic, Aside]
LEAST_PJ, MOST_PJ = 1e-6, 1e9
"""Prices of one operation that are taken: from an attojoule to a millijoule. Beyond, a unit was mistaken."""
SHOWN = 5
LONGEST_UNIT = 32
UNIT = re.compile(r"[^\W\d]+( ?[*/] ?[^\W\d]+)*")
"""What pint is asked about: names and their products. It computes powers of any size, and takes long for long texts."""
Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """What every table of a chip file keeps to: no unknown key, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Energy(Table):
    """A price of one count. `low` and `high` are in the same unit; `bound` says that the value itself is one."""

    value: Annotated[FiniteFloat, Field(ge=0)]
    unit: Text
    evidence: Literal["assumed", "derived", "simulated", "measured"]
    scope: Literal["per-term", "all-in"]
    source: Text
    low: Annotated[FiniteFloat, Field(ge=0)] | None = None
    high: Annotated[FiniteFloat, Field(ge=0)] | None = None
    bound: Literal["lower", "upper"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Energy:
        check_energy_unit(self.unit)
        low, high = self.limits
        if (low is not None and low > self.value) or (high is not None and high < self.value):
            raise PydanticCustomError("order", "low <= value <= high", {})
        for value in (self.value, low, high):
            check_plausible(value, self.unit)
        return self

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Lower and upper bound in `unit`, None where the source gives none."""
        low = self.value if self.bound == "lower" else self.low
        high = self.value if self.bound == "upper" else self.high
        return low, high


class TermTable(Table):
    """A term of the sum: the kind of count and its price."""

    count: Kind
    energy: Energy

    def term(self, name: str) -> Term:
        """The term in pJ."""
        low, high = self.energy.limits
        unit = self.energy.unit
        return Term(
            name=name,
            count=self.count,
            energy_pj=picojoules(self.energy.value, unit),
            low_pj=None if low is None else picojoules(low, unit),
            high_pj=None if high is None else picojoules(high, unit),
            evidence=Evidence[self.energy.evidence.upper()],
            source=self.energy.source,
        )


class PassTable(BaseModel):
    """A pass with parameters, whose names are checked where the passes are known."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Text = Field(alias="pass")


def pipeline_entry(entry: object) -> object:
    """A pass's name or its table, checked as one: of a union pydantic would report every member that did not fit."""
    if isinstance(entry, str) and entry:
        return entry
    if isinstance(entry, dict) and isinstance(entry.get("pass"), str) and entry["pass"]:
        return PassTable.model_validate(entry)
    raise PydanticCustomError("pass", "the name of a pass, or a table that has one under 'pass'", {})


class Chip(Table):
    """A chip file."""

    name: Text
    title: Text
    node: Text
    model: Literal["arithmetic"]
    # TOML has no tuples, so the lists are taken laxly.
    pipeline: Annotated[tuple[Annotated[str | PassTable, PlainValidator(pipeline_entry)], ...], Field(strict=False)]
    terms: Annotated[dict[str, TermTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Chip:
        scopes = [table.energy.scope for table in self.terms.values()]
        if "all-in" in scopes and len(scopes) > 1:
            raise PydanticCustomError("scope", "an all-in price as the only term, since it holds the others", {})
        return self

    def prices(self) -> Terms:
        """The terms in the order of the file."""
        return tuple(table.term(name) for name, table in self.terms.items())


def read(content: bytes, path: Path | str) -> Chip:
    """The chip that a file's bytes hold.

    Raises:
        HardwareFileError: no UTF-8, no TOML, or against the schema; names the file and the key.
    """
    try:
        found = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of no text, numbers too long, and lists too deep
        raise HardwareFileError(f"no TOML: {error}", where=str(path), expected="a chip file in TOML") from error
    try:
        return Chip.model_validate(found)
    except ValidationError as error:
        raise _explained(error, path) from error


def check_energy_unit(unit: str) -> None:
    """Checks that a unit is known and one of energy.

    Raises:
        PydanticCustomError: it is not.
    """
    if len(unit) > LONGEST_UNIT or not UNIT.fullmatch(unit):
        raise PydanticCustomError("unit", "a unit of energy such as pJ, unknown: {u}", {"u": unit[:LONGEST_UNIT]})
    try:
        known = _units().parse_units(unit)
    # pint gives AssertionError and the tokenizer's errors for what is no expression at all.
    except (AttributeError, ValueError, AssertionError, TypeError, SyntaxError) as error:
        raise PydanticCustomError("unit", "a unit of energy such as pJ, unknown: {u}", {"u": unit}) from error
    if not known.is_compatible_with("joule"):
        raise PydanticCustomError("unit", "a unit of energy such as pJ, found {u}", {"u": unit})


def check_plausible(value: float | None, unit: str) -> None:
    """Checks that a price is 0, or one that an operation can have.

    Raises:
        PydanticCustomError: it is not.
    """
    found = 0.0 if value is None else picojoules(value, unit)
    if found and not LEAST_PJ <= found <= MOST_PJ:
        words = "a plausible price, {least} to {most} pJ an operation, or 0; found {value} {unit}, which is {pj} pJ"
        given = {"least": f"{LEAST_PJ:g}", "most": f"{MOST_PJ:g}", "value": value, "unit": unit, "pj": f"{found:g}"}
        raise PydanticCustomError("plausible", words, given)


def picojoules(value: float, unit: str) -> float:
    """A value of a unit of energy in pJ; one that is in pJ already is kept to the last digit."""
    units = _units()
    return float(units.Quantity(value, unit).to("pJ").magnitude)


@lru_cache(maxsize=1)
def _units() -> UnitRegistry[Any]:  # Any: the registry's magnitudes
    import pint  # a tenth of a second that only a chip file needs

    return pint.UnitRegistry()


_ALLOWED: dict[int, type[Table]] = {1: Chip, 3: TermTable, 4: Energy}


def _explained(error: ValidationError, path: Path | str) -> HardwareFileError:
    faults = error.errors()
    if len(faults) == 1:
        (fault,) = faults
        found, expected, near = _found_and_expected(fault)
        return HardwareFileError(found, where=f"{path}, key {_key(fault)}", expected=expected, mend=" or ".join(near))
    told = "; ".join(_told(fault) for fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return HardwareFileError(f"{len(faults)} keys break the schema: {told}{more}", where=str(path))


def _told(fault: ErrorDetails) -> str:
    found, expected, near = _found_and_expected(fault)
    meant = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"key {_key(fault)}: {found}, expected {expected}{meant}"


def _key(fault: ErrorDetails) -> str:
    return ".".join(str(part) for part in fault["loc"]) or "the whole file"


def _found_and_expected(fault: ErrorDetails) -> tuple[str, str, tuple[str, ...]]:
    """What stands there, what should, and the names that are near to it."""
    if fault["type"] == "missing":
        return "nothing", "a value, which this key must have", ()
    if fault["type"] == "extra_forbidden":
        known = list(_ALLOWED.get(len(fault["loc"]), Energy).model_fields)
        return "a key of no such name", "one of: " + ", ".join(known), nearest(str(fault["loc"][-1]), known)
    message = fault["msg"].removeprefix("Input should be ")
    near = nearest(str(fault["input"]), re.findall("'([^']*)'", message)) if fault["type"] == "literal_error" else ()
    return _shown(fault["input"]), message, near


def _shown(value: object) -> str:
    return "a table that breaks a rule" if isinstance(value, (dict, BaseModel)) else repr(value)
