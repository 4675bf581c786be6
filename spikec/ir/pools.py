"""Ops that reduce windows and axes: MaxPool, SumPool, AvgPool, Sum, Mean."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from spikec.ir.linear import Pair, window
from spikec.ir.op import Inputs, Op, WeightTypes, require
from spikec.ir.types import TensorType, total_of


@dataclass(frozen=True)
class Pool(Op):
    """What the window reductions over [C, H, W] share: kernel, stride and padding in (H, W) order."""

    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)

    def pooled(self, x: TensorType) -> TensorType:
        """The type in the reduced shape [C, H', W'].

        Raises:
            VerifyError: not three axes, or a window that does not fit.
        """
        require(len(x.shape) == 3, self, f"[C, H, W] expected, found {list(x.shape)}")
        fits = all(2 * p <= k for p, k in zip(self.padding, self.kernel, strict=True))
        require(fits, self, f"padding {self.padding} exceeds half the kernel {self.kernel}")
        places = zip(x.shape[1:], self.kernel, self.stride, self.padding, strict=True)
        spatial = tuple(window(*place) for place in places)
        require(all(s > 0 for s in spatial), self, f"kernel {self.kernel} does not fit {list(x.shape)}")
        return x.with_shape((x.shape[0], *spatial))


@dataclass(frozen=True)
class MaxPool(Pool):
    """y[c, i, j] = max over (a, b) of x[c, i sh + a - ph, j sw + b - pw], padding left out. On spikes: a logical or.

    (a, b) runs over the kernel (kh, kw), (sh, sw) is the stride, (ph, pw) the padding, at most half the kernel;
    H' = floor((H + 2 ph - kh) / sh) + 1, and W' alike.

    Inputs: x [C, H, W]. Results: y [C, H', W'], of x's domain.
    Source: torch.nn.functional.max_pool2d (torch 2.13), dilation 1 and ceil_mode off.
    """

    mnemonic: ClassVar[str] = "max_pool"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (self.pooled(inputs[0]),)


@dataclass(frozen=True)
class SumPool(Pool):
    """y[c, i, j] = sum over (a, b) of x[c, i sh + a - ph, j sw + b - pw], zeros in the padding.

    (a, b) runs over the kernel (kh, kw), (sh, sw) is the stride, (ph, pw) the padding, at most half the kernel;
    H' = floor((H + 2 ph - kh) / sh) + 1, and W' alike.

    Inputs: x [C, H, W]. Results: y [C, H', W']; of Int(lo, hi, s) it is Int(kh kw lo, kh kw hi, s), where the padding
    brings zeros into lo..hi. Source: NIR 1.0.8, SumPool2d.
    """

    mnemonic: ClassVar[str] = "sum_pool"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = self.pooled(inputs[0])
        return (x.with_domain(total_of(x.domain, prod(self.kernel), padded=any(self.padding))),)


@dataclass(frozen=True)
class AvgPool(Pool):
    """y[c, i, j] = sum over (a, b) of x[c, i sh + a - ph, j sw + b - pw] / (kh kw), zeros in the padding counted too.

    (a, b) runs over the kernel (kh, kw), (sh, sw) is the stride, (ph, pw) the padding, at most half the kernel;
    H' = floor((H + 2 ph - kh) / sh) + 1, and W' alike.

    Inputs: x [C, H, W]. Results: y [C, H', W']; of Int(lo, hi, s) it is Int(kh kw lo, kh kw hi, s / (kh kw)), where
    the padding brings zeros into lo..hi. Source: NIR 1.0.8, AvgPool2d.
    """

    mnemonic: ClassVar[str] = "avg_pool"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = self.pooled(inputs[0])
        return (x.with_domain(total_of(x.domain, prod(self.kernel), mean=True, padded=any(self.padding))),)


@dataclass(frozen=True)
class Sum(Op):
    """y[rest] = sum of x over `axes` of one sample, which disappear.

    Inputs: x. Results: y; of Int(lo, hi, s) and n values summed it is Int(n lo, n hi, s).
    Source: ONNX ReduceSum-13, keepdims 0.
    """

    mnemonic: ClassVar[str] = "sum"

    axes: tuple[int, ...] = (0,)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (_reduced(self, inputs[0], self.axes, mean=False),)


@dataclass(frozen=True)
class Mean(Op):
    """y[rest] = sum of x over `axes` of one sample, which disappear, divided by how many n there are.

    An op of its own: Sum and Scale are not Mean, since (1/49) * 49 < 1 in floating point and a neuron on the
    tie would flip.

    Inputs: x. Results: y; of Int(lo, hi, s) it is Int(n lo, n hi, s / n). Source: ONNX ReduceMean-18, keepdims 0.
    """

    mnemonic: ClassVar[str] = "mean"

    axes: tuple[int, ...] = (0,)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (_reduced(self, inputs[0], self.axes, mean=True),)


def _reduced(op: Op, x: TensorType, axes: tuple[int, ...], *, mean: bool) -> TensorType:
    fits = len(set(axes)) == len(axes) and all(0 <= axis < len(x.shape) for axis in axes)
    require(bool(axes) and fits, op, f"axes {list(axes)} do not fit {list(x.shape)}")
    terms = prod(x.shape[axis] for axis in axes)
    kept = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    return x.with_shape(kept).with_domain(total_of(x.domain, terms, mean=mean))
