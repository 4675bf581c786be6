"""What is fed back, wherever a loop takes it: before it closes, on one line for all layers, in place, in helpers."""

from collections import deque

import pytest
import snntorch as snn
import torch
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.snn.neuron import LIFNeuron


class Net(nn.Module):
    def __init__(self, run):
        super().__init__()
        torch.manual_seed(0)
        self.run, self.fc, self.back = run, nn.Linear(4, 4), nn.Linear(4, 4)
        self.fcs = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.cells = nn.ModuleList(snn.Leaky(beta, threshold=0.3) for beta in (0.9, 0.7, 0.5))

    def forward(self, x):
        self.held = [cell.init_leaky() for cell in self.cells]
        return self.run(self, x, torch.zeros_like(x[0]))

    def fire(self, place, drive):
        spikes, self.held[place] = self.cells[place](drive, self.held[place])
        return spikes.to(drive.dtype)


def a_neuron_before_the_loop_closes(m, x, zeros):
    before, given = zeros, []
    for now in x:
        spikes = m.fire(0, before)
        before = m.fc(now) + m.back(spikes)
        given.append(spikes)
    return torch.stack(given)


def a_neuron_on_the_way_back(m, x, zeros):
    spikes, given = zeros, []
    for now in x:
        spikes = m.fire(0, m.fc(now) + m.fire(1, m.back(spikes)))
        given.append(spikes)
    return torch.stack(given)


def an_adaptive_threshold(m, x, zeros):
    adapted = spikes = zeros
    given = []
    for now in x:
        adapted = 0.9 * adapted + 0.1 * spikes
        spikes = m.fire(0, m.fc(now) - 0.3 * adapted)
        given.append(spikes)
    return torch.stack(given)


def two_traces_that_cross(m, x, zeros):
    a = b = zeros
    given = []
    for now in x:
        a, b = a * 0.5 + now, b * 0.75 + a
        given.append(m.fc(b))
    return torch.stack(given)


def a_loop_over_layers(m, x, zeros):
    held, given = [zeros] * 3, []
    for now in x:
        y = now
        for place, fc in enumerate(m.fcs):
            held[place] = y = m.fire(place, fc(y) + held[place])
        given.append(y)
    return torch.stack(given)


def a_comprehension_over_layers(m, x, zeros):
    held, given = [zeros] * 3, []
    for now in x:
        held = [m.fire(place, m.fcs[place](now) + before) for place, before in enumerate(held)]
        given.append(held[0] + held[1] + held[2])
    return torch.stack(given)


def a_sum_of_the_last_three(m, x, zeros):
    last, given = deque([zeros] * 3, maxlen=3), []
    for now in x:
        last.append(m.fire(0, m.fc(now) + m.back(sum(last))))
        given.append(last[-1])
    return torch.stack(given)


def a_helper_called_twice(m, x, zeros):
    def driven(drive, before):
        return m.back(before) + m.fc(drive)

    a = b = zeros
    given = []
    for now in x:
        a = m.fire(0, driven(now, a))
        b = m.fire(1, driven(a, b))
        given.append(b)
    return torch.stack(given)


def added_in_place(m, x, zeros):
    spikes, given = zeros, []
    for now in x:
        drive = m.fc(now)
        drive += spikes
        spikes = m.fire(0, drive)
        given.append(spikes)
    return torch.stack(given)


def a_membrane_that_drives_a_neuron(m, x, zeros):
    given = []
    for now in x:
        _, m.held[0] = m.cells[0](m.fc(now), m.held[0])
        given.append(m.fire(1, m.held[0]))
    return torch.stack(given)


TAKEN = {
    a_neuron_before_the_loop_closes: 1,
    a_neuron_on_the_way_back: 1,
    an_adaptive_threshold: 2,
    two_traces_that_cross: 3,
    a_loop_over_layers: 3,
    a_comprehension_over_layers: 3,
    a_sum_of_the_last_three: 3,
    a_helper_called_twice: 2,
    added_in_place: 1,
    a_membrane_that_drives_a_neuron: 0,
}


@pytest.mark.parametrize("run", TAKEN, ids=lambda run: run.__name__)
def test_it_is_taken_and_right(run, traced, ops):
    graph = traced(Net(run).eval(), (4,), steps=5)
    assert ops(graph).count("delay") == TAKEN[run]


def test_many_layers_on_one_line(traced, ops):
    class Deep(Net):
        def __init__(self):
            super().__init__(a_loop_over_layers)
            self.fcs = nn.ModuleList(nn.Linear(4, 4) for _ in range(16))
            self.cells = nn.ModuleList(snn.Leaky(0.9, threshold=0.2) for _ in range(16))

        def forward(self, x):
            self.held = [cell.init_leaky() for cell in self.cells]
            return deep(self, x)

    def deep(m, x):
        held, given = [torch.zeros_like(x[0])] * 16, []
        for now in x:
            y = now
            for place, fc in enumerate(m.fcs):
                held[place] = y = m.fire(place, fc(y) + held[place])
            given.append(y)
        return torch.stack(given)

    assert ops(traced(Deep().eval(), (4,), steps=3)).count("delay") == 16


def test_a_delay_longer_than_the_recording_asks_for_more_steps():
    def late(m, x, zeros):
        last, given = deque([zeros] * 4, maxlen=4), []
        for now in x:
            given.append(m.fire(0, m.fc(now) + m.back(last[0])))
            last.append(given[-1])
        return torch.stack(given)

    with pytest.raises(TraceError, match="ask for more steps"):
        trace(Net(late).eval(), (4,), layout="TBX", steps=3)
    trace(Net(late).eval(), (4,), layout="TBX", steps=6)


def test_a_learnt_start_is_no_zeros():
    class Started(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.back, self.lif = nn.Linear(4, 4), nn.Linear(4, 4), LIFNeuron(1.0, 0.3)
            self.start = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            before, given = self.start.expand(x.shape[1], 4), []
            for now in x:
                before = self.fc(now) + self.back(before)
                given.append(before)
            return self.lif(torch.stack(given))

    with pytest.raises(TraceError, match="begins as zeros"):
        trace(Started().eval(), (4,), layout="TBX", steps=4)
