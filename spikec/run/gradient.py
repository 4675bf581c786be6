"""Numbers that a gradient can follow: spikes with a surrogate's, rounding with that of the straight line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikec.ir.neurons import Rounding
from spikec.run.numbers import Floats
from spikec.snn.surrogate import SIGMOID_4, Surrogate, surrogate_derivative_


@dataclass(frozen=True)
class Differentiable(Floats):
    """The numbers of `Floats`, bit for bit, with gradients.

    Args:
        surrogate: one of `snntorch.surrogate`, used for its derivative at h - v_threshold.
        detach_reset: no gradient flows through what a spike resets.
    """

    surrogate: Surrogate = SIGMOID_4
    detach_reset: bool = True

    def spikes(self, fired: Tensor, h: Tensor, v_threshold: Tensor) -> Tensor:
        """See `Numbers`; by the surrogate's derivative."""
        if not torch.is_grad_enabled() or not (h.requires_grad or v_threshold.requires_grad):
            return super().spikes(fired, h, v_threshold)
        spikes = _Spikes.apply(h - v_threshold, fired, self.surrogate)  # type: ignore[no-untyped-call]  # torch's apply
        return cast(Tensor, spikes)

    def told(self, q: Tensor) -> Tensor:
        """See `Numbers`."""
        return q.detach() if self.detach_reset else q

    def share(self, x: Tensor, factor: Tensor, rounding: Rounding) -> Tensor:
        """See `Numbers`; as if nothing were rounded."""
        return _straight(super().share(x, factor, rounding), x * factor) if rounding != "none" else x * factor

    def nearest(self, x: Tensor) -> Tensor:
        """See `Numbers`; as if nothing were rounded."""
        return _straight(super().nearest(x), x)


def _straight(rounded: Tensor, x: Tensor) -> Tensor:
    """`rounded`, with the gradient of x: Bengio et al., 2013, the straight-through estimator."""
    return rounded.detach() + (x - x.detach())


class _Spikes(torch.autograd.Function):
    """`fired` as numbers, with the surrogate's derivative at u."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, fired: Tensor, surrogate: Surrogate) -> Tensor:  # Any: torch's context
        ctx.save_for_backward(u)
        ctx.surrogate = surrogate
        return fired.to(u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # Any: as above
        (u,) = ctx.saved_tensors
        return surrogate_derivative_(ctx.surrogate, u.clone()) * grad, None, None
