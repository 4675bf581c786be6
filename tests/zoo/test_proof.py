"""The zoo's proof fails where what it proves is broken."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from hwmodels.policies import POLICIES
from passes.manager import PASSES
from passes.quantize import Quantize
from spikec.cost import Policy
from spikec.frontend.tracer import traced
from spikec.ir.types import Int, Role

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
    assert f"{proven.spikes} spikes, in fp32 {proven.differing} differ" in str(proven)
    assert [rounded.spikes for rounded in proven.rounded] == [2 * 4 * 36 * 3 * 2] * 2
    assert all(0 < rounded.differing < rounded.spikes / 10 for rounded in proven.rounded)


@pytest.mark.parametrize(("mean", "rate"), [(-20.0, "0"), (20.0, "1")])
def test_a_layer_that_is_silent_or_fires_at_every_step_proves_nothing(network, prove, mean, rate):
    with pytest.raises(AssertionError, match=f"1 fires at {rate}"):
        prove(network, SHAPE, layout="TBX", mean=mean)


def test_a_network_that_does_otherwise_in_fp32_is_seen(network, prove, zoo, monkeypatch):
    proof = zoo("proof")

    def in_format(network, dtype):
        twin = zoo("lively").in_format(network, dtype)
        if dtype is torch.float32:
            twin[2].bn.bias += 0.05
        return twin

    monkeypatch.setattr(proof, "in_format", in_format)
    with torch.no_grad(), pytest.raises(AssertionError, match="spikes differ in fp32"):
        prove(network, SHAPE, layout="TBX")


@pytest.mark.parametrize("fields", [{"weight_bits": 7}, {"decay_bits": 1}])
def test_a_network_that_is_quantised_otherwise_is_seen(fields, zoo, monkeypatch):
    """Weights of seven bits where eight are said; leaks of halves where a tau of 1.7 leaves 0.41."""
    parts = zoo("parts")
    torch.manual_seed(0)
    lif = zoo("convnets").neuron.LIFNode(1.7, step_mode="m")
    network = nn.Sequential(parts.ConvNorm(3, 4), parts.lif(), parts.ConvNorm(4, 4), lif).eval()
    data = torch.randint(0, 4, (3, 2, *SHAPE)).double()
    zoo("lively").enliven(network, data.float(), 0.5, 1.5, torch.Generator().manual_seed(0))
    graph = traced(network, SHAPE, layout="TBX", steps=3, domain=Int(0, 3)).graph
    found = zoo("fixed").check_fixed(graph, {"input": data.numpy()}, torch.float64, torch.int64)
    assert found.spikes == 2 * 4 * 36 * 3 * 2
    monkeypatch.setitem(PASSES, "quantize", partial(Quantize, **fields))
    with pytest.raises(AssertionError, match=r"spikes of \d, quantised, differ in torch\.float64"):
        zoo("fixed").check_fixed(graph, {"input": data.numpy()}, torch.float64)


def test_a_membrane_beyond_24_bits_is_told_of(zoo, prove):
    """Two convolutions in a row have the product of their scales, and a threshold of so many units."""
    parts = zoo("parts")
    torch.manual_seed(0)
    network = nn.Sequential(parts.ConvNorm(3, 4), nn.Identity(), parts.ConvNorm(4, 4), parts.lif())
    proven = prove(network, SHAPE, layout="TBX", mean=-2.0, spread=60.0)
    assert [rounded.beyond for rounded in proven.rounded] == [(), ("3",)]
    assert "beyond 24 bits: 3" in str(proven)


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
    proof.check_passes(graph, data)
    with pytest.raises(AssertionError, match=r"canonicalise: .* spikes of 3 differ"):
        proof.check_same(graph, changed(graph), data, "canonicalise")
    monkeypatch.setitem(PASSES, "canonicalise", Breaking)
    with pytest.raises(AssertionError, match="canonicalise changes what it gave"):
        proof.check_passes(graph, data)


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
    values = {field: len(found) for field, found in Policy.choices().items()}
    libraries = {"spikingjelly", "syops"}  # which have no other field
    assert libraries < set(POLICIES)
    own = 1 + len(POLICIES) - len(libraries)
    assert len(names) == len(set(names)) == own * sum(values.values()) + len(libraries) * values["counting"]
    assert "spikformer-paper, ssa=qk" in names
    assert "neurobench, attention=count" in names
