"""Between the numbers of spikec's ops and those of NIR's nodes, exactly and back.

NIR's neurons fire at v > v_threshold, and have no step: a runtime's dt makes a LIF of tau seconds leak by dt/tau a
step, and weigh its input by r dt/tau.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikec.ir.neurons import FiresAt
from spikec.ir.types import Shape

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """Under which words a time constant stands.

    Args:
        share: the op's weight that states what is left after a step; also of metadata.
        tau: the op's weight that states the time constant in steps.
        steps: of metadata, the time constant in steps.
    """

    share: str
    tau: str
    steps: str


MEMBRANE, SYNAPSE = Leak("beta", "tau", "steps"), Leak("alpha", "tau_syn", "steps_syn")
LEAKS: Mapping[str, Mapping[str, Leak]] = {
    "LI": {"tau": MEMBRANE},
    "LIF": {"tau": MEMBRANE},
    "CubaLIF": {"tau_mem": MEMBRANE, "tau_syn": SYNAPSE},
}
"""By NIR's type: the fields that hold time constants in seconds."""


def full(value: NDArray[np.generic] | float, shape: Shape) -> Array:
    """`value` in float64 with one number an element: NIR's parameters do not broadcast."""
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, dtype=np.float64), shape))


def reduced(stored: Array, shape: Shape) -> Array:
    """The array of `shape` that `stored` is broadcast from; `stored` itself where it is none such."""
    padded = (1,) * (stored.ndim - len(shape)) + tuple(shape)
    if len(padded) != stored.ndim or any(p not in (1, s) for p, s in zip(padded, stored.shape, strict=True)):
        return stored
    first = stored[tuple(slice(0, 1) if p == 1 else slice(None) for p in padded)]
    return first.reshape(shape) if np.array_equal(np.broadcast_to(first, stored.shape), stored) else stored


def written_threshold(v_threshold: Array, fires_at: FiresAt) -> Array:
    """What v > threshold must be asked with: for '>=', the next number below, since none lies between."""
    return np.nextafter(v_threshold, -np.inf) if fires_at == ">=" else v_threshold


def stated_threshold(written: Array, fires_at: FiresAt) -> Array:
    """The inverse of `written_threshold`."""
    return np.nextafter(written, np.inf) if fires_at == ">=" else written


def tau_of(beta: Array) -> Array:
    """The time constant in steps of what leaves a share beta of a membrane after a step."""
    return np.asarray(1.0 / (1.0 - beta))


def steps_of(seconds: Array, dt: float, stated: Array | None) -> Array:
    """tau or a delay in steps.

    Args:
        seconds: as the file holds it.
        dt: seconds a step.
        stated: steps as metadata say; taken only where they are what the file holds, to the last bit, so that a
            number changed in the file is never hidden.
    """
    if stated is not None and stated.shape == seconds.shape and np.array_equal(stated * dt, seconds):
        return stated
    return np.asarray(seconds / dt)
