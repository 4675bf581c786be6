"""estimate: samples, batches, stored counts and published rates, through the one path that search takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.cost import Policy, Probe, Report
from spikec.errors import DataError, UnknownName, UsageError
from spikec.ir.arithmetic import MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.time import TimeMean
from spikec.ir.types import Int, TensorType, constant
from spikec.model import Calibration, InputSpec, Model, load, save
from spikec.tasks import pricing
from spikec.tasks.estimation import Question, estimate, with_counts
from spikec.tasks.rates import read_rates


def only(model: Model, question: Question | None = None, hardware: str = "45nm") -> Report:
    (report,) = estimate(model, (hardware,), question)
    assert isinstance(report, Report)
    return report


def plain(report: Report) -> dict[str, Any]:
    return {key: value for key, value in report.to_dict().items() if key not in ("data", "assumptions")}


@pytest.fixture
def lively(small_model: Model) -> Model:
    """The small model with statistics that make it fire: variances of a hundredth."""
    from spikec.ir.types import weight_of

    weights = {
        name: weight_of(w.array * np.float32(0.01), w.role) if name.endswith("running_var") else w
        for name, w in small_model.graph.weights.items()
    }
    return replace(small_model, graph=replace(small_model.graph, weights=weights))


def test_totals_are_the_sum_of_the_nodes(lively: Model) -> None:
    report = only(lively)
    assert report.energy_pj > 1000
    terms = [energy for node in report.nodes for energy in node["energy_pj"].values()]
    assert sum(terms) == pytest.approx(report.energy_pj, rel=1e-12)
    assert report.totals["energy_pj_se"] > 0
    assert report.totals["counts"]["ac"] * 0.9 + report.totals["counts"]["mac"] * 4.6 == pytest.approx(report.energy_pj)


def test_batches_give_the_counts_of_one_run(lively: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = only(lively)
    monkeypatch.setattr(pricing, "BATCH", 100)
    for policy in (Policy(), Policy(domain="observed"), Policy(counting="rate")):
        parts = only(lively, Question(policy=policy))
        monkeypatch.setattr(pricing, "BATCH", 256)
        whole = only(lively, Question(policy=policy))
        monkeypatch.setattr(pricing, "BATCH", 100)
        assert parts.totals["counts"] == whole.totals["counts"]


def test_joined_takes_the_greatest_of_a_max() -> None:
    probe = Probe(("x",), "max", keep=frozenset())
    from spikec.cost import Counts

    parts = [Counts({probe.key: np.array([[value]])}, 2, 1) for value in (3, 7, 5)]
    found = pricing.joined([probe], parts)
    assert found.of(probe).tolist() == [[7]]
    assert found.samples == 6


def test_stored_counts_give_the_same_report_without_data(lively: Model, tmp_path: Path) -> None:
    save(with_counts(lively, "45nm", Question()), tmp_path / "counted.pt")
    counted = load(tmp_path / "counted.pt")
    assert counted.calibration is None
    report = only(counted)
    assert plain(report) == plain(only(lively))
    assert "counts in the model's file" in report.data["source"]
    assert report.data["spec"] == "digits:0:validation"
    with pytest.raises(DataError, match="other questions"):
        only(counted, Question(policy=Policy(multibit="mac")))
    with pytest.raises(DataError, match="--steps"):
        only(counted, Question(steps=1))


def test_without_anything_to_count_on_the_ways_out_are_named(lively: Model) -> None:
    bare = replace(lively, calibration=None)
    with pytest.raises(DataError, match=r"--data.*--rates"):
        only(bare)
    assert only(bare, Question(data="digits:0:validation", samples=256)).energy_pj == only(lively).energy_pj


def test_fewer_samples_and_other_steps_are_said(lively: Model) -> None:
    report = only(lively, Question(samples=10, steps=1))
    assert report.data["samples"] == 10
    assert report.steps == 1
    assert any("BatchNorm statistics" in note for note in report.assumptions)


def test_frames_are_samples_first_and_their_length_is_t() -> None:
    build = GraphBuilder(steps=5)
    x = build.input("x", TensorType((4,), Int(0, 9)))
    x = build.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 4), np.float32)})
    graph = build.graph(build.add(TimeMean(), x))
    frames = np.zeros((3, 5, 4), np.float32)
    frames[0, 2, 1] = 3
    model = Model("frames", graph, InputSpec((4,), "frames", 5), calibration=Calibration(frames, np.arange(3), "made"))
    report = only(model)
    assert report.steps == 5
    assert report.totals["counts"]["ac"] == pytest.approx(3 * 2 / 3)
    with pytest.raises(DataError, match="frames of 5 steps"):
        only(model, Question(steps=4))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_rates_by_scope_price_the_graph_without_data(lively: Model, tmp_path: Path, form: str) -> None:
    graph = lively.graph
    scopes = [node.scope for node in graph.nodes if node.op.mnemonic in ("conv2d", "linear")][1:-1]
    given: dict[str, Any] = dict.fromkeys(scopes, 0.25)
    given.update({f"blocks.0.attn.{name}_lif": rate for name, rate in zip("qkv", (0.1, 0.2, 0.3), strict=True)})
    path = tmp_path / f"rates.{form}"
    if form == "json":
        path.write_text(json.dumps(given))
    else:
        path.write_text("# made up\nscope,rate,operand\n" + "".join(f"{s},{r},\n" for s, r in given.items()))
    report = only(replace(lively, calibration=None), Question(policy=Policy(counting="rate"), rates=path))
    nodes = {node["name"]: node for node in report.nodes}
    assert nodes["stem.conv1"]["rate"] == 0.25
    dense = 16 * 8 * 9 * 64 * 2  # channels out and in, taps, places, steps
    assert nodes["stem.conv1"]["counts"]["ac"] == pytest.approx(0.25 * dense)
    assert report.data["source"] == "--rates"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('{"stem.conv9": 0.1}', UnknownName, "stem.conv1"),
        ('{"stem.conv1": "many"}', DataError, "number"),
        ('{"stem.conv1": true}', DataError, "number"),
        ("[1]", DataError, "object"),
        ("{", DataError, "JSON"),
        ('{"stem.conv1": 0.1}', DataError, "rate"),
        ('{"stem.conv1": -0.1}', DataError, "rate"),
        ('{"stem.conv1": NaN}', DataError, "rate"),
    ],
)
def test_bad_rates_are_told(lively: Model, tmp_path: Path, text: str, error: type[Exception], says: str) -> None:
    (tmp_path / "rates.json").write_text(text)
    with pytest.raises(error, match=says):
        only(lively, Question(policy=Policy(counting="rate"), rates=tmp_path / "rates.json"))


def test_contradictions_and_unknown_names(lively: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rates and --data"):
        only(lively, Question(data="digits", rates=tmp_path / "rates.json"))
    with pytest.raises(UnknownName, match="45nm"):
        only(lively, hardware="45mn")
    np.savez(tmp_path / "x.npz", inputs=np.zeros((3, 2, 8, 8)))
    with pytest.raises(DataError, match="shape"):
        only(lively, Question(data=f"npz:{tmp_path / 'x.npz'}"))


def test_the_priced_hash_follows_the_pipeline(lively: Model) -> None:
    reports = {name: only(lively, Question(policy=Policy(**fields))) for name, fields in {
        "default": {}, "per-step": {"first_layer": "per-step"}, "kv": {"ssa": "kv"}, "qk": {"ssa": "qk"},
    }.items()}  # fmt: skip
    hashes = {name: report.priced_graph_sha256 for name, report in reports.items()}
    assert len({hashes["default"], hashes["per-step"], hashes["kv"]}) == 3
    assert len({report.model["graph_sha256"] for report in reports.values()}) == 1
    assert "hoist-repeat" in reports["default"].passes
    assert "hoist-repeat" not in reports["per-step"].passes
    first = [next(n for n in reports[name].nodes if n["name"] == "stem.conv0") for name in ("default", "per-step")]
    assert first[1]["counts"]["mac"] == 2 * first[0]["counts"]["mac"]


def test_samples_beside_what_is_not_run_are_refused(lively: Model, tmp_path: Path) -> None:
    counted = with_counts(lively, "45nm", Question())
    with pytest.raises(UsageError, match=r"--samples 3 beside the counts"):
        only(counted, Question(samples=3))
    (tmp_path / "rates.json").write_text("{}")
    with pytest.raises(UsageError, match=r"--samples 3 beside rates"):
        only(lively, Question(policy=Policy(counting="rate"), rates=tmp_path / "rates.json", samples=3))


def test_a_rate_of_a_scope_that_says_several_nodes_is_refused(lively: Model, tmp_path: Path) -> None:
    rates = tmp_path / "rates.json"
    rates.write_text('{"blocks.0.attn": 0.1}')
    with pytest.raises(DataError, match=r"several nodes.*blocks\.0\.attn\.matmul, blocks\.0\.attn\.matmul_1"):
        read_rates(rates, lively.graph, 2)
    rates.write_text('{"blocks.0.attn.matmul": [0.1, 0.2]}')
    assert read_rates(rates, lively.graph, 2).rates.rates == {
        ("blocks.0.attn.matmul", 0): 0.1,
        ("blocks.0.attn.matmul", 1): 0.2,
    }


@pytest.mark.parametrize("rows", ["stem.conv1,0.1\nstem.conv1,0.2\n", "stem.conv1,0.1,0\nstem.conv1,0.2,0\n"])
def test_a_rate_given_twice_is_refused(lively: Model, tmp_path: Path, rows: str) -> None:
    (tmp_path / "rates.csv").write_text(f"scope,rate,operand\n{rows}")
    with pytest.raises(DataError, match=r"second rate of 'stem\.conv1'"):
        read_rates(tmp_path / "rates.csv", lively.graph, 2)


def test_rates_that_feed_no_product_are_named(lively: Model, tmp_path: Path) -> None:
    rates = tmp_path / "rates.json"
    synaptic = {node.name: 0.1 for node in lively.graph.nodes_of(Conv2d, Linear, MatMul)}
    rates.write_text(json.dumps({**synaptic, "blocks.0.mlp.fc2_lif": 0.2}))
    report = only(lively, Question(policy=Policy(counting="rate"), rates=rates))
    assert report.data["unused_rates"] == ["stem.conv0", "head", "blocks.0.mlp.fc2_lif"]  # real operands need none
    assert any("blocks.0.mlp.fc2_lif" in said for said in report.assumptions)


def said(report: Report, words: str) -> list[str]:
    return [note for note in report.assumptions if words in note]


def test_silent_layers_are_named(lively: Model) -> None:
    weights = dict(lively.graph.weights)
    for name in ("stem.lif1.v_threshold", "blocks.0.attn.q_lif.v_threshold"):
        weights[name] = constant(1e9)
    quiet = replace(lively, graph=replace(lively.graph, weights=weights))
    (note,) = said(only(quiet), "never fire")
    fired = [row["counts"]["spike"] for row in only(quiet).nodes if "spike" in row["counts"]]
    assert f"{fired.count(0)} of {len(fired)} neuron layers never fire on these samples (stem.lif1, " in note
    assert said(only(replace(quiet, provenance={"made": "untrained"})), "the network is untrained, and")
    assert not any("stem.lif1" in note for note in said(only(lively), "never fire"))


def test_what_the_samples_hold_stands_beside_what_the_model_says(lively: Model, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", inputs=np.linspace(-3, 255, 128).reshape(2, 1, 8, 8))
    (note,) = said(only(lively, Question(data=f"npz:{tmp_path / 'x.npz'}")), "the samples hold")
    assert "from -3 to 255" in note
    assert lively.input.preprocessing in note


def test_frames_of_another_length_are_told(tmp_path: Path) -> None:
    build = GraphBuilder(steps=4)
    x = build.input("x", TensorType((3,), Int(0, 1)))
    graph = build.graph(build.add(TimeMean(), build.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 3))})))
    model = Model("frames", graph, InputSpec((3,), "frames", 4))
    np.savez(tmp_path / "x.npz", inputs=np.ones((2, 3, 3)))
    (note,) = said(only(model, Question(data=f"npz:{tmp_path / 'x.npz'}")), "made for T = 4")
    assert "T = 3" in note


def test_every_missing_rate_is_listed_at_once(lively: Model, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("scope,rate\nblocks.0.mlp.fc1_linear,0.1\n")
    question = Question(policy=Policy(counting="rate"), rates=tmp_path / "rates.csv")
    with pytest.raises(DataError, match=r"no rate for 1\d of 1\d operands") as caught:
        only(lively, question)
    for place in ("%stem.conv2 (@stem.conv2), operand 0", "%blocks.0.attn.matmul (@blocks.0.attn), operand 1"):
        assert place in str(caught.value)
    assert "mlp.fc1_linear (" not in str(caught.value)
