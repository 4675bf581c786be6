"""What has a state between steps, in torch: the arithmetic, in the order that the ops' docstrings state.

Each kind with a state is a class that is made before the first step of a run and asked once a step. `integrate` asks
it for all steps of a drive; a cycle is stepped through it. Nothing is written in place, so that autograd can follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from spikec.errors import StateOverflow
from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, IntegrateAndFire
from spikec.ir.op import Op
from spikec.ir.types import IntFormat
from spikec.run.numbers import FLOATS, Numbers, fires

Weights = Mapping[str, Tensor]


class Stepper(Protocol):
    """An op with a state: its results of one step, from the drive [B, *shape] of that step."""

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """The results; the state goes on."""
        ...


def stepper(op: Op, weights: Weights, first: Tensor, numbers: Numbers = FLOATS) -> Stepper:
    """The op before the first step.

    Args:
        op: a neuron or an integrator.
        weights: by slot, scalar or broadcast to [*shape].
        first: a drive [B, *shape], for its shape and dtype.
        numbers: how they are computed with.
    """
    made: Stepper = STEPPERS[type(op)](op, weights, first, numbers)
    return made


def integrate(op: Op, x: Tensor, weights: Weights, numbers: Numbers = FLOATS) -> tuple[Tensor, ...]:
    """The results of every step, each [T, B, *shape], of the drive x [T, B, *shape]; spikes in x's dtype."""
    if torch.is_grad_enabled() and any(w.requires_grad for w in (x, *weights.values())):
        state = stepper(op, weights, x[0], numbers)
        return tuple(torch.stack(results) for results in zip(*map(state.step, x), strict=True))
    # What is kept is taken before what is not: a tenth of a Spikformer's time, by fewer fresh pages.
    wholes = tuple(torch.empty(x.shape, dtype=x.dtype) for _ in range(1 + len(op.extra_results)))
    state = stepper(op, weights, x[0], numbers)
    for t in range(x.shape[0]):
        for whole, result in zip(wholes, state.step(x[t]), strict=True):
            whole[t] = result
    return wholes


class _Firing:
    """A neuron with a membrane: charged as its kind says, then fired and reset as all are."""

    def __init__(self, op: IntegrateAndFire, weights: Weights, first: Tensor, numbers: Numbers) -> None:
        zero = torch.zeros((), dtype=first.dtype)
        self.op, self.weights, self.numbers = op, weights, numbers
        self.v_threshold = weights["v_threshold"]
        self.v_reset = weights.get("v_reset", zero)
        leak = weights.get("v_leak", self.v_reset)
        self.v_leak = _unless_zero(leak)
        self.v = weights.get("v0", leak).expand(first.shape)
        self.owed: Tensor | None = None  # what a delayed soft reset takes from the next step
        self.rest: Tensor | None = None  # refractory steps still to sit out
        self.i = weights.get("i0", zero).expand(first.shape)
        self.state = op.state
        self.charge = CHARGES[type(op)]

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """Spikes, the membrane that is carried on, and the current where the kind has one."""
        h = self.charge(self, x, self.v)
        if self.owed is not None:
            h = h - self.owed
        if self.state is not None:
            check_held(self.state, h, self.i)
        fired = fires(h, self.v_threshold, self.op.fires_at)
        q = self.numbers.spikes(fired, h, self.v_threshold)
        if self.op.refractory:
            h, q, fired = self._rested(h, q, fired)
        self.v, v = self._reset(h, q, fired)
        return (q, v, self.i) if isinstance(self.op, CubaLIF) else (q, v)

    def _rested(self, h: Tensor, q: Tensor, fired: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, but for the neurons that are refractory."""
        rest = torch.zeros(h.shape, dtype=torch.int64) if self.rest is None else self.rest
        resting = rest > 0
        fired = fired & ~resting
        self.rest = torch.where(fired, self.op.refractory, (rest - 1).clamp(min=0))
        return torch.where(resting, self.v_reset, h), torch.where(resting, 0, q), fired

    def _reset(self, h: Tensor, q: Tensor, fired: Tensor) -> tuple[Tensor, Tensor]:
        """The membrane that the next step starts from, and the one that is shown."""
        op = self.op
        if op.reset == "none":
            return h, h
        told = self.numbers.told(q)
        if op.reset == "soft":
            after = told * self.v_threshold
            self.owed = after if op.reset_delay else None
            return (h, h) if op.reset_delay else (h - after,) * 2
        v = torch.where(fired, self.v_reset, h)
        if told.requires_grad:  # adds zero, and the gradient by the spikes
            v = v + (told - told.detach()) * (self.v_reset - h)
        return v, (h if op.reset_delay else v)


def _unless_zero(leak: Tensor) -> Tensor | None:
    """The leak, or None where it is zero: then v - leak is v, and a pass over memory is saved."""
    return None if leak.ndim == 0 and not leak.requires_grad and leak.item() == 0 else leak


def _lif(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, LIF | CubaLIF)
    if "beta" not in n.weights:
        return _leaked(x, v, n.v_leak, n.weights["tau"], decay_input=n.op.decay_input)
    above = v if n.v_leak is None else v - n.v_leak
    left = n.numbers.share(above, n.weights["beta"], n.op.rounding)
    return (left if n.v_leak is None else n.v_leak + left) + x


def _leaked(x: Tensor, v: Tensor, v_leak: Tensor | None, tau: Tensor, *, decay_input: bool) -> Tensor:
    above = v if v_leak is None else v - v_leak
    return v + (x - above) / tau if decay_input else v - above / tau + x


def _plif(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, PLIF)
    share = torch.sigmoid(n.weights["w"])
    above = v if n.v_leak is None else v - n.v_leak
    return v + (x - above) * share if n.op.decay_input else v - above * share + x


def _cuba(n: _Firing, x: Tensor, v: Tensor) -> Tensor:
    assert isinstance(n.op, CubaLIF)
    if "alpha" in n.weights:
        n.i = n.numbers.share(n.i, n.weights["alpha"], n.op.rounding) + x
    else:
        n.i = n.i - n.i / n.weights["tau_syn"] + x
    return _lif(n, n.i, v)


CHARGES: dict[type[Op], Callable[[_Firing, Tensor, Tensor], Tensor]] = {
    IF: lambda n, x, v: v + x,
    LIF: _lif,
    PLIF: _plif,
    CubaLIF: _cuba,
}


class _Alpha:
    """See the op."""

    def __init__(self, op: Alpha, weights: Weights, first: Tensor, numbers: Numbers) -> None:
        self.op, self.weights, self.numbers = op, weights, numbers
        alpha, beta = weights["alpha"], weights["beta"]
        self.gain = torch.log(alpha) / (torch.log(beta) - torch.log(alpha)) + 1
        self.e, self.i = torch.zeros_like(first), torch.zeros_like(first)
        self.fired = torch.zeros(first.shape, dtype=torch.bool)

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """Spikes and the membrane."""
        e, i = self.weights["alpha"] * self.e + x, self.weights["beta"] * self.i - x
        h = self.gain * (e + i)
        if self.op.reset == "hard":
            e, i, h = (torch.where(self.fired, 0, value) for value in (e, i, h))
        self.e, self.i = e, i
        self.fired = fires(h, self.weights["v_threshold"], self.op.fires_at)
        return self.numbers.spikes(self.fired, h, self.weights["v_threshold"]), h


class _Integrator:
    """LI and I: a membrane without firing."""

    def __init__(self, op: LI | I, weights: Weights, first: Tensor, numbers: Numbers) -> None:
        self.op, self.weights, self.numbers = op, weights, numbers
        leak = weights.get("v_leak", torch.zeros((), dtype=first.dtype))
        self.v_leak = _unless_zero(leak)
        self.v = weights.get("v0", leak).expand(first.shape)

    def step(self, x: Tensor) -> tuple[Tensor, ...]:
        """The membrane."""
        if isinstance(self.op, I):
            self.v = self.v + x
        elif "tau" in self.weights:
            self.v = _leaked(x, self.v, self.v_leak, self.weights["tau"], decay_input=self.op.decay_input)
        else:
            above = self.v if self.v_leak is None else self.v - self.v_leak
            left = above * self.weights["beta"]
            self.v = (left if self.v_leak is None else self.v_leak + left) + x
        if isinstance(self.op, I) and self.op.state is not None:
            check_held(self.op.state, self.v)
        return (self.v,)


def check_held(state: IntFormat, *values: Tensor) -> None:
    """Checks that a fixed point holds the values of a step.

    Raises:
        StateOverflow: one needs more bits, or is no whole multiple of its scale.
    """
    lo, hi = (code * state.scale for code in state.range)
    for value in values:
        value = value.detach()
        least, most = (float(end) for end in value.aminmax()) if value.numel() else (0.0, 0.0)
        if not lo <= least <= most <= hi:
            raise StateOverflow(f"its state reaches {least:g} to {most:g}, and {state} holds {lo:g} to {hi:g}")
        unit = state.scale if value.is_floating_point() else max(int(state.scale), 1)
        if bool((value.remainder(unit) != 0).any()):
            raise StateOverflow(f"its state is no whole multiple of {state.scale:g}, the unit of {state}")


@contextmanager
def state_of(name: str) -> Iterator[None]:
    """Says of which node a `StateOverflow` raised inside is."""
    try:
        yield
    except StateOverflow as error:
        error.where = error.where or name
        error.mend = "smaller weights or inputs, or the network as it was before quantize"
        raise


STEPPERS: dict[type[Op], Callable[[Any, Weights, Tensor, Numbers], Stepper]] = {  # Any: each takes the op of its key
    LIF: _Firing,
    PLIF: _Firing,
    IF: _Firing,
    CubaLIF: _Firing,
    Alpha: _Alpha,
    LI: _Integrator,
    I: _Integrator,
}
