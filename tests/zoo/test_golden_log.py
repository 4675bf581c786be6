"""`spikec new spikingformer-8-512` and the published log of that network: its total and each layer's operations.

The log gives firing rates alone; every number of operations is of the graph. Spikformer 8-512 has the same layers under
the same names, so that the same rates give it the same total.
"""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import spikec
from hwmodels.policies import preset
from hwmodels.registry import load as load_hardware
from spikec.cost import Rates
from spikec.ir.arithmetic import MatMul
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import SPIKE
from spikec.model import load

pytestmark = pytest.mark.full
LOG = Path(__file__).parents[1] / "hwmodels" / "golden" / "spikingformer_8_512.csv"
TOTAL_MJ, GAC, MACS = 7.463502601886196, 6.51754094076244, 347_329_512
PARAMETERS = 29_689_384
STEM = {"": "conv0", "1": "conv1", "2": "conv2", "3": "conv3"}


@pytest.fixture(scope="module")
def log():
    with LOG.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return [{**row, "scope": scope_of(row["name"])} for row in rows]


def scope_of(name):
    """The module path of what the log calls by the names of its own code."""
    stem = re.fullmatch(r"patch_embed\.proj_conv(\d?)", name)
    if stem:
        return f"stem.{STEM[stem[1]]}"
    path = re.sub(r"block\[(\d+)\]", r"blocks.\1", name).replace("patch_embed.", "stem.")
    return f"{path}_lif" if path.endswith((".q", ".k", ".v")) else path


def new(name, folder):
    """The file of a new network by its published name."""
    path = folder / "net.pt"
    result = CliRunner().invoke(spikec, ["new", name, "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert f"{PARAMETERS:,} parameters" in result.stderr
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return new("spikingformer-8-512", tmp_path_factory.mktemp("golden"))


def test_spikformers_total_is_the_same(log, tmp_path):
    report = report_of(new("spikformer-8-512", tmp_path), log, tmp_path)
    assert report["totals"]["energy_pj"] / 1e9 == pytest.approx(TOTAL_MJ, rel=1e-9)
    assert report["totals"]["counts"]["mac"] == MACS


def report_of(model_file, log, folder):
    """The report of an estimate at the log's rates.

    Those of q, k and v are of their neurons, all others of what a layer takes in; real inputs need none.
    """
    rates = {row["scope"]: row["output_rate"] or f"{float(row['rate_percent']) / 100!r}" for row in log}
    lines = [f"{scope},{rate}" for scope, rate in rates.items() if scope not in ("head", "stem.conv0")]
    (folder / "rates.csv").write_text("\n".join(["scope,rate", *lines]) + "\n")
    words = ["estimate", str(model_file), "--policy", "spikformer-paper", "--rates", str(folder / "rates.csv")]
    result = CliRunner().invoke(spikec, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["model"]["parameters"] == PARAMETERS
    return report


def test_the_logs_rates_by_scope_give_its_total(model_file, log, tmp_path):
    report = report_of(model_file, log, tmp_path)
    assert report["totals"]["energy_pj"] / 1e9 == pytest.approx(TOTAL_MJ, rel=1e-9)
    assert report["totals"]["counts"]["mac"] == MACS
    assert report["totals"]["counts"]["ac"] / 1e9 == pytest.approx(GAC, rel=1e-9)
    found = {row["scope"]: row["counts"] for row in report["nodes"]}
    for row in (row for row in log if row["op"] != "ssa" and row["scope"] not in ("head", "stem.conv0")):
        expected = float(row["operations"]) * float(row["rate_percent"]) / 100
        assert found[row["scope"]]["ac"] == pytest.approx(expected, rel=1e-7), row["name"]  # printed from float32
        assert "mac" not in found[row["scope"]]


def test_every_layers_operations_are_the_logs(model_file, log):
    """At rate 1 and with biases in ops: the log's column, which it printed from float32. None is left over."""
    graph = load(model_file).graph
    operands = {(node.name, i): 1.0 for node in graph.nodes_of(Conv1d, Conv2d, Linear, MatMul) for i in (0, 1)}
    operands = {key: rate for key, rate in operands.items() if key[1] < len(graph.node(key[0]).inputs)}
    costs = load_hardware("45nm").price(graph, Rates(operands, steps=4), preset("spikformer-paper").policy)
    by_scope = {cost.scope: cost for cost in costs}
    layers = {row["scope"]: float(row["operations"]) for row in log if row["op"] != "ssa"}
    assert set(layers) == {node.scope for node in graph.nodes_of(Conv1d, Conv2d, Linear)}
    for scope, operations in layers.items():
        counts = by_scope[scope].counts
        assert np.float32(counts.get("ac", 0) + counts.get("mac", 0)) == np.float32(operations), scope
    assert {scope for scope in layers if "mac" in by_scope[scope].counts} == {"stem.conv0", "head"}
    assert sum(by_scope[scope].counts.get("mac", 0) for scope in layers) == MACS


def test_every_product_but_the_first_and_the_head_meets_spikes(model_file):
    graph = load(model_file).graph
    layers = list(graph.nodes_of(Conv1d, Conv2d, Linear))
    assert len(layers) == 5 + 8 * 6 + 1
    assert [n.scope for n in layers if graph.types[n.inputs[0]].domain != SPIKE] == ["stem.conv0", "head"]
