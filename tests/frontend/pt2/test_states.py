"""What a loop over time starts from, made of one number: the states of neurons, and spikes that come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import snntorch
import torch
from spikingjelly.activation_based import functional, neuron
from torch import Tensor, nn

from spikec.errors import UnsupportedOp
from spikec.frontend.pt2.filled import GIVEN, NUMBERS
from spikec.ir.neurons import LIF
from spikec.ir.time import Delay

ZEROS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "aten.zeros.default": lambda x: torch.zeros(x.shape[1], 8),
    "aten.new_zeros.default": lambda x: x.new_zeros(1, 8).expand(x.shape[1], -1),
    "aten.zeros_like.default": lambda x: torch.zeros_like(x[0]).repeat(1, 2),
    "aten.full.default": lambda x: torch.full((x.shape[1], 8), 0.0),
    "aten.new_full.default": lambda x: x.new_full((x.shape[1], 8), 0.0),
    "aten.full_like.default": lambda x: torch.full_like(x[0], 0.0).repeat(1, 2),
}
STEPS = 3


class Begun(nn.Module):
    """A loop over time whose states start from what is given."""

    def __init__(self, cell: nn.Module, start: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.cell, self.start = nn.Linear(4, 8), cell, start

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        v, spikes = self.start(x).to(x.dtype), []
        if isinstance(self.cell, neuron.LIFNode):
            self.cell.v = v
        for t in range(STEPS):
            drive = self.fc(x[t])
            q, v = (self.cell(drive), None) if isinstance(self.cell, neuron.LIFNode) else self.cell(drive, v)
            spikes.append(q)
        return torch.stack(spikes)


def leaky() -> nn.Module:
    return snntorch.Leaky(0.8, threshold=0.2)


def jelly() -> nn.Module:
    return neuron.LIFNode(1.6, True, 0.3, None, step_mode="s")


def test_every_way_to_fill_with_zeros_has_a_case() -> None:
    assert set(ZEROS) == {*GIVEN, *(name for name, number in NUMBERS.items() if number == 0)}


@pytest.mark.parametrize("cell", [leaky, jelly])
@pytest.mark.parametrize("name", ZEROS)
def test_a_state_that_starts_from_zeros_is_the_neurons_own(door, name: str, cell: Callable[[], nn.Module]) -> None:
    module = Begun(cell(), ZEROS[name])
    found = door.equal(module, torch.rand(STEPS, 5, 4), (1,))
    assert name in door.targets
    assert sum(isinstance(node.op, LIF) for node in found.graph.nodes) == 1
    assert 0.05 < float(module(torch.rand(STEPS, 64, 4)).detach().mean()) < 0.95


@pytest.mark.parametrize(("cell", "reason"), [
    (leaky, "the state that a neuron starts from is 0.5; 0 is taken"),
    (jelly, "its membrane does not start at 0, but at 0.5"),
])  # fmt: skip
def test_a_state_that_starts_elsewhere_is_refused_where_it_is_made(door, cell, reason: str) -> None:
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Begun(cell(), lambda x: torch.full((x.shape[1], 8), 0.5)), torch.rand(STEPS, 5, 4), (1,))
    reasons = {offender.reason: offender for offender in caught.value.offenders}
    assert reason in reasons
    if cell is leaky:
        assert reasons[reason].op == "aten.full.default"
        assert "self.start(x)" in reasons[reason].line


def test_a_neuron_is_not_blamed_for_what_its_state_is_made_by(door) -> None:
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Begun(jelly(), lambda x: torch.rand(x.shape[1], 8)), torch.rand(STEPS, 5, 4), (1,))
    assert [(offender.op, offender.reason) for offender in caught.value.offenders] == [
        ("aten.rand.default", "random numbers, of which a graph has none")
    ]
    assert "encode the data before the network" in str(caught.value)


class Feedback(nn.Module):
    """Spikes that come back through a layer of their own, or through the network's own matrix."""

    def __init__(self, cell: nn.Module, *, inline: bool) -> None:
        super().__init__()
        self.fc, self.rec, self.cell, self.inline = nn.Linear(4, 8), nn.Linear(8, 8), cell, inline
        self.w = nn.Parameter(torch.randn(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        q, v, spikes = torch.zeros(x.shape[1], 8, dtype=x.dtype), self.cell.init_leaky(), []
        for t in range(STEPS):
            now = nn.functional.linear(x[t], self.w) if self.inline else self.fc(x[t])
            back = nn.functional.linear(q, self.rec.weight) if self.inline else self.rec(q)
            q, v = self.cell(now + back, v)
            q = q.to(x.dtype)  # which snnTorch makes float32 whatever it takes
            spikes.append(q)
        return torch.stack(spikes)


@pytest.mark.parametrize("inline", [False, True])
def test_spikes_that_come_back_are_a_delay(door, inline: bool) -> None:
    """Two calls of one function in one module are told apart by the lines that the file says."""
    module = Feedback(leaky(), inline=inline)
    found = door.equal(module, torch.rand(STEPS, 5, 4), (1,))
    assert sum(1 for _ in found.graph.nodes_of(Delay)) == 1
    assert 0.05 < float(module(torch.rand(STEPS, 64, 4)).detach().mean()) < 0.95


def test_numbers_of_another_kind_are_refused(door) -> None:
    class Whole(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.full((4,), 2)

    with pytest.raises(UnsupportedOp, match="makes a tensor of int64 in a network of float32"):
        door.taken(Whole(), torch.rand(2, 4), (0,))
