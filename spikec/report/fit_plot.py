"""A fit as a picture: what was predicted against what was measured, and what is left."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikec.report.fit_view import FitView
from spikec.report.plots import BLUE, GREY, ORANGE, write_plot
from spikec.report.units import unit_of

_FACTOR = 20.0  # from this span on a linear axis would heap the small runs up in a corner
_NAMED = 3


def fit_plot(view: FitView, path: Path) -> None:
    """Writes two drawings side by side, 1200 x 800: predicted against measured energy, and residuals in percent.

    Raises:
        UsageError: the name ends in neither .png, .svg nor .pdf.
        OutputError: it cannot be written.
    """
    write_plot(lambda figure: _draw(figure, view), path)


def _draw(figure: Figure, view: FitView) -> None:
    left, right = figure.subplots(1, 2)
    unit = unit_of(run.measured_pj for run in view.runs)
    measured = [run.measured_pj / unit.size for run in view.runs]
    predicted = [run.predicted_pj / unit.size for run in view.runs]
    ends = min(measured), max(measured)
    logarithmic = ends[1] > _FACTOR * ends[0] and min(predicted) > 0
    left.axline((ends[0], ends[0]), (ends[1], ends[1] * 1.0001), color=GREY, linewidth=1.2, label="as measured")
    left.scatter(measured, predicted, s=34, color=BLUE, zorder=3, label=f"{len(view.runs)} runs")
    right.axhline(0.0, color=GREY, linewidth=1.2)
    right.scatter(measured, [100 * run.residual for run in view.runs], s=34, color=BLUE, zorder=3, label="residual")
    told = [(run, share) for run in view.runs if (share := run.left_out_residual) is not None]
    places = [run.measured_pj / unit.size for run, _ in told]
    right.scatter(places, [100 * share for _, share in told], s=40, color=ORANGE, marker="x", label="without that run")
    _names(right, view, unit.size)
    left.set_ylabel(f"predicted [{unit.name}]")
    right.set_ylabel("measured less predicted [% of measured]")
    for axes in (left, right):
        axes.set_xlabel(f"measured energy of a run [{unit.name}]")
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        axes.legend(fontsize=12)
        if logarithmic:
            axes.set_xscale("log")
    if logarithmic:
        left.set_yscale("log")
    figure.suptitle(f"{view.title}: {caption(view)}", fontsize=15, x=0.01, ha="left", parse_math=False)


def caption(view: FitView) -> str:
    """The prices with their units, and how well they hold."""
    prices = ", ".join(f"{row.kind} {row.value:.3g} {row.unit}" for row in view.prices)
    explained = "" if view.r_squared is None else f"R^2 {view.r_squared:.4f}, "
    return f"{explained}condition number {view.condition:.3g}\n{prices}"


def _names(axes: Axes, view: FitView, size: float) -> None:
    """Names the runs with the greatest residuals."""
    for run in sorted(view.runs, key=lambda run: -abs(run.residual))[:_NAMED]:
        place = run.measured_pj / size, 100 * run.residual
        # What others call their runs is no formula.
        axes.annotate(f" {run.name}", place, fontsize=11, color=GREY, va="bottom", parse_math=False)
