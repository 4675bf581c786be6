"""Budgets: what a report's totals may be at most, such as `energy_mj<=0.5`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from spikec.errors import BudgetExceeded, UsageError
from spikec.report import quantity
from spikec.report.quantity import Plain

NUMBER = r"(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
"""A number of 0 or more as people write it; of bounded length, since it is held exactly."""

_FORM = re.compile(rf"\s*([a-z][a-z0-9_]*)\s*(<=|<)\s*({NUMBER})\s*", re.ASCII)
_EXPECTED = "NAME<=NUMBER or NAME<NUMBER, such as energy_mj<=0.5, latency_us<100 or ac<=2e6"
_LONGEST = 80


@dataclass(frozen=True)
class Budget:
    """A bound on one number of a report.

    Args:
        name: of the number, its unit in it; see `spikec.report.quantity`.
        sign: whether the bound itself is allowed.
        allowed: the bound, 0 or more.
        text: as it was given, for messages.
    """

    name: str
    sign: Literal["<=", "<"]
    allowed: Fraction
    text: str


@dataclass(frozen=True)
class Verdict:
    """What came of a budget on one chip.

    Args:
        budget: it.
        hardware: the chip, as reports name it.
        found: the report's number, in the budget's unit.
    """

    budget: Budget
    hardware: str
    found: Fraction

    @property
    def holds(self) -> bool:
        """Whether the number as printed is within the budget."""
        return self.found <= self.budget.allowed if self.budget.sign == "<=" else self.found < self.budget.allowed

    @property
    def text(self) -> str:
        """`budget energy_mj<=0.5 on 45nm: found 0.6, over by 0.1 (20 %)`."""
        by = abs(self.found - self.budget.allowed)
        share = f" ({quantity.rounded(100 * by / self.budget.allowed, 3)} %)" if self.budget.allowed else ""
        room = f"{quantity.rounded(by, 4)}{share}"
        how = f"holds with {room} to spare" if self.holds else f"over by {room}"
        return f"budget {self.budget.text} on {self.hardware}: found {quantity.rounded(self.found, 6)}, {how}"


def parse(text: str) -> Budget:
    """The budget that a text says.

    Raises:
        UsageError: it is none.
        UnknownName: it is about an energy or a latency in an unknown unit.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text[:_LONGEST]}' is no budget", where="--budget", expected=_EXPECTED)
    name, sign, number = match.groups()
    quantity.check_name(name)
    return Budget(name, "<=" if sign == "<=" else "<", Fraction(number), f"{name}{sign}{number}")


def judge(budgets: Sequence[Budget], reports: Sequence[Plain]) -> tuple[Verdict, ...]:
    """What comes of every budget on every report, reports in their order.

    Raises:
        UsageError: a report lacks what a budget is about; says how to get it.
        UnknownName: no report could have it.
    """
    return tuple(
        Verdict(budget, quantity.label(report), quantity.value_of(budget.name, report))
        for report in reports
        for budget in budgets
    )


def over(verdicts: Sequence[Verdict]) -> BudgetExceeded | None:
    """The error that says which budgets do not hold, or None where all do."""
    broken = [f"{verdict.budget.text} on {verdict.hardware}" for verdict in verdicts if not verdict.holds]
    if not broken:
        return None
    return BudgetExceeded(f"over budget, {len(broken)} of {len(verdicts)}: {', '.join(broken)}")
