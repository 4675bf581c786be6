"""quantize: what it writes runs in Lava's own fixed-point processes, spike for spike, without a number changed."""

import itertools
import subprocess

import numpy as np
import pytest
import torch

from passes.quantize import Quantize
from spikec.backend.lava.environment import find
from spikec.errors import ToolchainError
from spikec.ir.types import weight_of
from spikec.run.interp import Interpreter

pytestmark = pytest.mark.full
STEPS, SIZES = 60, (12, 10, 8)

IN_LAVA = """
import sys
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF

given = np.load(sys.argv[1])
source = Source(data=given["x"].T.astype(np.int32))
layers, out = [], source.s_out
for k in (1, 2):
    # Weights of both signs lose their lowest bit: they are given twice as large, and halved by the exponent.
    dense = Dense(weights=2 * given[f"w{k}"].astype(np.int32), num_weight_bits=8, weight_exp=-1)
    bias = given[f"b{k}"].astype(np.int32)
    lif = LIF(shape=bias.shape, du=4095, dv=int(given[f"dv{k}"]), vth=int(given[f"vth{k}"]), bias_mant=bias, bias_exp=6)
    sink = Sink(shape=bias.shape, buffer=len(given["x"]))
    out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(sink.a_in)
    layers.append((dense, lif, sink))
    out = lif.s_out
source.run(condition=RunSteps(num_steps=len(given["x"])), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
found = {f"q{k}": sink.data.get().T for k, (_, _, sink) in enumerate(layers, start=1)}
source.stop()
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def lava_python():
    try:
        return find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")


def in_lava(python, folder, **arrays):
    np.savez(folder / "given.npz", **arrays)
    (folder / "run.py").write_text(IN_LAVA, encoding="utf-8")
    words = [python.path, folder / "run.py", folder / "given.npz", folder / "found.npz"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npz")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("lif(%a; tau=tau, v_threshold=vth)", "lif(%b; beta=beta, v_threshold=vth) {decay_input=False, fires_at='>'}"),
        ("if(%a; v_threshold=one)", "plif(%b; w=w_, v_threshold=low)"),
    ],
)
def test_spikes_are_those_of_lavas_processes(first, second, make_graph, lava_python, tmp_path):
    random = np.random.default_rng(4)
    w1, w2 = (random.normal(0.1, 0.4, (b, a)) for a, b in itertools.pairwise(SIZES))
    text = f"""
        graph(%x: spike step [{SIZES[0]}]) steps {STEPS}
        %a = linear(%x; weight=w1, bias=b1)
        %p = {first}
        %b = linear(%p; weight=w2)
        %q = {second}
        return %p, %q
        """
    numbers = {"tau": 2.5, "beta": 0.7, "vth": 0.8, "one": 1.2, "low": 0.3, "w_": 0.4}
    used = {name: number for name, number in numbers.items() if f"={name}," in text or f"={name})" in text}
    biases = random.normal(0, 0.2, SIZES[1])
    graph = Quantize()(make_graph(text, w1=weight_of(w1), w2=weight_of(w2), b1=weight_of(biases), **used))
    x = random.integers(0, 2, (STEPS, SIZES[0]))

    weights, neurons = graph.weights, [graph.node(name) for name in "pq"]
    given = {"x": x, "w1": weights["w1"].array, "w2": weights["w2"].array, "b2": np.zeros(SIZES[2])}
    given["b1"] = weights["b1"].values / 64
    assert (given["b1"] == np.rint(given["b1"])).all()
    for k, node in enumerate(neurons, start=1):
        assert node.op.fires_at == ">"
        given[f"vth{k}"] = weights[node.weights["v_threshold"]].array
        given[f"dv{k}"] = 4096 - weights[node.weights["beta"]].array if "beta" in node.weights else 0
    found = in_lava(lava_python, tmp_path, **given)

    # A Dense of Lava's hands on what it got a step before: the first layer sees silence at first.
    late = np.concatenate([np.zeros((1, SIZES[0])), x[:-1]])
    expected = Interpreter(torch.int64).run(graph, {"x": late[:, None]})
    p, q = (expected[name][:, 0].numpy() for name in graph.outputs)
    np.testing.assert_array_equal(found["q1"], p)
    np.testing.assert_array_equal(found["q2"][1:], q[:-1])
    assert all(0.05 < spikes.mean() < 0.95 for spikes in (p, q))
