"""Recurrent networks, unrolled: at the first step their feedback is a layer of zeros, which depends on no input."""

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from spikec.ir.linear import BatchNorm, Conv2d
from spikec.ir.types import Role
from spikec.run.interp import Interpreter

SAMPLES, EXPORTED, STEPS = 6, 2, 3
DYNAMO = pytest.param(True, True, id="dynamo", marks=pytest.mark.full)
FIXED = pytest.param(True, False, id="dynamo, fixed batch", marks=pytest.mark.full)
WAYS = [pytest.param(False, True, id="legacy"), pytest.param(False, False, id="legacy, fixed batch"), DYNAMO, FIXED]
"""The exporter, and whether the file leaves its batch open."""


class ByHand(nn.Module):
    """Spikes that come back through a layer of their own."""

    folded = "'rec' (Gemm)"

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.rec, self.lif = nn.Linear(6, 8), nn.Linear(8, 8), snntorch.Leaky(0.8, threshold=0.4)

    def forward(self, x):
        q, v, spikes = torch.zeros(x.shape[0], *x.shape[2:-1], 8), self.lif.init_leaky(), []
        for t in range(STEPS):
            q, v = self.lif(self.fc(x[:, t]) + self.rec(q), v)
            spikes.append(q)
        return torch.stack(spikes, 1)


class Recurrent(nn.Module):
    """snnTorch's RLeaky."""

    folded = "'lif.recurrent' (Gemm)"

    def __init__(self, reset: str = "subtract") -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8)
        self.lif = snntorch.RLeaky(0.8, threshold=0.4, linear_features=8, reset_mechanism=reset)

    def forward(self, x):
        (q, v), spikes = self.lif.init_rleaky(), []
        for t in range(STEPS):
            q, v = self.lif(self.fc(x[:, t]), q, v)
            spikes.append(q)
        return torch.stack(spikes, 1)


class Delayed(nn.Module):
    """A second layer that takes the first one's spikes a step later: at the first step all of it is constant."""

    folded = "'two' (Gemm)"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 8)
        self.lif, self.last = snntorch.Leaky(0.8, threshold=0.2), snntorch.Leaky(0.7, threshold=0.1)

    def forward(self, x):
        q, v, w, spikes = torch.zeros(x.shape[0], 8), self.lif.init_leaky(), self.last.init_leaky(), []
        for t in range(STEPS):
            out, w = self.last(self.two(q), w)
            q, v = self.lif(self.one(x[:, t]), v)
            spikes.append(out)
        return torch.stack(spikes, 1)


class OverMaps(nn.Module):
    """Feedback through a convolution and its norm, which the older exporter joins where the batch is open."""

    folded = "'rec' (Conv)"

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rec = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.lif = nn.BatchNorm2d(4), snntorch.Leaky(0.8, threshold=0.3)
        nn.init.uniform_(self.norm.running_var, 0.3, 1.0)
        nn.init.uniform_(self.norm.bias, -0.3, 0.3)

    def forward(self, x):
        q, v, spikes = torch.zeros(x.shape[0], 4, 4, 4), self.lif.init_leaky(), []
        for t in range(STEPS):
            q, v = self.lif(self.conv(x[:, t]) + self.norm(self.rec(q)), v)
            spikes.append(q)
        return torch.stack(spikes, 1)


NETWORKS = {
    "by hand": (ByHand, (6,)),
    "rleaky": (Recurrent, (6,)),
    "rleaky, zero": (lambda: Recurrent("zero"), (6,)),
    "delayed": (Delayed, (6,)),
    "over maps": (OverMaps, (2, 4, 4)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dynamo", "opened"), WAYS)
def test_a_recurrent_network_unrolled(exported, dynamo, opened, name):
    make, shape = NETWORKS[name]
    network, x = make(), 2 * torch.randn(SAMPLES, STEPS, *shape)
    taken = exported(network, [x[:EXPORTED]], dynamo=dynamo, opened=opened)
    with torch.no_grad():
        expected = network(x).numpy()
    (found,) = Interpreter(torch.float32).run(taken.graph, {"x": x.numpy()}, 1).values()
    assert np.array_equal(found.numpy(), expected)
    assert 0.05 < expected[:, 1:].mean() < 0.95
    said = [remark for remark in taken.remarks if "no operand depends on the input" in remark]
    assert bool(said) is not (dynamo and not opened)  # there the exporter has computed it itself
    assert all(network.folded in remark for remark in said)


@pytest.mark.parametrize("network", [ByHand(), Recurrent(), Delayed()], ids=["by hand", "rleaky", "delayed"])
def test_what_was_computed_of_parameters_and_zeros_is_no_parameter(exported, network):
    taken = exported(network, [torch.randn(EXPORTED, STEPS, 6)], dynamo=False)
    learnt = [weight.array.size for weight in taken.graph.weights.values() if weight.role is Role.PARAMETER]
    assert sum(learnt) == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("tokens", [(), (4,)])
def test_copies_of_a_weight_that_the_exporter_turned_are_one(exported, tokens):
    """The older exporter writes a copy of the weight for every step where a layer takes tokens."""
    network = ByHand()
    network.rec = nn.Linear(8, 8, bias=False)
    taken = exported(network, [torch.randn(EXPORTED, STEPS, *tokens, 6)], dynamo=False)
    learnt = [weight.array.size for weight in taken.graph.weights.values() if weight.role is Role.PARAMETER]
    assert sum(learnt) == sum(weight.numel() for weight in network.parameters())


class Normed(nn.Module):
    """A loop over time around a convolution with BatchNorm, which the older exporter folds into it at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.leaky = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), snntorch.Leaky(0.8, threshold=0.3)
        self.bn.running_var.fill_(0.5)
        nn.init.uniform_(self.bn.weight)

    def forward(self, x):
        v, found = self.leaky.init_leaky(), []
        for t in range(4):
            q, v = self.leaky(self.bn(self.conv(x[:, t])), v)
            found.append(q)
        return torch.stack(found, 1)


def test_copies_of_a_convolution_with_its_batch_norm_in_it_are_one(exported):
    graph = exported(Normed(), [torch.randn(2, 4, 2, 5, 5)], dynamo=False, opened=False).graph
    assert len(list(graph.nodes_of(Conv2d))) == 4
    assert not list(graph.nodes_of(BatchNorm))
    assert graph.parameters == 3 * 2 * 9 + 3
