"""The layers of a mapping as a table for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from spikec.report import units
from spikec.report.lines import broken_at_dots
from spikec.report.mapping_rows import LayerRow, uses_of
from spikec.report.units import Column

_LEAST_LABEL = 24  # a longer one is broken behind its dots
_LEFT = ("layer", "part a core", "split by")


def layers_table(rows: Sequence[LayerRow], width: int) -> Table:
    """A row a layer: cores, neurons, part a core, what splits it, the shares of its fullest core, energy.

    Args:
        rows: those layers.
        width: columns of the terminal; where they are too few for a column a resource, only what splits a layer has
            its share.
    """
    longest = max((len(row.label) for row in rows), default=0)
    headers, cells = _cells(rows, wide=True)
    if _room(headers, cells, width) < min(longest, _LEAST_LABEL):
        headers, cells = _cells(rows, wide=False)
    room = max(_room(headers, cells, width), _LEAST_LABEL)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        table.add_column(Text(header), justify="left" if header in _LEFT else "right", overflow="fold")
    for label, *rest in cells:
        table.add_row(Text(broken_at_dots(label, room)), *(Text(cell) for cell in rest))
    return table


def _room(headers: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """Columns that are left for the first of the cells."""
    widths = [max(len(line[i]) for line in (headers, *cells)) for i in range(1, len(headers))]
    return width - sum(widths) - 2 * len(widths)


def _cells(rows: Sequence[LayerRow], *, wide: bool) -> tuple[list[str], list[list[str]]]:
    """The headers, and the cells of each row."""
    energy = Column.of(row.energy_pj for row in rows)
    resources = uses_of(rows) if wide else []
    priced = any(row.energy_pj is not None for row in rows)
    headers = ["layer", "cores", "neurons", "part a core", "split by", *(f"{name} %" for name in resources)]
    headers += [f"energy [{energy.unit.name}]"] * priced
    lines = [
        [
            row.label,
            row.cores_text,
            f"{row.neurons:,}",
            row.part,
            (row.limit or "-") if wide else row.limit_text,
            *(units.percent(row.uses.get(name)) for name in resources),
            *([energy.number(row.energy_pj)] if priced else []),
        ]
        for row in rows
    ]
    return headers, lines
