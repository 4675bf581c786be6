"""Processes with a state between steps: neurons and delays."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikec_lava.kernels.state import FIRINGS, Delay, Neuron
from spikec_lava.model import NodeModel, UnaryModel
from spikec_lava.node import NodeProcess


class NeuronModel(NodeModel):
    """Runs a layer of neurons; apart from LifModel, since Lava takes no model that subclasses another's."""

    a: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    state: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def prepare(self):
        self.neuron = Neuron(self.node.results[0], **self.node.weights, **self.node.attrs)

    def begin_sample(self):
        self.neuron.begin()

    def step(self):
        spikes = self.neuron.step(self.a.recv())
        sample, step = divmod(self.time_step - 1, self.node.steps)
        self.node.records["spikes"][step, sample] = spikes
        self.node.records["membranes"][step, sample] = self.neuron.v
        self.out.send(spikes.astype(float))
        self.state.send(self.neuron.v)


class Lif(NodeProcess):
    """A layer of leaky integrate-and-fire neurons: spikes at `out`, the membrane at `state`."""


@implements(proc=Lif, protocol=LoihiProtocol)
@requires(CPU)
class LifModel(NeuronModel):
    """Runs Lif."""


class If(NodeProcess):
    """A layer of integrate-and-fire neurons without a leak: as Lif, without tau."""


@implements(proc=If, protocol=LoihiProtocol)
@requires(CPU)
class IfModel(NeuronModel):
    """Runs If."""


class Threshold(NodeProcess):
    """A spike where the input reaches a threshold; no memory."""


@implements(proc=Threshold, protocol=LoihiProtocol)
@requires(CPU)
class ThresholdModel(UnaryModel):
    """Runs Threshold."""

    def compute(self, x):
        spikes = FIRINGS[self.node.attrs.get("fires_at", ">=")](x, self.node.weights["v_threshold"])
        sample, step = divmod(self.time_step - 1, self.node.steps)
        self.node.records["spikes"][step, sample] = spikes
        return spikes.astype(float)


class Delayed(NodeProcess):
    """The value of some steps ago, zero before."""


@implements(proc=Delayed, protocol=LoihiProtocol)
@requires(CPU)
class DelayedModel(UnaryModel):
    """Runs Delayed."""

    def prepare(self):
        self.delay = Delay(self.node.results[0], self.node.weights["steps"])

    def begin_sample(self):
        self.delay.begin()

    def step(self):
        # Inside a cycle the input waits for what we send, so whatever is delayed at all is sent first.
        first = self.delay.steps.min(initial=1) >= 1
        if first:
            self.out.send(self.delay.read())
        self.delay.write(self.a.recv())
        if not first:
            self.out.send(self.delay.read())
        self.delay.advance()
