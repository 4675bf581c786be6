"""spikec compare: what differs between two estimates."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console

from spikec.files import check_output, write_text
from spikec.report.difference_csv import compared_csv
from spikec.report.difference_table import compared_table, print_compared
from spikec.report.limit import Limit, breach, parse
from spikec.tasks.comparing import Comparison
from spikec.tasks.comparing import compare as run

FAIL_ON = (
    "How far B may be from A: +5% more, -5% less; repeat for more. [NAME:]SIGN NUMBER[%], on the energy unless a NAME "
    "says else: energy_mj:+0.1, latency_ms:+10%, cores:+0, or a kind of count, as ac:+2%. The names are those of "
    "spikec estimate --budget. It holds where it holds on every chip; where it does not, exit code 1."
)


def _parsed(ctx: click.Context, option: click.Parameter, values: Sequence[str]) -> tuple[Limit, ...]:
    return tuple(parse(value) for value in values)


@click.command()
@click.argument("a", metavar="A.json", type=click.Path(path_type=Path))
@click.argument("b", metavar="B.json", type=click.Path(path_type=Path))
@click.option("--fail-on", "limits", multiple=True, metavar="LIMIT", callback=_parsed, help=FAIL_ON)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to stdout.")
@click.option("--force", is_flag=True, help="Replace the file of -o.")
@click.option("-v", "--verbose", is_flag=True, help="In the table, also what is the same on both sides.")
def compare(a: Path, b: Path, limits: Sequence[Limit], form: str, out: Path | None, force: bool, verbose: bool) -> None:
    """What differs between two reports of `spikec estimate --format json`, A the earlier one.

    Assumptions that differ come first, since they explain numbers; then totals, energy by term, counts by kind, and
    layers, also those that one side alone has. A file may hold several chips: they are paired by name and file, and
    what has no partner is said.

    \b
      spikec compare before.json after.json
      spikec compare before.json after.json --fail-on +5%
      spikec compare before.json after.json --fail-on energy_mj:+0.1 --fail-on ac:+2% --format csv -o changes.csv
    """
    if out is not None:
        check_output(out, force=force)
    comparison = run(a, b, limits)
    # The file before stdout, whose reader may go away.
    if out is not None:
        write_text(out, FORMS[form](comparison, verbose))
        click.echo(f"written: {out}", err=True)
    elif form == "table":
        _print(comparison, verbose)
    else:
        click.echo(FORMS[form](comparison, verbose), nl=False)
    for one in comparison.moved:
        click.echo(one.text, err=True)
    if limits and (error := breach(comparison.moved, comparison.found)) is not None:
        raise error


def _print(comparison: Comparison, verbose: bool) -> None:
    console = Console(soft_wrap=False)
    if console.is_terminal:
        print_compared(comparison.found, console, verbose=verbose)
    else:
        click.echo(_table(comparison, verbose), nl=False)


def _table(comparison: Comparison, verbose: bool) -> str:
    return compared_table(comparison.found, 130, verbose=verbose)


def _json(comparison: Comparison, verbose: bool) -> str:
    return json.dumps(comparison.to_plain(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _csv(comparison: Comparison, verbose: bool) -> str:
    return compared_csv(comparison.found)


FORMS: dict[str, Callable[[Comparison, bool], str]] = {"table": _table, "json": _json, "csv": _csv}
