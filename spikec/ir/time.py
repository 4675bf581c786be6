"""The only ops that touch time: Repeat, TimeMean, TimeSum, TimeLast, and Delay, the explicit feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.op import Inputs, Op, WeightTypes, broadcast, require, require_step
from spikec.ir.types import REAL, TensorType, Timing


@dataclass(frozen=True)
class Repeat(Op):
    """The same value at every step (direct coding): Once to Step."""

    mnemonic: ClassVar[str] = "repeat"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(x.timing is Timing.ONCE, self, f"needs one value for the inference, found {x}")
        return (x.with_timing(Timing.STEP),)


@dataclass(frozen=True)
class TimeMean(Op):
    """The mean over the steps: Step to Once, Real."""

    mnemonic: ClassVar[str] = "time_mean"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE).with_domain(REAL),)


@dataclass(frozen=True)
class TimeSum(Op):
    """The sum over the steps: Step to Once, Real (its range would depend on T, a property of the run)."""

    mnemonic: ClassVar[str] = "time_sum"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE).with_domain(REAL),)


@dataclass(frozen=True)
class TimeLast(Op):
    """The value of the last step: Step to Once."""

    mnemonic: ClassVar[str] = "time_last"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (require_step(self, inputs[0]).with_timing(Timing.ONCE),)


@dataclass(frozen=True)
class Delay(Op):
    """y at step t is x at step t - steps, 0 before; the only op whose input may be defined after it.

    Weights: steps, integers >= 0, scalar or broadcast to x; at least 1 inside a cycle.
    Its type is declared (text: `delay(%later; steps=d) : spike step [64]`), so that a cycle has one.
    """

    mnemonic: ClassVar[str] = "delay"
    slots: ClassVar[tuple[str, ...]] = ("steps",)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = require_step(self, inputs[0])
        broadcast(self, weights["steps"].shape, to=x.shape, what="steps")
        return (x,)
