"""The only ops that touch time: Repeat, TimeMean, TimeSum, TimeLast, and Delay, the explicit feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.op import Inputs, Op, WeightTypes, broadcast, require, require_step
from spikec.ir.types import REAL, TensorType, Timing, total_of


@dataclass(frozen=True)
class Repeat(Op):
    """y[t] = x at every step t: direct coding.

    Inputs: x, once. Results: y, per step, of x's domain. Source: Rathi and Roy 2020 (DIET-SNN).
    """

    mnemonic: ClassVar[str] = "repeat"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(x.timing is Timing.ONCE, self, f"needs one value for the inference, found {x}")
        return (x.with_timing(Timing.STEP),)


@dataclass(frozen=True)
class TimeMean(Op):
    """y = (x[0] + ... + x[T - 1]) / T.

    Inputs: x, per step. Results: y, once, Real: its scale would depend on T, a property of the run.
    Source: spikec's own design; what Spikformer's code gives its head, x.mean(0).
    """

    mnemonic: ClassVar[str] = "time_mean"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE).with_domain(REAL),)


@dataclass(frozen=True)
class TimeSum(Op):
    """y = x[0] + ... + x[T - 1].

    Inputs: x, per step. Results: y, once, Real: its range would depend on T, a property of the run.
    Source: spikec's own design: spikes counted over the inference.
    """

    mnemonic: ClassVar[str] = "time_sum"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE).with_domain(REAL),)


@dataclass(frozen=True)
class TimeLast(Op):
    """y = x[T - 1], the value of the last step.

    Inputs: x, per step. Results: y, once, of x's domain. Source: spikec's own design: a read-out after the last step.
    """

    mnemonic: ClassVar[str] = "time_last"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE),)


@dataclass(frozen=True)
class Delay(Op):
    """y[t] = x[t - steps], 0 for t < steps; the only op whose operand may be defined after it.

    Inputs: x, per step. Weights: steps, integers >= 0, scalar or broadcast to x; at least 1 inside a cycle.
    Results: y, of x's domain with 0 in its range. The type is declared (text:
    `delay(%later; steps=d) : spike step [64]`), so that a cycle has one. Source: NIR 1.0.8, Delay.
    """

    mnemonic: ClassVar[str] = "delay"
    slots: ClassVar[tuple[str, ...]] = ("steps",)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = require_step(self, inputs[0])
        broadcast(self, weights["steps"].shape, to=x.shape, what="steps")
        return (x.with_domain(total_of(x.domain, 1, padded=True)),)
