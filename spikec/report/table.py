"""The table of an estimate for a terminal: every node, totals, assumptions, what is left out, the ANN."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spikec.cost import Report
from spikec.report import units
from spikec.report.lines import broken_at_dots
from spikec.report.mapping_facts import mapping_sections
from spikec.report.mapping_rows import layer_rows
from spikec.report.mapping_table import layers_table
from spikec.report.nodes import NodeRow, folded_line, kinds_of, node_rows
from spikec.report.sections import Section, counted, headline, sections
from spikec.report.units import Column

Printer = Callable[[Console], None]

_WIDE = 100  # from here on there is room for more than two kinds of counts
_BAR = 12  # cells of a full bar
_LEAST_LABEL = 16
_LEAST_BESIDE_A_LIST = 26
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def estimate_table(report: Report, width: int = 100, *, verbose: bool = False) -> str:
    """The table as plain text: no colour, no trailing spaces.

    Args:
        report: what to show.
        width: columns; at least 60 are of use.
        verbose: also the nodes that count nothing, such as reshapes.
    """
    return plain_text(lambda console: print_estimate(report, console, verbose=verbose), width)


def print_estimate(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Prints the table to a console; bars of each node's share are drawn on a terminal only."""
    rows = node_rows(report)
    shown = [row for row in rows if verbose or (counted(report) and (row.priced or row.counts))]
    console.print(Text(headline(report), style="bold"))
    kinds = _kinds(shown, report, console.width, verbose=verbose)
    if shown:
        console.print(_nodes_table(shown, console, kinds), highlight=False)
    folded = folded_line([row for row in rows if row not in shown], "without counts")
    if folded:
        console.print(Padding(Text(folded, style="dim"), (0, 0, 0, 2)))
    for section in mapping_sections(report):
        _print_section(section, console)
        console.print()
        console.print(layers_table(layer_rows(report), console.width), highlight=False)
    for section in sections(report):
        _print_section(section, console)


def _print_section(section: Section, console: Console) -> None:
    console.print()
    console.print(Text(section.title, style="bold"))
    console.print(Padding(_section(section), (0, 0, 0, 2)), highlight=False)


def plain_text(write: Printer, width: int) -> str:
    """What `write` prints to a console of that width, as plain text."""
    # An empty environment: COLUMNS, FORCE_COLOR and the like must not change what a file or a test holds.
    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=False, _environ={})
    write(console)
    assert isinstance(console.file, StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _nodes_table(rows: Sequence[NodeRow], console: Console, kinds: "_Kinds") -> Table:
    headers, cells = _cells(rows, console, kinds)
    # Module paths get what the other columns leave, and are broken where they may be, not where rich would.
    widths = [max(len(line[i]) for line in (headers, *cells)) for i in range(1, len(headers))]
    longest = max((len(label) for label, *_ in cells), default=0)
    # Counts that share a column are a list, and fold at its commas; a path is read at a glance or not at all.
    least = min(longest, _LEAST_BESIDE_A_LIST) if kinds.others else _LEAST_LABEL
    room = max(console.width - sum(widths) - 2 * len(widths), least)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        left = header in ("node", "op", "other counts") or not header.strip()
        table.add_column(Text(header), justify="left" if left else "right", overflow="fold")
    for label, *rest in cells:
        table.add_row(Text(broken_at_dots(label, room)), *(Text(cell) for cell in rest))
    return table


class _Kinds(NamedTuple):
    """Which kinds of counts have a column each, and which share one."""

    own: Sequence[str]
    others: Sequence[str]


def _kinds(rows: Sequence[NodeRow], report: Report, width: int, *, verbose: bool) -> _Kinds:
    kinds = kinds_of(rows)
    priced = [kind for kind in kinds if kind not in report.left_out]
    # What is left out stands below in its own block, so a narrow table does not repeat it node by node.
    left_out = [kind for kind in kinds if kind in report.left_out and (verbose or width >= _WIDE)]
    own = priced[: 4 if width >= _WIDE else 2]
    return _Kinds(own, [*priced[len(own) :], *left_out])


def _cells(rows: Sequence[NodeRow], console: Console, kinds: _Kinds) -> tuple[list[str], list[list[str]]]:
    """The headers, and the cells of each row."""
    bars = console.is_terminal and console.width >= _WIDE
    energy = Column.of(row.energy_pj for row in rows)
    headers = ["node", "op", "rate", *(kind.replace("_", " ") for kind in kinds.own)]
    headers += ["other counts"] * bool(kinds.others)
    headers += [f"energy [{energy.unit.name}]", "share %", *([" " * _BAR] if bars else [])]
    lines = [
        [
            row.label,
            row.op,
            row.rate_text,
            *(_count_cell(row, kind) for kind in kinds.own),
            *([row.listed(kinds.others)] if kinds.others else []),
            energy.number(row.energy_pj) if row.priced else "-",
            units.percent(row.share) if row.priced else "-",
            *([bar(row.share)] if bars else []),
        ]
        for row in rows
    ]
    return headers, lines


def bar(share: float | None) -> str:
    """A bar of that share of the full width, to an eighth of a cell; something where there is something."""
    eighths = round(min(max(share or 0.0, 0.0), 1.0) * _BAR * 8)
    if share and not eighths:
        eighths = 1
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _count_cell(row: NodeRow, kind: str) -> str:
    value = row.counts.get(kind)
    if value is None:
        return ""
    text = units.count(value)
    return text if " " in text else f"{text}  "  # digits stand under digits, not under another's prefix


def _section(section: Section) -> RenderableType:
    if section.title == "Policy":
        return _policy(section)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in section.facts:
        table.add_row(Text(fact.label), Text(fact.text))
    return table


def _policy(section: Section) -> Text:
    # All fields in as many lines would bury the one that departs from its default.
    text = Text()
    for i, fact in enumerate(section.facts):
        text.append(", " if i else "")
        text.append(f"{fact.label} {fact.text}", style="bold" if fact.changed else "")
    if not any(fact.changed for fact in section.facts):
        text.append(" (all at their defaults)")
    return text
