"""Functions of real numbers: LayerNorm, Softmax, Gelu, Exp. They are costed as such, never folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from spikec.ir.op import Inputs, Op, WeightTypes, require
from spikec.ir.types import REAL, TensorType


@dataclass(frozen=True)
class LayerNorm(Op):
    """y = (x - m) / sqrt(s + eps) * weight + bias, m and s the mean and variance over the last `axes` axes of x itself.

    The variance is the biased one. Unlike a BatchNorm's, m and s are of the sample at hand, so nothing can be folded.

    Inputs: x. Weights, each of the shape of those axes: weight, bias, both optional. Results: y, Real.
    Source: Ba et al. 2016, eq. 4.
    """

    mnemonic: ClassVar[str] = "layer_norm"
    optional: ClassVar[tuple[str, ...]] = ("weight", "bias")

    axes: int = 1
    eps: float = 1e-5

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(1 <= self.axes <= len(x.shape), self, f"{self.axes} axes do not fit {list(x.shape)}")
        over = x.shape[len(x.shape) - self.axes :]
        for slot, weight in weights.items():
            require(weight.shape == over, self, f"{slot} must be {list(over)}, found {list(weight.shape)}")
        return (x.with_domain(REAL),)


@dataclass(frozen=True)
class Softmax(Op):
    """y[i] = exp(x[i]) / sum over j of exp(x[j]), i and j along one axis.

    Inputs: x. Results: y, Real. Source: Bridle 1990.
    """

    mnemonic: ClassVar[str] = "softmax"

    axis: int = 0

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(0 <= self.axis < len(x.shape), self, f"axis {self.axis} is outside {list(x.shape)}")
        return (x.with_domain(REAL),)


@dataclass(frozen=True)
class Gelu(Op):
    """y = x P(X <= x), X standard normal.

        y = x (1 + erf(x / sqrt(2))) / 2                                       approximate 'none'
        y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2                  approximate 'tanh'

    Inputs: x. Results: y, Real. Source: Hendrycks and Gimpel 2016, sec. 2.
    """

    mnemonic: ClassVar[str] = "gelu"

    approximate: Literal["none", "tanh"] = "none"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (inputs[0].with_domain(REAL),)


@dataclass(frozen=True)
class Exp(Op):
    """y = e^x.

    Inputs: x. Results: y, Real. Source: ONNX Exp-13.
    """

    mnemonic: ClassVar[str] = "exp"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (inputs[0].with_domain(REAL),)
