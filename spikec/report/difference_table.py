"""The table of a comparison for a terminal: what differs in the assumptions, then totals, terms, counts, layers."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spikec.report import units
from spikec.report.compared import Compared
from spikec.report.difference import Change, LayerChange
from spikec.report.differing import Differing, words
from spikec.report.lines import broken_at_dots
from spikec.report.nodes import in_order
from spikec.report.table import plain_text
from spikec.report.units import ENERGY, TIME, Column, Ladder

Named = Mapping[tuple[str, Ladder | None], Change]  # by name, and by the units to print in

_WIDE = 100  # from here on there is room for the counts of a layer
_LEAST_LABEL = 16
_MARKS = {"both": "", "added": "+ ", "removed": "- "}
_TOTALS: dict[str, tuple[str, Ladder | None]] = {
    "energy_pj": ("energy", ENERGY),
    "energy_pj_se": ("its standard error", ENERGY),
    "energy_pj_low": ("its lower bound", ENERGY),
    "energy_pj_high": ("its upper bound", ENERGY),
    "latency_ns": ("latency", TIME),
    "cores": ("cores", None),
    "chips": ("chips", None),
    "parameters": ("parameters", None),
    "ann_energy_pj": ("the ANN's energy", ENERGY),
    "ann_macs": ("the ANN's MACs", None),
}
"""What the totals are called, and in which units they are printed; None for counts."""


def compared_table(found: Compared, width: int = 100, *, verbose: bool = False) -> str:
    """The table as plain text: no colour, no trailing spaces.

    Args:
        found: what to show.
        width: columns; at least 60 are of use.
        verbose: also what is the same on both sides.
    """
    return plain_text(lambda console: print_compared(found, console, verbose=verbose), width)


def print_compared(found: Compared, console: Console, *, verbose: bool = False) -> None:
    """Prints the table to a console; what grew is red on a terminal, what shrank green."""
    _lines(console, f"A  {found.a}", f"B  {found.b}")
    for alone in found.alone:
        _lines(console, "", f"{alone.label} is not compared: {alone.reason}")
    for one in found.differences:
        console.print()
        console.print(Text(f"{one.label}: {_headline(one.totals['energy_pj'])}", style="bold"))
        _print_assumptions(one.assumptions, console)
        totals: Named = {_TOTALS[name]: change for name, change in one.totals.items()}
        _print_changes("Totals per inference", totals, console, verbose)
        terms: Named = {(term, ENERGY): change for term, change in one.terms_pj.items()}
        _print_changes("Energy by term", terms, console, verbose)
        counts: Named = {(kind.replace("_", " "), None): change for kind, change in one.counts.items()}
        _print_changes("Counts by kind", counts, console, verbose)
        _print_layers(one.layers, console, verbose)
        if not one.changed:
            _lines(console, "  no number differs")


def _lines(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(line), highlight=False)


def _headline(change: Change) -> str:
    """`12.34 nJ -> 11.20 nJ per inference, -9.2 %`."""
    if not change.known:
        return "not priced on either side"
    ends = [text if text != "-" else "not priced" for text in _cells(change, ENERGY)]
    if change.difference is None:
        return f"{ends[0]} -> {ends[1]}"
    if not change.changed:
        return f"{ends[0]} per inference on both sides"
    return f"{ends[0]} -> {ends[1]} per inference, {_percent(change)}{' %' if change.percent is not None else ''}"


def _print_assumptions(assumptions: Sequence[Differing], console: Console) -> None:
    if not assumptions:
        _lines(console, "\nThe assumptions are the same on both sides.")
        return
    console.print(Text("\nWhat differs in the assumptions", style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in assumptions:
        if one.name == "assumptions":
            table.add_row(Text("only A says" if one.b is None else "only B says"), Text(words(one.a or one.b)))
        else:
            table.add_row(Text(one.name), Text(f"{words(one.a)} -> {words(one.b)}"))
    console.print(Padding(table, (0, 0, 0, 2)), highlight=False)


def _table(names: Sequence[str], left: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(Text(name), justify="left" if name in left else "right", overflow="fold")
    return table


def _print_changes(title: str, changes: Named, console: Console, verbose: bool) -> None:
    """Prints those that a side has, and that differ unless all are asked for."""
    rows = [(*named, change) for named, change in changes.items() if change.known and (verbose or change.changed)]
    if not rows:
        return
    table = _table((title, "A", "B", "difference", "%"), left=(title,))
    for name, ladder, change in rows:
        a, b, difference = _cells(change, ladder)
        table.add_row(Text(name), Text(a), Text(b), *_coloured(change, difference))
    console.print()
    console.print(table, highlight=False)


def _cells(change: Change, ladder: Ladder | None) -> tuple[str, str, str]:
    """Both sides and the difference in one unit, or as counts; `-` for what is not there."""
    if ladder is None:
        a, b = ("-" if value is None else units.count(value) for value in (change.a, change.b))
        return (
            a,
            b,
            "-" if change.difference is None else _sign(change.difference) + units.count(abs(change.difference)),
        )
    column = Column.of((change.a, change.b), ladder)
    a, b = ("-" if value is None else column.with_unit(value) for value in (change.a, change.b))
    return a, b, _signed(column, change.difference, f" {column.unit.name}")


def _sign(value: float) -> str:
    return "+" if value > 0 else "-" if value < 0 else ""


def _signed(column: Column, value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{_sign(value)}{column.number(abs(value))}{unit}"


def _percent(change: Change) -> str:
    """The difference in percent with its sign; one digit of what is small, and `from 0` of what begins there."""
    if change.percent is None:
        return "from 0" if change.a == 0 and change.b else "-"
    if not change.percent:
        return "0"
    return f"{change.percent:+,.1f}" if abs(change.percent) >= 0.05 else f"{change.percent:+.1g}"


def _coloured(change: Change, difference: str) -> tuple[Text, Text]:
    by = change.difference or 0
    style = "red" if by > 0 else "green" if by < 0 else ""
    return Text(difference, style=style), Text(_percent(change), style=style)


def _print_layers(layers: Sequence[LayerChange], console: Console, verbose: bool) -> None:
    rows = [layer for layer in layers if verbose or (layer.changed and layer.counted)]
    if rows:
        console.print()
        console.print(_layers_table(rows, console), highlight=False)
    same = sum(not layer.changed for layer in layers)
    idle = len(layers) - len(rows) - same
    folded = ((same, "the same on both sides"), (idle, "that count nothing, on one side only or of another op"))
    for count, what in folded if not verbose else ():
        if count:
            console.print(Text(f"  + {count} layer{'s' * (count != 1)} {what}", style="dim"))


def _layers_table(rows: Sequence[LayerChange], console: Console) -> Table:
    column = Column.of(value for row in rows for value in (row.energy_pj.a, row.energy_pj.b))
    cores = any(row.cores.known for row in rows)
    wide = console.width >= _WIDE
    names = ["layer", "op", f"A [{column.unit.name}]", f"B [{column.unit.name}]", "difference", "%"]
    names += ["cores"] * cores + ["what else differs"] * wide
    table = _table(names, left=("layer", "op", "what else differs"))
    cells = [_layer_cells(row, column, cores=cores, wide=wide) for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names[1:6])]
    room = max(console.width * 2 // 3 - sum(widths) - 2 * len(widths), _LEAST_LABEL)
    for row, line in zip(rows, cells, strict=True):
        label = broken_at_dots(f"{_MARKS[row.state]}{row.label}", room)
        table.add_row(Text(label), *line)
    return table


def _layer_cells(row: LayerChange, column: Column, *, cores: bool, wide: bool) -> list[Text]:
    energy = row.energy_pj if row.terms_pj else Change(None, None)  # of a node without a price 0 pJ would say too much
    ends = (Text(column.number(value)) for value in (energy.a, energy.b))
    cells = [Text(row.op), *ends, *_coloured(energy, _signed(column, energy.difference))]
    if cores:
        cells.append(Text(_arrow(row.cores)))
    if wide:
        changed = [name for name in in_order(row.counts) if row.counts[name].changed]
        said = [f"{name.replace('_', ' ')} {_arrow(row.counts[name])}" for name in changed]
        if row.limits[0] != row.limits[1]:
            said.append(f"bound by {' -> '.join((limit or 'none').replace('_', ' ') for limit in row.limits)}")
        cells.append(Text(", ".join(said)))
    return cells


def _arrow(change: Change) -> str:
    a, b = ("none" if value is None else units.count(value) for value in (change.a, change.b))
    return f"{a} -> {b}" if change.changed else a if change.known else "-"
