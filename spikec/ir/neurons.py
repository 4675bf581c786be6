"""Spiking neurons: LIF, IF, and the memoryless Threshold. Their fields state the whole convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from spikec.ir.op import Inputs, Op, WeightTypes, broadcast, require_step
from spikec.ir.types import REAL, SPIKE, TensorType

Reset = Literal["hard", "soft", "none"]
FiresAt = Literal[">=", ">"]
Rounding = Literal["none", "toward_zero", "floor"]


@dataclass(frozen=True)
class Neuron(Op):
    """What neurons share: the convention's fields, spikes and membrane as results."""

    extra_results: ClassVar[tuple[str, ...]] = ("v",)

    reset: Reset = "hard"
    fires_at: FiresAt = ">="
    reset_delay: bool = False
    rounding: Rounding = "none"
    refractory: int = 0

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = require_step(self, inputs[0])
        for slot, weight in weights.items():
            broadcast(self, weight.shape, to=x.shape, what=slot)
        return x.with_domain(SPIKE), x.with_domain(REAL)


@dataclass(frozen=True)
class LIF(Neuron):
    """Leaky integrate-and-fire neuron, element by element, one membrane v per element, v0 before the first step.

        h = v + (x - (v - v_leak)) / tau            decay_input     (Spikformer, SpikingJelly)
        h = v_leak + (v - v_leak) (1 - 1/tau) + x   no decay_input  (Auto-Spikformer eq. 1; snnTorch's beta = 1 - 1/tau)
        h = rounding(h)                             rounding        (fixed-point targets)
        q = [h >= v_threshold]                      fires_at '>='   ('>' for snnTorch)
        v = v_reset where q, else h                 reset 'hard'
        v = h - q v_threshold                       reset 'soft'
        v = h                                       reset 'none'

    With `reset_delay` the reset is applied at the start of the next step, so the state carried on is h and the
    next step starts from the reset of it. For `refractory` steps after a spike the neuron stays at its reset
    value and does not fire.

    Inputs: x, per step. Weights, each a scalar or broadcast to x: tau (steps, >= 1), v_threshold; optionally
    v_reset (0), v_leak (v_reset unless given), v0 (v_leak unless given).
    Results: q (Spike); v (Real): the state carried on, after the reset (before it with reset_delay).
    """

    mnemonic: ClassVar[str] = "lif"
    slots: ClassVar[tuple[str, ...]] = ("tau", "v_threshold")
    optional: ClassVar[tuple[str, ...]] = ("v_reset", "v_leak", "v0")

    decay_input: bool = True


@dataclass(frozen=True)
class IF(Neuron):
    """Integrate-and-fire neuron: LIF without leak, h = v + x; firing and reset as in LIF.

    Inputs: x, per step. Weights: v_threshold; optionally v_reset (0), v0 (v_reset unless given).
    Results: q (Spike); v (Real).
    """

    mnemonic: ClassVar[str] = "if"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)
    optional: ClassVar[tuple[str, ...]] = ("v_reset", "v0")


@dataclass(frozen=True)
class Threshold(Op):
    """Memoryless spike: q = [x >= v_threshold], or [x > v_threshold] with fires_at '>' (NIR's Threshold).

    Inputs: x. Weights: v_threshold, scalar or broadcast to x. Results: q (Spike).
    """

    mnemonic: ClassVar[str] = "threshold"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)

    fires_at: FiresAt = ">="

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        broadcast(self, weights["v_threshold"].shape, to=x.shape, what="v_threshold")
        return (x.with_domain(SPIKE),)
