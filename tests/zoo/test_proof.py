"""The zoo's proof fails where what it proves is broken."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from passes.manager import PASSES
from spikec.frontend.tracer import traced
from spikec.ir.types import Role

SHAPE = (3, 6, 6)


@pytest.fixture
def network(zoo):
    """Two convolutions, each with its LIF."""
    parts = zoo("parts")
    torch.manual_seed(0)
    return nn.Sequential(parts.ConvNorm(3, 4), parts.lif(), parts.ConvNorm(4, 4), parts.lif()).eval()


@pytest.fixture
def lively(network, zoo):
    """The network, firing."""
    zoo("lively").enliven(network, torch.randn(3, 8, *SHAPE), 0.5, 1.5, torch.Generator().manual_seed(0))
    return network


def changed(graph, name="2.conv.weight", by=1.05):
    """The graph with one weight array that is 5 % larger."""
    weight = graph.weights[name]
    assert weight.role is Role.PARAMETER
    return replace(
        graph, weights={**graph.weights, name: replace(weight, array=weight.array * weight.array.dtype.type(by))}
    )


def test_a_network_is_proven(network, prove):
    proven = prove(network, SHAPE, layout="TBX")
    assert proven.spikes == 2 * 4 * 36 * (3 * 1 + 3 * 4 + 5 * 3)
    assert len(proven.graph.nodes) == 6
    assert "6 nodes, 2 neuron layers" in str(proven)


def test_a_silent_layer_proves_nothing(network, prove):
    with pytest.raises(AssertionError, match="1 fires at 0"):
        prove(network, SHAPE, layout="TBX", mean=-20.0)


def test_another_graph_is_seen(lively, zoo):
    proof = zoo("proof")
    graph = traced(lively, SHAPE, layout="TBX", steps=3).graph
    x = torch.randn(3, 4, *SHAPE)
    proof.replay(proof.Proven(graph, ()), lively, x, "TBX", 3)
    with pytest.raises(AssertionError, match=r"spikes of 3 differ in fp64"):
        proof.replay(proof.Proven(changed(graph), ()), lively, x, "TBX", 3)


def test_a_pass_that_changes_the_function_is_seen(lively, zoo, monkeypatch):
    class Breaking:
        name = "canonicalise"

        def __call__(self, graph):
            return changed(graph)

    proof = zoo("proof")
    graph = traced(lively, SHAPE, layout="TBX", steps=3).graph
    data = {"input": torch.randn(3, 2, *SHAPE).double().numpy()}
    proof.check_passes(proof.Proven(graph, ()), data)
    with pytest.raises(AssertionError, match=r"canonicalise: .* spikes of 3 differ"):
        proof.check_same(graph, changed(graph), data, "canonicalise")
    monkeypatch.setitem(PASSES, "canonicalise", Breaking)
    with pytest.raises(AssertionError, match="canonicalise changes what it gave"):
        proof.check_passes(proof.Proven(graph, ()), data)


def test_events_that_are_not_the_networks_are_seen(lively, zoo):
    priced = zoo("priced")
    graph = traced(lively, SHAPE, layout="TBX", steps=3).graph
    x, other = torch.randn(2, 3, 2, *SHAPE)
    priced.check_events(graph, lively, x, {"input": x.double().numpy()})
    with pytest.raises(AssertionError):
        priced.check_events(graph, lively, x, {"input": other.double().numpy()})


def test_a_corner_of_a_padded_map_reaches_four_outputs(zoo):
    """The count by hand that the events are held to: one spike in a corner, 3x3, padding 1, one output channel."""
    x = torch.zeros(1, 1, 4, 4)
    x[..., 0, 0] = 1
    assert zoo("priced").events(nn.Conv2d(1, 1, 3, padding=1), x) == 4


def test_every_field_and_every_named_policy_is_priced(zoo):
    names = [name for name, _, _ in zoo("priced").policies()]
    assert len(names) == len(set(names)) == 3 * 20
    assert "spikformer-paper, ssa=qk" in names
    assert "neurobench, attention=count" in names
