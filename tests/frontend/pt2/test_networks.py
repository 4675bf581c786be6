"""Spiking networks out of .pt2 files: the graph is what the module does, and what the tracer makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading, read
from spikec.frontend.pt2 import neurons
from spikec.frontend.pt2.unrolled import LEAKY
from spikec.frontend.tracer import trace
from spikec.ir.graph import Graph
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.types import Timing
from spikec.snn.config import uniform_config
from spikec.snn.neuron import LIFNeuron
from spikec.snn.spikformer import new_spikformer


class ConvNet(nn.Module):
    """Convolution, BatchNorm, LIF, Linear and a mean over time, time and batch where `layout` says."""

    def __init__(self, layout: str = "TBX", steps: int = 4) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.lif, self.head = LIFNeuron(2.0, 0.3), nn.Linear(96, 10)
        self.layout, self.steps = layout, steps
        nn.init.normal_(self.bn.running_mean)

    def forward(self, x: Tensor) -> Tensor:
        if self.layout == "BTX":
            x = x.transpose(0, 1)
        if self.layout == "BX":
            x = x.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)
        times = x.shape[:2]
        y = self.lif(self.bn(self.conv(x.flatten(0, 1))).unflatten(0, times))
        return self.head(y.flatten(2)).mean(0)


def example(layout: str, batch: int, steps: int = 4) -> Tensor:
    lead = {"TBX": (steps, batch), "BTX": (batch, steps), "BX": (batch,)}[layout]
    return torch.rand(*lead, 3, 4, 4)


FREE = {"TBX": (1,), "BTX": (0,), "BX": (0,)}


@pytest.mark.parametrize("core", [False, pytest.param(True, marks=pytest.mark.full)], ids=["aten", "core"])
@pytest.mark.parametrize("layout", ["TBX", "BTX", "BX"])
def test_a_batch_that_is_left_open(door, layout: str, core: bool) -> None:
    found = door.equal(ConvNet(layout), example(layout, 2), FREE[layout], core)
    assert found.facts["layout"] == layout
    assert found.encoder == ("direct" if layout == "BX" else "frames")
    assert found.facts["steps"] == found.graph.steps == 4
    assert not [remark for remark in found.remarks if "batch is fixed" in remark]
    scopes = [node.scope for node in found.graph.nodes if node.scope]
    assert scopes == ["conv", "bn", "lif", "head"]
    assert found.graph.weights["conv.weight"].array.shape == (6, 3, 3, 3)


@pytest.mark.full
@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("layout", ["TBX", "BTX", "BX"])
def test_a_batch_that_is_fixed_is_said(door, layout: str, batch: int) -> None:
    found = door.equal(ConvNet(layout), example(layout, batch))
    assert found.facts["layout"] == layout
    assert f"the file's batch is fixed at {batch}; the graph takes any, and was replayed at that one" in found.remarks
    open_one = door.taken(ConvNet(layout), example(layout, 2), FREE[layout])
    assert found.graph.text() == open_one.graph.text()


@pytest.mark.full
def test_time_that_is_left_open_too(door) -> None:
    found = door.equal(ConvNet(), example("TBX", 2), (0, 1))
    assert found.facts["layout"] == "TBX"
    assert not [remark for remark in found.remarks if "fixed" in remark]
    assert door.taken(ConvNet(), example("TBX", 2), (0, 1), steps=7).graph.steps == 7


@pytest.mark.full
def test_a_fixed_time_is_said_and_another_may_be_asked_for(door) -> None:
    found = door.taken(ConvNet(), example("TBX", 2), (1,), steps=6)
    assert found.graph.steps == 6
    assert found.facts["steps"] == 4
    assert (
        "the file's time is fixed at 4 steps; the graph runs any number, and was replayed at that one" in found.remarks
    )
    assert "T is 6 as asked; the file was exported with 4 steps, and was replayed so" in found.remarks


def test_a_layout_that_is_asked_for_must_fit(door) -> None:
    path = door.export(ConvNet(), example("TBX", 2), (1,))
    assert read(path, Reading(layout="TBX")).facts["layout"] == "TBX"
    for layout in ("BTX", "BX"):
        with pytest.raises(TraceError, match="to neurons of 4 steps"):
            read(path, Reading(layout=layout))


def test_what_holds_without_neurons_is_one_image_unless_asked(door) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    path = door.export(Plain(), torch.rand(3, 2, 4), (1,))
    with pytest.raises(TraceError, match="to neurons of no steps"):
        read(path, Reading())
    assert read(path, Reading(layout="TBX")).encoder == "frames"
    assert door.equal(Plain(), torch.rand(2, 4), (0,)).graph.steps == 1


def spikformer() -> nn.Module:
    config = uniform_config("digits", (1, 8, 8), 10, width=16, depth=1, heads=2)
    network = new_spikformer(config, torch.Generator().manual_seed(0)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0.5)
    return network


@pytest.mark.full
@pytest.mark.parametrize("core", [False, True], ids=["aten", "core"])
def test_our_spikformer_is_the_graph_that_the_tracer_gives(door, core: bool) -> None:
    network = spikformer()
    found = door.equal(network, torch.rand(3, 1, 8, 8), (0,), core)
    assert found.encoder == "direct"
    traced = trace(network, (1, 8, 8), layout="BX", steps=4, name="x", check=False)
    if not core:  # torch's own rewriting of products moves axes elsewhere
        assert found.graph.text() == traced.text()
        assert found.graph.sha256 == traced.sha256
    assert worked(found.graph) == worked(traced)


def worked(graph: Graph) -> list[tuple[str, str]]:
    """What computes, in order, without what moves axes: scopes, and ops without the turns of a product."""
    moves = (Reshape, Transpose)
    return [(node.scope, node.op.mnemonic) for node in graph.nodes if not isinstance(node.op, moves)]


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
    found = door.equal(Jelly(v_reset, decay), example("TBX", 3, steps=5), (1,))
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


class Leaks(nn.Module):
    """A loop over time around snnTorch's Leaky, its membrane explicit or hidden, or a neuron like it."""

    def __init__(self, cell: nn.Module, *, hidden: bool = False) -> None:
        super().__init__()
        self.fc, self.cell, self.hidden = nn.Linear(4, 6), cell, hidden

    def forward(self, x: Tensor) -> Tensor:
        spikes, v = [], None if self.hidden else self.cell.init_leaky()
        for t in range(4):
            drive = self.fc(x[t])
            q, v = (self.cell(drive), None) if self.hidden else self.cell(drive, v)
            spikes.append(q)
        return torch.stack(spikes)


@pytest.mark.parametrize("core", [False, True], ids=["aten", "core"])
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_snntorchs_leaky_is_put_together_again(door, reset: str, core: bool) -> None:
    module = Leaks(snntorch.Leaky(0.8, threshold=0.2, reset_mechanism=reset))
    if core and reset == "zero":  # 1 - reset is written otherwise there
        with pytest.raises(UnsupportedOp, match="exported step by step as a comparison"):
            door.taken(module, torch.rand(4, 3, 4), (1,), core)
        return
    found = door.equal(module, torch.rand(4, 3, 4), (1,), core)
    (node,) = [node for node in found.graph.nodes if isinstance(node.op, LIF)]
    kind = {"subtract": "soft", "zero": "hard", "none": "none"}[reset]
    assert node.op == LIF(reset=kind, decay_input=False, fires_at=">", reset_delay=True)
    assert node.scope == "cell"
    assert 0.1 < float(module(torch.rand(4, 64, 4)).detach().mean()) < 0.9


def test_a_leaky_with_a_hidden_membrane_and_a_learnt_beta(door) -> None:
    module = Leaks(snntorch.Leaky(torch.full((6,), 0.7), threshold=0.2, init_hidden=True, learn_beta=True), hidden=True)
    found = door.equal(module, torch.rand(4, 3, 4), (1,))
    assert found.graph.weights["cell.beta"].role.value == "parameter"
    assert found.graph.weights["cell.beta"].array.shape == (6,)


class Odd(nn.Module):
    """Nearly a Leaky: one thing is another."""

    def __init__(self, odd: str) -> None:
        super().__init__()
        self.odd = odd
        for name, number in (("beta", 0.8), ("threshold", 0.2), ("other", 0.3)):
            self.register_buffer(name, torch.tensor(number))

    def init_leaky(self) -> None:
        return None

    def forward(self, x: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        v = torch.full_like(x, 0.5 if self.odd == "start" else 0.0) if v is None else v
        told = ((v - (self.other if self.odd == "reset" else self.threshold)) > 0).to(x.dtype)
        share = self.beta.clamp(0, 2 if self.odd == "clamp" else 1)
        over = 0.1 if self.odd == "compare" else 0
        v = share * v + x - told * (self.other if self.odd == "taken" else self.threshold)
        return ((v - self.threshold) > over).to(x.dtype), v


@pytest.mark.parametrize("odd", ["", "start", "reset", "clamp", "compare", "taken"])
def test_what_only_looks_like_a_leaky_is_refused(door, odd: str) -> None:
    if not odd:
        door.equal(Leaks(Odd(odd)), torch.rand(4, 3, 4), (1,))
        return
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Leaks(Odd(odd)), torch.rand(4, 3, 4), (1,))
    assert {offender.path for offender in caught.value.offenders} == {"cell"}


def test_a_leaky_put_together_wrongly_would_be_found(door, monkeypatch: pytest.MonkeyPatch) -> None:
    right = neurons.NEURONS[LEAKY]
    wrong = {LEAKY: lambda args: replace(right(args), op=LIF(reset="none", decay_input=False, fires_at=">"))}
    monkeypatch.setattr("spikec.frontend.pt2.plan.NEURONS", {**neurons.NEURONS, **wrong})
    with pytest.raises(TraceError, match="something else than the neurons that its comparisons look like"):
        door.taken(Leaks(snntorch.Leaky(0.8, threshold=0.2)), torch.rand(4, 3, 4), (1,))


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


def test_a_network_that_writes_to_its_buffers_is_refused_with_their_names(door) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.seen.add_(1.0)
            return x + self.seen

    with pytest.raises(UnsupportedOp, match=r"writes to its buffer 'seen'"):
        door.taken(Counts(), torch.rand(2, 4), (0,), core=True)


def test_several_inputs_whole_numbers_and_open_images_are_refused(door) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum(-1)

    with pytest.raises(TraceError, match="an input of int64"):
        door.taken(Two(), torch.ones(2, 4, dtype=torch.int64), (0,))
    with pytest.raises(TraceError, match=r"an input of sizes \[open, open\]"):
        door.taken(Two(), torch.rand(2, 4), (0, 1))


def test_half_precision_is_said(door) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3).to(torch.bfloat16)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    found = door.taken(Half(), torch.rand(2, 4).to(torch.bfloat16), (0,))
    assert [remark for remark in found.remarks if "torch.bfloat16; the graph has its weights as float32" in remark]
    assert str(found.graph.weights["fc.weight"].array.dtype) == "float32"


def test_unused_parameters_are_said(door) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    found = door.equal(Idle(), torch.rand(2, 4), (0,))
    assert [r for r in found.remarks if "2 of the network's parameters are never used" in r]
    assert sorted(found.graph.weights) == ["fc.bias", "fc.weight"]
