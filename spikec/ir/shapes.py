"""Ops that move values without computing: Reshape, Transpose."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from spikec.ir.op import Inputs, Op, WeightTypes, require
from spikec.ir.types import Shape, TensorType


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order in another shape (of one sample, without T and batch)."""

    mnemonic: ClassVar[str] = "reshape"

    shape: Shape = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(prod(self.shape) == x.elements, self, f"{list(x.shape)} does not reshape to {list(self.shape)}")
        return (x.with_shape(self.shape),)


@dataclass(frozen=True)
class Transpose(Op):
    """y's axis i is x's axis axes[i]."""

    mnemonic: ClassVar[str] = "transpose"

    axes: tuple[int, ...] = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        fits = sorted(self.axes) == list(range(len(x.shape)))
        require(fits, self, f"axes {list(self.axes)} are no permutation of the axes of {list(x.shape)}")
        return (x.with_shape(tuple(x.shape[axis] for axis in self.axes)),)
