"""spikec hw fit: a chip file from measured runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import click
from rich.console import Console

from hwmodels.fitting import Rules, Scatter
from spikec.errors import UsageError
from spikec.files import check_output, write_text
from spikec.report.fit_table import fit_table, print_fit
from spikec.report.fit_view import FitView
from spikec.tasks.fit_report import view_of
from spikec.tasks.fitted_chip import BEHAVIOUR, Card
from spikec.tasks.fitting import Wanted, fit_chip

TERMS = "Kinds of count to price, with commas.  [default: every kind in the file]"
STATIC = "Also fit a static power, from the times."
LEVEL = "Confidence of the intervals, which become the low and high of each price."
SCATTER = "Whether runs scatter all by the same energy, or in proportion to it."
CONDITION = "Condition number above which the runs do not tell the prices apart."
NAME = "Of the chip.  [default: that of -o, without .toml]"
MODEL = "Of the chip file.  [default: events where a kind is of spikes or cores alone]"
PIPELINE = "Passes that make a graph legal there, with commas: name or name:key=value; '' for none."
PLOT = "Draw predicted against measured energy: PNG, SVG or PDF."


@click.command("fit")
@click.argument("measurements", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the chip file there.")
@click.option("--terms", metavar="KINDS", help=TERMS)
@click.option("--static", is_flag=True, help=STATIC)
@click.option("--no-times", is_flag=True, help="Leave the times out; energies alone are fitted.")
@click.option("--level", type=float, default=0.95, show_default=True, help=LEVEL)
@click.option("--scatter", type=click.Choice(get_args(Scatter)), default="equal", show_default=True, help=SCATTER)
@click.option("--max-condition", type=float, default=Rules.most_condition, show_default=True, help=CONDITION)
@click.option("--name", metavar="TEXT", help=NAME)
@click.option("--title", default="", metavar="TEXT", help="Of the chip, in words.  [default: what it was fitted to]")
@click.option("--node", default=Card.node, show_default=True, metavar="TEXT", help="Process node, such as '28 nm'.")
@click.option("--model", type=click.Choice(list(BEHAVIOUR)), help=MODEL)
@click.option("--pipeline", default=",".join(Card.pipeline), show_default=True, metavar="PASSES", help=PIPELINE)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help=PLOT)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--force", is_flag=True, help="Replace the files of -o and --plot.")
def fit(
    measurements: Path,
    out: Path | None,
    terms: str | None,
    static: bool,
    no_times: bool,
    level: float,
    scatter: str,
    max_condition: float,
    name: str | None,
    title: str,
    node: str,
    model: str | None,
    pipeline: str,
    plot: Path | None,
    form: str,
    force: bool,
) -> None:
    """Make a chip file of your own from MEASUREMENTS, a CSV of runs on the chip.

    A run is a line: what it counted, a column a kind (ac, mac, neuron_update, ...), or a column `report` that names
    the JSON of `spikec estimate`; and the energy that it took, energy_mj. Non-negative least squares gives the price
    of each kind, with an interval that the chip file and every estimate with it carry on. The table shows residuals,
    R^2 and the condition number of the counts. Exit code 1 where the runs do not tell the prices apart: it says which
    kinds go together, and what runs would part them.

    \b
      ac,mac,energy_mj
      5120000,40000,0.0134
      2200000,160000,0.0079

    \b
      spikec hw fit runs.csv
      spikec hw fit runs.csv --terms ac,mac --node "28 nm" --plot fit.png -o chip.toml
      spikec hw check chip.toml
      spikec estimate model.pt --hw ./chip.toml
    """
    _check((out, plot), force)
    rules = Rules(level, cast("Scatter", scatter), max_condition)  # click has checked the choice
    called = name or (out.stem if out is not None else Card.name)
    card = Card(called, title, node, _names(pipeline), model or "")
    wanted = Wanted(None if terms is None else _names(terms), static, not no_times, rules, card)
    fitted = fit_chip(measurements, wanted)
    view = view_of(fitted, wanted)
    # Files before stdout, whose reader may go away.
    if out is not None:
        write_text(out, fitted.toml)
        click.echo(f"written: {out}", err=True)
    if plot is not None:
        from spikec.report.fit_plot import fit_plot  # matplotlib, as in _check

        fit_plot(view, plot)
        click.echo(f"drawn: {plot}", err=True)
    _print(view, form)


def _check(files: Sequence[Path | None], force: bool) -> None:
    out, plot = files
    for path in files:
        if path is not None:
            check_output(path, force=force)
    if plot is None:
        return
    if out is not None and out.resolve() == plot.resolve():
        raise UsageError("-o and --plot are one file", mend="a name for each")
    from spikec.report.plots import check_plot_name  # matplotlib, half a second, only where a plot is wanted

    check_plot_name(plot)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print(view: FitView, form: str) -> None:
    console = Console()
    if form == "json":
        click.echo(json.dumps(view.to_dict(), indent=2, sort_keys=True, allow_nan=False))
    elif console.is_terminal:
        print_fit(view, console)
    else:
        click.echo(fit_table(view), nl=False)
