"""Ops that move values without computing: Reshape, Transpose, Expand, Concat, Slice, Pad, Upsample, Constant."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from spikec.ir.linear import Pair
from spikec.ir.op import Inputs, Op, WeightTypes, require, same_timing
from spikec.ir.types import REAL, Shape, TensorType, Timing, total_of, union_of


@dataclass(frozen=True)
class Reshape(Op):
    """y[n] = x[n], n counting the elements of each in row-major order: x in another shape.

    `shape` is that of one sample, without T and batch.

    Inputs: x. Results: y, of x's domain. Source: ONNX Reshape-14, of a shape without 0 and -1.
    """

    mnemonic: ClassVar[str] = "reshape"

    shape: Shape = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(prod(self.shape) == x.elements, self, f"{list(x.shape)} does not reshape to {list(self.shape)}")
        return (x.with_shape(self.shape),)


@dataclass(frozen=True)
class Transpose(Op):
    """y[n_0, n_1, ...] = x[m_0, m_1, ...] with m_axes[i] = n_i: y's axis i is x's axis axes[i].

    Inputs: x. Results: y, of x's domain. Source: ONNX Transpose-13.
    """

    mnemonic: ClassVar[str] = "transpose"

    axes: tuple[int, ...] = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        fits = sorted(self.axes) == list(range(len(x.shape)))
        require(fits, self, f"axes {list(self.axes)} are no permutation of the axes of {list(x.shape)}")
        return (x.with_shape(tuple(x.shape[axis] for axis in self.axes)),)


@dataclass(frozen=True)
class Expand(Op):
    """y[n_0, n_1, ...] = x[m_0, m_1, ...] with m_i = 0 where x's axis i has size 1, else n_i.

    One mask for all channels, one score for all tokens. Both have as many axes.

    Inputs: x. Results: y of `shape`, of x's domain. Source: ONNX Expand-13.
    """

    mnemonic: ClassVar[str] = "expand"

    shape: Shape = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        alike = len(x.shape) == len(self.shape) and all(a in (1, b) for a, b in zip(x.shape, self.shape, strict=True))
        require(alike, self, f"{list(x.shape)} does not expand to {list(self.shape)}")
        return (x.with_shape(self.shape),)


@dataclass(frozen=True)
class Concat(Op):
    """y[..., offset_k + n, ...] = x_k[..., n, ...] along `axis`, offset_k being the sizes of the operands before x_k.

    Their other axes are equal.

    Inputs: x_0, x_1, ..., two or more. Results: y; Int where all are and their scales are whole multiples of the
    finest, with a range that holds all of theirs, else Real. Source: ONNX Concat-13.
    """

    mnemonic: ClassVar[str] = "concat"
    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True

    axis: int = 0

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        same_timing(self, inputs)
        first = inputs[0]
        require(0 <= self.axis < len(first.shape), self, f"axis {self.axis} is outside {list(first.shape)}")
        rests = {(*x.shape[: self.axis], *x.shape[self.axis + 1 :]) for x in inputs}
        alike = len(rests) == 1 and len({len(x.shape) for x in inputs}) == 1
        require(alike, self, f"shapes differ beside axis {self.axis}: {[list(x.shape) for x in inputs]}")
        domain = first.domain
        for x in inputs[1:]:
            domain = union_of(domain, x.domain)
        total = sum(x.shape[self.axis] for x in inputs)
        shape = (*first.shape[: self.axis], total, *first.shape[self.axis + 1 :])
        return (first.with_shape(shape).with_domain(domain),)


@dataclass(frozen=True)
class Slice(Op):
    """y[..., n, ...] = x[..., start + n step, ...] along `axis`, for start + n step < stop.

    Inputs: x. Results: y, of x's domain. Source: ONNX Slice-13, of one axis and a positive step.
    """

    mnemonic: ClassVar[str] = "slice"

    axis: int = 0
    start: int = 0
    stop: int = 1
    step: int = 1

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(0 <= self.axis < len(x.shape), self, f"axis {self.axis} is outside {list(x.shape)}")
        size = x.shape[self.axis]
        fits = self.start < self.stop <= size
        require(fits, self, f"start {self.start} and stop {self.stop} do not fit axis {self.axis} of {list(x.shape)}")
        taken = len(range(self.start, self.stop, self.step))
        return (x.with_shape((*x.shape[: self.axis], taken, *x.shape[self.axis + 1 :])),)


@dataclass(frozen=True)
class Pad(Op):
    """y[n_0, n_1, ...] = x[n_0 - before_0, n_1 - before_1, ...] where x has such an element, else 0.

    Axis i gets before_i zeros before its elements and after_i behind them.

    Inputs: x. Results: y, of x's domain with 0 in its range. Source: ONNX Pad-13, mode 'constant' with 0.
    """

    mnemonic: ClassVar[str] = "pad"

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        fits = len(self.before) == len(self.after) == len(x.shape)
        require(fits, self, f"before {self.before} and after {self.after} do not fit {list(x.shape)}")
        shape = tuple(b + s + a for b, s, a in zip(self.before, x.shape, self.after, strict=True))
        domain = total_of(x.domain, 1, padded=any((*self.before, *self.after)))
        return (x.with_shape(shape).with_domain(domain),)


@dataclass(frozen=True)
class Upsample(Op):
    """y[c, i, j] = x[c, floor(i / fh), floor(j / fw)], `factors` being (fh, fw): the nearest neighbour.

    Inputs: x [C, H, W]. Results: y [C, H fh, W fw], of x's domain.
    Source: torch.nn.functional.interpolate (torch 2.13), mode 'nearest' with whole factors.
    """

    mnemonic: ClassVar[str] = "upsample"

    factors: Pair = (2, 2)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(len(x.shape) == 3, self, f"[C, H, W] expected, found {list(x.shape)}")
        channels, height, width = x.shape
        return (x.with_shape((channels, height * self.factors[0], width * self.factors[1])),)


@dataclass(frozen=True)
class Constant(Op):
    """y = value, a weight as a value of its own, the same for every sample: a table of positions, learnt factors.

    Inputs: none. Weights: value. Results: y, Real, once. Source: ONNX Constant-13.
    """

    mnemonic: ClassVar[str] = "constant"
    arity: ClassVar[int] = 0
    slots: ClassVar[tuple[str, ...]] = ("value",)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (TensorType(weights["value"].shape, REAL, Timing.ONCE),)
