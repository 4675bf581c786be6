"""The table and the plot of a fit: units, what of many runs is shown, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spikec.report.fit_plot import fit_plot
from spikec.report.fit_table import MOST_RUNS, fit_table, worth
from spikec.report.fit_view import FitView, PriceRow, RunRow


def view(runs: int = 6) -> FitView:
    """Runs from 1 nJ on, each 1.5 times the last; the residual grows from run to run."""
    measured = [1000 * 1.5 ** (run % 20) for run in range(runs)]
    rows = [RunRow(f"r{i}", pj, pj * (1 - 0.001 * i), pj * (1 - 0.002 * i)) for i, pj in enumerate(measured)]
    prices = (PriceRow("ac", "pJ", 0.9, 0.8, 1.0), PriceRow("chip_ns", "mW", 12.0, 11.0, 13.0))
    return FitView("a.csv", "ab" * 32, 0.9, "alike", 3.21, 30.0, 0.9876, None, None, prices, tuple(rows), ("noted",))


def test_a_table_has_every_number_with_its_unit() -> None:
    text = fit_table(view())
    for part in (
        "2 prices from 6 runs of a.csv",
        "90 % interval",
        "0.8..1 pJ",
        "11..13 mW",
        "measured [nJ]",
        "+0.50",
        "+1.00",
        "3.21, of the counts at one length; refused above 30",
        "0.9876 of the variance about the mean",
        "worst 0.50 % (r5)",
        "to 1.00 % or better (r5)",
        "noted",
    ):
        assert part in text, part
    assert "time" not in text
    assert max(map(len, text.splitlines())) <= 110


def test_of_many_runs_those_with_the_greatest_residuals_are_shown() -> None:
    lines = fit_table(view(200)).splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("r1")]
    assert shown == [f"r{i}" for i in range(200 - MOST_RUNS, 200)]
    assert any("of 170 more with less residual" in line for line in lines)


def test_times_stand_beside_prices() -> None:
    priced, power = view().prices
    found = fit_table(replace(view(), prices=(replace(priced, time_ns=3.5, time_low_ns=3.0, time_high_ns=4.0), power)))
    ac, chip = (next(line for line in found.splitlines() if line.startswith(kind)) for kind in ("ac", "chip_ns"))
    assert ac.split()[5:] == ["3.5", "ns", "3..4", "ns"]
    assert chip.split()[-2:] == ["-", "-"]


def test_what_is_missing_is_said() -> None:
    alone = replace(
        view(), runs=tuple(replace(run, left_out_pj=None) for run in view().runs), r_squared=None, misfit=2.5
    )
    said = dict(worth(alone))
    assert "without it" not in said
    assert said["R^2"] == "the energies do not vary"
    assert said["scatter"] == "2.5 times the standard deviations that were given"
    assert fit_table(alone).count(" -\n") == 6


def test_names_are_no_markup(tmp_path: Path) -> None:
    *rest, last = view().runs
    marked = replace(view(), file=r"$\frac$", runs=(*rest, replace(last, name=r"[bold]$\frac$")))
    assert r"[bold]$\frac$" in fit_table(marked)
    fit_plot(marked, tmp_path / "fit.svg")


@pytest.mark.parametrize("runs", [3, 60])
def test_a_plot_has_both_drawings_with_units(tmp_path: Path, runs: int) -> None:
    for name in ("fit.svg", "again.svg"):
        fit_plot(view(runs), tmp_path / name)
    assert (tmp_path / "fit.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    said = " ".join(ElementTree.fromstring((tmp_path / "fit.svg").read_text("utf-8")).itertext())
    unit = "nJ" if runs == 3 else "uJ"
    for part in (
        f"predicted [{unit}]",
        f"measured energy of a run [{unit}]",
        "% of measured",
        "R^2 0.9876",
        "chip_ns 12 mW",
    ):
        assert part in said, part
