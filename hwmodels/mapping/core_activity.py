"""What cores do at every step of a run: spikes, updates, synaptic events and packets, and counts of these by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from hwmodels.mapping.mesh import Distances, Places
from spikec.errors import UsageError

Array = NDArray[np.int64]
SynapseKind = Literal["dense", "sparse", "conv"]
SYNAPSE_KINDS: tuple[SynapseKind, ...] = ("dense", "sparse", "conv")
"""How the synapses of a layer are stored: every pair, those listed, or a kernel that is shared."""
OUTSIDE = -1
"""The sender of packets that come from no core."""


@dataclass(frozen=True, eq=False)
class CoreActivity:
    """What each of C cores does, for S samples and T steps, and what is sent between P pairs of them.

    Whatever a spike sets off, its packets and their synaptic events, belongs to the step at which it is fired; the
    neurons that it reaches take it at the next step.

    Args:
        events: [S, T, C, kinds] synaptic events that a core processes, kinds in the order of SYNAPSE_KINDS.
        neurons: [C] neurons that a core visits at every step. Inputs, which are only sent from a core, are none.
        updated: [S, T, C] of these, those with something to do, by the chip's own rule.
        spikes: [S, T, C] spikes that these neurons fire.
        pairs: [P, 2] the cores, 0 to C - 1, that a packet leaves (or OUTSIDE) and reaches; they may be one.
        packets: [S, T, P] one for each spike and core that it reaches, whatever the number of its synapses there.
        places: where the C cores stand; each holds something.

    Raises:
        UsageError: there is no core, shapes do not fit, a core is numbered that there is not, or more neurons are
            updated than a core has.
    """

    events: Array
    neurons: Array
    updated: Array
    spikes: Array
    pairs: Array
    packets: Array
    places: Places

    def __post_init__(self) -> None:
        samples, steps, cores, *_ = self.events.shape
        each = (samples, steps, cores)
        shapes = {
            "events": (*each, len(SYNAPSE_KINDS)),
            "neurons": (cores,),
            "updated": each,
            "spikes": each,
            "pairs": (len(self.pairs), 2),
            "packets": (samples, steps, len(self.pairs)),
        }
        for name, expected in shapes.items():
            found = getattr(self, name).shape
            if found != expected:
                raise UsageError(f"{name} has shape {list(found)}", expected=f"{list(expected)}")
        if not cores or self.places.chip.shape != (cores,):
            raise UsageError(f"{cores} cores, {self.places.chip.size} places", expected="at least one, and as many")
        sender, receiver = self.pairs.T
        if ((sender < OUTSIDE) | (sender >= cores) | (receiver < 0) | (receiver >= cores)).any():
            raise UsageError(f"pairs that name other cores than 0 to {cores - 1}")
        if (self.updated > self.neurons).any():
            raise UsageError("more neurons are updated than a core has")

    @property
    def steps(self) -> int:
        """T."""
        return int(self.events.shape[1])

    @property
    def cores(self) -> int:
        """C."""
        return len(self.neurons)

    @property
    def tiles(self) -> int:
        """Tiles on which these cores stand."""
        return self.places.tiles

    @cached_property
    def sent(self) -> Array:
        """[S, T, C] packets that leave each core, those to itself and to others of its tile among them."""
        inside = self.pairs[:, 0] != OUTSIDE
        return _by_core(self.packets[..., inside], self.pairs[inside, 0], self.cores)

    @cached_property
    def received(self) -> Array:
        """[S, T, C] packets that reach each core."""
        return _by_core(self.packets, self.pairs[:, 1], self.cores)


def update_bounds(activity: CoreActivity) -> tuple[CoreActivity, CoreActivity]:
    """The least and the most that can be updated where nobody tracked it: the neurons that fire, and all."""
    everyone = np.broadcast_to(activity.neurons, activity.spikes.shape)
    return replace(activity, updated=activity.spikes), replace(activity, updated=everyone)


@dataclass(frozen=True)
class CoreCount:
    """A kind of count that a core has.

    Args:
        phase: whether it belongs to the core's neurons or to the messages that it takes in.
        of: [S, T, C] from an activity.
    """

    phase: Literal["neurons", "messages"]
    of: Callable[[CoreActivity], Array]


COUNTS: dict[str, CoreCount] = {
    "neuron_update_active": CoreCount("neurons", lambda a: a.updated),
    "neuron_update_inactive": CoreCount("neurons", lambda a: a.neurons - a.updated),
    "soma_access": CoreCount("neurons", lambda a: np.broadcast_to(a.neurons, a.spikes.shape)),
    "soma_update": CoreCount("neurons", lambda a: a.updated),
    "soma_spike": CoreCount("neurons", lambda a: a.spikes),
    "message": CoreCount("neurons", lambda a: a.sent),
    "message_in": CoreCount("messages", lambda a: a.received),
    "ac": CoreCount("messages", lambda a: a.events.sum(-1)),
    "synapse_dense": CoreCount("messages", lambda a: a.events[..., SYNAPSE_KINDS.index("dense")]),
    "synapse_sparse": CoreCount("messages", lambda a: a.events[..., SYNAPSE_KINDS.index("sparse")]),
    "synapse_conv": CoreCount("messages", lambda a: a.events[..., SYNAPSE_KINDS.index("conv")]),
}
"""Counts by name. Some say one thing twice, once as a total and once by part: a chip prices one or the other."""


def counts_of(activity: CoreActivity, hops: Distances) -> dict[str, Array]:
    """[S, C] each: every count of COUNTS over all steps, and the hops of what a core sends.

    Hops are `hop_ew`, `hop_ns` and `chip_crossing`. What comes from outside has none: nobody says where it enters.

    Args:
        activity: of a run.
        hops: of each pair, [P]; of a pair whose sender is OUTSIDE they are not read.
    """
    found = {name: count.of(activity).sum(1) for name, count in COUNTS.items()}
    inside = activity.pairs[:, 0] != OUTSIDE
    packets = activity.packets[..., inside].sum(1)
    each = {"hop_ew": hops.east_west, "hop_ns": hops.north_south, "chip_crossing": hops.crossings}
    for name, distance in each.items():
        found[name] = _by_core(packets * distance[inside], activity.pairs[inside, 0], activity.cores)
    return found


def _by_core(amounts: Array, core: Array, cores: int) -> Array:
    """[..., C]: the sum over the pairs of each core of amounts [..., P]."""
    chosen = csc_array((np.ones_like(core), core, np.arange(core.size + 1)), shape=(cores, core.size))
    flat = amounts.reshape(prod(amounts.shape[:-1]), core.size)  # of no pairs, too
    return np.asarray((chosen @ flat.T).T).reshape(*amounts.shape[:-1], cores)
