"""What NIR's neurons and integrators compute from their fields, by forward Euler at the file's dt.

A membrane of tau seconds does v += dt/tau ((v_leak - v) + r x); a neuron fires at v > v_threshold, and v is v_reset
then. Current and membrane are 0 before the first step. Of the metadata only what says the same number in other words is
used: steps for seconds, and the share that is left after a step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikec.backend.nir.dialect import METADATA
from spikec.backend.nir.hdf5 import Tree
from spikec.backend.nir.numbers import LEAKS, Leak, steps_of
from spikec.backend.nir.restore import share_of, stated

Results = tuple[Tensor, ...]
"""What a node gives, [T, B, *shape]: its value; of a neuron its membrane, and its current where it has one."""

Rule = Callable[[Tree, Tensor, float], Results]
Charge = Callable[[Tensor, Tensor], Tensor]
"""The membrane of the next step, from that of this one and what charges it."""


def tensor(array: Any) -> Tensor:  # Any: numbers of any dtype
    """Numbers in float64."""
    return torch.as_tensor(np.array(array, dtype=np.float64))


def _lif(node: Tree, x: Tensor, dt: float) -> Results:
    return _fire(node, x, _membrane(node, "tau", dt))


def _cuba_lif(node: Tree, x: Tensor, dt: float) -> Results:
    current = _integrate(x, _current(node, dt))
    return *_fire(node, current, _membrane(node, "tau_mem", dt)), current


def _li(node: Tree, x: Tensor, dt: float) -> Results:
    return (_integrate(x, _membrane(node, "tau", dt)),)


def _if(node: Tree, x: Tensor, dt: float) -> Results:
    return _fire(node, x, _sum(node, dt))


def _i(node: Tree, x: Tensor, dt: float) -> Results:
    return (_integrate(x, _sum(node, dt)),)


def _sum(node: Tree, dt: float) -> Charge:
    gain = tensor(node["r"]) * dt
    return lambda v, x: v + gain * x


def _membrane(node: Tree, key: str, dt: float) -> Charge:
    leak = LEAKS[node["type"]][key]
    steps, share = _leak(node, key, leak, dt)
    r, v_leak = tensor(node["r"]), tensor(node["v_leak"])

    def divided(v: Tensor, x: Tensor) -> Tensor:
        return v + (r * x - (v - v_leak)) / steps

    def undecayed(v: Tensor, x: Tensor) -> Tensor:
        return v - (v - v_leak) / steps + (r / steps) * x

    def multiplied(v: Tensor, x: Tensor) -> Tensor:
        assert share is not None
        return v_leak + (v - v_leak) * share + (r / steps) * x

    if share is not None:
        return multiplied
    return divided if _said(node, "decay_input") else undecayed


def _current(node: Tree, dt: float) -> Charge:
    steps, share = _leak(node, "tau_syn", LEAKS[node["type"]]["tau_syn"], dt)
    gain = tensor(node["w_in"]) / steps
    return lambda i, x: (i * share if share is not None else i - i / steps) + gain * x


def _leak(node: Tree, key: str, leak: Leak, dt: float) -> tuple[Tensor, Tensor | None]:
    """The time constant in steps, and the share that is left after one where metadata state it."""
    steps = steps_of(node[key], dt, stated(node, leak.steps))
    share = share_of(node, leak, steps)
    return tensor(steps), None if share is None else tensor(share)


def _integrate(drive: Tensor, charge: Charge) -> Tensor:
    """The membrane at every step."""
    v = torch.zeros_like(drive[0])
    membranes = torch.empty_like(drive)
    for t in range(drive.shape[0]):
        v = charge(v, drive[t])
        membranes[t] = v
    return membranes


def _fire(node: Tree, drive: Tensor, charge: Charge) -> Results:
    """Spikes and membranes."""
    threshold, v_reset = tensor(node["v_threshold"]), tensor(node["v_reset"])
    before = _said(node, "reset_delay")
    v = torch.zeros_like(drive[0])
    spikes, membranes = torch.empty_like(drive), torch.empty_like(drive)
    for t in range(drive.shape[0]):
        h = charge(v, drive[t])
        fired = h > threshold
        v = torch.where(fired, v_reset, h)
        spikes[t], membranes[t] = fired, h if before else v
    return spikes, membranes


def _said(node: Tree, field: str) -> bool:
    """A field of the op that NIR has no word for, and that changes no spike."""
    return bool(json.loads(node["metadata"][METADATA])["fields"][field])


STEPPED: Mapping[str, Rule] = {"CubaLIF": _cuba_lif, "I": _i, "IF": _if, "LI": _li, "LIF": _lif}
