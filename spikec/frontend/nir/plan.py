"""What each node of a .nir file becomes, every one that cannot be taken named at once, before any op is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spikec.errors import Offender, TraceError, UnsupportedOp
from spikec.frontend.nir.clock import CLOSE, DEFAULT_DT, Clock
from spikec.frontend.nir.fields import Fields, Numbers
from spikec.frontend.nir.loops import Loops, loops_of
from spikec.frontend.nir.network import Network
from spikec.frontend.nir.neurons import NEURONS
from spikec.frontend.nir.notes import Notes
from spikec.frontend.nir.parts import STATELESS, Part
from spikec.ir.types import Shape

MOST_STEPS = 2**31
SAID = 32
"""Edges that lead back, said one by one; of more, how many there are."""
PARTS = {**STATELESS, **NEURONS}


@dataclass(frozen=True, eq=False)
class Plan:
    """A network whose every node can be taken.

    Args:
        network: its wiring.
        shapes: of what enters each Input at a step.
        parts: what each node becomes, but for the Input and for Delays.
        delays: of each Delay, in steps.
        loops: how time passes in cycles.
    """

    network: Network
    shapes: Mapping[str, Shape]
    parts: Mapping[str, Part]
    delays: Mapping[str, Numbers]
    loops: Loops


def plan_of(network: Network, clock: Clock | None, notes: Notes) -> Plan:
    """What each node becomes.

    Raises:
        ModelFileError: a field is missing, or holds what it may not.
        UnsupportedOp: lists every node that cannot be taken.
    """
    plans = _Plans(clock or Clock(DEFAULT_DT, "euler"), notes)
    for key, item in network.items.items():
        plans.take(key, Fields(item))
    neurons = [key for key, item in network.items.items() if item.kind in NEURONS]
    loops = loops_of(network, neurons, {key: float(steps.min()) for key, steps in plans.delays.items()})
    faults = [*plans.faults, *loops.faults]
    if faults:
        raise UnsupportedOp("spikec", faults, nodes=len(network.items))
    for source, target in loops.cuts[:SAID]:
        names = (network.items[target].name, network.items[source].name)
        notes.add("a cycle without a Delay: '{}' takes what '{}' gave a step ago".format(*names))
    if len(loops.cuts) > SAID:
        notes.add(f"cycles without a Delay: {len(loops.cuts) - SAID} more edges give what was given a step ago")
    shapes = {key: Fields(network.items[key]).shape("shape") for key in network.ends("Input")}
    return Plan(network, shapes, plans.parts, plans.delays, loops)


@dataclass
class _Plans:
    clock: Clock
    notes: Notes
    parts: dict[str, Part] = field(default_factory=dict)
    delays: dict[str, Numbers] = field(default_factory=dict)
    faults: list[Offender] = field(default_factory=list)

    def take(self, key: str, fields: Fields) -> None:
        """Adds a node, or the reason why it cannot be taken."""
        kind = fields.item.kind
        if kind not in PARTS and kind != "Delay":
            self.faults.append(fields.item.offends("is no node of NIR 1.0.8"))
            return
        try:
            if kind == "Delay":
                self.delays[key] = _steps(fields, self.clock)
            else:
                self.parts[key] = PARTS[kind](fields, self.clock, self.notes)
        except TraceError as error:
            self.faults.append(fields.item.offends(str(error)))
            return
        if fields.unknown():
            reason = f"has the fields {', '.join(fields.unknown())}, which NIR 1.0.8 does not know"
            self.faults.append(fields.item.offends(reason))


def _steps(fields: Fields, clock: Clock) -> Numbers:
    """A Delay's steps.

    Raises:
        TraceError: they are not whole.
    """
    delay = fields.numbers("delay")
    with np.errstate(over="ignore"):
        steps = (delay / clock.like(delay)).astype(np.float64)
    whole = np.rint(steps)
    if not ((whole >= 0) & (whole < MOST_STEPS)).all():
        raise fields.bad("delay", f"is {float(steps.min()):g} to {float(steps.max()):g} steps", "0 or more, and an end")
    off = np.abs(steps - whole)
    if (off > CLOSE).any():
        worst = float(steps.reshape(-1)[int(off.argmax())])
        raise TraceError(f"a delay of {worst:.9g} steps of {clock.dt:g} s, which is not whole; spikec trace --dt")
    return whole
