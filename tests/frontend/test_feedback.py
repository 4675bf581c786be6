"""Loops over time that hand a tensor to their next step themselves; `traced` compares graph and network."""

import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace


class Net(nn.Module):
    """A loop over a drive of this step and of what the step before left."""

    def __init__(self, drive, start=torch.zeros):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.back, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.lif, self.top = snn.Leaky(0.9, threshold=0.4), snn.Leaky(0.7, threshold=0.3)
        self.drive, self.start = drive, start

    def forward(self, x):
        spikes = membrane = high = self.start(x.shape[1], 4, dtype=x.dtype)
        inner, outer = self.lif.init_leaky(), self.top.init_leaky()
        recorded, total = [], torch.zeros(x.shape[1], 4, dtype=x.dtype)
        for now in x:
            spikes, inner = self.lif(self.drive(self, now, spikes, membrane, high), inner)
            spikes, inner = spikes.to(x.dtype), inner.to(x.dtype)
            membrane = inner
            high, outer = self.top(self.out(spikes), outer)
            high = high.to(x.dtype)
            total = total + self.out(high)
            recorded.append(high)
        return torch.stack(recorded), total


FORMS = {
    "a recurrent layer": (lambda m, x, q, v, top: m.fc(x) + m.back(q), 1),
    "added the other way round": (lambda m, x, q, v, top: m.back(q) + m.fc(x), 1),
    "spikes as they are": (lambda m, x, q, v, top: m.fc(x) + q, 1),
    "spikes times a number": (lambda m, x, q, v, top: m.fc(x) - 0.25 * q, 1),
    "a product with the drive": (lambda m, x, q, v, top: m.fc(x) * (1 - q), 1),
    "the membrane": (lambda m, x, q, v, top: m.fc(x) + m.back(v), 1),
    "from the layer above": (lambda m, x, q, v, top: m.fc(x) + m.back(top), 1),
    "from both layers": (lambda m, x, q, v, top: m.fc(x) + m.back(q) + top, 2),
    "through the layer itself": (lambda m, x, q, v, top: m.fc(x + top), 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_feedback_is_a_delay(form, traced, ops):
    drive, delays = FORMS[form]
    graph = traced(Net(drive).eval(), (4,), steps=4)
    assert ops(graph).count("delay") == delays
    assert ops(graph).count("lif") == 2
    assert ops(graph)[-1] == "time_sum"


def test_a_bias_of_the_way_back_acts_at_the_first_step(traced):
    network = Net(FORMS["a recurrent layer"][0]).eval()
    nn.init.constant_(network.back.bias, 5.0)
    assert traced(network, (4,), steps=3).node("back").inputs == ("delay",)


def test_spikingjelly_step_by_step(traced, ops):
    class Jelly(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.back = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
            self.lif = neuron.LIFNode(1.5, v_threshold=0.3)

        def forward(self, x):
            spikes = x.new_zeros(x.shape[1], 2, *x.shape[3:])
            recorded = []
            for now in x:
                spikes = self.lif(self.conv(now) + self.back(spikes))
                recorded.append(spikes)
            return torch.stack(recorded).mean(0)

    graph = traced(Jelly().eval(), (1, 3, 4), steps=3)
    assert sorted(ops(graph)) == ["add", "conv2d", "conv2d", "delay", "lif", "time_mean"]


@pytest.mark.parametrize("kind", ["linear", "element-wise"])
def test_spikingjellys_recurrent_containers(kind, traced, ops):
    class Jelly(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            lif = neuron.LIFNode(1.5, v_threshold=0.3)
            around = {
                "linear": lambda: layer.LinearRecurrentContainer(lif, 4, 4),
                "element-wise": lambda: layer.ElementWiseRecurrentContainer(lif, torch.add),
            }
            self.fc, self.lif = nn.Linear(4, 4), around[kind]()

        def forward(self, x):
            functional.reset_net(self)
            return torch.stack([self.lif(self.fc(now)) for now in x])

    found = ops(traced(Jelly().eval(), (4,), steps=3))
    assert sorted(found) == sorted(["delay", "linear", "lif", *(["concat", "linear"] if kind == "linear" else ["add"])])


REFUSED = {
    "a start that is not zero": (lambda m, x, q, v, top: m.fc(x) + m.back(q), torch.ones),
    "now this, now that": (lambda m, x, q, v, top: m.fc(x) + (q if m.turn() % 2 else top), torch.zeros),
    "nothing at the first step": (lambda m, x, q, v, top: m.fc(x) + m.back(q) if m.turn() else m.fc(x), torch.zeros),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_feedback_is_refused(case):
    drive, start = REFUSED[case]
    network = Net(drive, start).eval()
    turns = iter(range(1000))
    network.turn = lambda: next(turns) % 4
    with pytest.raises(TraceError, match=r"test_feedback\.py:\d+|module 'lif'|kept from an earlier call"):
        trace(network, (4,), layout="TBX", steps=4)


def test_another_fault_beside_feedback_is_named_alone():
    network = Net(lambda m, x, q, v, top: m.fc(x).sin() + m.back(q)).eval()
    with pytest.raises(TraceError, match=r"the function 'sin' is not taken") as found:
        trace(network, (4,), layout="TBX", steps=4)
    assert "meet in one function" not in str(found.value)
