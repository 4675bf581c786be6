"""Integrators, which have a membrane and do not fire: LI and I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.neurons import check_leak, check_state, one_of
from spikec.ir.op import Inputs, Op, WeightTypes, broadcast, require_step
from spikec.ir.types import REAL, IntFormat, TensorType


@dataclass(frozen=True)
class Integrator(Op):
    """What integrators share: a membrane for each element, which is the result."""

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = require_step(self, inputs[0])
        for slot, weight in weights.items():
            broadcast(self, weight.shape, to=x.shape, what=slot)
        return (x.with_domain(REAL),)


@dataclass(frozen=True)
class LI(Integrator):
    """Leaky integrator: a LIF that never fires.

        v = v + (x - (v - v_leak)) / tau            decay_input
        v = v - (v - v_leak) / tau + x              no decay_input, tau
        v = v_leak + (v - v_leak) beta + x          no decay_input, beta

    Inputs: x, per step. Weights, each a scalar or broadcast to x: either tau (steps, >= 1) or, without decay_input,
    beta; optionally v_leak (0), v0 (v_leak unless given). Results: v (Real). Source: NIR 1.0.8, LI.
    """

    mnemonic: ClassVar[str] = "li"
    optional: ClassVar[tuple[str, ...]] = ("tau", "beta", "v_leak", "v0")

    decay_input: bool = True

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        one_of(self, weights, "tau", "beta")
        check_leak(self, weights, decay_input=self.decay_input, rounding="none")
        return super().infer(inputs, weights)


@dataclass(frozen=True)
class I(Integrator):  # noqa: E742  # NIR's name
    """Integrator: v = v + x.

    `state` is the fixed point that holds v, as of an IF; None for floating point.

    Inputs: x, per step. Weights: optionally v0 (0). Results: v (Real). Source: NIR 1.0.8, I.
    """

    mnemonic: ClassVar[str] = "i"
    optional: ClassVar[tuple[str, ...]] = ("v0",)

    state: IntFormat | None = None

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        check_state(self, self.state, leaks=False)
        return super().infer(inputs, weights)
