"""Processes that hold weights."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikec_lava.kernels import weighted
from spikec_lava.model import UnaryModel
from spikec_lava.node import NodeProcess


class Linear(NodeProcess):
    """A product by a matrix on the last axis, and a bias."""


@implements(proc=Linear, protocol=LoihiProtocol)
@requires(CPU)
class LinearModel(UnaryModel):
    """Runs Linear."""

    def compute(self, x):
        return weighted.linear(x, **self.node.weights, **self.node.attrs)


class Conv1d(NodeProcess):
    """A cross-correlation along one axis, and a bias."""


@implements(proc=Conv1d, protocol=LoihiProtocol)
@requires(CPU)
class Conv1dModel(UnaryModel):
    """Runs Conv1d."""

    def compute(self, x):
        return weighted.conv1d(x, **self.node.weights, **self.node.attrs)


class Conv2d(NodeProcess):
    """A cross-correlation over two axes, and a bias."""


@implements(proc=Conv2d, protocol=LoihiProtocol)
@requires(CPU)
class Conv2dModel(UnaryModel):
    """Runs Conv2d."""

    def compute(self, x):
        return weighted.conv2d(x, **self.node.weights, **self.node.attrs)


class BatchNorm(NodeProcess):
    """A normalisation by stored statistics along one axis."""


@implements(proc=BatchNorm, protocol=LoihiProtocol)
@requires(CPU)
class BatchNormModel(UnaryModel):
    """Runs BatchNorm."""

    def compute(self, x):
        return weighted.batch_norm(x, **self.node.weights, **self.node.attrs)
