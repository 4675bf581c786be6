"""Plots: energy a node, and a search's front of accuracy against energy; how every plot is written."""

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from spikec.errors import UsageError
from spikec.files import write_bytes
from spikec.report import units
from spikec.report.nodes import NodeRow, terms_of
from spikec.report.units import Unit, unit_of
from spikec.report.view import StudyRow, StudyView, hypervolumes

# Okabe and Ito's colours, told apart under every common colour blindness; markers differ as well.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#666666"
# Behind them Tol's 'muted', for chips of many terms.
TERMS = (
    *(BLUE, ORANGE, GREEN, RED, PURPLE, "#56B4E9", "#F0E442", GREY),
    *("#332288", "#882255", "#44AA99", "#999933", "#DDCC77", "#AA4499"),
)
LEGEND_COLUMNS = 5

INCHES = (12.0, 8.0)  # at 100 dots an inch: 1200 x 800
_ROWS = 28  # bars that 800 dots hold; more make the picture taller
_STYLE: dict[Any, Any] = {  # Any: matplotlib types the keys as a literal of all its settings
    "font.size": 13,
    "axes.titlesize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "spikec",  # the same plot is the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


class Look(NamedTuple):
    """How one kind of trial is drawn."""

    colour: str
    marker: str
    name: str


def front_plot(view: StudyView, path: Path) -> None:
    """Writes a study's accuracy against energy, 1200 x 800: trials, random ones, front, finalists, winner.

    Raises:
        UsageError, OutputError: as for `write_plot`.
    """
    write_plot(lambda figure: _draw_front(figure, view), path)


def front_svg(view: StudyView) -> str:
    """The plot of `front_plot` as an `<svg>` element to stand in a page."""
    text = _rendered(lambda figure: _draw_front(figure, view), "svg").decode()
    # The page gives the size, and metadata of the drawing program belongs to a file of its own.
    text = re.sub(r'width="[^"]*pt" height="[^"]*pt" ', "", text[text.index("<svg") :], count=1)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def check_plot_name(path: Path) -> None:
    """Does nothing where the name says a format that is drawn; asked before the work that is to be drawn.

    Raises:
        UsageError: it ends in neither .png, .svg nor .pdf.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(found=f"a plot called {path.name}", expected=f"a name that ends in {', '.join(_FORMATS)}")


def write_plot(draw: Callable[[Figure], None], path: Path) -> None:
    """Writes what `draw` puts into a figure, in the format that the name says and the style of every plot.

    Raises:
        UsageError: the name ends in neither .png, .svg nor .pdf.
        OutputError: it cannot be written.
    """
    check_plot_name(path)
    write_bytes(path, _rendered(draw, _FORMATS[path.suffix.lower()]))


def _rendered(draw: Callable[[Figure], None], kind: str) -> bytes:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=INCHES, dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        data = BytesIO()
        dateless = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        figure.savefig(data, format=kind, metadata=dateless)
    return data.getvalue()


def bars_height(rows: int) -> float:
    """Inches of so many bars."""
    return max(INCHES[1], INCHES[1] * rows / _ROWS)


def draw_bars(figure: FigureBase, axes: Axes, rows: Sequence[NodeRow], title: str) -> None:
    """Draws bars of energy a node, in order, stacked by term, with a key of the terms below the figure."""
    unit = unit_of(row.energy_pj for row in rows)
    places = range(len(rows))
    terms = terms_of(rows)
    left = [0.0] * len(rows)
    for i, term in enumerate(terms):
        widths = [row.terms_pj.get(term, 0.0) / unit.size for row in rows]
        axes.barh(places, widths, left=left, color=TERMS[i % len(TERMS)], label=term, height=0.72)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, row, end in zip(places, rows, left, strict=True):
        axes.text(end, place, f" {units.percent(row.share)} %", va="center", fontsize=11, color=GREY)
    axes.set_yticks(list(places), [row.label for row in rows], fontsize=11)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.08 * max(left, default=0.0) or 1.0)
    axes.set_xlabel(f"energy per inference [{unit.name}], and share of the total")
    axes.set_title(title, loc="left")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    if terms:
        figure.legend(loc="outside lower right", ncols=min(len(terms), LEGEND_COLUMNS), fontsize=12, frameon=False)


def _draw_front(figure: Figure, view: StudyView) -> None:
    axes = figure.add_subplot()
    unit = unit_of(row.energy_pj for row in view.rows)
    bottom = _bottom(view)
    _cloud(axes, view.of_kind("random"), unit, bottom, Look(ORANGE, "x", "random sampling"))
    _cloud(axes, view.of_kind("search"), unit, bottom, Look(BLUE, "o", view.method))
    _front_line(axes, view, unit)
    _finalists(axes, view, unit)
    if view.accuracy_floor > bottom:
        floor = 100 * view.accuracy_floor
        axes.axhline(floor, color=GREY, linestyle="--", linewidth=1.2, label=f"accuracy floor, {floor:g} %")
    axes.set_ylim(100 * bottom, 100.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"energy per inference on {view.hardware} [{unit.name}], logarithmic")
    axes.set_ylabel("accuracy on the validation split [%]")
    axes.set_title(view.title, loc="left")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=12)
    figure.supxlabel(caption(view), fontsize=11, color=GREY, x=0.01, ha="left")


def caption(view: StudyView) -> str:
    """What the plot's values are, and the fixed reference that hypervolume is measured from."""
    text = "Trials at their screen values; finalists also at their final ones, re-scored."
    if view.reference is None:
        return text
    accuracy, energy_pj = view.reference
    text += f"\nHypervolume from {100 * accuracy:g} % and {units.energy(energy_pj)}, energy in log10"
    known = hypervolumes(view)
    # The line of all of them would be wider than the plot.
    return f"{text}:\n{', '.join(known)}." if known else f"{text}."


def _bottom(view: StudyView) -> float:
    """Where the accuracy axis begins: a little below the floor, or below the worst trial where there is no floor."""
    least = view.accuracy_floor or min((row.accuracy for row in view.rows), default=0.0)
    return max(least - 0.08 * (1.0 - least) - 0.005, 0.0)


def _cloud(axes: Axes, rows: Sequence[StudyRow], unit: Unit, bottom: float, look: Look) -> None:
    if not rows:
        return
    seen = [row for row in rows if row.accuracy >= bottom]
    below = [row for row in rows if row.accuracy < bottom]
    at = [row.energy_pj / unit.size for row in seen], [100 * row.accuracy for row in seen]
    name = f"{look.name} ({len(rows)} trials{f', {len(below)} below the axis' if below else ''})"
    # Crosses over dots, so that neither hides the other where both drew the same subnet.
    above = 3 if look.marker == "x" else 2
    axes.scatter(*at, s=34, zorder=above, marker=look.marker, label=name, color=look.colour, alpha=0.65, linewidths=1.2)
    # Trials below the axis keep their place on the energy axis, as triangles on its edge.
    edge = [row.energy_pj / unit.size for row in below], [100 * bottom] * len(below)
    axes.scatter(*edge, s=34, marker="v", color=look.colour, alpha=0.65, clip_on=False)


def _front_line(axes: Axes, view: StudyView, unit: Unit) -> None:
    front = view.front
    if not front:
        return
    energies = [row.energy_pj / unit.size for row in front]
    accuracies = [100 * row.accuracy for row in front]
    greatest = max(row.energy_pj for row in view.rows) / unit.size
    axes.plot(
        [*energies, max(greatest, energies[-1])],
        [*accuracies, accuracies[-1]],
        color="black",
        drawstyle="steps-post",
        linewidth=1.6,
        label=f"front of the search ({len(front)})",
    )


def _finalists(axes: Axes, view: StudyView, unit: Unit) -> None:
    finalists = [row for row in view.rows if row.finalist]
    for name, size, marker, face, rows in (
        ("other finalists, final values", 60, "D", "none", [row for row in finalists if not row.winner]),
        *((_winner_label(row, unit), 260, "*", RED, [row]) for row in finalists if row.winner),
    ):
        ends = [((row.final_energy_pj or 0.0) / unit.size, 100 * (row.final_accuracy or 0.0)) for row in rows]
        for row, (energy, accuracy) in zip(rows, ends, strict=True):
            screen = (row.energy_pj / unit.size, 100 * row.accuracy)
            axes.plot([screen[0], energy], [screen[1], accuracy], color=GREY, linewidth=0.8)
        if rows:
            edge = "black" if face != "none" else RED
            at = [energy for energy, _ in ends], [accuracy for _, accuracy in ends]
            axes.scatter(*at, s=size, marker=marker, label=name, facecolors=face, edgecolors=edge, zorder=5)


def _winner_label(row: StudyRow, unit: Unit) -> str:
    accuracy, energy = units.percent(row.final_accuracy), (row.final_energy_pj or 0.0) / unit.size
    return f"winner, trial {row.number}: {accuracy} % at {energy:.3g} {unit.name}, final values"
