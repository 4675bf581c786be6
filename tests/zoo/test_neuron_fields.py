"""Every combination of the fields of snnTorch's and SpikingJelly's neurons: equal to its op, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.neurons.table import reset
from spikec.frontend.tracer import trace
from spikec.ir.graph import Graph
from spikec.run.interp import Interpreter

WIDTH, STEPS = 6, 8

Make = Callable[[], nn.Module]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """snnTorch resets every neuron ever made, those of other tests included, some of which it cannot reset."""
    monkeypatch.setattr(snn.SpikingNeuron, "instances", [])


class Loop(nn.Module):
    """A Linear and a neuron that takes one step a call, its states handed on as it gives them; all are outputs."""

    def __init__(self, layer: nn.Module, states: int) -> None:
        super().__init__()
        self.fc, self.neuron, self.states = nn.Linear(WIDTH, WIDTH), layer, states

    def drive(self, now: Tensor) -> Tensor:
        return self.fc(now)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        given, calls = (), []
        for now in x:
            results = self.neuron(self.drive(now), *given)
            results = results if isinstance(results, tuple) else (results,)
            given = results[-self.states :] if self.states else ()
            calls.append(results)
        return tuple(torch.stack(list(steps)) for steps in zip(*calls, strict=True))


class Maps(Loop):
    """The same for a neuron of maps [B, 2, 3, 2]."""

    def __init__(self, layer: nn.Module, states: int) -> None:
        super().__init__(layer, states)
        self.fc = nn.Linear(WIDTH, 12)

    def drive(self, now: Tensor) -> Tensor:
        return self.fc(now).reshape(-1, 2, 3, 2)


class Whole(nn.Module):
    """A Linear and a neuron that takes all steps."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.fc, self.neuron = nn.Linear(WIDTH, WIDTH), layer

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.fc(x))


def equal(network: nn.Module, op: str) -> Graph:
    """The graph of a network, whose spikes and states are the network's own in fp32, and whose neuron fires."""
    torch.manual_seed(1)
    network.eval()
    with torch.no_grad():
        network.fc.weight.normal_()
        network.fc.bias.fill_(0.4)
    graph = trace(network, (WIDTH,), layout="TBX", steps=STEPS)
    assert op in [node.op.mnemonic for node in graph.nodes]
    x = torch.rand(STEPS, 32, WIDTH)
    reset(network)
    with torch.no_grad():
        theirs = network(x)
    ours = Interpreter(torch.float32).run(graph, {"input": x.numpy()}, STEPS)
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    spikes, expected = ours[graph.outputs[0]], theirs[0]
    assert 0.02 < float((expected != 0).float().mean()) < 0.98
    assert torch.equal(spikes, expected)
    for name, other in zip(graph.outputs, theirs, strict=True):
        torch.testing.assert_close(ours[name], other, rtol=1e-4, atol=1e-4)
    return graph


def said(fields: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in fields.items())


def combinations(**choices: tuple[object, ...]) -> Iterator[dict[str, object]]:
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


RESETS = ("subtract", "zero", "none")
BOOLS = (False, True)
PER_NEURON = torch.linspace(0.2, 0.9, WIDTH)
HIDING = [{"init_hidden": False}, {"init_hidden": True, "output": True}, {"init_hidden": True}]
MADE = {
    "Leaky": (snn.Leaky, {"beta": 0.7}, 1, "lif"),
    "Leaky of vectors": (snn.Leaky, {"beta": PER_NEURON, "threshold": PER_NEURON + 0.5}, 1, "lif"),
    "Leaky that learns": (snn.Leaky, {"beta": 0.7, "learn_beta": True, "learn_threshold": True}, 1, "lif"),
    "Leaky with graded spikes": (snn.Leaky, {"beta": 0.7, "graded_spikes_factor": 0.5}, 1, "scale"),
    "Leaky with a leak above 1": (snn.Leaky, {"beta": 1.5}, 1, "lif"),
    "Synaptic": (snn.Synaptic, {"alpha": 0.6, "beta": 0.7}, 2, "cuba_lif"),
    "Synaptic of vectors": (snn.Synaptic, {"alpha": PER_NEURON, "beta": 0.7, "learn_beta": True}, 2, "cuba_lif"),
    "RLeaky, all to all": (snn.RLeaky, {"beta": 0.7, "linear_features": WIDTH}, 2, "delay"),
    "RLeaky, one to one": (snn.RLeaky, {"beta": 0.7, "all_to_all": False, "V": 0.3}, 2, "delay"),
    "RLeaky, a V each": (snn.RLeaky, {"beta": 0.7, "all_to_all": False, "V": PER_NEURON - 0.5}, 2, "delay"),
    "RLeaky, convolution": (snn.RLeaky, {"beta": 0.7, "conv2d_channels": 2, "kernel_size": 3}, 2, "delay"),
    "Lapicque": (snn.Lapicque, {"beta": 0.7}, 1, "lif"),
    "Lapicque of R and C": (snn.Lapicque, {"R": 5.1, "C": 0.5, "time_step": 0.6}, 1, "lif"),
}
DELAYS = [{"reset_delay": True}, {"reset_delay": False}]


def snn_network(name: str, fields: dict[str, object]) -> tuple[nn.Module, str]:
    """A loop around the neuron, and the op that it must become."""
    kind, own, states, op = MADE[name]
    network = Maps if "conv2d_channels" in own else Loop
    return network(kind(**own, **fields), 0 if fields.get("init_hidden") else states), op


@pytest.mark.full
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("mechanism", RESETS)
def test_snntorch(name: str, mechanism: str) -> None:
    delays = [{}] if name.startswith("Lapicque") else DELAYS
    for hiding, delay in product(HIDING, delays):
        fields = {"reset_mechanism": mechanism, **hiding, **delay}
        network, op = snn_network(name, fields)
        if mechanism == "subtract" and delay.get("reset_delay") is False:
            with pytest.raises(TraceError, match=r"module 'neuron'.*reset 'subtract' with reset_delay=False"):
                trace(network.eval(), (WIDTH,), layout="TBX", steps=STEPS)
        else:
            equal(network, op)


@pytest.mark.parametrize("mechanism", RESETS)
def test_snntorchs_alpha(mechanism: str) -> None:
    for hiding in HIDING:
        layer = snn.Alpha(0.8, 0.6, threshold=0.4, reset_mechanism=mechanism, **hiding)
        network = OnlySpikes(layer, 0 if hiding["init_hidden"] else 3).eval()
        if mechanism == "subtract":
            with pytest.raises(TraceError, match=r"module 'neuron'.*subtracts the currents of another neuron"):
                trace(network, (WIDTH,), layout="TBX", steps=STEPS)
        else:
            equal(network, "alpha")


class OnlySpikes(Loop):
    """Without the states: the two currents of an Alpha are no values of a graph."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


def test_a_current_of_alpha_is_refused_as_an_output() -> None:
    with pytest.raises(TraceError, match="does not come from its input by functions that were followed"):
        trace(Loop(snn.Alpha(0.8, 0.6), 3).eval(), (WIDTH,), layout="TBX", steps=STEPS)


REFUSED = {
    "inhibition": ({"inhibition": True}, "inhibition=True lets one neuron of a layer fire at most"),
    "quantised state": ({"state_quant": torch.round}, "state_quant rounds its membrane"),
    "threshold below 0": ({"threshold": -0.5}, "its threshold is below 0"),
    "firing otherwise": ({"spike_grad": lambda x: (x >= 0).float()}, r"does not do what its spikec_neuron\(\) says"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature")
def test_snntorchs_fields_that_make_it_another_neuron(case: str) -> None:
    fields, why = REFUSED[case]
    with pytest.raises(TraceError, match=why):
        trace(Loop(snn.Leaky(0.7, **fields), 1).eval(), (WIDTH,), layout="TBX", steps=STEPS)


def jelly(kind: str, decay: bool, **fields: object) -> nn.Module:
    """A neuron of SpikingJelly; tau is no power of two."""
    makers: dict[str, Make] = {
        "if": lambda: neuron.IFNode(**fields),
        "lif": lambda: neuron.LIFNode(1.7, decay_input=decay, **fields),
        "plif": lambda: neuron.ParametricLIFNode(1.7, decay_input=decay, **fields),
    }
    return makers[kind]()


JELLY = list(combinations(v_reset=(0.0, None, -0.25), v_threshold=(1.0, 0.6), detach_reset=BOOLS, step_mode=("s", "m")))


@pytest.mark.full
@pytest.mark.parametrize(("kind", "decay"), [("if", False), *product(("lif", "plif"), BOOLS)])
def test_spikingjelly(kind: str, decay: bool) -> None:
    for fields in JELLY:
        layer = jelly(kind, decay, **fields)
        network = Whole(layer) if fields["step_mode"] == "m" else Loop(layer, 0)
        graph = equal(network, kind)
        (node,) = (node for node in graph.nodes if node.op.mnemonic == kind)
        assert node.op.reset == ("soft" if fields["v_reset"] is None else "hard"), said(fields)


def test_spikingjellys_kept_membranes_are_values() -> None:
    class Kept(Whole):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return super().forward(x), self.neuron.v_seq

    graph = equal(Kept(neuron.LIFNode(1.7, step_mode="m", store_v_seq=True)), "lif")
    assert graph.outputs == ("neuron", "neuron.v")


def test_a_surrogate_that_gives_real_numbers_is_refused() -> None:
    layer = neuron.LIFNode(surrogate_function=surrogate.Sigmoid(spiking=False), step_mode="m")
    with pytest.raises(TraceError, match="spiking=False"):
        trace(Whole(layer).eval(), (WIDTH,), layout="TBX", steps=STEPS)


NAMED = {
    "AdaptBaseNode": lambda: neuron.AdaptBaseNode(step_mode="m"),
    "CUBALIFNode": neuron.CUBALIFNode,
    "ComplementaryLIFNode": lambda: neuron.ComplementaryLIFNode(step_mode="m"),
    "DSRIFNode": neuron.DSRIFNode,
    "DSRLIFNode": neuron.DSRLIFNode,
    "EIFNode": lambda: neuron.EIFNode(step_mode="m"),
    "GatedLIFNode": lambda: neuron.GatedLIFNode(T=STEPS),
    "HalfThresholdIFNode": lambda: neuron.HalfThresholdIFNode(step_mode="m"),
    "ILIFNode": lambda: neuron.ILIFNode(step_mode="m"),
    "IzhikevichNode": lambda: neuron.IzhikevichNode(step_mode="m"),
    "KLIFNode": lambda: neuron.KLIFNode(step_mode="m"),
    "LIAFNode": lambda: neuron.LIAFNode(torch.relu, threshold_related=False, step_mode="m"),
    "MaskedPSN": lambda: neuron.MaskedPSN(k=2, T=STEPS, step_mode="m"),
    "MPBNLIFNode": lambda: neuron.MPBNLIFNode(out_features=WIDTH, step_mode="m"),
    "OTTTLIFNode": neuron.OTTTLIFNode,
    "QIFNode": lambda: neuron.QIFNode(step_mode="m"),
    "RAFNode": lambda: neuron.RAFNode(step_mode="m"),
    "SLTTLIFNode": neuron.SLTTLIFNode,
    "SimpleIFNode": lambda: neuron.SimpleIFNode(step_mode="m"),
    "SimpleLIFNode": lambda: neuron.SimpleLIFNode(2.0, True, step_mode="m"),
    "SlidingPSN": lambda: neuron.SlidingPSN(k=2, step_mode="m"),
    "TernaryIFNode": lambda: neuron.TernaryIFNode(step_mode="m"),
    "TernaryLIFNode": lambda: neuron.TernaryLIFNode(step_mode="m"),
    "RSynaptic": lambda: snn.RSynaptic(0.5, 0.5, linear_features=WIDTH),
    "SLSTM": lambda: snn.SLSTM(WIDTH, WIDTH),
    "StateLeaky": lambda: snn.StateLeaky(0.5, WIDTH),
    "DeltaLeaky": lambda: snn.DeltaLeaky(beta=0.5),
}


@pytest.mark.parametrize("name", NAMED)
def test_other_neurons_are_refused_by_name(name: str) -> None:
    layer = NAMED[name]()
    whole = getattr(layer, "step_mode", "s") == "m" or name == "StateLeaky"
    network = Whole(layer) if whole else OnlySpikes(layer, 0)
    with pytest.raises(TraceError, match=rf"module 'neuron'.*{name}.*spikec_neuron\(\)"):
        trace(network.eval(), (WIDTH,), layout="TBX", steps=STEPS)


@pytest.mark.parametrize("layer", [neuron.PSN(STEPS), neuron.NonSpikingLIFNode(), snn.LeakyParallel(WIDTH, WIDTH)])
def test_neurons_that_are_no_layers_of_memory_are_refused_by_what_they_do(layer: nn.Module) -> None:
    with pytest.raises(TraceError, match=r"module 'neuron.*the function '\w+' is not taken"):
        trace(Whole(layer).eval(), (WIDTH,), layout="TBX", steps=STEPS)
