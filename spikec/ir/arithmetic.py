"""Ops between values, and by constants: Add, Mul, Scale, MatMul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.op import Inputs, Op, WeightTypes, require, same_timing
from spikec.ir.types import REAL, Int, TensorType, product_of, sum_of


@dataclass(frozen=True)
class Add(Op):
    """y = a + b element by element, of equal shapes.

    Inputs: a, b. Results: y; Int where both are and one scale is a whole multiple of the other, in units of the finer
    one, else Real. Spike + Spike is Int(0, 2, 1): the residual stream. Source: ONNX Add-14, without broadcasting.
    """

    mnemonic: ClassVar[str] = "add"
    arity: ClassVar[int] = 2

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        a, b = inputs
        same_timing(self, inputs)
        require(a.shape == b.shape, self, f"shapes differ: {list(a.shape)} and {list(b.shape)}")
        return (a.with_domain(sum_of(a.domain, b.domain)),)


@dataclass(frozen=True)
class Mul(Op):
    """y = a * b element by element, of equal shapes.

    Inputs: a, b. Results: y; Int where both are, its scale the product of theirs, else Real.
    Source: ONNX Mul-14, without broadcasting.
    """

    mnemonic: ClassVar[str] = "mul"
    arity: ClassVar[int] = 2

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        a, b = inputs
        same_timing(self, inputs)
        require(a.shape == b.shape, self, f"shapes differ: {list(a.shape)} and {list(b.shape)}")
        return (a.with_domain(product_of(a.domain, b.domain)),)


@dataclass(frozen=True)
class Scale(Op):
    """y = x * factor, a finite constant.

    Inputs: x. Results: y; a positive factor changes an Int's scale, not its codes, any other makes it Real.
    Source: NIR 1.0.8, Scale, where all its factors are one; that codes are kept is spikec's own design.
    """

    mnemonic: ClassVar[str] = "scale"

    factor: float = 1.0

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        if isinstance(x.domain, Int) and self.factor > 0:
            return (x.with_domain(Int(x.domain.lo, x.domain.hi, x.domain.scale * self.factor)),)
        return (x.with_domain(REAL),)


@dataclass(frozen=True)
class MatMul(Op):
    """y[..., n, m] = sum over k of a[..., n, k] b[..., k, m], a product of two activations.

    `transpose_a` reads a as [..., k, n], `transpose_b` reads b as [..., m, k]. Leading axes are equal.

    Inputs: a, b. Results: y; Int where both are, its scale the product of theirs, else Real. Spikes times spikes of
    K terms is Int(0, K, 1). Source: ONNX MatMul-13, leading axes without broadcasting.
    """

    mnemonic: ClassVar[str] = "matmul"
    arity: ClassVar[int] = 2

    transpose_a: bool = False
    transpose_b: bool = False

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        a, b = inputs
        same_timing(self, inputs)
        require(len(a.shape) >= 2 and len(a.shape) == len(b.shape), self, f"ranks of {a} and {b} differ or are < 2")
        require(a.shape[:-2] == b.shape[:-2], self, f"leading axes differ: {list(a.shape)} and {list(b.shape)}")
        (n, k), (k_b, m) = self.planes(a, b)
        require(k == k_b, self, f"contracted axes differ: {k} and {k_b}")
        domain = product_of(a.domain, b.domain, terms=k)
        return (a.with_shape((*a.shape[:-2], n, m)).with_domain(domain),)

    def planes(self, a: TensorType, b: TensorType) -> tuple[tuple[int, int], tuple[int, int]]:
        """The last two axes of each operand as [n, k] and [k, m], transposes undone."""
        rows, columns = a.shape[-2:], b.shape[-2:]
        left = (rows[1], rows[0]) if self.transpose_a else (rows[0], rows[1])
        right = (columns[1], columns[0]) if self.transpose_b else (columns[0], columns[1])
        return left, right
