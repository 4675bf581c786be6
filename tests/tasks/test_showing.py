"""show: summaries, passes one after the other, and forms that say the whole graph."""

from __future__ import annotations

import json
import re

import pytest

from spikec.errors import UnknownName
from spikec.ir.text import parse
from spikec.model import Model
from spikec.report.dot import cluster_of
from spikec.tasks.networks import new
from spikec.tasks.showing import as_dot, as_json, as_text, check_among, passed, summary_of


def test_a_summary_has_the_published_numbers() -> None:
    summary = summary_of(new("spikformer-4-384", replay=False))
    assert summary.parameters == 9_324_730
    assert summary.macs_step == 934_035_456
    assert summary.macs_attention == 934_035_456 - 921_452_544
    assert summary.macs_once == 3_840
    assert summary.macs_inference == 3_736_141_824 + 3_840
    assert round(summary.neurons / 1e6, 2) == 1.45
    assert summary.passes == ()
    assert "934,035,456" in summary.lines()[1]


def test_text_parses_back_to_the_same_graph(small_model: Model) -> None:
    text = as_text(small_model, summary_of(small_model))
    assert parse(text, small_model.graph.weights).sha256 == small_model.graph.sha256


def test_json_says_every_value_node_and_weight(small_model: Model) -> None:
    graph = small_model.graph
    plain = json.loads(as_json(small_model, summary_of(small_model)))
    assert [node["name"] for node in plain["nodes"]] == [node.name for node in graph.nodes]
    assert {name for node in plain["nodes"] for name in node["results"]} | set(plain["inputs"]) == set(graph.types)
    assert set(plain["weights"]) == set(graph.weights)
    summary = plain["summary"]
    assert sum(node["macs"] for node in plain["nodes"]) == summary["macs_step"] + summary["macs_once"]
    conv = next(node for node in plain["nodes"] if node["name"] == "stem.conv0")
    assert conv["macs"] == 9 * 1 * 8 * 64
    assert conv["attributes"] == {"padding": [1, 1]}
    assert plain["summary"]["graph_sha256"] == graph.sha256


def test_dot_has_every_node_and_every_edge(small_model: Model) -> None:
    graph = small_model.graph
    text = as_dot(small_model, summary_of(small_model))
    for node in graph.nodes:
        assert re.search(rf'^ +"{re.escape(node.name)}" \[label=', text, re.MULTILINE), node.name
    edges = re.findall(r'^  "(.+)" -> "(.+)" \[', text, re.MULTILINE)
    owner = {value: node.name for value, node in graph.producers.items()}
    expected = [(owner.get(value, value), node.name) for node in graph.nodes for value in node.inputs]
    assert edges == [*expected, (graph.outputs[0], "output 0")]
    assert text.count("{") == text.count("}")
    assert 'label="blocks.0"' in text


@pytest.mark.parametrize(
    ("scope", "cluster"), [("stem.conv0", "stem"), ("blocks.0.mlp.fc1", "blocks.0"), ("head", "head"), ("", "")]
)
def test_a_cluster_is_a_block(scope: str, cluster: str) -> None:
    assert cluster_of(scope) == cluster


def test_passes_run_in_order_and_each_is_kept(small_model: Model) -> None:
    found = passed(small_model, ["fold-batchnorm", "hoist-repeat", "hoist-repeat"])
    assert [(name, changed) for name, _, changed in found.after] == [
        ("fold-batchnorm", True),
        ("hoist-repeat", True),
        ("hoist-repeat", False),
    ]
    assert "batch_norm" not in found.after[0][1].text()
    assert found.after[0][1].nodes[0].op.mnemonic == "repeat"
    assert found.after[1][1].nodes[0].op.mnemonic == "conv2d"
    assert found.model.graph is found.after[2][1]
    assert found.model.architecture is None
    assert found.model.provenance["passed_from"] == small_model.graph.sha256
    assert summary_of(found.model).passes == ("fold-batchnorm", "hoist-repeat")
    assert summary_of(found.model).macs_once == summary_of(small_model).macs_once + 9 * 8 * 64


def test_passes_that_follow_in_another_run_are_remembered_with_the_first(small_model: Model) -> None:
    first = passed(small_model, ["fold-batchnorm"]).model
    second = passed(first, ["hoist-repeat"]).model
    assert summary_of(second).passes == ("fold-batchnorm", "hoist-repeat")
    assert second.provenance["passed_from"] == small_model.graph.sha256
    assert second.graph.sha256 == passed(small_model, ["fold-batchnorm", "hoist-repeat"]).model.graph.sha256


def test_no_pass_is_no_change(small_model: Model) -> None:
    assert passed(small_model, []).model is small_model


def test_unknown_passes_give_the_nearest(small_model: Model) -> None:
    with pytest.raises(UnknownName, match="fold-batchnorm"):
        passed(small_model, ["hoist-repeat", "fold-batchnrom"])
    with pytest.raises(UnknownName, match="pass of --passes"):
        check_among(["hoist-repeat"], ["fold-batchnorm"])
