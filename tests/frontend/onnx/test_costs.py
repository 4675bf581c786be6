"""What files of attention and norms cost: products and LayerNorm as MACs, BatchNorm folded, exponentials refused."""

import numpy as np
import pytest

from spikec.cost import Report
from spikec.report.table import estimate_table
from spikec.report.view import Refusal
from spikec.tasks.estimation import Question, estimate
from spikec.tasks.opening import load

N, D, K = 7, 16, 5


def f32(*shape):
    return np.abs(np.random.default_rng(0).normal(size=shape)).astype(np.float32)


@pytest.fixture
def attention(node, model, port):
    """x W with a BatchNorm [D, N], its LayerNorm n [N, D], and softmax(n n^T) n or (n n^T) n."""

    def make(*, softmax):
        nodes = [
            node("Conv", ["x", "w"], ["a"], name="embed"),
            node("BatchNormalization", ["a", "g", "b", "m", "v"], ["c"], name="bn"),
            node("Transpose", ["c"], ["d"], perm=[0, 2, 1]),
            node("LayerNormalization", ["d", "g", "b"], ["n"], axis=-1, name="norm"),
            node("Transpose", ["n"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["n", "t"], ["s"], name="scores"),
            *([node("Softmax", ["s"], ["p"], axis=-1, name="weigh")] if softmax else []),
            node("MatMul", ["p" if softmax else "s", "n"], ["y"], name="mix"),
        ]
        return model(nodes, [port("x", "n", K, N)], ["y"], w=f32(D, K, 1), **{name: f32(D) for name in "gbmv"})

    return make


@pytest.fixture
def estimated(reader, tmp_path):
    def of(content):
        np.savez(tmp_path / "x.npz", inputs=f32(3, K, N))
        (found,) = estimate(load(reader.file(content)), ("45nm",), Question(data=f"npz:{tmp_path / 'x.npz'}"))
        return found

    return of


def test_products_and_layer_norms_are_macs_and_only_batch_norms_are_folded(estimated, attention):
    report = estimated(attention(softmax=False))
    assert isinstance(report, Report)
    macs = {row["scope"]: row["counts"]["mac"] for row in report.nodes if row["counts"].get("mac")}
    assert macs == {"embed": K * N * D, "norm": 2 * N * D, "scores": N * N * D, "mix": N * N * D}
    ops = [row["op"] for row in report.nodes]
    assert "layer_norm" in ops
    assert "batch_norm" not in ops


@pytest.fixture
def spiking(node, model, port):
    """Neurons of one step or two in plain arithmetic, each reset to what a product leaves; a layer before and behind.

    The one behind takes each step by itself, or both as rows of one tensor.
    """

    def make(kind, *, reset=True):
        nodes = [
            node("MatMul", ["x", "w"], ["a"], name="fc"),
            node("Greater", ["a", "one"], ["g"], name="lif"),
            node("Cast", ["g"], ["s"], to=1, name="lif"),
            node("Mul", ["a", "s"], ["r"], name="lif"),
            node("Sub", ["a", "r"], ["v"], name="lif"),
            node("Add", ["v" if reset else "a", "a"], ["v2"], name="lif"),
            node("Greater", ["v2", "one"], ["g2"], name="lif"),
            node("Cast", ["g2"], ["s2"], to=1, name="lif"),
        ]
        tails = {
            "one step": [node("MatMul", ["s", "w2"], ["y"], name="head")],
            "a layer a step": [
                node("MatMul", ["s", "w2"], ["h"], name="head"),
                node("MatMul", ["s2", "w2"], ["h2"], name="head"),
                node("Add", ["h", "h2"], ["y"]),
            ],
            "steps as rows": [
                node("Concat", ["s", "s2"], ["all"], axis=1),
                node("MatMul", ["all", "w2"], ["y"], name="head"),
            ],
        }
        ports = [port("x", "n", N, K)]
        one = np.full((), 1, np.float32)
        return model([*nodes, *tails[kind]], ports, ["y"], w=f32(K, D), w2=f32(D, 3), one=one)

    return make


@pytest.fixture
def asked(reader, tmp_path):
    def of(content, **question):
        np.savez(tmp_path / "x.npz", inputs=f32(3, N, K))
        asked = Question(data=f"npz:{tmp_path / 'x.npz'}", **question)
        (found,) = estimate(load(reader.file(content)), ("45nm",), asked)
        assert isinstance(found, Report)
        return found

    return of


def test_no_ann_has_the_shape_of_a_network_that_is_unrolled_over_time(asked, spiking):
    assert asked(spiking("one step")).ann == {
        "macs": N * D * (K + 3),
        "energy_pj": pytest.approx(N * D * (K + 3) * 4.6),
        "quantised": {
            "hardware": "45nm-int8",
            "node": "45 nm",
            "energy_pj": pytest.approx(N * D * (K + 3) * 0.23),
        },
    }
    for content in (spiking("a layer a step", reset=False), spiking("a layer a step"), spiking("steps as rows")):
        report = asked(content)
        assert (report.ann["energy_pj"], report.ann["macs"]) == (None, None)
        assert "is unrolled over time" in report.ann["left_out"]
        text = " ".join(estimate_table(report, 200).split())
        assert "The same-shape ANN energy left out: the network is unrolled over time" in text
        assert "SNN / ANN" not in text
        assert "they tie" not in text


def test_a_report_says_that_the_products_of_written_out_neurons_are_in_its_price(asked, spiking, attention):
    report = asked(spiking("steps as rows"))
    (said,) = [text for text in report.assumptions if "no neuron is a node of its own" in text]
    (paid,) = [sum(row["energy_pj"].values()) for row in report.nodes if row["op"] == "mul"]
    assert paid > 0
    assert "arithmetic around 2 comparison(s): products of two of its values, such as a reset, are billed" in said
    assert f"{paid / 1e3:.4g} nJ in all (%lif.mul)" in said
    (without,) = [text for text in asked(spiking("one step")).assumptions if "no neuron is a node" in text]
    assert "billed" not in without


def test_steps_of_a_file_without_time_change_nothing_and_that_is_said(asked, spiking, reader):
    content = spiking("a layer a step")
    report = asked(content, steps=8)
    assert report.steps == 1
    assert report.energy_pj == asked(content).energy_pj
    assert [text for text in report.assumptions if text.startswith("--steps 8 is not used: the model has no time")]
    assert not [text for text in asked(content).assumptions if "--steps" in text]
    taken = reader.taken(content, steps=8)
    assert taken.graph.steps == 1
    assert [remark for remark in taken.remarks if remark.startswith("--steps is not used")]


def test_an_exponential_is_refused_by_op_and_module_path(estimated, attention):
    refusal = estimated(attention(softmax=True))
    assert isinstance(refusal, Refusal)
    assert "weigh  softmax  an exponential, which is no multiply-accumulate" in str(refusal)
