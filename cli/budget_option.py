"""The option --budget: what the totals of every chip may be at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from spikec.cost import Report
from spikec.report.budget import Budget, judge, over, parse

Command = TypeVar("Command", bound=Callable[..., Any])  # Any: click decorates any function

BUDGET = (
    'What a total may be at most, NAME<=NUMBER or NAME<NUMBER: --budget "energy_mj<=0.5"; repeat for more. '
    "Names: energy_pj (nj, uj, mj, j), latency_ns (us, ms, s), cores, chips, parameters, or a kind of count, as ac. "
    "It holds where it holds on every --hw; where it does not, exit code 1 after the report."
)


def budget_option(function: Command) -> Command:
    """Adds --budget, parsed."""
    option = click.option("--budget", "budgets", multiple=True, metavar="BOUND", callback=_parsed, help=BUDGET)
    return option(function)


def check_budgets(budgets: Sequence[Budget], reports: Sequence[Report]) -> None:
    """Says on stderr, one line a budget and chip, what was found and what is allowed.

    Raises:
        BudgetExceeded: one does not hold.
        UsageError, UnknownName: a report has no such number.
    """
    if not budgets:
        return
    verdicts = judge(budgets, [report.to_dict() for report in reports])
    for verdict in verdicts:
        click.echo(verdict.text, err=True)
    if (error := over(verdicts)) is not None:
        raise error


def _parsed(ctx: click.Context, option: click.Parameter, values: Sequence[str]) -> tuple[Budget, ...]:
    return tuple(parse(value) for value in values)
