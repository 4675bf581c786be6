"""The plot of an estimate: the bars of its nodes, and above them the mesh of tiles where it has a mapping."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from spikec.cost import Report
from spikec.report.mapping_mesh import SIDE, SLOWEST, Picture, picture
from spikec.report.mapping_rows import layer_rows
from spikec.report.nodes import priced_rows
from spikec.report.plots import BLUE, GREY, INCHES, bars_height, draw_bars, write_plot
from spikec.report.sections import counted, headline

_LEAST, _MOST = 2.2, 5.0
"""Inches of the mesh."""
_WORDS = 1.5
"""Inches for the lines above and below it."""
_DOTS = 72.0


def estimate_plot(report: Report, path: Path) -> None:
    """Writes bars of energy a node, in order, stacked by term: 1200 x 800, taller above 28 nodes.

    Nodes that the chip prices at nothing have no bar. With a mapping the mesh stands above them, and where nothing is
    priced cores a layer in their place.

    Raises:
        UsageError, OutputError: as for `write_plot`.
    """
    found = picture(report)
    write_plot(lambda figure: _draw(figure, report, found), path)


def _draw(figure: Figure, report: Report, found: Picture | None) -> None:
    rows = priced_rows(report)
    bars = counted(report) or not report.mapping
    below = bars_height(len(rows) if bars else len(layer_rows(report)))
    above = 0.0 if found is None else _mesh_height(found) + _WORDS
    figure.set_size_inches(INCHES[0], above + below)
    lower: FigureBase = figure
    if found is not None:
        # Figures of their own, so that the labels of bars do not narrow the mesh.
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[above, below])[:, 0]
        _draw_mesh(upper.add_subplot(), report, found)
    title = headline(report) if found is None else ""
    if bars:
        draw_bars(lower, lower.add_subplot(), rows, title)
    else:
        _draw_cores(lower.add_subplot(), report, title)


def _mesh_height(found: Picture) -> float:
    return min(max(INCHES[0] * found.height / found.width, _LEAST), _MOST)


def _draw_mesh(axes: Axes, report: Report, found: Picture) -> None:
    inches = min(INCHES[0] / found.width, _mesh_height(found) / found.height)  # a tile, with the way to the next
    axes.set_aspect("equal", anchor="NW")
    axes.set_xlim(-0.1, found.width + 0.1)
    axes.set_ylim(found.height + 0.1, -0.1)
    axes.axis("off")
    for chip in found.chips:
        outline = Rectangle((chip.x, chip.y), chip.width, chip.height, fill=False, edgecolor=GREY, linewidth=1.4)
        axes.add_patch(outline)
        axes.text(chip.x, chip.y, chip.name, va="bottom", fontsize=11, color=GREY)
    for binds, edge in ((False, "none"), (True, SLOWEST)):
        wedges = [wedge for wedge in found.wedges if wedge.slowest is binds]
        points, fills = [list(wedge.points) for wedge in wedges], [wedge.fill for wedge in wedges]
        axes.add_collection(PolyCollection(points, facecolors=fills, edgecolors=edge, linewidths=2.0))
    for tile in found.tiles:
        edge, width = (SLOWEST, 3.0) if tile.slowest else ("0.6", 0.6)
        corner = (tile.x - SIDE / 2, tile.y - SIDE / 2)
        axes.add_patch(Rectangle(corner, SIDE, SIDE, facecolor=tile.fill, edgecolor=edge, linewidth=width, zorder=3))
        size = min(13.0, 0.5 * SIDE * inches * _DOTS)
        axes.text(tile.x, tile.y, tile.label, ha="center", va="center", color=tile.ink, fontsize=size, zorder=4)
    axes.set_title(headline(report), loc="left", pad=26 if len(found.chips) > 1 else 10)
    key = "\n".join(found.key)
    axes.text(0, -0.02, key, transform=axes.transAxes, va="top", fontsize=11, color=GREY)


def _draw_cores(axes: Axes, report: Report, title: str) -> None:
    rows = layer_rows(report)
    places = list(range(len(rows)))
    cores = [row.cores or 0 for row in rows]
    axes.barh(places, cores, color=BLUE, height=0.72)
    for place, row, end in zip(places, rows, cores, strict=True):
        said = f" {row.cores_text}" + (f", split by {row.limit_text}" if row.limit else "")
        axes.text(end, place, said if row.cores else " does not fit", va="center", fontsize=11, color=GREY)
    axes.set_yticks(places, [row.label for row in rows], fontsize=11)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.35 * max(cores, default=0) or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("cores a layer; nothing was counted, so no energy is known")
    axes.set_title(title, loc="left")
