"""The front of a study as a table, with the finalists' final values and the winner's rule."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spikec.report import units
from spikec.report.table import plain_text
from spikec.report.units import Column
from spikec.report.view import StudyRow, StudyView, hypervolumes


def study_table(view: StudyView, width: int = 100) -> str:
    """The table as plain text, ascending in energy."""
    return plain_text(lambda console: print_study(view, console), width)


def print_study(view: StudyView, console: Console) -> None:
    """Prints the front and every finalist, the winner's rule, what the test split gave, what comes next."""
    console.print(Text(view.title, style="bold"))
    console.print(_table(view), highlight=False)
    for line in remarks(view):
        console.print(Text(line), highlight=False)
    if view.next_commands:
        console.print("\nto go on:", highlight=False)
    for command in view.next_commands:
        # A command is copied, so it is never broken by us.
        console.print(Text(f"  {command}"), highlight=False, soft_wrap=True)


def remarks(view: StudyView) -> list[str]:
    """What stands under the table, a sentence a line, each with its units."""
    lines = [f"front: {len(view.front)} trials of accuracy {_percent(view.accuracy_floor)} % or more"]
    if view.policy:
        lines.append(f"energy counted by: {view.policy}")
    if view.failed:
        lines.append(f"failed: {view.failed} trials could not be evaluated")
    if view.reference is not None and (known := hypervolumes(view)):
        accuracy, energy_pj = view.reference
        unit = f"accuracy x decades of energy, from {100 * accuracy:g} % and {units.energy(energy_pj)}"
        lines.append(f"hypervolume: {', '.join(known)} ({unit})")
    chosen = ", ".join(str(row.number) for row in view.rows if row.winner) or "none"
    lines.append(f"winner: trial {chosen}; {view.winner_rule}")
    column = Column.of(test.energy_pj for test in view.tests)
    lines += [
        f"test split: {test.name} {_percent(test.accuracy, 2)} % at {column.with_unit(test.energy_pj)}"
        for test in view.tests
    ]
    if view.paired_test:
        lines.append(f"winner against the largest subnet: {view.paired_test}")
    return lines


def genome_line(genome: str) -> str:
    """The genome with its blocks side by side: `depth=2 width=64 heads=4,2 ratio=3,3`.

    A text that is not of the form `name=value ... | name=value ... | ...`, with the same names in every
    block, comes back as it is.
    """
    parts = [[word.partition("=") for word in part.split()] for part in genome.split(" | ")]
    names = {tuple(name for name, _, _ in block) for block in parts[1:]}
    if len(names) != 1 or not all(value for part in parts for _, _, value in part):
        return genome
    own = [f"{name}={value}" for name, _, value in parts[0]]
    values = [[value for _, _, value in block] for block in parts[1:]]
    sides = zip(next(iter(names)), zip(*values, strict=True), strict=True)
    return " ".join([*own, *(f"{name}={','.join(side)}" for name, side in sides)])


def mark(row: StudyRow) -> str:
    """`winner`, `front`, or nothing for a finalist off the front."""
    return "winner" if row.winner else "front" if row.on_front else ""


def energy_column(view: StudyView) -> Column:
    """The one column format for all energies that the table shows."""
    shown = view.shown
    return Column.of([*(row.energy_pj for row in shown), *(row.final_energy_pj for row in shown)])


def _table(view: StudyView) -> Table:
    energy = energy_column(view)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for header in (
        "trial",
        "screen\n%",
        f"\n{energy.unit.name}",
        "final\n%",
        f"\n{energy.unit.name}",
    ):
        table.add_column(Text(header), justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("genome", overflow="fold")
    for row in view.shown:
        table.add_row(
            str(row.number),
            _percent(row.accuracy),
            energy.number(row.energy_pj),
            _percent(row.final_accuracy),
            energy.number(row.final_energy_pj),
            mark(row),
            Text(genome_line(row.genome)),
            style="bold" if row.winner else "",
        )
    return table


def _percent(fraction: float | None, decimals: int = 1) -> str:
    return units.percent(fraction, decimals)
