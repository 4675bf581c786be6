"""A small Spikformer, and how a graph before a pass is compared with the one after it."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.pools import MaxPool, Mean
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.text import parse
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, Role, TensorType, Timing, Weight, constant, weight_of
from spikec.run.interp import Interpreter

GOLDEN = Path(__file__).parent / "golden"
NEURONS = (IF, LIF, Threshold)
STEPS, TOKENS, WIDTH, HEADS = 4, 16, 8, 2


class SpikformerBuilder:
    """Stem, relative position, one block with both residual adds, head; random weights in float32."""

    def __init__(self, seed, scale):
        self.build = GraphBuilder(STEPS)
        self.random = np.random.default_rng(seed)
        self.scale = scale

    def normal(self, *shape):
        return self.random.normal(0, 1, shape).astype(np.float32)

    def norm(self, x, scope, channels, axis):
        positive = self.random.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
        return self.build.add(
            BatchNorm(axis),
            x,
            scope=scope,
            weights={
                "weight": positive[0] * np.where(np.arange(channels) == 1, -1, 1).astype(np.float32),
                "bias": self.normal(channels) * np.float32(0.5) + np.float32(0.8),
                "mean": weight_of(self.normal(channels) * np.float32(0.3), Role.STATISTIC),
                "var": weight_of(positive[1], Role.STATISTIC),
            },
        )

    def lif(self, x, scope, threshold=1.0):
        return self.build.add(LIF(), x, scope=scope, weights={"tau": 2.0, "v_threshold": threshold})

    def conv(self, x, scope, inputs, outputs):
        weight = self.normal(outputs, inputs, 3, 3) / np.float32(math.sqrt(inputs * 3))
        y = self.build.add(Conv2d(padding=(1, 1)), x, scope=f"{scope}_conv", weights={"weight": weight})
        return self.lif(self.norm(y, f"{scope}_bn", outputs, axis=0), f"{scope}_lif")

    def linear(self, x, scope, outputs, bias=True):
        inputs = self.build.type(x).shape[-1]
        weights = {"weight": self.normal(outputs, inputs) / np.float32(math.sqrt(inputs / 2))}
        if bias:
            weights["bias"] = self.normal(outputs) * np.float32(0.2)
        y = self.build.add(Linear(), x, scope=f"{scope}_linear", weights=weights)
        return self.lif(self.norm(y, f"{scope}_bn", outputs, axis=1), f"{scope}_lif")

    def attention(self, x, scope):
        add = self.build.add
        q, k, v = (self.linear(x, f"{scope}.{name}", WIDTH, bias=False) for name in "qkv")
        split = [add(Reshape((TOKENS, HEADS, WIDTH // HEADS)), y, scope=scope, inner=True) for y in (q, k, v)]
        q, k, v = (add(Transpose((1, 0, 2)), y, scope=scope, inner=True) for y in split)
        k = add(Transpose((0, 2, 1)), k, scope=scope, inner=True)
        scores = add(MatMul(), q, k, scope=scope, inner=True)
        scores = add(Scale(self.scale), scores, scope=scope, inner=True)
        y = add(MatMul(), scores, v, scope=scope, inner=True)
        y = add(Transpose((1, 0, 2)), y, scope=scope, inner=True)
        y = add(Reshape((TOKENS, WIDTH)), y, scope=scope, inner=True)
        return self.linear(self.lif(y, f"{scope}.attn_lif", threshold=0.5), f"{scope}.proj", WIDTH)

    def graph(self):
        add = self.build.add
        image = self.build.input("image", TensorType((2, 8, 8), REAL, Timing.ONCE))
        x = self.conv(add(Repeat(), image), "stem.0", 2, 4)
        x = self.conv(x, "stem.1", 4, WIDTH)
        x = add(MaxPool(), x, scope="stem.pool")
        x = add(Add(), x, self.conv(x, "rpe", WIDTH, WIDTH), scope="stem", inner=True)
        x = add(Reshape((WIDTH, TOKENS)), x, scope="stem", inner=True)
        x = add(Transpose((1, 0)), x, scope="stem", inner=True)
        x = add(Add(), x, self.attention(x, "blocks.0.attn"), scope="blocks.0", inner=True)
        hidden = self.linear(x, "blocks.0.mlp.fc1", 2 * WIDTH)
        x = add(Add(), x, self.linear(hidden, "blocks.0.mlp.fc2", WIDTH), scope="blocks.0", inner=True)
        x = add(TimeMean(), add(Mean((0,)), x))
        head = {"weight": self.normal(3, WIDTH), "bias": self.normal(3)}
        return self.build.graph(add(Linear(), x, scope="head", weights=head))


@pytest.fixture
def make_spikformer():
    """Builds it: seed -> Graph."""
    return lambda seed=0, scale=0.25: SpikformerBuilder(seed, scale).graph()


@pytest.fixture
def spikformer(make_spikformer):
    """The Spikformer of seed 0."""
    return make_spikformer()


@pytest.fixture
def make_graph():
    """Parses a graph whose weights are given as shapes (random float32), numbers (constants) or Weights."""

    def make(text, seed=0, **weights):
        random = np.random.default_rng(seed)
        return parse(text, {name: made(value, random) for name, value in weights.items()})

    def made(value, random):
        if isinstance(value, tuple):
            return weight_of(random.normal(0.3, 1, value).astype(np.float32))
        return value if isinstance(value, Weight) else constant(value)

    return make


@pytest.fixture(scope="session")
def lava():
    """The integer model of `lava_integers.py`."""
    spec = importlib.util.spec_from_file_location("lava_integers", Path(__file__).with_name("lava_integers.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def golden():
    """Text that a pass must give, by name."""
    return lambda name: (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def data_for(graph, samples, seed):
    """Random inputs: integers for an Int domain, else normal numbers."""
    random = np.random.default_rng(seed)
    data = {}
    for name, kind in graph.inputs.items():
        lead = (samples,) if kind.timing is Timing.ONCE else (graph.steps, samples)
        shape = (*lead, *kind.shape)
        integers = kind.domain != REAL
        codes = random.integers(kind.domain.lo, kind.domain.hi + 1, shape) * kind.domain.scale if integers else None
        data[name] = codes if integers else random.normal(0, 1, shape)
    return data


def trace(graph, data):
    """Outputs in order, spikes and membranes by node."""
    spiking = [node.name for node in graph.nodes_of(*NEURONS)]
    carried = [f"{name}.v" for name in spiking if f"{name}.v" in graph.types]
    values = Interpreter(torch.float64).run(graph, data, keep=[*graph.outputs, *spiking, *carried])
    return [values[v] for v in graph.outputs], {v: values[v] for v in spiking}, {v: values[v] for v in carried}


@pytest.fixture
def assert_same():
    """Compares two graphs in float64 on random inputs: live neurons, equal spikes; membranes and outputs close."""

    def check(before, after, *, exact=False, membranes=True, seeds=range(4)):
        close = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-12, "atol": 1e-12}
        for seed in seeds:
            data = data_for(before, samples=4, seed=seed)
            outputs, spikes, carried = trace(before, data)
            outputs_after, spikes_after, carried_after = trace(after, data)
            assert_live(spikes)
            assert spikes.keys() <= spikes_after.keys()
            for name, expected in spikes.items():
                found, known = torch.broadcast_tensors(spikes_after[name], expected)  # one of them may be once
                torch.testing.assert_close(found, known, rtol=0, atol=0, msg=f"spikes of {name}")
            for name, expected in carried.items() if membranes else ():
                torch.testing.assert_close(carried_after[name], expected, **close)
            for expected, found in zip(outputs, outputs_after, strict=True):
                torch.testing.assert_close(found, expected, **close)
                assert expected.abs().sum() > 0

    return check


def assert_live(spikes):
    """Equality of silent neurons would prove nothing."""
    for name, q in spikes.items():
        assert 0.01 < q.mean() < 0.99, f"{name} fires at {q.mean():.3f}"
