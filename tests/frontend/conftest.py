"""Tracing small networks, and comparing the graph with the network without the tracer's own replay."""

import inspect
import linecache
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.ir.graph import Graph
from spikec.run.interp import Interpreter
from spikec.snn.neuron import LIFNeuron


class Net(nn.Module):
    """A network of a forward function over layers fc, conv, bn, norm and lif."""

    def __init__(self, forward: Callable, **layers: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 4)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm1d(4)
        self.lif = LIFNeuron(tau=1.5, v_threshold=0.2)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def net(forward: Callable, **layers: nn.Module) -> nn.Module:
    return Net(forward, **layers).eval()


def traced(model: nn.Module, shape=(4,), layout="TBX", steps=3, batches=(1, 2, 5)) -> Graph:
    """The graph, found equal to the network in fp64 by a comparison of the tests' own."""
    graph = trace(model, shape, layout=layout, steps=steps)
    twin, rng = model.double(), np.random.default_rng(5)
    for batch in batches:
        for time in {steps, steps if layout == "BX" else steps + 2}:
            x = rng.uniform(-1, 1, (*(() if layout == "BX" else (time,)), batch, *shape))
            with torch.no_grad():
                theirs = twin(torch.from_numpy(np.array(x.swapaxes(0, 1) if layout == "BTX" else x)))
            theirs = theirs if isinstance(theirs, (tuple, list)) else [theirs]
            ours = Interpreter().run(graph, {"input": x}, time)
            for mine, other in zip(ours.values(), theirs, strict=True):
                other = (
                    other.detach().numpy().swapaxes(0, 1) if layout == "BTX" and mine.ndim == other.ndim > 2 else other
                )
                np.testing.assert_allclose(
                    mine.reshape(-1), torch.as_tensor(other).detach().reshape(-1), rtol=1e-9, atol=1e-9
                )
    model.float()
    return graph


def refused(model: nn.Module, function: Callable, *words: str, shape=(4,), layout="TBX", steps=3) -> None:
    """Checks that the network is refused for the line of `function` that ends in `# <-`, and in these words."""
    with pytest.raises(TraceError) as caught:
        trace(model, shape, layout=layout, steps=steps)
    lines, start = inspect.getsourcelines(function)
    number = next(start + place for place, line in enumerate(lines) if line.rstrip().endswith("# <-"))
    file = function.__code__.co_filename
    said = str(caught.value)
    assert f"{Path(file).name}:{number}: {linecache.getline(file, number).strip()}" in said, said
    for word in words:
        assert word in said, said


def ops(graph: Graph) -> list[str]:
    return [node.op.mnemonic for node in graph.nodes]


@pytest.fixture(name="net")
def net_fixture():
    return net


@pytest.fixture(name="traced")
def traced_fixture():
    return traced


@pytest.fixture(name="ops")
def ops_fixture():
    return ops


@pytest.fixture(name="refused")
def refused_fixture():
    return refused
