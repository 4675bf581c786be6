"""A network that cannot be recorded as asked says what could be: its own steps, another layout."""

import pytest
import snntorch as snn
import torch
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.ir.neurons import IF
from spikec.ir.types import SPIKE, IntFormat
from spikec.snn.neuron import LIFNeuron


class Image(nn.Module):
    """Shows an image so many times, a step a call."""

    def __init__(self, steps):
        super().__init__()
        self.fc, self.leaky, self.steps = nn.Linear(4, 4), snn.Leaky(0.9, threshold=0.3), steps

    def forward(self, x):
        state, given = self.leaky.init_leaky(), []
        for _ in range(self.steps):
            spikes, state = self.leaky(self.fc(x), state)
            given.append(spikes)
        return torch.stack(given)


class Repeated(nn.Module):
    """Shows an image so many times, all steps a call."""

    def __init__(self, steps):
        super().__init__()
        self.fc, self.lif, self.steps = nn.Linear(4, 4), LIFNeuron(2.0, 0.2), steps

    def forward(self, x):
        return self.lif(self.fc(x).unsqueeze(0).repeat(self.steps, 1, 1)).mean(0)


@pytest.mark.parametrize("made", [Image, Repeated])
@pytest.mark.parametrize("asked", [4, 16])
def test_the_steps_that_a_network_makes_are_said(made, asked):
    with pytest.raises(TraceError, match=r"Try: --steps 8, which the network makes by itself"):
        trace(made(8).eval(), (4,), layout="BX", steps=asked)
    trace(made(8).eval(), (4,), layout="BX", steps=8)


class Frames(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.leaky = nn.Linear(4, 4), snn.Leaky(0.9, threshold=0.3)

    def forward(self, x):
        state, given = self.leaky.init_leaky(), []
        for now in x:
            spikes, state = self.leaky(self.fc(now), state)
            given.append(spikes)
        return torch.stack(given)


@pytest.mark.parametrize(("asked", "said"), [("BTX", "TBX"), ("BX", "TBX")])
def test_the_layout_that_fits_is_said(asked, said):
    with pytest.raises(TraceError, match=f"Try: --layout {said}"):
        trace(Frames().eval(), (4,), layout=asked, steps=5)


def test_where_nothing_fits_the_mend_is_that_of_what_was_found():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval()
    with pytest.raises(TraceError, match=r"'relu' is not taken. Try: a spiking network has neurons here"):
        trace(network, (4,), layout="TBX", steps=5)


class Whole(nn.Module):
    """An IF of whole numbers within 24 bits, unless it is given other ones."""

    limit = 2**23 - 1

    def forward(self, x):
        v, spikes = torch.zeros_like(x[0]), []
        for now in x:
            v = (v + now).clamp(-self.limit - 1, self.limit)
            spikes.append((v >= 4).to(x.dtype))
            v = v * (1 - spikes[-1])
        return torch.stack(spikes)

    def spikec_neuron(self):
        return IF(state=IntFormat(24)), {"v_threshold": 4.0}


def test_a_neuron_whose_state_is_whole_is_taken_on_whole_numbers():
    fc = nn.Linear(4, 4)
    with torch.no_grad():
        fc.weight.copy_(torch.randint(-3, 6, (4, 4)))
        fc.bias.copy_(torch.randint(-1, 3, (4,)))
    graph = trace(nn.Sequential(fc, Whole()).eval(), (4,), layout="TBX", steps=4, domain=SPIKE)
    assert graph.nodes[-1].op.state == IntFormat(24)
