"""Where the network meets run.py: inputs that feed frames, outputs that record values."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikec_lava.model import NodeModel
from spikec_lava.node import NodeProcess


class Input(NodeProcess):
    """Feeds one frame a step."""


@implements(proc=Input, protocol=LoihiProtocol)
@requires(CPU)
class InputModel(NodeModel):
    """Runs Input."""

    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def step(self):
        sample, step = divmod(self.time_step - 1, self.node.steps)
        frames = self.node.weights["frames"]
        # A value that is given once for the inference is the same at every step.
        self.out.send(frames[sample] if self.node.attrs["once"] else frames[step, sample])


class Output(NodeProcess):
    """Records one value a step."""


@implements(proc=Output, protocol=LoihiProtocol)
@requires(CPU)
class OutputModel(NodeModel):
    """Runs Output."""

    a: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)

    def step(self):
        sample, step = divmod(self.time_step - 1, self.node.steps)
        self.node.records["value"][step, sample] = self.a.recv()
