"""The words by which a neuron of one's own says its layout, and that it rounds otherwise than its op."""

import pytest
import torch
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace, traced
from spikec.ir.neurons import IF, LIF


class BatchFirst(nn.Module):
    """A neuron of [B, T, ...], tau 3, whose leak is multiplied by 1/3 where the op divides by 3."""

    spikec_layout = "BTX"
    spikec_exact = False
    threshold = 0.5

    def forward(self, x):
        v, spikes = torch.zeros_like(x[:, 0]), []
        for now in x.unbind(1):
            v = v + (now - v) * (1 / 3)
            spikes.append((v >= self.threshold).to(x.dtype))
            v = v - spikes[-1] * self.threshold
        return torch.stack(spikes, 1)

    def spikec_neuron(self):
        return LIF(reset="soft"), {"tau": 3.0, "v_threshold": 0.5}


def network(**words):
    torch.manual_seed(0)
    kind = type("Worded", (BatchFirst,), words)
    return nn.Sequential(nn.Linear(4, 6), kind(), nn.Linear(6, 6), kind()).eval()


def test_batch_first_and_rounding_otherwise():
    found = traced(network(), (4,), layout="BTX", steps=5)
    assert [node.op.mnemonic for node in found.graph.nodes] == ["linear", "lif"] * 2
    (remark,) = (remark for remark in found.remarks if "round otherwise" in remark)
    assert remark.startswith("of 2 neurons")
    assert remark.endswith(": 1, 3")


def test_what_rounds_otherwise_and_does_not_say_so_is_refused():
    with pytest.raises(TraceError, match=r"the neuron '1' does not do what its spikec_neuron\(\) says"):
        trace(network(spikec_exact=True), (4,), layout="BTX", steps=5)


@pytest.mark.parametrize(
    "words", [{"threshold": 0.505}, {"spikec_neuron": lambda m: (LIF(), {"tau": 3.0, "v_threshold": 0.5})}]
)
def test_another_neuron_is_refused_though_it_says_that_it_rounds_otherwise(words):
    with pytest.raises(TraceError, match=r"does not do what its spikec_neuron\(\) says|spikes differ|differs by"):
        trace(network(**words), (4,), layout="BTX", steps=5)


def test_time_must_be_where_the_neuron_has_it():
    with pytest.raises(TraceError, match=r"module '1'.*time as its second axis.*reshape to \[B, T, \.\.\.\]"):
        trace(network(), (4,), layout="TBX", steps=5)
    with pytest.raises(TraceError, match=r"module '1'.*time as its first axis"):
        trace(network(spikec_layout="TBX"), (4,), layout="BTX", steps=5)


@pytest.mark.parametrize("words", [{"spikec_layout": "BX"}, {"spikec_states": ("v",)}])
def test_a_layout_that_is_none_is_refused(words):
    with pytest.raises(TraceError, match=r"module '1'.*its spikec_layout is"):
        trace(network(**words), (4,), layout="BTX", steps=5)


class Bounded(nn.Module):
    """An IF whose membrane has bounds, or that tires after some spikes; it says that it has neither."""

    def __init__(self, low=-1e30, high=1e30, spikes=1000):
        super().__init__()
        self.low, self.high, self.spikes = low, high, spikes

    def forward(self, x):
        v, out = torch.zeros_like(x[0]), []
        left = torch.full_like(x[0], self.spikes)
        for drive in x:
            v = (v + drive).clamp(self.low, self.high)
            q = ((v >= 1.0) & (left > 0)).to(x.dtype)
            v, left = v - q, left - q
            out.append(q)
        return torch.stack(out)

    def spikec_neuron(self):
        return IF(reset="soft", fires_at=">="), {"v_threshold": 1.0}


def test_a_neuron_without_bounds_is_what_it_says(net, traced):
    traced(net(lambda m, x: m.neuron(m.fc(x)), neuron=Bounded()))


@pytest.mark.parametrize("bound", [{"low": -3.5}, {"low": -8.0}, {"high": 9.0}, {"spikes": 10}], ids=str)
def test_a_neuron_with_bounds_that_it_does_not_name_is_refused(net, bound):
    with pytest.raises(TraceError, match="does not do what its spikec_neuron"):
        trace(net(lambda m, x: m.neuron(m.fc(x)), neuron=Bounded(**bound)), (4,), layout="TBX", steps=3)
