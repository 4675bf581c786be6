"""The published log through the command line: `spikec new`, a rates file by scope, the papers' policy, its total."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import spikec

pytestmark = pytest.mark.full
LOG = Path(__file__).parents[1] / "hwmodels" / "golden" / "spikingformer_8_512.csv"
TOTAL_MJ = 7.463502601886196
STEM = {
    "proj_conv": "conv0",
    "proj_conv1": "conv1",
    "proj_conv2": "conv2",
    "proj_conv3": "conv3",
    "rpe_conv": "rpe_conv",
}


def scope_of(name: str) -> str:
    """The module path in our Spikformer of the same shapes."""
    if name.startswith("patch_embed."):
        return f"stem.{STEM[name.removeprefix('patch_embed.')]}"
    path = re.sub(r"block\[(\d+)\]", r"blocks.\1", name)
    return f"{path}_lif" if path.endswith((".q", ".k", ".v")) else path


def test_the_golden_log_gives_its_total(tmp_path: Path) -> None:
    with LOG.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    lines = ["scope,rate"]
    for row in rows:
        rate = row["output_rate"] or f"{float(row['rate_percent']) / 100!r}"
        if row["name"] not in ("head", "patch_embed.proj_conv"):  # real inputs: MACs, whatever their rate
            lines.append(f"{scope_of(row['name'])},{rate}")
    (tmp_path / "rates.csv").write_text("\n".join(lines) + "\n")
    model, rates = str(tmp_path / "net.pt"), str(tmp_path / "rates.csv")
    assert CliRunner().invoke(spikec, ["new", "spikformer-8-512", "-o", model]).exit_code == 0
    words = ["estimate", model, "--policy", "spikformer-paper", "--rates", rates, "--format", "json"]
    result = CliRunner().invoke(spikec, words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["totals"]["energy_pj"] / 1e9 == pytest.approx(TOTAL_MJ, rel=1e-9)
    assert report["totals"]["counts"]["mac"] == 347_329_512
    assert report["model"]["parameters"] == 29_689_384
