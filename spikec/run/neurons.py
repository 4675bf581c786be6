"""Neurons stepped through time in torch: the arithmetic, in the order that the ops' docstrings state."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from spikec.ir.neurons import IF, LIF, Neuron, Rounding

Weights = Mapping[str, Tensor]


def integrate(op: LIF | IF, x: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Spikes and carried membranes of a neuron.

    Args:
        op: the neuron's convention.
        x: drive [T, B, *shape].
        weights: by slot, scalar or broadcast to [*shape].

    Returns:
        q and v, each [T, B, *shape], q in {0, 1} of x's dtype.
    """
    spikes, membranes = torch.empty_like(x), torch.empty_like(x)
    zero = torch.zeros((), dtype=x.dtype)
    v_reset = weights.get("v_reset", zero)
    v_leak = weights.get("v_leak", v_reset)
    v = weights.get("v0", v_leak).expand(x.shape[1:]).clone()
    q = torch.zeros_like(v)
    rest = torch.zeros_like(v)  # refractory steps still to sit out
    for t in range(x.shape[0]):
        if op.reset_delay:
            v = _reset(op, v, q, weights["v_threshold"], v_reset)
        h = _round(_charge(op, x[t], v, v_leak, weights), op.rounding)
        q = (h > weights["v_threshold"] if op.fires_at == ">" else h >= weights["v_threshold"]).to(x.dtype)
        if op.refractory:
            h, q = torch.where(rest > 0, v_reset, h), torch.where(rest > 0, zero, q)
            rest = torch.where(q > 0, float(op.refractory), (rest - 1).clamp(min=0)).to(x.dtype)
        v = h if op.reset_delay else _reset(op, h, q, weights["v_threshold"], v_reset)
        spikes[t], membranes[t] = q, v
    return spikes, membranes


def _charge(op: Neuron, x: Tensor, v: Tensor, v_leak: Tensor, weights: Weights) -> Tensor:
    if not isinstance(op, LIF):
        return v + x
    if op.decay_input:
        return v + (x - (v - v_leak)) / weights["tau"]
    return v_leak + (v - v_leak) * (1 - 1 / weights["tau"]) + x


def _reset(op: Neuron, h: Tensor, q: Tensor, v_threshold: Tensor, v_reset: Tensor) -> Tensor:
    if op.reset == "hard":
        return torch.where(q > 0, v_reset, h)
    if op.reset == "soft":
        return h - q * v_threshold
    return h


def _round(h: Tensor, rounding: Rounding) -> Tensor:
    if rounding == "toward_zero":
        return h.trunc()
    return h.floor() if rounding == "floor" else h
