"""The weights of an op from the fields of its standard NIR node: the inverse of `forms.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.hdf5 import Tree
from spikec.backend.nir.numbers import LEAKS, Leak, stated_threshold, steps_of, tau_of
from spikec.ir.integrators import LI, I
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, Threshold
from spikec.ir.op import Op
from spikec.ir.time import Delay

Slots = dict[str, NDArray[Any]]  # Any: float32 or float64
Inverse = Callable[[Any, Tree, float], Slots]  # Any: each takes the op of its own key


def _affine(op: Linear, node: Tree, dt: float) -> Slots:
    return {"weight": node["weight"], **({"bias": node["bias"]} if "bias" in node else {})}


def _conv(op: Conv1d | Conv2d, node: Tree, dt: float) -> Slots:
    return {"weight": contracted(node["weight"], op.groups), "bias": node["bias"]}


def contracted(whole: NDArray[Any], groups: int) -> NDArray[Any]:  # Any: as above
    """The kernel of `groups` groups from the expanded one; what is not zero across groups is not looked at here."""
    if groups == 1:
        return whole
    outputs, inputs = whole.shape[0] // groups, whole.shape[1] // groups
    blocks = [whole[g * outputs : (g + 1) * outputs, g * inputs : (g + 1) * inputs] for g in range(groups)]
    return np.concatenate(blocks)


def _li(op: LI | LIF | CubaLIF, node: Tree, dt: float) -> Slots:
    # No other first membrane or current has a standard form.
    return {**leaks_of(node, dt), "v_leak": node["v_leak"], "v0": np.zeros_like(node["v_leak"])}


def _lif(op: LIF | CubaLIF, node: Tree, dt: float) -> Slots:
    return {**_li(op, node, dt), **_if(op, node, dt), "i0": np.zeros_like(node["v_leak"])}


def _if(op: LIF | CubaLIF | IF, node: Tree, dt: float) -> Slots:
    return {
        "v_threshold": stated_threshold(node["v_threshold"], op.fires_at),
        "v_reset": node["v_reset"],
        "v0": np.zeros_like(node["v_threshold"]),
    }


def _threshold(op: Threshold, node: Tree, dt: float) -> Slots:
    return {"v_threshold": stated_threshold(node["threshold"], op.fires_at)}


def _delay(op: Delay, node: Tree, dt: float) -> Slots:
    return {"steps": steps_of(node["delay"], dt, stated(node, "steps"))}


INVERSES: Mapping[type[Op], Inverse] = {
    Conv1d: _conv,
    Conv2d: _conv,
    CubaLIF: _lif,
    Delay: _delay,
    I: lambda op, node, dt: {"v0": np.zeros_like(node["r"])},
    IF: _if,
    LI: _li,
    LIF: _lif,
    Linear: _affine,
    Threshold: _threshold,
}


def stated(node: Tree, key: str) -> NDArray[np.float64] | None:
    """Steps or a share as metadata say; see `steps_of` and `share_of`."""
    found: NDArray[np.float64] | None = node.get("metadata", {}).get(key)
    return found


def leaks_of(node: Tree, dt: float) -> dict[str, NDArray[np.float64]]:
    """What leaks as the op has it: the share of each where metadata state one, else its time constant in steps."""
    found = {}
    for key, leak in LEAKS[node["type"]].items():
        steps = steps_of(node[key], dt, stated(node, leak.steps))
        share = share_of(node, leak, steps)
        found.update({leak.tau: steps} if share is None else {leak.share: share})
    return found


def share_of(node: Tree, leak: Leak, steps: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What is left after a step as metadata say; what the file's steps give where they disagree; None where unsaid."""
    share = stated(node, leak.share)
    return None if share is None else np.where(tau_of(share) == steps, share, 1.0 - 1.0 / steps)


def stored_weights(op: Op, node: Tree, dt: float) -> Slots:
    """Every slot that the node's fields hold, one number an element where the fields have that."""
    inverse = INVERSES.get(type(op))
    return {} if inverse is None else inverse(op, node, dt)
