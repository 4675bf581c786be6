"""How long each step takes on cores, and what binds it: SANA-FE's simple formula, or the slowest core or link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.core_activity import COUNTS, CoreActivity
from spikec.errors import UnknownName, UsageError

Between = Literal["linear", "next"]
Bottleneck = Literal["neurons", "messages", "link"]
BOTTLENECKS: tuple[Bottleneck, ...] = ("neurons", "messages", "link")
"""What can bind a step: the neurons of a core, the messages that a core takes in, a link between two tiles."""


@dataclass(frozen=True)
class CoreTimes:
    """The times of a chip.

    Args:
        count_ns: ns a count, by the names of `core_activity.COUNTS`; what is not named takes none.
        tiles: numbers of tiles in use, ascending, for which the barrier that ends a step is known.
        barrier_ns: the barrier for each of them.
        between: `linear` between two of them, or a value that holds until the `next` number of tiles. Beyond the
            last, and before the first, its value holds.

    Raises:
        UnknownName: there is no such count.
        UsageError: no barrier, or the tiles do not ascend, or not as many barriers as tiles.
    """

    count_ns: Mapping[str, float]
    tiles: tuple[int, ...]
    barrier_ns: tuple[float, ...]
    between: Between

    def __post_init__(self) -> None:
        for name in self.count_ns:
            if name not in COUNTS:
                raise UnknownName(name, "count with a time on cores", COUNTS)
        if not self.tiles or len(self.tiles) != len(self.barrier_ns) or list(self.tiles) != sorted(set(self.tiles)):
            barrier = f"{list(self.barrier_ns)} ns for {list(self.tiles)} tiles"
            raise UsageError(f"a barrier of {barrier}", expected="tiles that ascend, and a time for each")


@dataclass(frozen=True, eq=False)
class StepLatency:
    """How long each step takes, [S, T], and why.

    Args:
        total_ns: the barrier included.
        barrier_ns: what of it is the barrier.
        binds: index into BOTTLENECKS.
        where: the number of the core in the activity, or of the link in the loads, that binds.
    """

    total_ns: NDArray[np.float64]
    barrier_ns: float
    binds: NDArray[np.int64]
    where: NDArray[np.int64]


def barrier_ns(times: CoreTimes, tiles: int) -> float:
    """The time that so many tiles take to end a step together."""
    if times.between == "linear":
        return float(np.interp(tiles, times.tiles, times.barrier_ns))
    at = int(np.searchsorted(times.tiles, tiles, side="right")) - 1
    return times.barrier_ns[max(at, 0)]


def phases(activity: CoreActivity, times: CoreTimes) -> NDArray[np.float64]:
    """[2, S, T, C] ns that each core works on its neurons, and on the messages that it takes in."""
    work = np.zeros((2, *activity.spikes.shape))
    for name, nanoseconds in times.count_ns.items():
        work[BOTTLENECKS.index(COUNTS[name].phase)] += COUNTS[name].of(activity) * nanoseconds
    return work


def simple_latency(activity: CoreActivity, times: CoreTimes) -> StepLatency:
    """The steps by SANA-FE's 'simple' model: max over cores of max(neurons, messages), and the barrier.

    A core works on its neurons and on messages at one time. What it sends belongs to the time of its neurons, what it
    takes in, packets and synaptic events, to that of the messages, at the step of the spike. Hops take no time.

    Source: Boyle et al., SANA-FE, IEEE TCAD 44(8), 2025; held to sanafe 2.2.9 by tests/whole/sanafe.
    """
    return _slowest(phases(activity, times), activity, times)


def slowest_latency(
    activity: CoreActivity, times: CoreTimes, loads: NDArray[np.int64], link_ns: NDArray[np.float64]
) -> StepLatency:
    """The steps as the slowest core or link, and the barrier.

    A core works on its neurons and on messages one after the other, which is assumed: Davies et al. 2018 give the time
    of each alone. A link passes one packet after the other. Whichever takes longer on the core that binds is named.

    Args:
        activity: of a run.
        times: of the chip.
        loads: [S, T, L] packets that pass each link.
        link_ns: [L] ns a packet on each link.

    Raises:
        UsageError: shapes that do not fit.
    """
    if loads.shape != (*activity.spikes.shape[:2], link_ns.size):
        found = f"{link_ns.size} links, loads of shape {list(loads.shape)}"
        raise UsageError(found, expected=f"[{activity.spikes.shape[0]}, {activity.steps}, links]")
    work = phases(activity, times)
    total = work.sum(0)
    by_longer_phase = np.where(work >= work[::-1], total, 0.0)
    return _slowest(by_longer_phase, activity, times, loads * link_ns)


def _slowest(
    cores_ns: NDArray[np.float64],
    activity: CoreActivity,
    times: CoreTimes,
    links_ns: NDArray[np.float64] | None = None,
) -> StepLatency:
    """The greatest of [2, S, T, C] and [S, T, L]; of equals the first, neurons before messages before links."""
    parts = [*cores_ns] if links_ns is None or not links_ns.size else [*cores_ns, links_ns]
    most = np.stack([part.max(-1) for part in parts])
    where = np.stack([part.argmax(-1) for part in parts])
    binds = most.argmax(0)
    barrier = barrier_ns(times, activity.tiles)
    return StepLatency(
        total_ns=most.max(0) + barrier,
        barrier_ns=barrier,
        binds=binds,
        where=np.take_along_axis(where, binds[None], axis=0)[0],
    )
