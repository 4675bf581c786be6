"""Surrogate gradients: snnTorch's functions, used for their derivative alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor


class Surrogate(Protocol):
    """What each of `snntorch.surrogate` gives: a map of h - v_threshold to spikes, with its own gradient."""

    def __call__(self, overdrive: Tensor, /) -> Tensor:
        """The spikes at `overdrive`; only the gradient is used here, since `fires_at` decides the spikes."""


@dataclass(frozen=True)
class SigmoidSurrogate:
    """snnTorch's sigmoid: d spike / d u = slope s (1 - s), s = sigmoid(slope u), u = h - v_threshold.

    The same function as SpikingJelly's `Sigmoid(alpha=slope)`; slope 4 gives 1.0 at the threshold. snnTorch
    writes it as slope exp(-slope u) / (exp(-slope u) + 1)^2, which in fp32 is NaN (inf / inf) from
    u < -88 / slope on; `derivative_` is the same value in a form that cannot overflow, and twice as fast.

    Attributes:
        slope: steepness, > 0, per unit of membrane.
    """

    slope: float = 4.0

    def __call__(self, overdrive: Tensor, /) -> Tensor:
        """snnTorch's spikes (u > 0, always fp32) with snnTorch's gradient."""
        from snntorch import surrogate as snntorch_surrogate  # here: it takes longer to import than torch

        return cast(Tensor, snntorch_surrogate.Sigmoid.apply(overdrive, self.slope))  # its apply is untyped

    def derivative_(self, overdrive: Tensor) -> Tensor:
        """d spike / d u, written over `overdrive`."""
        s = overdrive.mul_(self.slope).sigmoid_()
        return s.addcmul_(s, s, value=-1.0).mul_(self.slope)


SIGMOID_4 = SigmoidSurrogate(4.0)
"""Spikformer's surrogate (sigmoid, alpha 4)."""


def surrogate_derivative_(surrogate: Surrogate, overdrive: Tensor) -> Tensor:
    """The elementwise derivative of any snnTorch surrogate at `overdrive`, written over it."""
    if isinstance(surrogate, SigmoidSurrogate):
        return surrogate.derivative_(overdrive)
    with torch.enable_grad():
        leaf = overdrive.detach().clone().requires_grad_()
        spikes = surrogate(leaf)
        (slope,) = torch.autograd.grad(spikes, leaf, torch.ones_like(spikes))
    return overdrive.copy_(slope)
