"""A graph as a drawing in SVG, from top to bottom: a box a node, a line an operand, in the colours of `dot`.

Drawn in layers (Sugiyama et al. 1981): a node stands one row below the lowest of its operands; a line that passes
rows keeps a place in each of them, so that it runs beside the boxes; a row is ordered by the mean place of what
feeds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from spikec.ir.graph import Graph
from spikec.ir.neurons import Neuron
from spikec.ir.types import TensorType, Timing
from spikec.report.dot import FILLED, INTEGERS, REALS, SPIKES, colour_of

ROW, LINE, CHARACTER, GAP, MARGIN = 76.0, 13.0, 6.2, 18.0, 24.0
"""Pixels: from row to row, a line of text, a character, between boxes, round the drawing."""
BODY = 1.5 * LINE + 4
"""Half a box of three lines."""
LEGEND, LEGEND_WIDTH = 36.0, 350.0
DASHED = ' stroke-dasharray="4 3"'


@dataclass(frozen=True)
class _Box:
    """A box: its lines of text, whether it is a neuron layer, whether its corners are round (inputs, outputs)."""

    lines: tuple[str, ...]
    filled: bool = False
    round: bool = False

    @property
    def width(self) -> float:
        return max(map(len, self.lines)) * CHARACTER + 16

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + 8


@dataclass(frozen=True)
class _Edge:
    start: str
    end: str
    kind: TensorType


Place = tuple[float, int]  # x of the middle, and the row


def svg(graph: Graph) -> str:
    """The graph as the text of an SVG file.

    A box says its op, its module path (or its name) and its result's type; neuron layers are filled. A line has the
    colour of its value: spikes green, integers blue, real numbers grey; what is computed once an inference is dashed.
    What comes back through a Delay runs up beside the drawing.
    """
    boxes, edges, rows = _boxes(graph), _edges(graph), _rows(graph)
    stops = [_stops(number, edge, rows) for number, edge in enumerate(edges)]
    places = _placed(boxes, rows, stops)
    reach = [(places[name][0] + side * box.width / 2) for name, box in boxes.items() for side in (-1, 1)]
    reach += [x for x, _ in places.values()]
    right = max(reach) + GAP
    lines: list[str] = []
    for edge, passed in zip(edges, stops, strict=True):
        ends = [places[stop] for stop in passed]
        if rows[edge.end] > rows[edge.start]:
            lines.append(_drawn_line(edge, _path(ends, boxes[edge.end].height)))
        else:
            lines.append(_drawn_line(edge, _path_back(ends[0], ends[-1], right, boxes[edge.end].height)))
            right += GAP
    left = min(reach) - MARGIN
    width = max(right - GAP + MARGIN - left, LEGEND_WIDTH)
    height = max(rows.values()) * ROW + ROW + LEGEND
    top = -ROW / 2 - LEGEND
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="11" text-anchor="middle">'
    )
    ground = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="white"/>'
    drawn = [_drawn(name, box, places[name]) for name, box in boxes.items()]
    legend = _legend(left + MARGIN, top + MARGIN * 0.75)
    return "\n".join([head, _arrows(), ground, *legend, *lines, *drawn, "</svg>"]) + "\n"


def _arrows() -> str:
    """The heads of lines, one a colour."""
    heads = (
        f'<marker id="{_head(colour)}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        f'orient="auto"><path d="M0 0.5L8 4L0 7.5Z" fill="{colour}"/></marker>'
        for colour in (SPIKES, INTEGERS, REALS)
    )
    return f"<defs>{''.join(heads)}</defs>"


def _head(colour: str) -> str:
    return f"head-{colour.removeprefix('#')}"


def _legend(x: float, y: float) -> list[str]:
    """What the colours and the dashes say, in a row."""
    lines = []
    for said, colour, dashes in (
        ("spikes", SPIKES, ""),
        ("integers", INTEGERS, ""),
        ("real", REALS, ""),
        ("once", REALS, DASHED),
    ):
        lines.append(f'<path d="M{x:.1f} {y:.1f}h24" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>')
        lines.append(f'<text x="{x + 30:.1f}" y="{y + 4:.1f}" text-anchor="start">{said}</text>')
        x += 84
    return lines


def _boxes(graph: Graph) -> dict[str, _Box]:
    found = {name: _Box((name, str(kind)), round=True) for name, kind in graph.inputs.items()}
    for node in graph.nodes:
        lines = (node.op.mnemonic, node.scope or f"%{node.name}", str(node.type))
        found[node.name] = _Box(lines, filled=isinstance(node.op, Neuron))
    for number, value in enumerate(graph.outputs):
        found[f"output {number}"] = _Box(("output", str(graph.types[value])), round=True)
    return found


def _edges(graph: Graph) -> list[_Edge]:
    ends = [(value, node.name) for node in graph.nodes for value in node.inputs]
    ends += [(value, f"output {number}") for number, value in enumerate(graph.outputs)]
    owner = {value: node.name for value, node in graph.producers.items()}
    return [_Edge(owner.get(value, value), end, graph.types[value]) for value, end in ends]


def _rows(graph: Graph) -> dict[str, int]:
    """The row of every box; what a delay takes from below it does not move it."""
    rows = dict.fromkeys(graph.inputs, 0)
    owner = {value: node.name for value, node in graph.producers.items()}
    for node in graph.nodes:
        above = [rows[owner.get(value, value)] for value in node.inputs if owner.get(value, value) in rows]
        rows[node.name] = 1 + max(above, default=-1)
    last = max(rows.values()) + 1
    return rows | {f"output {number}": last for number in range(len(graph.outputs))}


def _stops(number: int, edge: _Edge, rows: Mapping[str, int]) -> list[str]:
    """What a line passes from its start to its end: a point in every row between, which no box has the name of."""
    between = range(rows[edge.start] + 1, rows[edge.end])
    return [edge.start, *(f"line {number} in row {row}" for row in between), edge.end]


def _placed(boxes: Mapping[str, _Box], rows: Mapping[str, int], stops: Sequence[Sequence[str]]) -> dict[str, Place]:
    """The place of every box and of every point that a line passes."""
    grid: list[list[str]] = [[] for _ in range(max(rows.values()) + 1)]
    for name in boxes:
        grid[rows[name]].append(name)
    fed: dict[str, list[str]] = {}
    for start, *others in stops:
        for above, below, row in zip((start, *others), others, range(rows[start] + 1, len(grid)), strict=False):
            fed.setdefault(below, []).append(above)
            if below not in boxes:
                grid[row].append(below)
    places: dict[str, Place] = {}
    for row, names in enumerate(grid):
        feeds = {name: [places[value][0] for value in fed.get(name, ()) if value in places] for name in names}
        names.sort(key=lambda name: sum(feeds[name]) / max(1, len(feeds[name])))
        widths = [boxes[name].width if name in boxes else 0.0 for name in names]
        x = -(sum(widths) + GAP * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            places[name] = (x + width / 2, row)
            x += width + GAP
    return places


def _path(stops: Sequence[Place], end_height: float) -> str:
    """A way down from row to row; it changes sides only between rows, where no box is."""
    (x, row), *rest = stops
    path = f"M{x:.1f} {row * ROW:.1f}"
    for to, below in rest:
        high, low = row * ROW + BODY, below * ROW - (end_height / 2 if (to, below) == stops[-1] else BODY)
        half = (high + low) / 2
        path += f"V{high:.1f}C{x:.1f} {half:.1f} {to:.1f} {half:.1f} {to:.1f} {low:.1f}"
        x, row = to, below
    return path


def _path_back(start: Place, end: Place, lane: float, end_height: float) -> str:
    """A way from a box round the right side of the drawing to one in its row or above it."""
    (x, row), (to, above) = start, end
    under, over = row * ROW + ROW / 2, above * ROW - ROW / 2
    low, high = row * ROW + BODY, above * ROW - end_height / 2
    return (
        f"M{x:.1f} {row * ROW:.1f}V{low:.1f}C{x:.1f} {under:.1f} {x:.1f} {under:.1f} {x + GAP:.1f} {under:.1f}"
        f"H{lane - GAP:.1f}Q{lane:.1f} {under:.1f} {lane:.1f} {under - GAP:.1f}V{over + GAP:.1f}"
        f"Q{lane:.1f} {over:.1f} {lane - GAP:.1f} {over:.1f}H{to + GAP:.1f}"
        f"C{to:.1f} {over:.1f} {to:.1f} {over:.1f} {to:.1f} {high:.1f}"
    )


def _drawn_line(edge: _Edge, path: str) -> str:
    dashed = DASHED if edge.kind.timing is Timing.ONCE else ""
    colour = colour_of(edge.kind)
    title = escape(f"{edge.start} to {edge.end}: {edge.kind}")
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5" marker-end="url(#{_head(colour)})"{dashed}>'
        f"<title>{title}</title></path>"
    )


def _drawn(name: str, box: _Box, place: Place) -> str:
    x, y = place[0], place[1] * ROW
    fill, corner = (FILLED if box.filled else "white"), (12 if box.round else 2)
    text = "".join(
        f'<text x="{x:.1f}" y="{y + (at - len(box.lines) / 2 + 0.8) * LINE:.1f}">{escape(line)}</text>'
        for at, line in enumerate(box.lines)
    )
    return (
        f'<g><title>{escape(name)}</title><rect x="{x - box.width / 2:.1f}" y="{y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner}" fill="{fill}" stroke="#444444"/>{text}</g>'
    )
