"""The table of prices fitted to measured runs: each with its interval, every run's residual, what the fit is worth."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spikec.report import units
from spikec.report.fit_view import FitView, PriceRow, RunRow, root_mean_square
from spikec.report.table import plain_text
from spikec.report.units import Column

MOST_RUNS = 30


def fit_table(view: FitView, width: int = 110) -> str:
    """The table as plain text."""
    return plain_text(lambda console: print_fit(view, console), width)


def print_fit(view: FitView, console: Console) -> None:
    """Prints prices, runs (of many those with the greatest residuals), and what the fit is worth."""
    console.print(Text(view.title, style="bold"))
    console.print(_prices(view), highlight=False)
    console.print()
    console.print(_runs(view), highlight=False)
    console.print()
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in [*worth(view), *(("note", note) for note in view.notes)]:
        facts.add_row(Text(label), Text(text))
    console.print(Padding(facts, (0, 0, 0, 2)), highlight=False)


def worth(view: FitView) -> list[tuple[str, str]]:
    """What the fit is worth, a label and a text a line."""
    worst = max(view.runs, key=lambda run: abs(run.residual))
    spread = root_mean_square([run.residual for run in view.runs])
    rows = [
        (
            "condition number",
            f"{view.condition:.3g}, of the counts at one length; refused above {view.most_condition:g}",
        ),
        ("R^2", _explained(view)),
        ("intervals", view.scatter),
        ("residuals", f"root mean square {_percent(spread)}, worst {_percent(worst.residual)} ({worst.name})"),
    ]
    told = [(abs(share), run.name) for run in view.runs if (share := run.left_out_residual) is not None]
    if told:
        share, name = max(told)
        rows.append(("without it", f"each run is predicted by the others to {_percent(share)} or better ({name})"))
    if view.misfit is not None:
        rows.append(("scatter", f"{view.misfit:.3g} times the standard deviations that were given"))
    return rows


def _explained(view: FitView) -> str:
    of = "of the variance about the mean"
    text = "the energies do not vary" if view.r_squared is None else f"{view.r_squared:.4f} {of}"
    return text if view.time_r_squared is None else f"{text}; of the times {view.time_r_squared:.4f}"


def _prices(view: FitView) -> Table:
    timed = any(row.time_ns is not None for row in view.prices)
    table = _table()
    interval = f"{100 * view.level:g} % interval"
    for header in ("count", "price", interval, *(("time", interval) if timed else ())):
        table.add_column(Text(header), justify="left" if header == "count" else "right", no_wrap=True)
    for row in view.prices:
        cells = [row.kind, f"{row.value:.4g} {row.unit}", f"{row.low:.4g}..{row.high:.4g} {row.unit}"]
        table.add_row(*cells, *(_time(row) if timed else ()))
    return table


def _time(row: PriceRow) -> tuple[str, str]:
    if row.time_ns is None:
        return "-", "-"
    return f"{row.time_ns:.4g} ns", f"{row.time_low_ns:.4g}..{row.time_high_ns:.4g} ns"


def _runs(view: FitView) -> Table:
    shown = _shown(view.runs)
    energy = Column.spanning([part for run in shown for part in (run.measured_pj, run.predicted_pj)], digits=4)
    more = len(view.runs) - len(shown)
    table = _table()
    table.add_column(f"run, of {more} more with less residual" if more else "run", overflow="fold")
    for header in (f"measured [{energy.unit.name}]", "predicted", "residual %", "without it %"):
        table.add_column(Text(header), justify="right", no_wrap=True)
    for run in shown:
        left_out = run.left_out_residual
        table.add_row(
            Text(run.name),
            energy.number(run.measured_pj),
            energy.number(run.predicted_pj),
            f"{100 * run.residual:+.2f}",
            "-" if left_out is None else f"{100 * left_out:+.2f}",
        )
    return table


def _shown(runs: Sequence[RunRow]) -> Sequence[RunRow]:
    """The runs in their order; of many those with the greatest residuals."""
    if len(runs) <= MOST_RUNS:
        return runs
    least = sorted(abs(run.residual) for run in runs)[-MOST_RUNS]
    return [run for run in runs if abs(run.residual) >= least][:MOST_RUNS]


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))


def _percent(share: float) -> str:
    return f"{units.percent(abs(share), 2)} %"
