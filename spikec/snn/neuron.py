"""The leaky integrate-and-fire neuron as a torch module: all steps at once, its whole convention in fields.

The op `spikec.ir` LIF is the specification; this module computes the same numbers in the same order, so
that in fp64 its spikes and those of the interpreter are equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikec.errors import UsageError
from spikec.snn.surrogate import SIGMOID_4, Surrogate, surrogate_derivative_

if TYPE_CHECKING:
    from spikec.ir.neurons import LIF

Reset = Literal["hard", "soft", "none"]
FiresAt = Literal[">=", ">"]
Scalar = float | Tensor


@dataclass(frozen=True)
class Convention:
    """Everything about a LIF layer that is no number of its own: how it leaks, fires, resets and learns.

    Attributes:
        reset: 'hard' sets the membrane to v_reset, 'soft' subtracts the threshold, 'none' leaves it.
        decay_input: whether the input is divided by tau as the membrane's leak is.
        fires_at: whether a membrane exactly at the threshold fires ('>=') or not ('>').
        reset_delay: the reset is applied at the start of the next step. Of a hard reset the spikes do not change,
            only which membrane is called the state (h, not v), so here it is a label for the op. A delayed soft
            reset is another neuron, which this layer is not: it subtracts after the leak.
        detach_reset: no gradient flows through the reset.
        v_reset: the membrane after a hard reset, and the leak's resting point.
        surrogate: an `snntorch.surrogate` function, used for its gradient.
    """

    reset: Reset = "hard"
    decay_input: bool = True
    fires_at: FiresAt = ">="
    reset_delay: bool = False
    detach_reset: bool = True
    v_reset: float = 0.0
    surrogate: Surrogate = SIGMOID_4

    def neuron(self, v_threshold: float, tau: float) -> LIFNeuron:
        """A LIF layer of this convention with threshold `v_threshold` and time constant `tau` (steps)."""
        return LIFNeuron(
            tau=tau,
            v_threshold=v_threshold,
            v_reset=self.v_reset,
            reset=self.reset,
            decay_input=self.decay_input,
            fires_at=self.fires_at,
            reset_delay=self.reset_delay,
            detach_reset=self.detach_reset,
            surrogate=self.surrogate,
        )


SPIKFORMER = Convention()
"""Spikformer's neuron (Zhou et al., ICLR 2023; tau 2, v_threshold 1 there): input decay, fires at >=,
detached hard reset to 0, surrogate sigmoid with alpha 4."""

AUTO_SPIKFORMER = Convention(decay_input=False, fires_at=">")
"""Auto-Spikformer's eq. 1 (Che et al., 2024): no input decay, fires when the membrane exceeds the threshold,
hard reset. The equation says nothing of gradients: reset and surrogate are treated as Spikformer's."""


class LIFNeuron(nn.Module):
    """A multi-step LIF layer: each membrane v starts at v_reset at every call, nothing is kept between.

    With v_leak = v_reset, per step::

        h = v + (x - (v - v_leak)) / tau             decay_input
        h = v - (v - v_leak) / tau + x               otherwise
        q = [h >= v_threshold]                       or > by fires_at
        v = where(q, v_reset, h)                     reset 'hard'
        v = h - q v_threshold                        reset 'soft'

    `tau`, `v_threshold` and `v_reset` are attributes, floats or scalar tensors, and may be set at any time: a
    subnet's thresholds need no copy of its weights. They are not trained.

    Args:
        tau: time constant in steps, >= 1; at 1 nothing is remembered.
        v_threshold: firing threshold.
        v_reset: membrane after a hard reset, and the leak's resting point.
        reset, decay_input, fires_at, reset_delay, detach_reset, surrogate: see `Convention`.

    Raises:
        UsageError: tau is below 1, or a field has no such value.
    """

    def __init__(
        self,
        tau: Scalar = 2.0,
        v_threshold: Scalar = 1.0,
        v_reset: Scalar = 0.0,
        *,
        reset: Reset = "hard",
        decay_input: bool = True,
        fires_at: FiresAt = ">=",
        reset_delay: bool = False,
        detach_reset: bool = True,
        surrogate: Surrogate = SIGMOID_4,
    ) -> None:
        super().__init__()
        if float(tau) < 1.0:
            raise UsageError(f"a LIF's tau is {float(tau):g} steps; expected 1 or more")
        if reset == "soft" and reset_delay:
            raise UsageError("a soft reset with reset_delay, which this layer does not do", mend="snntorch.Leaky does")
        if reset not in ("hard", "soft", "none") or fires_at not in (">=", ">"):
            raise UsageError(f"a LIF has reset '{reset}' and fires_at '{fires_at}'", expected="hard|soft|none, >=|>")
        self.tau, self.v_threshold, self.v_reset = tau, v_threshold, v_reset
        self.reset: Reset = reset
        self.decay_input = decay_input
        self.fires_at: FiresAt = fires_at
        self.reset_delay = reset_delay
        self.detach_reset = detach_reset
        self.surrogate = surrogate

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (0 or 1, dtype of x) of the currents `x`, both [T, ...]; one `spikec::lif` where it is exported."""
        if _is_exporting():
            from spikec.snn.lif_op import exported  # here: it is made of this layer

            return exported(x, self)
        # torch's older ONNX exporter, which loses what is written into a tensor
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # torch states no types
            return _unrolled(x, self)
        if torch.is_grad_enabled() and x.requires_grad:
            return cast(Tensor, _MultiStep.apply(x, self))  # type: ignore[no-untyped-call]  # torch: apply is untyped
        return _integrate(x, self, membranes=None)

    def spikec_neuron(self) -> tuple[LIF, dict[str, Scalar]]:
        """The op that this layer is, and its numbers by weight slot: the tracer's neuron protocol."""
        from spikec.ir.neurons import LIF  # here, so that training needs no IR

        op = LIF(
            reset=self.reset,
            decay_input=self.decay_input,
            fires_at=self.fires_at,
            reset_delay=self.reset_delay,
        )
        return op, {"tau": self.tau, "v_threshold": self.v_threshold, "v_reset": self.v_reset}

    def extra_repr(self) -> str:
        """The numbers and the convention, for print."""
        numbers = f"tau={self.tau}, v_threshold={self.v_threshold}, v_reset={self.v_reset}"
        return f"{numbers}, reset={self.reset}, decay_input={self.decay_input}, fires_at={self.fires_at}"


def _is_exporting() -> bool:
    """Whether torch.export looks on, and not for ONNX, which has no such operator and takes the loop over time.

    torch before 2.7 cannot tell it from torch.compile.
    """
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked()) and not torch.onnx.is_in_onnx_export()


def _integrate(x: Tensor, neuron: LIFNeuron, membranes: Tensor | None) -> Tensor:
    """Spikes of the currents x, both [T, ...]; fills `membranes` [T, ...], before the reset, where given."""
    spikes = torch.empty_like(x)
    v = torch.full_like(x[0], float(neuron.v_reset))
    scratch = torch.empty_like(v)
    last = x.shape[0] - 1
    for t in range(x.shape[0]):
        h = _leak(x[t], v, neuron, out=scratch if membranes is None else membranes[t])
        fired = h >= neuron.v_threshold if neuron.fires_at == ">=" else h > neuron.v_threshold
        spikes[t] = fired
        if t < last:
            _reset(h, fired, spikes[t], neuron, out=v)
    return spikes


def _unrolled(x: Tensor, neuron: LIFNeuron) -> Tensor:
    """The same spikes, nothing written in place: for what records each function."""
    v, steps = torch.full_like(x[0], float(neuron.v_reset)), []
    for now in x.unbind(0):
        above = v - neuron.v_reset
        h = v + (now - above) / neuron.tau if neuron.decay_input else v - above / neuron.tau + now
        fired = h >= neuron.v_threshold if neuron.fires_at == ">=" else h > neuron.v_threshold
        steps.append(fired.to(x.dtype))
        reset = {"hard": torch.where(fired, neuron.v_reset, h), "soft": h - steps[-1] * neuron.v_threshold, "none": h}
        v = reset[neuron.reset]
    return torch.stack(steps)


def _leak(x: Tensor, v: Tensor, neuron: LIFNeuron, out: Tensor) -> Tensor:
    """The membrane before firing, written to `out` (not v): one step of input and leak."""
    rest = neuron.v_reset
    at_zero = isinstance(rest, float) and rest == 0.0  # then v - rest is v, bit for bit
    if neuron.decay_input:
        torch.sub(x, v if at_zero else v - rest, out=out)
        return out.div_(neuron.tau).add_(v)
    torch.div(v if at_zero else v - rest, neuron.tau, out=out)
    return torch.sub(v, out, out=out).add_(x)


def _reset(h: Tensor, fired: Tensor, spikes: Tensor, neuron: LIFNeuron, out: Tensor) -> None:
    """Writes the membrane that is carried on to `out` (not h)."""
    out.copy_(h)
    if neuron.reset == "hard":
        out.masked_fill_(fired, neuron.v_reset)
    elif neuron.reset == "soft":
        out.sub_(spikes * neuron.v_threshold)


class _MultiStep(torch.autograd.Function):
    """All steps as one node of the autograd graph, worked through step by step so that a step stays in cache.

    On a CPU twice as fast as autograd through the same loop (a block's currents, 4 steps).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, neuron: LIFNeuron) -> Tensor:  # Any: torch's context has no type
        membranes = torch.empty_like(x)
        spikes = _integrate(x, neuron, membranes)
        ctx.save_for_backward(membranes, spikes)
        ctx.neuron = neuron
        # the numbers now: they may be set for another subnet before backward runs
        ctx.numbers = (float(neuron.tau), float(neuron.v_threshold), float(neuron.v_reset))
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor, None]:  # Any: as above
        h, q = ctx.saved_tensors
        neuron: LIFNeuron = ctx.neuron
        tau, v_threshold, v_reset = ctx.numbers
        grad = torch.empty_like(h)  # by h, and in the end by x
        last = h.shape[0] - 1
        for t in range(last, -1, -1):
            slope = torch.sub(h[t], v_threshold, out=grad[t])
            slope = surrogate_derivative_(neuron.surrogate, slope)
            through = None if t == last else _through_reset(neuron, h[t], q[t], slope, v_threshold, v_reset)
            grad[t].mul_(grad_spikes[t])
            if through is not None:
                grad[t].addcmul_(grad[t + 1], through, value=1.0 - 1.0 / tau)
            if neuron.decay_input and t < last:
                grad[t + 1].div_(tau)  # the step before has used it
        if neuron.decay_input:
            grad[0].div_(tau)
        return grad, None


def _through_reset(
    neuron: LIFNeuron, h: Tensor, q: Tensor, slope: Tensor, v_threshold: float, v_reset: float
) -> Tensor:
    """The derivative of v (after the reset) by h (before it), of one step."""
    if neuron.reset == "hard":
        return 1.0 - q if neuron.detach_reset else 1.0 - q + (v_reset - h) * slope
    if neuron.reset == "none" or neuron.detach_reset:
        return torch.ones_like(h)
    return 1.0 - slope * v_threshold
