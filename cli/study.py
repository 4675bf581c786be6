"""spikec study: what a search has found, while it runs or after."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.console import Console

from cli.columns import columns
from spikec.files import check_output, write_text
from spikec.report.plots import front_plot
from spikec.report.study_html import study_html
from spikec.report.study_table import print_study, study_table
from spikec.tasks.ranking import rank as rankings
from spikec.tasks.study_view import view_of

RUN = click.argument("run", type=click.Path(path_type=Path))
FORCE = click.option("--force", is_flag=True, help="Replace the file of -o.")
WIDTH = 110


@click.group()
def study() -> None:
    """Show, plot and report a search. RUN is its folder; a search may be at work on it.

    \b
      spikec study show runs/a
      spikec study plot runs/a -o front.svg
      spikec study report runs/a -o a.html
      spikec study rank runs/a
    """


@study.command()
@RUN
def show(run: Path) -> None:
    """The front of RUN, its finalists and the winner: accuracy in percent, energy per inference."""
    view, console = view_of(run), Console()
    if console.is_terminal:
        print_study(view, console)
    else:
        click.echo(study_table(view, WIDTH), nl=False)


@study.command()
@RUN
@click.option("-o", "--out", type=click.Path(path_type=Path), help="PNG, SVG or PDF.  [default: RUN/front.png, anew]")
@FORCE
def plot(run: Path, out: Path | None, force: bool) -> None:
    """Draw accuracy against energy per inference: every trial, the random ones, the front, the winner."""
    view = view_of(run)
    path = _checked(out, run / "front.png", force)
    front_plot(view, path)
    click.echo(f"written: {path}", err=True)


@study.command()
@RUN
@click.option("-o", "--out", type=click.Path(path_type=Path), help="An HTML file.  [default: RUN/report.html, anew]")
@FORCE
def report(run: Path, out: Path | None, force: bool) -> None:
    """Write a page of RUN that stands by itself: plot, table, configuration, fingerprints."""
    view = view_of(run)
    path = _checked(out, run / "report.html", force)
    write_text(path, study_html(view))
    click.echo(f"written: {path}", err=True)


def _checked(out: Path | None, own: Path, force: bool) -> Path:
    """Where to write: -o, or the study's own file, which is always made anew."""
    check_output(out or own, force=force or out is None)
    return out or own


@study.command()
@RUN
def rank(run: Path) -> None:
    """Kendall's tau between orders of RUN's trials: 1 the same order, 0 unrelated, -1 the opposite.

    Accuracy against energy over the told trials, and screen values against final ones over the finalists.
    """
    rows = [("tau", "trials", "orders compared")]
    for found in rankings(run):
        tau = "constant" if math.isnan(found.tau) else f"{found.tau:+.3f}"
        rows.append((tau, str(found.trials), found.what))
    click.echo(columns(rows), nl=False)
