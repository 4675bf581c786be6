"""The weights of an op from the fields of its standard NIR node: the inverse of `forms.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.hdf5 import Tree
from spikec.backend.nir.numbers import stated_threshold, steps_of, tau_of
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
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


def _lif(op: LIF, node: Tree, dt: float) -> Slots:
    beta = stated_beta(node, dt)
    leak = {"tau": steps_of(node["tau"], dt, stated(node))} if beta is None else {"beta": beta}
    return {**leak, "v_leak": node["v_leak"], **_if(op, node, dt)}


def _if(op: LIF | IF, node: Tree, dt: float) -> Slots:
    return {
        "v_threshold": stated_threshold(node["v_threshold"], op.fires_at),
        "v_reset": node["v_reset"],
        "v0": np.zeros_like(node["v_threshold"]),  # no other has a standard form
    }


def _threshold(op: Threshold, node: Tree, dt: float) -> Slots:
    return {"v_threshold": stated_threshold(node["threshold"], op.fires_at)}


def _delay(op: Delay, node: Tree, dt: float) -> Slots:
    return {"steps": steps_of(node["delay"], dt, stated(node))}


INVERSES: Mapping[type[Op], Inverse] = {
    Conv1d: _conv,
    Conv2d: _conv,
    Delay: _delay,
    IF: _if,
    LIF: _lif,
    Linear: _affine,
    Threshold: _threshold,
}


def stated(node: Tree) -> NDArray[np.float64] | None:
    """tau or a delay in steps, as metadata say; see `steps_of`."""
    steps: NDArray[np.float64] | None = node.get("metadata", {}).get("steps")
    return steps


def stated_beta(node: Tree, dt: float) -> NDArray[np.float64] | None:
    """A LIF's beta as metadata say; what the file's tau gives where they disagree; None where they say none."""
    beta: NDArray[np.float64] | None = node.get("metadata", {}).get("beta")
    if beta is None:
        return None
    steps = steps_of(node["tau"], dt, stated(node))
    return beta if np.array_equal(tau_of(beta), steps) else 1.0 - 1.0 / steps


def stored_weights(op: Op, node: Tree, dt: float) -> Slots:
    """Every slot that the node's fields hold, one number an element where the fields have that."""
    inverse = INVERSES.get(type(op))
    return {} if inverse is None else inverse(op, node, dt)
