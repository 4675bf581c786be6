"""What has a state between steps, in torch: the arithmetic, in the order that the ops' docstrings state.

Each kind is a class that is made before the first step of a run and asked once a step. `integrate` asks it for all
steps of a drive; the interpreter asks it step by step inside a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, IntegrateAndFire, Rounding
from spikec.ir.op import Op

Weights = Mapping[str, Tensor]


class Stepper(Protocol):
    """An op with a state: its results of one step, from the drive [B, *shape] of that step."""

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """The results; the state goes on."""
        ...


def stepper(op: Op, weights: Weights, first: Tensor) -> Stepper:
    """The op before the first step.

    Args:
        op: a neuron or an integrator.
        weights: by slot, scalar or broadcast to [*shape].
        first: a drive [B, *shape], for its shape and dtype.
    """
    made: Stepper = STEPPERS[type(op)](op, weights, first)
    return made


def integrate(op: Op, x: Tensor, weights: Weights) -> tuple[Tensor, ...]:
    """The results of every step, each [T, B, *shape], of the drive x [T, B, *shape]; spikes in x's dtype."""
    state = stepper(op, weights, x[0])
    first = state.step(x[0])
    results = tuple(torch.empty((x.shape[0], *r.shape), dtype=r.dtype) for r in first)
    for whole, r in zip(results, first, strict=True):
        whole[0] = r
    for t in range(1, x.shape[0]):
        for whole, r in zip(results, state.step(x[t]), strict=True):
            whole[t] = r
    return results


class _Firing:
    """A neuron with a membrane: charged as its kind says, then fired and reset as all are."""

    def __init__(self, op: IntegrateAndFire, weights: Weights, first: Tensor) -> None:
        zero = torch.zeros((), dtype=first.dtype)
        self.op, self.weights = op, weights
        self.v_threshold = weights["v_threshold"]
        self.v_reset = weights.get("v_reset", zero)
        self.v_leak = weights.get("v_leak", self.v_reset)
        self.v = weights.get("v0", self.v_leak).expand(first.shape).clone()
        self.q = torch.zeros_like(self.v)
        self.rest = torch.zeros_like(self.v)  # refractory steps still to sit out
        self.i = weights.get("i0", zero).expand(first.shape)
        self.charge = CHARGES[type(op)]

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """Spikes, the membrane that is carried on, and the current where the kind has one."""
        op = self.op
        late = op.reset_delay
        h = self.charge(
            self, x, torch.where(self.q > 0, self.v_reset, self.v) if late and op.reset == "hard" else self.v
        )
        if late and op.reset == "soft":
            h = h - self.q * self.v_threshold
        q = (h > self.v_threshold if op.fires_at == ">" else h >= self.v_threshold).to(x.dtype)
        if op.refractory:
            h, q = torch.where(self.rest > 0, self.v_reset, h), torch.where(self.rest > 0, 0.0, q)
            self.rest = torch.where(q > 0, float(op.refractory), (self.rest - 1).clamp(min=0)).to(x.dtype)
        self.v, self.q = (h if late else self._reset(h, q)), q
        return (q, self.v, self.i) if isinstance(op, CubaLIF) else (q, self.v)

    def _reset(self, h: Tensor, q: Tensor) -> Tensor:
        if self.op.reset == "hard":
            return torch.where(q > 0, self.v_reset, h)
        return h - q * self.v_threshold if self.op.reset == "soft" else h


def _lif(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, LIF | CubaLIF)
    return _leaked(x, v, n.v_leak, n.weights, decay_input=n.op.decay_input, rounding=n.op.rounding)


def _leaked(
    x: Tensor, v: Tensor, v_leak: Tensor, weights: Weights, *, decay_input: bool, rounding: Rounding = "none"
) -> Tensor:
    if decay_input:
        return v + (x - (v - v_leak)) / weights["tau"]
    if "tau" in weights:
        return v - (v - v_leak) / weights["tau"] + x
    return v_leak + _round((v - v_leak) * weights["beta"], rounding) + x


def _plif(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, PLIF)
    share = torch.sigmoid(n.weights["w"])
    if n.op.decay_input:
        return v + (x - (v - n.v_leak)) * share
    return v - (v - n.v_leak) * share + x


def _cuba(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, CubaLIF)
    if "alpha" in n.weights:
        n.i = _round(n.i * n.weights["alpha"], n.op.rounding) + x
    else:
        n.i = n.i - n.i / n.weights["tau_syn"] + x
    return _lif(n, n.i, v)


def _round(h: Tensor, rounding: Rounding) -> Tensor:
    if rounding == "toward_zero":
        return h.trunc()
    return h.floor() if rounding == "floor" else h


CHARGES = {IF: lambda n, x, v: v + x, LIF: _lif, PLIF: _plif, CubaLIF: _cuba}


class _Alpha:
    """See the op."""

    def __init__(self, op: Alpha, weights: Weights, first: Tensor) -> None:
        self.op, self.weights = op, weights
        alpha, beta = weights["alpha"], weights["beta"]
        self.gain = torch.log(alpha) / (torch.log(beta) - torch.log(alpha)) + 1
        self.e, self.i, self.q = (torch.zeros_like(first) for _ in range(3))

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """Spikes and the membrane."""
        e, i = self.weights["alpha"] * self.e + x, self.weights["beta"] * self.i - x
        h = self.gain * (e + i)
        if self.op.reset == "hard":
            e, i, h = (torch.where(self.q > 0, 0.0, value) for value in (e, i, h))
        fired = h > self.weights["v_threshold"] if self.op.fires_at == ">" else h >= self.weights["v_threshold"]
        self.e, self.i, self.q = e, i, fired.to(x.dtype)
        return self.q, h


class _Integrator:
    """LI and I: a membrane without firing."""

    def __init__(self, op: LI | I, weights: Weights, first: Tensor) -> None:
        self.op, self.weights = op, weights
        self.v_leak = weights.get("v_leak", torch.zeros((), dtype=first.dtype))
        self.v = weights.get("v0", self.v_leak).expand(first.shape)

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """The membrane."""
        if isinstance(self.op, I):
            self.v = self.v + x
        else:
            self.v = _leaked(x, self.v, self.v_leak, self.weights, decay_input=self.op.decay_input)
        return (self.v,)


STEPPERS = {
    LIF: _Firing,
    PLIF: _Firing,
    IF: _Firing,
    CubaLIF: _Firing,
    Alpha: _Alpha,
    LI: _Integrator,
    I: _Integrator,
}
