"""The page of an estimate: one file with totals, bars, nodes, assumptions, and the report's JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikec.cost import Report
from spikec.report import units
from spikec.report.mapping_facts import mapping_sections
from spikec.report.mapping_mesh import SIDE, SLOWEST, picture
from spikec.report.mapping_rows import layer_rows, uses_of
from spikec.report.nodes import NodeRow, folded_line, kinds_of, node_rows, terms_of
from spikec.report.page import page, script_json
from spikec.report.sections import counted, headline, sections
from spikec.report.units import Column

_TERM_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8A7F00", "#666666"),
    *("#332288", "#882255", "#44AA99", "#117733", "#DDCC77", "#AA4499"),
)
# Of the chart, in its own units; a label's font is 12 high, and a character at most 7.4 wide.
_CHARACTER, _BARS_WIDTH, _VALUE_WIDTH, _ROW_HEIGHT = 7.4, 460, 160, 22


@dataclass(frozen=True)
class Segment:
    """One term's part of a bar: place and width in the chart's units."""

    x: float
    width: float
    colour: str
    title: str


@dataclass(frozen=True)
class Bar:
    """One node's bar: its height in the chart, its segments, and what stands at its end."""

    y: int
    label: str
    segments: tuple[Segment, ...]
    end: float
    value: str


@dataclass(frozen=True)
class Chart:
    """Bars of energy a node, to be drawn as SVG by the template."""

    bars: tuple[Bar, ...]
    legend: tuple[tuple[str, str], ...]
    label_width: int
    width: int
    height: int


def estimate_html(report: Report) -> str:
    """The report as one page that loads nothing; its JSON is in `<script id="report">`.

    Raises:
        ValueError: the report holds a number that is not finite, which JSON has no form for.
    """
    rows = node_rows(report)
    energy = Column.of(row.energy_pj for row in rows)
    kinds, layers = kinds_of(rows), layer_rows(report)
    return page(
        "estimate.html",
        title=headline(report),
        counted=counted(report),
        chart=chart([row for row in rows if row.priced] if counted(report) else []),
        mapping=mapping_sections(report),
        mesh=picture(report),
        side=SIDE,
        slowest=SLOWEST,
        layers=layers,
        layer_energy=Column.of(layer.energy_pj for layer in layers),
        uses=uses_of(layers),
        rows=rows,
        kinds=[kind for kind in kinds if kind not in report.left_out],
        others=[kind for kind in kinds if kind in report.left_out],
        energy=energy,
        folded=folded_line([row for row in rows if not row.priced], "without a price"),
        sections=sections(report),
        json=script_json(report.to_dict()),
    )


def chart(rows: Sequence[NodeRow]) -> Chart:
    """The bars of these nodes, scaled to the greatest, stacked by term."""
    terms = terms_of(rows)
    colours = {term: _TERM_COLOURS[i % len(_TERM_COLOURS)] for i, term in enumerate(terms)}
    greatest = max((row.energy_pj or 0.0 for row in rows), default=0.0) or 1.0
    column = Column.of(row.energy_pj for row in rows)
    # No label is cut: the chart is as wide as its longest one needs.
    start = 16 + round(_CHARACTER * max((len(row.label) for row in rows), default=0))
    scale = _BARS_WIDTH / greatest
    bars = tuple(_bar(row, (start, i * _ROW_HEIGHT), colours, scale, column) for i, row in enumerate(rows))
    width = start + _BARS_WIDTH + _VALUE_WIDTH
    return Chart(bars, tuple(colours.items()), start, width, len(rows) * _ROW_HEIGHT)


def _bar(row: NodeRow, place: tuple[int, int], colours: dict[str, str], scale: float, column: Column) -> Bar:
    segments, x = [], float(place[0])
    for term, colour in colours.items():
        energy_pj = row.terms_pj.get(term, 0.0)
        if energy_pj:
            segments.append(Segment(x, energy_pj * scale, colour, f"{term}: {units.energy(energy_pj)}"))
            x += energy_pj * scale
    value = f"{column.with_unit(row.energy_pj)}, {units.percent(row.share)} %"
    return Bar(place[1], row.label, tuple(segments), x, value)
