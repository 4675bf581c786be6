"""What a process is told of its node, and the bare processes that carry it."""

from dataclasses import dataclass, field

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess


@dataclass
class NodeSpec:
    """One node of network.json with its weights as arrays.

    Weights travel here and not as Lava Vars: the processes are forked, so nothing is copied, while a Var is
    read and written one element a message.
    """

    name: str
    op: str
    attrs: dict
    shapes: list  # of the inputs
    results: list  # shapes of the results
    weights: dict
    steps: int  # of one sample
    errors: str  # the folder that run.py watches
    records: dict = field(default_factory=dict)  # 'spikes', 'membranes' or 'value' to an array kept on disk


class NodeProcess(AbstractProcess):
    """A process of one node: the ports `a`, `b` in, as many as it has inputs, and `out`, `state` out."""

    def __init__(self, node):
        super().__init__(node=node, name=node.name)
        for port, shape in zip("ab", node.shapes, strict=False):
            setattr(self, port, InPort(shape=tuple(shape)))
        for port, shape in zip(("out", "state"), node.results, strict=False):
            setattr(self, port, OutPort(shape=tuple(shape)))
