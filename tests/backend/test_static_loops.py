"""A network that loops over one image itself, snnTorch's static form, from its trace to a verified export."""

from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from passes.manager import run
from spikec.backend.export import verify_export, write_export
from spikec.backend.lava.environment import find
from spikec.backend.registry import load
from spikec.errors import ToolchainError, UnsupportedOp
from spikec.frontend.tracer import trace
from spikec.ir.graph import Graph
from spikec.ir.types import Timing

STEPS = 7
PLAIN = {"reset_mechanism": "zero", "reset_delay": False}
"""The convention of snnTorch that NIR's neurons have."""


class Looped(nn.Module):
    """`for t in range(T): spk, mem = lif(fc(x), mem)` over one x, and what `read` makes of spikes and membranes."""

    def __init__(self, read, convention):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 3, 3)
        self.pool = nn.AvgPool2d(2)
        self.lif1 = snn.Leaky(beta=0.9, threshold=0.4, **convention)
        self.fc = nn.Linear(27, 5)
        self.lif2 = snn.Leaky(beta=0.8, threshold=0.15, **convention)
        self.linear, self.affine = nn.Linear(5, 2, bias=False), nn.Linear(5, 2)
        self.read = read

    def forward(self, x):
        v1, v2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(STEPS):
            q, v1 = self.lif1(self.pool(self.conv(x)), v1)
            q, v2 = self.lif2(self.fc(q.flatten(1)), v2)
            spikes.append(q)
            membranes.append(v2)
        return self.read(self, torch.stack(spikes), torch.stack(membranes))


READ = {
    "the count of spikes": lambda net, q, v: q.sum(0),
    "every spike": lambda net, q, v: q,
    "a linear head on the count": lambda net, q, v: net.linear(q.sum(0)),
    "a head on the mean": lambda net, q, v: net.affine(q.mean(0)),
    "a head on the last spikes": lambda net, q, v: net.affine(q[-1]),
    "a head on the last membrane": lambda net, q, v: net.affine(v[-1]),
}


def traced(read: str, convention: dict | None = None) -> Graph:
    network = Looped(READ[read], {} if convention is None else convention).eval()
    return trace(network, (1, 8, 8), layout="BX", steps=STEPS)


def verified(graph: Graph, folder: Path, target: str, dialect: str | None = None):
    """The verdict on the export, its layers alive."""
    taken = load(target, dialect)
    data = {"input": np.random.default_rng(0).normal(1, 2, (16, 1, 8, 8))}
    write_export(taken, run(graph, taken.pipeline).graph, folder, data=data, dialect=dialect)
    verdict = verify_export(folder)
    assert verdict.passed
    assert [layer.spikes_differing for layer in verdict.layers] == [0, 0]
    assert all(0.1 < layer.rate < 0.9 for layer in verdict.layers)
    return verdict


def test_the_first_layer_is_traced_as_once_and_exported_at_every_step():
    graph = traced("the count of spikes")
    assert graph.types["conv"].timing is Timing.ONCE
    for target in ("nir", "lava"):
        legal = run(graph, load(target).pipeline).graph
        assert legal.types["conv"].timing is Timing.STEP
        assert [node.name for node in legal.nodes if node.op.mnemonic == "repeat"] == ["input.repeat"]


@pytest.mark.parametrize("read", [read for read in READ if "membrane" not in read])
def test_verified_as_strict_nir(read, tmp_path):
    verified(traced(read, PLAIN), tmp_path / "out", "nir", "strict")


@pytest.mark.parametrize("read", READ)
def test_snntorchs_own_reset_verified_as_extended_nir(read, tmp_path):
    verified(traced(read), tmp_path / "out", "nir", "extended")


def quantised(graph: Graph) -> Graph:
    """The layer that spikes drive in fixed point, its membrane too."""
    found = run(graph, ["quantize"]).graph
    assert str(found.node("lif2").op.state) == "int(24,1.0)"
    return found


def test_integers_verified_as_extended_nir(tmp_path):
    verified(quantised(traced("every spike")), tmp_path / "out", "nir", "extended")


@pytest.fixture
def lava():
    try:
        find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")


@pytest.mark.full
@pytest.mark.parametrize("read", ["a linear head on the count", "a head on the last membrane"])
def test_verified_in_lava(read, tmp_path, lava):
    assert verified(traced(read), tmp_path / "out", "lava").target == "lava"


@pytest.mark.full
def test_integers_verified_in_lava(tmp_path, lava):
    verified(quantised(traced("a head on the last spikes")), tmp_path / "out", "lava")


def test_a_sum_before_a_bias_is_refused_by_name():
    """The bias counts once, not at every step: there is nothing to move, since T is no part of a graph."""
    graph = trace(Looped(lambda net, q, v: net.affine(q.sum(0)), PLAIN).eval(), (1, 8, 8), layout="BX", steps=STEPS)
    target = load("nir")
    with pytest.raises(UnsupportedOp, match="a sum past linear ones without a bias") as caught:
        target.writer(run(graph, target.pipeline).graph, Path("nowhere"))
    assert [offender.path for offender in caught.value.offenders] == ["time_sum", "affine"]
