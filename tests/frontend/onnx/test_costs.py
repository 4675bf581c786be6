"""What files of attention and norms cost: products and LayerNorm as MACs, BatchNorm folded, exponentials refused."""

import numpy as np
import pytest

from spikec.cost import Report
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


def test_an_exponential_is_refused_by_op_and_module_path(estimated, attention):
    refusal = estimated(attention(softmax=True))
    assert isinstance(refusal, Refusal)
    assert "weigh  softmax  an exponential, which is no multiply-accumulate" in str(refusal)
