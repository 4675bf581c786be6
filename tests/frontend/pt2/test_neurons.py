"""Neurons that are one operator in a .pt2 file: SpikingJelly's and our own, of all steps at once or in a loop."""

from __future__ import annotations

import pytest
import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.types import Timing
from spikec.snn.neuron import LIFNeuron


class Jelly(nn.Module):
    """A network of SpikingJelly with one neuron of each kind that is taken."""

    def __init__(self, v_reset: float | None, decay: bool) -> None:
        super().__init__()
        self.conv, self.bn = layer.Conv2d(3, 4, 3), layer.BatchNorm2d(4)
        self.lif = neuron.LIFNode(1.6, decay, 0.4, v_reset)
        self.iaf = neuron.IFNode(0.7, v_reset)
        self.plif = neuron.ParametricLIFNode(2.5, decay, 0.35, v_reset)
        self.head = layer.Linear(16, 5)
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        y = self.lif(self.bn(self.conv(x)))
        y = self.plif(y - 0.5 * self.iaf(y))
        return self.head(y.flatten(2)).mean(0)


@pytest.mark.parametrize(("v_reset", "decay"), [(None, True), (0.125, False)])
def test_spikingjellys_operators(door, v_reset: float | None, decay: bool) -> None:
    found = door.equal(Jelly(v_reset, decay), torch.rand(5, 3, 3, 4, 4), (1,))
    ops = {node.scope: node.op for node in found.graph.nodes}
    reset = "soft" if v_reset is None else "hard"
    assert ops["lif"] == LIF(reset=reset, decay_input=decay)
    assert ops["iaf"] == IF(reset=reset)
    assert ops["plif"] == PLIF(reset=reset, decay_input=decay)
    assert found.graph.weights["plif.w"].role.value == "parameter"


class Spikes(nn.Module):
    """Our neuron behind a Linear, in any convention."""

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 8), LIFNeuron(**fields)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.fc(x))


@pytest.mark.full
@pytest.mark.parametrize(
    "fields",
    [
        {"tau": 1.75, "v_threshold": 0.2, "v_reset": 0.0625, "decay_input": False, "fires_at": ">"},
        {"tau": 3.0, "v_threshold": torch.tensor(0.1), "reset": "soft"},
        {"tau": 2.0, "v_threshold": 0.15, "reset": "none"},
        {"tau": 2.0, "v_threshold": 0.15, "reset_delay": True, "surrogate": snntorch.surrogate.atan()},
    ],
)
def test_every_convention_of_our_neuron(door, fields: dict[str, object]) -> None:
    module = Spikes(**fields)
    found = door.equal(module, torch.rand(4, 3, 4), (1,))
    assert "spikec.lif.default" in door.targets
    (op,) = [node.op for node in found.graph.nodes if isinstance(node.op, LIF)]
    assert op == module.lif.spikec_neuron()[0]
    ((_, kind),) = found.graph.inputs.items()
    assert kind.timing is Timing.STEP
    assert 0.05 < float(module(torch.rand(4, 64, 4)).detach().mean()) < 0.95


def test_two_neurons_of_one_module_have_names_of_their_own(door) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 4), LIFNeuron(2.0, 0.1)

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(self.fc(self.lif(x)))

    found = door.equal(Twice(), torch.rand(3, 2, 4), (1,))
    assert [node.scope for node in found.graph.nodes] == ["lif.lif", "fc", "lif.lif_1"]
    assert [node.scope for node in door.equal(LIFNeuron(2.0, 0.3), torch.rand(3, 2, 4), (1,)).graph.nodes] == ["lif"]


class Loop(nn.Module):
    """A loop over time around a neuron that takes one step a call."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.fc, self.cell = nn.Linear(4, 4), cell

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        return torch.stack([self.cell(self.fc(x[t])) for t in range(3)]).mean(0)


CELLS = {
    "lif": lambda mode: neuron.LIFNode(1.6, True, 0.3, None, step_mode=mode),
    "iaf": lambda mode: neuron.IFNode(0.5, 0.125, step_mode=mode),
    "plif": lambda mode: neuron.ParametricLIFNode(2.5, False, 0.3, 0.0, step_mode=mode),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_loop_over_spikingjellys_single_steps_is_the_neuron_of_all_steps(door, name: str) -> None:
    class Whole(Loop):
        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self)
            return self.cell(self.fc(x)).mean(0)

    loop = Loop(CELLS[name]("s"))
    found = door.equal(loop, torch.rand(3, 2, 4), (1,))
    whole = Whole(CELLS[name]("m"))
    whole.load_state_dict(loop.state_dict())
    assert found.graph.text() == door.taken(whole, torch.rand(3, 2, 4), (1,)).graph.text()
    assert found.graph.sha256 == door.taken(whole, torch.rand(3, 2, 4), (1,)).graph.sha256


def test_neurons_that_dissolved_are_refused_by_name_and_module(door) -> None:
    with pytest.raises(UnsupportedOp, match="exported step by step as a comparison") as caught:
        door.taken(Loop(neuron.LIFNode(step_mode="s")), torch.rand(3, 2, 4), (1,), True)
    assert {(offender.op, offender.path) for offender in caught.value.offenders} == {("aten.ge.Scalar", "cell")}


def test_a_membrane_that_another_neuron_goes_on_from_is_refused(door) -> None:
    class Passed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.one, self.two = nn.Linear(4, 4), CELLS["lif"]("s"), CELLS["lif"]("s")

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self)
            first = self.one(self.fc(x[0]))
            self.two.v = self.one.v
            return torch.stack([first, self.two(self.fc(x[1]))]).mean(0)

    with pytest.raises(UnsupportedOp, match="goes on from a call that is none of one step of the same neuron"):
        door.taken(Passed(), torch.rand(2, 2, 4), (1,))


def test_a_single_step_whose_state_the_export_lost_is_refused(door) -> None:
    with pytest.raises(TraceError, match=r"torch\.export keeps no state between calls"):
        door.taken(nn.Sequential(nn.Linear(4, 4), neuron.LIFNode(step_mode="s")), torch.rand(2, 4), (0,))


def test_a_membrane_that_is_used_or_starts_elsewhere_is_refused(door) -> None:
    class Membranes(nn.Module):
        def __init__(self, *, used: bool) -> None:
            super().__init__()
            self.fc, self.lif, self.used = nn.Linear(4, 4), neuron.LIFNode(step_mode="m", store_v_seq=True), used

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self)
            if not self.used:
                self.lif.v = torch.full_like(x[0], 0.5)
            y = self.lif(self.fc(x))
            return self.lif.v_seq.mean(0) if self.used else y

    for used, reason in ((True, "a further result"), (False, "its membrane does not start at 0")):
        with pytest.raises(UnsupportedOp) as caught:
            door.taken(Membranes(used=used), torch.rand(3, 2, 4), (1,))
        assert reason in str(caught.value)
