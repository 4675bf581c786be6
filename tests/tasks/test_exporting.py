"""What an export says of itself: the network it came from, and the graph it wrote."""

from __future__ import annotations

import json
from pathlib import Path

from spikec.model import Model
from spikec.tasks.exporting import export


def test_the_report_names_the_network_and_the_graph_that_was_written(small_model: Model, tmp_path: Path) -> None:
    made = export(small_model, "nir", tmp_path / "out", dialect="extended", samples=16)
    report = json.loads((made.folder / "report.json").read_text())
    assert report["model"]["graph_sha256"] == small_model.graph.sha256 != made.graph.sha256
    assert report["model"]["parameters"] == small_model.graph.parameters
    assert report["priced_graph_sha256"] == made.graph.sha256
    assert report["passes"] == list(made.passes) != []
    assert [row["name"] for row in report["nodes"]] == [node.name for node in made.graph.nodes]
