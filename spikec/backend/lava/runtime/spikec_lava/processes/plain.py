"""Processes without weights or state."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikec_lava.kernels import plain
from spikec_lava.model import BinaryModel, UnaryModel
from spikec_lava.node import NodeProcess


class Add(NodeProcess):
    """The sum of two values: a residual's join."""


@implements(proc=Add, protocol=LoihiProtocol)
@requires(CPU)
class AddModel(BinaryModel):
    """Runs Add."""

    def compute(self, a, b):
        return plain.add(a, b, **self.node.attrs)


class Mul(NodeProcess):
    """The product of two values, element by element."""


@implements(proc=Mul, protocol=LoihiProtocol)
@requires(CPU)
class MulModel(BinaryModel):
    """Runs Mul."""

    def compute(self, a, b):
        return plain.mul(a, b, **self.node.attrs)


class MatMul(NodeProcess):
    """The matrix product of two values: attention."""


@implements(proc=MatMul, protocol=LoihiProtocol)
@requires(CPU)
class MatMulModel(BinaryModel):
    """Runs MatMul."""

    def compute(self, a, b):
        return plain.matmul(a, b, **self.node.attrs)


class Scale(NodeProcess):
    """A product by a constant."""


@implements(proc=Scale, protocol=LoihiProtocol)
@requires(CPU)
class ScaleModel(UnaryModel):
    """Runs Scale."""

    def compute(self, x):
        return plain.scale(x, **self.node.attrs)


class MaxPool(NodeProcess):
    """The greatest value of each window."""


@implements(proc=MaxPool, protocol=LoihiProtocol)
@requires(CPU)
class MaxPoolModel(UnaryModel):
    """Runs MaxPool."""

    def compute(self, x):
        return plain.max_pool(x, **self.node.attrs)


class SumPool(NodeProcess):
    """The sum of each window."""


@implements(proc=SumPool, protocol=LoihiProtocol)
@requires(CPU)
class SumPoolModel(UnaryModel):
    """Runs SumPool."""

    def compute(self, x):
        return plain.sum_pool(x, **self.node.attrs)


class AvgPool(NodeProcess):
    """The mean of each window."""


@implements(proc=AvgPool, protocol=LoihiProtocol)
@requires(CPU)
class AvgPoolModel(UnaryModel):
    """Runs AvgPool."""

    def compute(self, x):
        return plain.avg_pool(x, **self.node.attrs)


class Sum(NodeProcess):
    """The sum over axes."""


@implements(proc=Sum, protocol=LoihiProtocol)
@requires(CPU)
class SumModel(UnaryModel):
    """Runs Sum."""

    def compute(self, x):
        return plain.sum_over(x, **self.node.attrs)


class Mean(NodeProcess):
    """The mean over axes."""


@implements(proc=Mean, protocol=LoihiProtocol)
@requires(CPU)
class MeanModel(UnaryModel):
    """Runs Mean."""

    def compute(self, x):
        return plain.mean_over(x, **self.node.attrs)


class Reshape(NodeProcess):
    """Another shape of the same elements."""


@implements(proc=Reshape, protocol=LoihiProtocol)
@requires(CPU)
class ReshapeModel(UnaryModel):
    """Runs Reshape."""

    def compute(self, x):
        return plain.reshape(x, **self.node.attrs)


class Transpose(NodeProcess):
    """Another order of the axes."""


@implements(proc=Transpose, protocol=LoihiProtocol)
@requires(CPU)
class TransposeModel(UnaryModel):
    """Runs Transpose."""

    def compute(self, x):
        return plain.transpose(x, **self.node.attrs)
