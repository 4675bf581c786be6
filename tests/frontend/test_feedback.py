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


class Loop(nn.Module):
    """A loop whose step takes the input and what earlier steps left, and gives its spikes and what it leaves."""

    def __init__(self, step, left=1):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.back, self.both = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 4)
        self.lif = snn.Leaky(0.9, threshold=0.3)
        self.step, self.left = step, left

    def forward(self, x):
        membrane, given = self.lif.init_leaky(), []
        before = [torch.zeros(x.shape[1], 4, dtype=x.dtype) for _ in range(self.left)]
        for now in x:
            y, leaves, membrane = self.step(self, now, before[0], membrane)
            before = [*before[1:], leaves]
            given.append(y)
        return torch.stack(given)


def fired(m, drive, membrane):
    spikes, membrane = m.lif(drive, membrane)
    return spikes.to(drive.dtype), membrane


def of_the_change(m, now, before, membrane):
    spikes, membrane = fired(m, m.fc(now - before), membrane)
    return spikes, now, membrane


def of_both_in_one(m, now, before, membrane):
    spikes, membrane = fired(m, m.both(torch.cat([m.fc(now), before], -1)), membrane)
    return spikes, spikes, membrane


def of_two_steps_spikes(m, now, before, membrane):
    spikes, membrane = fired(m, m.fc(now), membrane)
    return m.back(spikes + before), spikes, membrane


def a_change_of_a_layer(m, now, before, membrane):
    h = m.fc(now)
    return h - before, h, membrane


def a_trace(m, now, before, membrane):
    spikes, membrane = fired(m, m.fc(now), membrane)
    trace_of_it = 0.9 * before + spikes
    return m.back(trace_of_it), trace_of_it, membrane


def a_count_at_every_step(m, now, before, membrane):
    spikes, membrane = fired(m, m.fc(now), membrane)
    count = before + spikes
    return count, count, membrane


def around_the_neuron(m, now, before, membrane):
    spikes, membrane = fired(m, m.fc(now) + m.back(before), membrane)
    return spikes, spikes, membrane


def given_to_a_neuron(m, now, before, membrane):
    spikes, membrane = fired(m, before, membrane)
    return spikes, m.fc(now), membrane


STEPS = {
    given_to_a_neuron: ["delay", "lif", "linear"],
    of_the_change: ["delay", "scale", "add", "linear", "lif"],
    of_both_in_one: ["linear", "delay", "concat", "linear", "lif"],
    of_two_steps_spikes: ["linear", "lif", "delay", "add", "linear"],
    a_change_of_a_layer: ["linear", "delay", "scale", "add"],
    a_trace: ["linear", "lif", "delay", "scale", "add", "linear"],
    a_count_at_every_step: ["linear", "lif", "delay", "add"],
    around_the_neuron: ["linear", "delay", "linear", "add", "lif"],
}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_what_the_last_step_left_is_taken_wherever_it_is_used(step, traced, ops):
    graph = traced(Loop(step).eval(), (4,), steps=5)
    assert ops(graph) == STEPS[step]


@pytest.mark.parametrize("left", [2, 3])
@pytest.mark.parametrize("step", [around_the_neuron, a_trace, of_two_steps_spikes], ids=lambda step: step.__name__)
def test_what_an_earlier_step_left_is_a_longer_delay(step, left, traced):
    graph = traced(Loop(step, left).eval(), (4,), steps=6)
    (delay,) = (node for node in graph.nodes if node.op.mnemonic == "delay")
    assert float(graph.weights[delay.weights["steps"]].array) == left


def test_a_trace_is_real_and_what_comes_back_as_spikes_is_not(traced):
    for step, domain in ((a_trace, "real"), (around_the_neuron, "spike")):
        graph = traced(Loop(step).eval(), (4,), steps=4)
        (delay,) = (node for node in graph.nodes if node.op.mnemonic == "delay")
        assert str(delay.type) == f"{domain} step [4]"


def test_a_sum_of_some_steps_is_still_named_as_such():
    """And not by what failed when it was taken for feedback."""

    def step(m, now, before, membrane):
        h = m.fc(now)
        total = before + h
        return m.lif(total, membrane)[0], total * 0 if m.odd() else total, membrane

    network = Loop(step).eval()
    calls = iter(range(10**6))
    network.odd = lambda: next(calls) % 3 == 2
    with pytest.raises(TraceError, match="a sum of the steps up to"):
        trace(network, (4,), layout="TBX", steps=4)
