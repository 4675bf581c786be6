"""Whole networks out of .pt2 files: the graph is what the module does, and what the tracer makes of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.tracer import trace
from spikec.ir.graph import Graph
from spikec.ir.shapes import Reshape, Transpose
from spikec.snn.config import uniform_config
from spikec.snn.spikformer import new_spikformer


def spikformer() -> nn.Module:
    config = uniform_config("digits", (1, 8, 8), 10, width=16, depth=1, heads=2)
    network = new_spikformer(config, torch.Generator().manual_seed(0)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0.5)
    return network


@pytest.mark.full
@pytest.mark.parametrize("core", [False, True], ids=["aten", "core"])
def test_our_spikformer_is_the_graph_that_the_tracer_gives(door, core: bool) -> None:
    network = spikformer()
    found = door.equal(network, torch.rand(3, 1, 8, 8), (0,), core)
    assert found.encoder == "direct"
    traced = trace(network, (1, 8, 8), layout="BX", steps=4, name="x", check=False)
    if not core:  # torch's own rewriting of products moves axes elsewhere
        assert found.graph.text() == traced.text()
        assert found.graph.sha256 == traced.sha256
    assert worked(found.graph) == worked(traced)


def worked(graph: Graph) -> list[tuple[str, str]]:
    """What computes, in order, without what moves axes: scopes, and ops without the turns of a product."""
    moves = (Reshape, Transpose)
    return [(node.scope, node.op.mnemonic) for node in graph.nodes if not isinstance(node.op, moves)]


def test_a_network_that_writes_to_its_buffers_is_refused_with_their_names(door) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.seen.add_(1.0)
            return x + self.seen

    with pytest.raises(UnsupportedOp, match=r"writes to its buffer 'seen'"):
        door.taken(Counts(), torch.rand(2, 4), (0,), core=True)


def test_several_inputs_whole_numbers_and_open_images_are_refused(door) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum(-1)

    with pytest.raises(TraceError, match="an input of int64"):
        door.taken(Two(), torch.ones(2, 4, dtype=torch.int64), (0,))
    with pytest.raises(TraceError, match=r"an input of sizes \[open, open\]"):
        door.taken(Two(), torch.rand(2, 4), (0, 1))


def test_half_precision_is_said(door) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3).to(torch.bfloat16)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    found = door.taken(Half(), torch.rand(2, 4).to(torch.bfloat16), (0,))
    assert [remark for remark in found.remarks if "torch.bfloat16; the graph has its weights as float32" in remark]
    assert str(found.graph.weights["fc.weight"].array.dtype) == "float32"


def test_unused_parameters_are_said(door) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    found = door.equal(Idle(), torch.rand(2, 4), (0,))
    assert [r for r in found.remarks if "2 of the network's parameters are never used" in r]
    assert sorted(found.graph.weights) == ["fc.bias", "fc.weight"]
