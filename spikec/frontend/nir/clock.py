"""From NIR's seconds to steps: how long a step is, and what an equation leaves of a membrane in one.

    tau dv/dt = (v_leak - v) + r x

By forward Euler, v += dt/tau ((v_leak - v) + r x): a share 1 - dt/tau of v - v_leak is left, and x weighs r dt/tau.
Solved exactly for an x that is constant over the step ('exponential'), the share is exp(-dt/tau), and x weighs
r (1 - share).

Everything is computed in the precision in which the file holds its numbers, as snnTorch does: a float32 tau of 2e-4 s
is 2 steps of 1e-4 s, and 1.99999995 in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spikec.errors import TraceError
from spikec.frontend.foreign import Integrator, Reading
from spikec.frontend.hdf5 import Group
from spikec.frontend.nir.fields import Fields, Numbers
from spikec.frontend.nir.network import Network
from spikec.frontend.nir.notes import Notes

DEFAULT_DT = 1e-4
"""What snnTorch's importer knows alone, and SpikingJelly's takes unless told otherwise."""
CLOSE = 1e-6
"""Gains this near to 1, and delays this near to whole steps, are taken as such (SpikingJelly's tolerance of gains)."""


@dataclass(frozen=True)
class Leak:
    """What a time constant is in steps.

    Args:
        share: what is left after a step.
        weight: of the input, where r is 1.
        steps: tau itself.
    """

    share: Numbers
    weight: Numbers
    steps: Numbers


@dataclass(frozen=True)
class Clock:
    """How long a step is, and how an equation becomes one.

    Args:
        dt: seconds a step.
        integrator: see the module.
    """

    dt: float
    integrator: Integrator

    def leak(self, tau: Numbers) -> Leak:
        """What a positive time constant in seconds is in steps.

        Raises:
            TraceError: it is shorter than a step, where forward Euler runs away from the equation.
        """
        dt = self.like(tau)
        with np.errstate(over="ignore"):
            steps, ratio = np.asarray(tau / dt), np.asarray(dt / tau)
        if self.integrator == "exponential":
            spent = -1.0 / steps.astype(np.float64)
            return Leak(np.exp(spent), -np.expm1(spent), steps)
        if (ratio > 1 + CLOSE).any():
            short = float(np.min(tau))
            mend = f"spikec trace --dt {short:g} or less, or --integrator exponential"
            raise TraceError(f"a time constant of {short:g} s is shorter than a step of {self.dt:g} s; {mend}")
        ratio = np.minimum(ratio, np.ones_like(ratio))
        return Leak(1 - ratio, ratio, steps)

    def like(self, array: Numbers) -> Numbers:
        """dt in the precision of an array."""
        with np.errstate(over="ignore"):
            dt = np.asarray(self.dt, array.dtype)
        return dt if dt > 0 and np.isfinite(dt) else np.asarray(self.dt, np.float64)


def clock_for(network: Network, reading: Reading, notes: Notes) -> Clock | None:
    """The clock that is asked for, else the metadata's, else the default, which is said; None where nothing needs one.

    Raises:
        TraceError: the metadata state several steps.
    """
    kinds = {item.kind for item in network.items.values()}
    if not kinds & (TIMED | RATED):
        return None
    dt = reading.dt
    if dt is None:
        dt, why = (
            _stated(network, notes) or _of_rates(network, kinds) or (DEFAULT_DT, "as snnTorch and SpikingJelly take it")
        )
        notes.add(f"NIR states no time step: one of {dt:g} s is taken, {why} (spikec trace --dt)")
    if reading.integrator is None and kinds & LEAKING:
        how = "forward Euler is taken, as snnTorch and SpikingJelly do (spikec trace --integrator)"
        notes.add(f"NIR states no integrator: {how}")
    return Clock(dt, reading.integrator or "euler")


LEAKING = {"LI", "LIF", "CubaLI", "CubaLIF"}
TIMED = {*LEAKING, "Delay"}
RATED = {"I", "IF"}


def _stated(network: Network, notes: Notes) -> tuple[float, str] | None:
    """dt where metadata state one, of the graph or of any node; what is said under that name and is none, is said."""
    said = {path: _number(group) for path, group in network.metadata.items() if "dt" in group}
    found = {dt for dt in said.values() if dt is not None}
    for path in [path for path, dt in said.items() if dt is None]:
        notes.add("the dt that metadata state is not taken: it is no number of seconds above 0", path)
    if len(found) > 1:
        several = ", ".join(f"{dt:g}" for dt in sorted(found))
        raise TraceError(f"the metadata state several time steps: {several} s", mend="spikec trace --dt says which")
    return (found.pop(), "as the file's metadata state it") if found else None


def _number(metadata: Group) -> float | None:
    held = metadata.get("dt", "")
    try:
        dt = float(held.item() if isinstance(held, np.ndarray) and held.size == 1 else held)
    except (TypeError, ValueError):
        return None
    return dt if 0 < dt < float("inf") else None


def _of_rates(network: Network, kinds: Iterable[str]) -> tuple[float, str] | None:
    """1/r where only IF and I depend on dt and share one r: in such a step, an input of 1 charges a membrane by 1."""
    if not TIMED.isdisjoint(kinds):
        return None
    rates = {float(r) for i in network.items.values() if i.kind in RATED for r in np.unique(Fields(i).numbers("r"))}
    rate = rates.pop() if len(rates) == 1 else 0.0
    return (1 / rate, f"in which the r of {rate:g} of every IF and I adds an input as it is") if rate > 0 else None


def span(network: Network, clock: Clock) -> str:
    """The shortest and the longest time constant in steps, as a remark; empty where there is none."""
    keys = ("tau", "tau_mem", "tau_syn")
    taus = [i.group.array(key) for i in network.items.values() if i.kind in LEAKING for key in keys if key in i.group]
    if not taus:
        return ""
    least, most = min(float(t.min()) for t in taus) / clock.dt, max(float(t.max()) for t in taus) / clock.dt
    return (
        f"time constants are {least:.4g} to {most:.4g} steps"
        if least < most
        else f"time constants are {least:.4g} steps"
    )
