"""Spiking neurons: LIF, IF, PLIF, CubaLIF, Alpha, and those without memory. Their fields state the whole convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from spikec.ir.op import Inputs, Op, WeightTypes, broadcast, require, require_step
from spikec.ir.types import REAL, SPIKE, Int, IntFormat, TensorType

Reset = Literal["hard", "soft", "none"]
FiresAt = Literal[">=", ">"]
Rounding = Literal["none", "toward_zero", "floor"]


@dataclass(frozen=True)
class Neuron(Op):
    """A spiking neuron with a membrane for each element; spikes and membrane are its results."""

    extra_results: ClassVar[tuple[str, ...]] = ("v",)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        x = require_step(self, inputs[0])
        for slot, weight in weights.items():
            broadcast(self, weight.shape, to=x.shape, what=slot)
        return x.with_domain(SPIKE), *(x.with_domain(REAL) for _ in self.extra_results)


@dataclass(frozen=True)
class IntegrateAndFire(Neuron):
    """What integrate-and-fire neurons share: when they fire, and how they are reset.

    h is the membrane charged with this step's input, as each neuron says. Then::

        q = [h >= v_threshold]                      fires_at '>='   ('>' for snnTorch)
        v = v_reset where q, else h                 reset 'hard'
        v = h - q v_threshold                       reset 'soft'
        v = h                                       reset 'none'

    With `reset_delay` (snnTorch's default) the state that is carried on is h, and a spike resets the next step: a
    hard reset before that step's leak, so that the spikes are those without delay; a soft one after it, so that the
    threshold is subtracted whole, not leaked. For `refractory` steps after a spike the neuron stays at v_reset and
    does not fire. (snnTorch's Lapicque and Synaptic with reset 'zero' lose one step so: refractory 1.)

    `state` is the fixed point that holds v, h (and i): a run in which one is no whole multiple of its scale, or needs
    more than its bits, ends in an error, since chips differ in what they then do. None for floating point.
    """

    reset: Reset = "hard"
    fires_at: FiresAt = ">="
    reset_delay: bool = False
    refractory: int = 0
    state: IntFormat | None = None


@dataclass(frozen=True)
class LIF(IntegrateAndFire):
    """Leaky integrate-and-fire neuron, element by element, one membrane v per element, v0 before the first step.

        h = v + (x - (v - v_leak)) / tau            decay_input             (Spikformer, SpikingJelly)
        h = v - (v - v_leak) / tau + x              no decay_input, tau     (Auto-Spikformer eq. 1, SpikingJelly)
        h = v_leak + r((v - v_leak) beta) + x       no decay_input, beta    (snnTorch, Lava)

    beta, the share of the membrane that is left after a step, is 1 - 1/tau in other words; which of the two is given
    decides the order of rounding errors. r is `rounding`, of fixed-point targets, and nothing by default. Then::

        q = [h >= v_threshold]                      fires_at '>='   ('>' for snnTorch)
        v = v_reset where q, else h                 reset 'hard'
        v = h - q v_threshold                       reset 'soft'
        v = h                                       reset 'none'

    With `reset_delay` (snnTorch's default) the state that is carried on is h, and a spike resets the next step: a
    hard reset before that step's leak, so that the spikes are those without delay; a soft one after it,
    h = ... - q v_threshold with the q of the step before. For `refractory` steps after a spike the neuron stays at
    v_reset and does not fire.

    Inputs: x, per step. Weights, each a scalar or broadcast to x: v_threshold; either tau (steps, >= 1) or, without
    decay_input, beta (0..1); optionally v_reset (0), v_leak (v_reset unless given), v0 (v_leak unless given).
    Results: q (Spike); v (Real): the state carried on, after the reset (before it with reset_delay).
    Source: SpikingJelly 2.0, LIFNode; snnTorch 1.0, Leaky; Auto-Spikformer eq. 1; lava-dl's CUBA where it rounds.
    """

    mnemonic: ClassVar[str] = "lif"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)
    optional: ClassVar[tuple[str, ...]] = ("tau", "beta", "v_reset", "v_leak", "v0")

    decay_input: bool = True
    rounding: Rounding = "none"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        one_of(self, weights, "tau", "beta")
        check_leak(self, weights, decay_input=self.decay_input, rounding=self.rounding)
        check_state(self, self.state, leaks=self.rounding == "none")
        return super().infer(inputs, weights)


@dataclass(frozen=True)
class PLIF(IntegrateAndFire):
    """LIF whose time constant is learnt (parametric LIF): 1/tau = sigmoid(w), one w a layer in the paper.

        h = v + (x - (v - v_leak)) sigmoid(w)              decay_input
        h = v - (v - v_leak) sigmoid(w) + x                no decay_input

    Firing and reset as in LIF. Source: Fang et al., ICCV 2021, eq. 8; its code computes in this order.

    Inputs: x, per step. Weights, each a scalar or broadcast to x: w (a parameter), v_threshold; optionally v_reset
    (0), v_leak (v_reset unless given), v0 (v_leak unless given).
    Results: q (Spike); v (Real).
    """

    mnemonic: ClassVar[str] = "plif"
    slots: ClassVar[tuple[str, ...]] = ("w", "v_threshold")
    optional: ClassVar[tuple[str, ...]] = ("v_reset", "v_leak", "v0")

    decay_input: bool = True

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        check_state(self, self.state, leaks=True)
        return super().infer(inputs, weights)


@dataclass(frozen=True)
class IF(IntegrateAndFire):
    """Integrate-and-fire neuron: a LIF without leak.

        h = v + x                                   firing, reset and refractory steps as in LIF

    Inputs: x, per step. Weights, each a scalar or broadcast to x: v_threshold; optionally v_reset (0), v0 (v_reset
    unless given). Results: q (Spike); v (Real). Source: NIR 1.0.8, IF; SpikingJelly 2.0, IFNode.
    """

    mnemonic: ClassVar[str] = "if"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)
    optional: ClassVar[tuple[str, ...]] = ("v_reset", "v0")

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        check_state(self, self.state, leaks=False)
        return super().infer(inputs, weights)


@dataclass(frozen=True)
class CubaLIF(IntegrateAndFire):
    """Current-based LIF: a synaptic current i that leaks, and a membrane that it charges.

        i = r(i alpha) + x                          or i - i / tau_syn + x
        h = v + (i - (v - v_leak)) / tau            decay_input
        h = v - (v - v_leak) / tau + i              no decay_input, tau
        h = v_leak + r((v - v_leak) beta) + i       no decay_input, beta    (snnTorch's Synaptic, Lava's LIF)

    alpha is 1 - 1/tau_syn and beta 1 - 1/tau in other words; r is `rounding`. Firing,
    reset and refractory steps are as in LIF; the current is never reset. NIR's gains are a Scale before it.

    Inputs: x, per step. Weights, each a scalar or broadcast to x: v_threshold; either tau_syn (steps, >= 1) or alpha;
    either tau or, without decay_input, beta; optionally v_reset (0), v_leak (v_reset unless given), v0 (v_leak unless
    given), i0 (0).
    Results: q (Spike); v (Real): the membrane carried on; i (Real): the current.
    Source: NIR 1.0.8, CubaLIF; snnTorch 1.0, Synaptic; Davies et al. 2018, sec. II (Loihi).
    """

    mnemonic: ClassVar[str] = "cuba_lif"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)
    optional: ClassVar[tuple[str, ...]] = ("tau_syn", "alpha", "tau", "beta", "v_reset", "v_leak", "v0", "i0")
    extra_results: ClassVar[tuple[str, ...]] = ("v", "i")

    decay_input: bool = False
    rounding: Rounding = "none"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        one_of(self, weights, "tau_syn", "alpha")
        one_of(self, weights, "tau", "beta")
        check_leak(self, weights, decay_input=self.decay_input, rounding=self.rounding)
        check_state(self, self.state, leaks=self.rounding == "none")
        return super().infer(inputs, weights)


@dataclass(frozen=True)
class Alpha(Neuron):
    """Alpha-function neuron (snnTorch's Alpha): the membrane is the difference of two leaking currents.

        e = alpha e + x
        i = beta i - x
        v = h = g (e + i),   g = ln(alpha) / (ln(beta) - ln(alpha)) + 1
        q = [h > v_threshold]                       fires_at '>', or '>='
        e = i = h = 0 at the step after a spike, whose input is lost       reset 'hard'

    Inputs: x, per step. Weights, each a scalar or broadcast to x: alpha, beta (0 < beta < alpha <= 1), v_threshold.
    Results: q (Spike); v (Real). Source: snnTorch 1.0, Alpha, `reset_mechanism` 'zero' and 'none'.
    """

    mnemonic: ClassVar[str] = "alpha"
    slots: ClassVar[tuple[str, ...]] = ("alpha", "beta", "v_threshold")

    reset: Literal["hard", "none"] = "hard"
    fires_at: FiresAt = ">"


@dataclass(frozen=True)
class MultiLevelSpike(Op):
    """Integer neuron without memory: codes 0..levels, each standing for code * scale.

        y = round(min(max(x, 0), levels)) scale             ties to the even code, as torch.round

    Inputs: x. Results: y, Int(0, levels, scale). Source: Yao et al., 'Scaling spike-driven transformer' (SDT v3),
    2025: levels 4, scale 1/4 there; at inference each level is a binary step (`unroll-levels`).
    """

    mnemonic: ClassVar[str] = "multi_level_spike"

    levels: int = 4
    scale: float = 0.25

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        require(self.scale > 0, self, f"a positive scale expected, found {self.scale}")
        return (inputs[0].with_domain(Int(0, self.levels, self.scale)),)


@dataclass(frozen=True)
class Threshold(Op):
    """Memoryless spike: q = [x >= v_threshold], or [x > v_threshold] with fires_at '>' (NIR's Threshold).

    Inputs: x. Weights: v_threshold, scalar or broadcast to x. Results: q (Spike).
    Source: NIR 1.0.8, Threshold ('>'); SpikingJelly 2.0, surrogate.heaviside of x - v_threshold ('>=').
    """

    mnemonic: ClassVar[str] = "threshold"
    slots: ClassVar[tuple[str, ...]] = ("v_threshold",)

    fires_at: FiresAt = ">="

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        broadcast(self, weights["v_threshold"].shape, to=x.shape, what="v_threshold")
        return (x.with_domain(SPIKE),)


def one_of(op: Op, weights: WeightTypes, *slots: str) -> None:
    """Checks that exactly one of these weights is given.

    Raises:
        VerifyError: none is, or several.
    """
    given = [slot for slot in slots if slot in weights]
    require(len(given) == 1, op, f"weights {given} are given; expected one of {list(slots)}")


def check_leak(op: Op, weights: WeightTypes, *, decay_input: bool, rounding: Rounding) -> None:
    """Checks what decides how a membrane leaks.

    Raises:
        VerifyError: a beta, or rounding, beside decay_input.
    """
    require(not (decay_input and "beta" in weights), op, "beta says nothing of the input; decay_input takes tau")
    rounds = rounding != "none"
    require(not (rounds and "tau" in weights), op, "rounding is of targets that hold a beta, not a tau")
    require(not (rounds and "tau_syn" in weights), op, "rounding is of targets that hold an alpha, not a tau_syn")


def check_state(op: Op, state: IntFormat | None, *, leaks: bool) -> None:
    """Checks what holds a state.

    Args:
        op: the neuron.
        state: its fixed point.
        leaks: whether a step may leave it at what is no whole number.

    Raises:
        VerifyError: an unsigned format, or a leak that does not round.
    """
    require(state is None or state.signed, op, f"its state is {state}; a signed format expected")
    require(state is None or not leaks, op, f"its state is {state}, and it leaks without rounding")
