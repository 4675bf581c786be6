"""Networks that the tests of the backends write: small, with every layer alive, and data for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from passes.manager import run
from spikec.backend.registry import load
from spikec.frontend.tracer import trace
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import AvgPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, TensorType, Timing
from spikec.snn.config import uniform_config
from spikec.snn.spikformer import new_spikformer


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def traced_spikformer() -> Graph:
    """A digits Spikformer, depth 1 and width 32, as traced; its statistics are drawn so that every layer fires."""
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=2.0, steps=3)
    network = new_spikformer(replace(config, attention_scale=0.25, pools=(1,)), torch.Generator().manual_seed(3))
    enliven(network, torch.Generator().manual_seed(4))
    return trace(network.eval(), (1, 8, 8), layout="BX", steps=3)


def enliven(network: torch.nn.Module, generator: torch.Generator) -> None:
    """Draws statistics and affine parts of every BatchNorm, biased so that the LIF behind it fires at times."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.02, 0.2),
                (module.weight.data, 0.6, 1.4),
                (module.bias.data, 0.2, 1.2),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)


@pytest.fixture(scope="session")
def spikformer(traced_spikformer: Graph) -> Graph:
    """The same, legal for the extended dialect."""
    return run(traced_spikformer, load("nir", "extended").pipeline).graph


@pytest.fixture(scope="session")
def conv_net() -> Callable[..., Graph]:
    """Makes an attention-free spiking net of what all importers of NIR take, with a residual add."""
    return make_conv_net


def make_conv_net(op: LIF | None = None, tau: float = 2.0, v_threshold: float = 1.0) -> Graph:
    build = GraphBuilder(steps=4)
    random = np.random.default_rng(11)

    def lif(x: str, scope: str) -> str:
        return build.add(op or LIF(), x, scope=scope, weights={"tau": tau, "v_threshold": v_threshold})

    def weight(*shape: int) -> NDArray[np.float32]:
        return random.normal(0.15, 0.6, size=shape).astype(np.float32)

    x = build.add(Repeat(), build.input("image", TensorType((2, 8, 8), REAL, Timing.ONCE)))
    x = build.add(Conv2d(padding=(1, 1)), x, scope="stem.conv", weights={"weight": weight(4, 2, 3, 3)})
    x = lif(x, "stem.lif")
    side = build.add(Conv2d(padding=(1, 1), groups=2), x, scope="side.conv", weights={"weight": weight(4, 2, 3, 3)})
    x = build.add(Add(), x, lif(side, "side.lif"), scope="join")
    down = {"weight": weight(6, 4, 2, 2), "bias": weight(6)}
    x = build.add(Conv2d(stride=(2, 2)), x, scope="down-conv", weights=down)
    x = build.add(AvgPool(), lif(x, "down.lif"), scope="pool")
    x = build.add(Reshape(shape=(24,)), x, scope="flat")
    x = lif(build.add(Linear(), x, scope="fc", weights={"weight": 2 * weight(12, 24), "bias": weight(12)}), "fc.lif")
    x = build.add(Linear(), x, scope="head", weights={"weight": weight(5, 12)})
    return build.graph(build.add(TimeMean(), x, scope="mean"))


@pytest.fixture(scope="session")
def data_for() -> Callable[..., dict[str, NDArray[np.float64]]]:
    """Makes uniform data for every input of a graph, 16 samples unless told otherwise."""

    def make(graph: Graph, samples: int = 16, seed: int = 5) -> dict[str, NDArray[np.float64]]:
        random = np.random.default_rng(seed)
        lead = {Timing.ONCE: (samples,), Timing.STEP: (graph.steps, samples)}
        return {name: random.uniform(size=(*lead[kind.timing], *kind.shape)) for name, kind in graph.inputs.items()}

    return make
