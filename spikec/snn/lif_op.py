"""`spikec::lif`: our multi-step LIF as an operator of torch, so that a network that uses it can be exported whole.

`torch.export` writes a call of `LIFNeuron` as one node of this name with every number of its convention, in place of
the loop over time. `torch.export.load` needs this module imported; spikec's own reader of .pt2 files does not run it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from spikec.errors import UsageError
from spikec.snn.neuron import FiresAt, LIFNeuron, Reset
from spikec.snn.surrogate import SigmoidSurrogate


def exported(x: Tensor, neuron: LIFNeuron) -> Tensor:
    """The spikes of `neuron` on currents [T, ...] as one call of the operator."""
    surrogate = neuron.surrogate
    spikes: Tensor = lif(
        x,
        float(neuron.tau),
        float(neuron.v_threshold),
        float(neuron.v_reset),
        neuron.reset,
        neuron.decay_input,
        neuron.fires_at,
        neuron.reset_delay,
        neuron.detach_reset,
        surrogate.slope if isinstance(surrogate, SigmoidSurrogate) else None,
    )
    return spikes


def _neuron(
    tau: float,
    v_threshold: float,
    v_reset: float,
    reset: str,
    decay_input: bool,
    fires_at: str,
    reset_delay: bool,
    detach_reset: bool,
    slope: float | None,
) -> LIFNeuron:
    """The layer that a call of the operator is."""
    return LIFNeuron(
        tau,
        v_threshold,
        v_reset,
        reset=cast(Reset, reset),  # LIFNeuron refuses any other word
        decay_input=decay_input,
        fires_at=cast(FiresAt, fires_at),  # as above
        reset_delay=reset_delay,
        detach_reset=detach_reset,
        surrogate=SigmoidSurrogate(slope or 1.0),
    )


@torch.library.custom_op("spikec::lif", mutates_args=())
def lif(
    x: Tensor,
    tau: float,
    v_threshold: float,
    v_reset: float,
    reset: str,
    decay_input: bool,
    fires_at: str,
    reset_delay: bool,
    detach_reset: bool,
    slope: float | None = None,
) -> Tensor:
    """Spikes [T, ...] of the currents x [T, ...]; see `LIFNeuron` for the arguments.

    The last, `slope`, is that of the sigmoid whose derivative is the spikes' gradient; without it there is none.
    """
    neuron = _neuron(tau, v_threshold, v_reset, reset, decay_input, fires_at, reset_delay, detach_reset, slope)
    with torch.no_grad():
        spikes: Tensor = neuron(x)
    return spikes.contiguous()  # as the fake one, whatever the strides of x: they may depend on a batch left open


@lif.register_fake
def _(x: Tensor, *numbers: object) -> Tensor:
    return x.new_empty(x.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # Any: torch's context, and the arguments
    x, *ctx.numbers = inputs
    ctx.save_for_backward(x)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # Any: as above
    if ctx.numbers[-1] is None:
        raise UsageError("a gradient through spikec::lif whose surrogate has no slope", mend="SigmoidSurrogate")
    (x,) = ctx.saved_tensors
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (by_x,) = torch.autograd.grad(_neuron(*ctx.numbers)(leaf), leaf, grad)
    return by_x, *(None for _ in ctx.numbers)


lif.register_autograd(_backward, setup_context=_keep)
