"""Limits on what changes from one report to the next, such as `+5%` or `latency_ms:+0.2`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from spikec.errors import BudgetExceeded, UsageError
from spikec.report import quantity
from spikec.report.budget import NUMBER
from spikec.report.compared import Compared

DEFAULT = "energy_pj"

_FORM = re.compile(rf"\s*(?:([a-z][a-z0-9_]*)\s*:)?\s*([+-])\s*({NUMBER})\s*(%?)\s*", re.ASCII)
_EXPECTED = "+5%, or NAME:+5%, NAME:-5%, NAME:+NUMBER, such as latency_ms:+10% or cores:+0"
_LONGEST = 80


@dataclass(frozen=True)
class Limit:
    """How far one number of a report may move in one direction.

    Args:
        name: of the number, its unit in it; see `spikec.report.quantity`.
        up: whether more is a breach; else less is.
        amount: how much is allowed: in percent of A, or in the name's unit.
        percent: which of the two.
        text: as it was given, for messages.
    """

    name: str
    up: bool
    amount: Fraction
    percent: bool
    text: str


@dataclass(frozen=True)
class Moved:
    """What came of a limit on one chip.

    Args:
        limit: it.
        hardware: the chip, as reports name it.
        a: the earlier number, in the limit's unit.
        b: the later one.
    """

    limit: Limit
    hardware: str
    a: Fraction
    b: Fraction

    @property
    def holds(self) -> bool:
        """Whether the numbers as printed are no further apart; of 0 every percentage is 0."""
        by = self.b - self.a if self.limit.up else self.a - self.b
        return by <= (self.limit.amount * abs(self.a) / 100 if self.limit.percent else self.limit.amount)

    @property
    def text(self) -> str:
        """`limit energy_pj:+5% on 45nm: 100 -> 106, +6 (+6 %): over`."""
        by = self.b - self.a
        sign = "+" if by > 0 else ""
        share = f" ({sign}{quantity.rounded(100 * by / abs(self.a), 3)} %)" if self.a else " (from 0)" if by else ""
        ends = f"{quantity.rounded(self.a, 6)} -> {quantity.rounded(self.b, 6)}"
        how = "holds" if self.holds else "over" if self.limit.up else "under"
        return f"limit {self.limit.text} on {self.hardware}: {ends}, {sign}{quantity.rounded(by, 4)}{share}: {how}"

    def to_plain(self) -> dict[str, str | float | bool]:
        """As JSON values."""
        return {
            "limit": self.limit.text,
            "hardware": self.hardware,
            "a": float(self.a),
            "b": float(self.b),
            "holds": self.holds,
        }


def parse(text: str) -> Limit:
    """The limit that a text says; without a name it is on the energy.

    Raises:
        UsageError: it is none.
        UnknownName: it is about an energy or a latency in an unknown unit.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text[:_LONGEST]}' is no limit", where="--fail-on", expected=_EXPECTED)
    name, sign, number, percent = match.groups()
    if name is None and not percent:
        mend = f"{sign}{number}%, or the name that it is of: energy_pj:{sign}{number}"
        raise UsageError(f"'{text.strip()}' says of nothing how much", where="--fail-on", expected=_EXPECTED, mend=mend)
    quantity.check_name(name or DEFAULT)
    whole = f"{name or DEFAULT}:{sign}{number}{percent}"
    return Limit(name or DEFAULT, sign == "+", Fraction(number), bool(percent), whole)


def judge(limits: Sequence[Limit], found: Compared) -> tuple[Moved, ...]:
    """What comes of every limit on every chip that is priced in both files, chips in their order.

    Raises:
        UsageError: a report lacks what a limit is about; says how to get it.
        UnknownName: no report could have it.
    """
    return tuple(
        Moved(
            limit,
            one.label,
            quantity.value_of(limit.name, one.a.plain, f"{found.a}, {one.a.label}"),
            quantity.value_of(limit.name, one.b.plain, f"{found.b}, {one.b.label}"),
        )
        for one in found.differences
        for limit in limits
    )


def breach(moved: Sequence[Moved], found: Compared) -> BudgetExceeded | None:
    """The error that says which limits do not hold, or None; a chip that B no longer prices holds none."""
    broken = [f"{one.limit.text} on {one.hardware}" for one in moved if not one.holds]
    broken += [f"{one.label} has no numbers in {found.b}" for one in found.alone if one.lost]
    return BudgetExceeded(f"beyond what --fail-on allows: {', '.join(broken)}") if broken else None
