"""The page of a study: front, plot, the winner's rule, configuration, fingerprints and what comes next."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spikec.report.page import page, script_json
from spikec.report.plots import front_svg
from spikec.report.study_table import energy_column, genome_line, mark, remarks
from spikec.report.view import StudyView

LABELS = {"baseline": "random subnets"}
"""Settings that the page calls otherwise than config.toml does: as the plot and the table call them."""


def study_html(view: StudyView) -> str:
    """The study as one page that loads nothing; its rows are JSON in `<script id="study">`."""
    return page(
        "study.html",
        title=view.title,
        view=view,
        rows=[(row, mark(row), genome_line(row.genome)) for row in view.shown],
        energy=energy_column(view),
        remarks=[line.partition(": ")[::2] for line in remarks(view)],
        plot=front_svg(view),
        config=[(LABELS.get(key, key), value) for key, value in flat(view.config)],
        json=script_json(asdict(view)),
    )


def flat(table: Mapping[str, Any], path: str = "") -> list[tuple[str, object]]:  # Any: plain data
    """The table's values in order, tables within it by dotted keys."""
    lines: list[tuple[str, object]] = []
    for key, value in table.items():
        lines += flat(value, f"{path}{key}.") if isinstance(value, Mapping) else [(f"{path}{key}", value)]
    return lines
