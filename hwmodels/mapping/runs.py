"""A run on placed cores: what each layer sends how far, how long each step takes, how busy cores and links are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.activity import CoreQuestions, activity_of
from hwmodels.mapping.core_activity import COUNTS, OUTSIDE, CoreActivity
from hwmodels.mapping.latency import CoreTimes, StepLatency, simple_latency, slowest_latency
from hwmodels.mapping.mesh import Cores, Mesh, distances, mesh_for, places_of
from hwmodels.mapping.plans import Plan
from hwmodels.mapping.routes import Links, links_of, route
from hwmodels.mapping.senders import HOST
from spikec.cost import Counts, Terms

Array = NDArray[np.int64]
CHUNK = 4_000_000
"""Elements of an array by sample, step and pair of cores that are held at once."""


@dataclass(frozen=True, eq=False)
class Sent:
    """What a layer's neurons send, [samples] each: packets, and their hops."""

    message: Array
    hop_ew: Array
    hop_ns: Array
    chip_crossing: Array


@dataclass(frozen=True, eq=False)
class CoreRun:
    """A run on cores, over all its steps.

    Args:
        sent: by the node of each layer.
        counts: of each core, [cores] over all samples, by the names of `core_activity.COUNTS`.
        links: the links between tiles.
        loads: [links] packets that pass each, over all samples.
        step_ns: [samples, steps]; None where the chip's file knows no times.
        binds: [samples, steps] what binds each step, an index into BOTTLENECKS.
        where: [samples, steps] the core or link that binds.
        barrier_ns: what of each step is its end.
    """

    sent: Mapping[str, Sent]
    counts: Mapping[str, Array]
    links: Links
    loads: Array
    step_ns: NDArray[np.float64] | None
    binds: Array | None
    where: Array | None
    barrier_ns: float | None


def board_of(table: CoresTable, cores: int) -> Mesh:
    """The mesh of as many chips as so many cores need."""
    mesh = table.mesh
    return mesh_for(Mesh(mesh.columns, mesh.rows, mesh.cores_a_tile), cores)


def run_on(plan: Plan, on: Cores, counts: Counts, terms: Terms) -> CoreRun:
    """The run of a plan whose core i stands on number `on[i]` of the board.

    Args:
        plan: the network on cores.
        on: [cores].
        counts: the answers to `CoreQuestions(plan).probes`.
        terms: of the chip, whose times are those of counts and hops.
    """
    board, questions = board_of(plan.table, plan.cores), CoreQuestions(plan)
    inside = questions.pairs[:, 0] != OUTSIDE
    ends = on[questions.pairs[inside].T]
    times, links = times_of(plan.table, terms), links_of(board)
    link_ns = _link_times(links, terms)
    totals: dict[str, Array] = {name: np.zeros(plan.cores, dtype=np.int64) for name in COUNTS}
    loads = np.zeros(links.x.size, dtype=np.int64)
    steps: list[StepLatency] = []
    for part in _parts(counts, len(questions.pairs)):
        activity = activity_of(questions, counts, places_of(board, on), part)
        for name, count in COUNTS.items():
            totals[name] += count.of(activity).sum((0, 1))
        packets = activity.packets[..., inside]
        passing = route(board, ends[0], ends[1], packets).loads.astype(np.int64)
        loads += passing.sum((0, 1))
        if times is not None:
            steps.append(_latency(plan.table, activity, times, passing, link_ns))
    return CoreRun(
        sent=_sent(plan, questions, board, on, counts),
        counts=totals,
        links=links,
        loads=loads,
        step_ns=np.concatenate([s.total_ns for s in steps]) if steps else None,
        binds=np.concatenate([s.binds for s in steps]) if steps else None,
        where=np.concatenate([s.where for s in steps]) if steps else None,
        barrier_ns=steps[0].barrier_ns if steps else None,
    )


def times_of(table: CoresTable, terms: Terms) -> CoreTimes | None:
    """The times of a chip; None where its file says none."""
    if table.latency is None or table.barrier is None:
        return None
    known = {term.count: term.time_ns for term in terms if term.time_ns is not None and term.count in COUNTS}
    barrier = table.barrier
    return CoreTimes(known, barrier.tiles, barrier.nanoseconds, barrier.between)


def traffic_of(plan: Plan, counts: Counts) -> tuple[Cores, Cores, NDArray[np.float64]]:
    """Sources, destinations and packets between the cores of a plan, a sample on the mean; for placement."""
    questions = CoreQuestions(plan)
    total = np.zeros(len(questions.pairs), dtype=np.float64)
    for sender, probe in questions.sent:
        total += questions.packets_of(sender, counts.of(probe).sum(1)).sum(0)
    inside = questions.pairs[:, 0] != OUTSIDE
    sources, destinations = questions.pairs[inside].T
    return sources, destinations, total[inside] / counts.samples


def _parts(counts: Counts, pairs: int) -> Iterator[slice]:
    size = max(1, CHUNK // max(1, pairs * counts.steps))
    for start in range(0, counts.samples, size):
        yield slice(start, start + size)


def _latency(
    table: CoresTable, activity: CoreActivity, times: CoreTimes, loads: Array, link_ns: NDArray[np.float64]
) -> StepLatency:
    if table.latency == "simple":
        return simple_latency(activity, times)
    return slowest_latency(activity, times, loads, link_ns)


def _link_times(links: Links, terms: Terms) -> NDArray[np.float64]:
    """[links] ns a packet: the chip's hop times; a crossing, of which none is published, as a hop."""
    times = {term.count: term.time_ns or 0.0 for term in terms}
    return np.where(links.east_west, times.get("hop_ew", 0.0), times.get("hop_ns", 0.0))


def _sent(plan: Plan, questions: CoreQuestions, board: Mesh, on: Cores, counts: Counts) -> dict[str, Sent]:
    pairs = questions.pairs
    inside = pairs[:, 0] != OUTSIDE
    ends = on[np.where(pairs == OUTSIDE, 0, pairs).T]
    hops = distances(board, *ends)
    found = {}
    for sender, probe in questions.sent:
        if sender.own[0] == HOST:
            continue
        packets = questions.packets_of(sender, counts.of(probe).sum(1))
        assert not packets[:, ~inside].any()
        found[sender.value] = Sent(
            packets.sum(1), packets @ hops.east_west, packets @ hops.north_south, packets @ hops.crossings
        )
    return found
