"""The form of chips/*.toml: every number with its unit, evidence and source."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hwmodels.chip_rules import check_rules
from hwmodels.cores_schema import CoresTable
from hwmodels.counting import Aside, Synaptic
from hwmodels.event_kinds import POWERED, BySoma, BySynapse, OnChip, OnCores
from hwmodels.memory_schema import MemoryTable
from hwmodels.quantities import Dimension, check_plausible, converted, dimension_of
from hwmodels.schema_faults import explained
from spikec.cost import Evidence, Policy, Term, Terms
from spikec.errors import HardwareFileError

Kind = Literal[Synaptic, Aside, OnChip, OnCores, BySynapse, BySoma]
Known = Literal["assumed", "derived", "simulated", "measured"]
Bound = Literal["lower", "upper"]
Text = Annotated[str, Field(min_length=1)]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Text that is printed in a line of its own."""
Amount = Annotated[FiniteFloat, Field(ge=0)]
Limits = tuple[float | None, float | None]


class Table(BaseModel):
    """What every table of a chip file keeps to: no unknown key, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sourced(Table):
    """A value with its unit, and how far to trust it. `low` and `high` are in the same unit.

    `bound` says that the value itself is one; `node` is the process of the number, where it is not the chip's; `note`
    what must be known of it.
    """

    measures: ClassVar[tuple[Dimension, ...]]

    value: Amount
    unit: Text
    evidence: Known
    source: Text
    low: Amount | None = None
    high: Amount | None = None
    bound: Bound | None = None
    node: Text | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_amounts(self)
        return self

    @property
    def limits(self) -> Limits:
        """Lower and upper bound in `unit`, None where the source gives none."""
        low = self.value if self.bound == "lower" else self.low
        high = self.value if self.bound == "upper" else self.high
        return low, high


class Energy(Sourced):
    """A price of one count."""

    measures = ("energy", "power")

    scope: Literal["per-term", "all-in"]


class Time(Sourced):
    """How long one count takes."""

    measures = ("time",)


def _check_amounts(amount: Sourced) -> None:
    """Checks unit, order and size.

    Raises:
        PydanticCustomError: one of them is wrong.
    """
    dimension = dimension_of(amount.unit, amount.measures)
    given = amount.low if amount.bound == "lower" else amount.high if amount.bound == "upper" else None
    if given is not None:
        side = "low" if amount.bound == "lower" else "high"
        raise PydanticCustomError("bound", "no key {s} beside a bound that says the same of the value", {"s": side})
    low, high = amount.limits
    if (low is not None and low > amount.value) or (high is not None and high < amount.value):
        raise PydanticCustomError("order", "low <= value <= high", {})
    for value in (amount.value, low, high):
        check_plausible(value, amount.unit, dimension)


class TermTable(Table):
    """A term of the sum: the kind of count, its price, and how long one takes.

    `when` binds the term to one value of one field of the policy, as a price that was derived under it must be.
    """

    count: Kind
    energy: Energy
    time: Time | None = None
    when: Annotated[dict[str, str], Field(min_length=1, max_length=1)] | None = None

    @property
    def dimension(self) -> Dimension:
        """What its price measures."""
        return "power" if self.count == POWERED else "energy"

    def holds(self, policy: Policy) -> bool:
        """Whether the term is one of the sum under a policy."""
        return all(getattr(policy, field, None) == value for field, value in (self.when or {}).items())

    def term(self, name: str) -> Term:
        """The term in pJ and ns."""
        low, high = self.energy.limits
        return Term(
            name=name,
            count=self.count,
            energy_pj=self._priced(self.energy.value),
            low_pj=None if low is None else self._priced(low),
            high_pj=None if high is None else self._priced(high),
            evidence=Evidence[self.energy.evidence.upper()],
            source=self.energy.source,
            scope=self.energy.scope,
            time_ns=_nanoseconds(self.time, None if self.time is None else self.time.value),
            time_low_ns=_nanoseconds(self.time, None if self.time is None else self.time.limits[0]),
            time_high_ns=_nanoseconds(self.time, None if self.time is None else self.time.limits[1]),
            note=self.energy.note or "",
        )

    def _priced(self, value: float) -> float:
        return converted(value, self.energy.unit, self.dimension)


def _nanoseconds(time: Time | None, value: float | None) -> float | None:
    return None if time is None or value is None else converted(value, time.unit, "time")


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
    """A chip file; docs/describe-your-chip.md says what each key means."""

    name: Line
    title: Line
    node: Line
    model: Literal["arithmetic", "events", "memory"]
    # TOML has no tuples, so the lists are taken laxly.
    pipeline: Annotated[tuple[Annotated[str | PassTable, PlainValidator(pipeline_entry)], ...], Field(strict=False)]
    terms: Annotated[dict[str, TermTable], Field(min_length=1)]
    real_input: Literal["host", "refuse"] | None = None
    attention: Literal["unsupported", "programmable"] | None = None
    cores: CoresTable | None = None
    memory: MemoryTable | None = None

    @model_validator(mode="after")
    def _check(self) -> Chip:
        check_rules(self)
        return self

    def prices(self, policy: Policy | None = None) -> Terms:
        """The terms that hold under a policy (the default one unless given), in the order of the file."""
        asked = policy or Policy()
        return tuple(table.term(name) for name, table in self.terms.items() if table.holds(asked))


def read(content: bytes, path: Path | str) -> Chip:
    """The chip that a file's bytes hold.

    Raises:
        HardwareFileError: no UTF-8, no TOML, or against the schema; names the file, the line and the key.
    """
    try:
        text = content.decode("utf-8")
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of no text, numbers too long, and lists too deep
        raise HardwareFileError(f"no TOML: {error}", where=str(path), expected="a chip file in TOML") from error
    try:
        return Chip.model_validate(found)
    except ValidationError as error:
        raise explained(error, Chip, text, path) from error
