"""What every process model shares: its node, the sample's borders, and errors that cannot hang the run."""

import os
import traceback

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType


class NodeModel(PyLoihiProcessModel):
    """A process model that receives, computes and sends within one step, so that no synapse costs a delay.

    Samples follow each other in one run, `steps` steps each: `begin_sample` is called at each border.
    """

    def __init__(self, proc_params=None):
        super().__init__(proc_params)
        self.node = proc_params["node"]
        self.guarded(self.prepare)

    def prepare(self):
        """Makes what the model needs from its node, once."""

    def begin_sample(self):
        """Puts the state back to what it is before a sample's first step."""

    def step(self):
        """Receives, computes and sends."""
        raise NotImplementedError

    def run_spk(self):
        """Lava's spiking phase: one step."""
        self.guarded(self.one_step)

    def one_step(self):
        """A step, after a reset where a sample begins."""
        if (self.time_step - 1) % self.node.steps == 0:
            self.begin_sample()
        self.step()

    def guarded(self, action):
        """Calls `action`; whatever it raises is written to a file first.

        Lava shows no traceback of a process model, and the others wait for its message for ever. run.py
        watches the folder and ends the run. BaseException, since a MemoryError in a C call or a SystemExit
        would hang it just the same.
        """
        try:
            action()
        except BaseException:
            path = os.path.join(self.node.errors, f"{self.node.name.replace('/', '_')}.txt")
            with open(path + ".part", "w", encoding="utf-8") as file:
                file.write(f"process '{self.node.name}' ({self.node.op}) failed:\n{traceback.format_exc()}")
            os.replace(path + ".part", path)
            raise

    def attributes(self):
        """The node's conventions as keywords of its kernel."""
        return self.node.attrs


class UnaryModel(NodeModel):
    """One value in, one out."""

    a: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def compute(self, x):
        """The result of one step."""
        raise NotImplementedError

    def step(self):
        """Receives, computes and sends."""
        self.out.send(self.compute(self.a.recv()))


class BinaryModel(NodeModel):
    """Two values in, by ports of their own (several edges into one port would be summed), one out."""

    a: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    b: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def compute(self, a, b):
        """The result of one step."""
        raise NotImplementedError

    def step(self):
        """Receives both, computes and sends."""
        a = self.a.recv()
        b = self.b.recv()
        self.out.send(self.compute(a, b))
