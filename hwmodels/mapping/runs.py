"""A run on placed cores: what each layer sends how far, how long each step takes, how busy cores and links are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.activity import activity_of, questions_of
from hwmodels.mapping.core_activity import COUNTS, OUTSIDE, CoreActivity
from hwmodels.mapping.latency import CoreTimes, StepLatency, simple_latency, slowest_latency
from hwmodels.mapping.mesh import Cores, Mesh, Places, distances, mesh_for, places_of
from hwmodels.mapping.plans import Plan
from hwmodels.mapping.routes import Links, Ways, links_of
from hwmodels.mapping.senders import HOST
from spikec.cost import Counts, Probe, Terms

Array = NDArray[np.int64]
Side = Literal["low", "high"]
SIDES: tuple[Side, ...] = ("low", "high")
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
        low_ns, high_ns: [samples] bounds of an inference, where the chip's file bounds a time on that side.
    """

    sent: Mapping[str, Sent]
    counts: Mapping[str, Array]
    links: Links
    loads: Array
    step_ns: NDArray[np.float64] | None
    binds: Array | None
    where: Array | None
    barrier_ns: float | None
    low_ns: NDArray[np.float64] | None = None
    high_ns: NDArray[np.float64] | None = None


def board_of(table: CoresTable, cores: int) -> Mesh:
    """The mesh of as many chips as so many cores need."""
    mesh = table.mesh
    return mesh_for(Mesh(mesh.columns, mesh.rows, mesh.cores_a_tile), cores)


@dataclass(frozen=True, eq=False)
class Layout:
    """A plan at places on its board, and what of each of its runs they alone decide.

    Args:
        plan: the network on cores.
        on: [cores] the number on the board of each core.
    """

    plan: Plan
    on: Cores

    @cached_property
    def board(self) -> Mesh:
        """The board."""
        return board_of(self.plan.table, self.plan.cores)

    @cached_property
    def places(self) -> Places:
        """Where the cores stand."""
        return places_of(self.board, self.on)

    @cached_property
    def links(self) -> Links:
        """The links of the board."""
        return links_of(self.board)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """[P] whether a pair's packets come from a core."""
        return np.asarray(questions_of(self.plan).pairs[:, 0] != OUTSIDE)

    @cached_property
    def ways(self) -> Ways:
        """The ways of the pairs inside."""
        return Ways(self.board, *self.on[questions_of(self.plan).pairs[self.inside].T])

    @cached_property
    def sends(self) -> tuple[tuple[str, Probe, Array], ...]:
        """Of each sender on cores its value, its question, and [groups, 4] what one spike sends, as in `Sent`."""
        questions, found = questions_of(self.plan), []
        hops = distances(self.board, self.ways.sources, self.ways.destinations)
        each = np.stack([np.ones_like(hops.crossings), hops.east_west, hops.north_south, hops.crossings], axis=1)
        for sender, probe in questions.sent:
            incidence = questions.incidence[sender.value]
            if sender.own[0] != HOST:
                assert not (incidence @ ~self.inside).any()
                found.append((sender.value, probe, incidence[:, self.inside] @ each))
        return tuple(found)


def run_on(layout: Layout, counts: Counts, terms: Terms) -> CoreRun:
    """The run of a plan at its places.

    Args:
        layout: the plan, and where its cores stand.
        counts: the answers to `CoreQuestions(layout.plan).probes`.
        terms: of the chip, whose times are those of counts and hops.
    """
    plan, questions, inside = layout.plan, questions_of(layout.plan), layout.inside
    times, link_ns = times_of(plan.table, terms), _link_times(layout.links, terms)
    totals: dict[str, Array] = {name: np.zeros(plan.cores, dtype=np.int64) for name in COUNTS}
    passed = np.zeros(inside.size, dtype=np.int64)
    steps: list[StepLatency] = []
    bounded = {side: _bounded(terms, side) for side in SIDES}
    inferences: dict[str, list[NDArray[np.float64]]] = {side: [] for side in SIDES}
    for part in _parts(counts, len(questions.pairs)):
        activity = activity_of(questions, counts, layout.places, part)
        for name, count in COUNTS.items():
            totals[name] += count.of(activity).sum((0, 1))
        passed += activity.packets.sum((0, 1))
        if times is not None:
            steps.append(_latency(layout, activity, times, link_ns))
        for side, at_bound in bounded.items():
            found = times_of(plan.table, at_bound) if at_bound else None
            if found is not None:
                latency = _latency(layout, activity, found, _link_times(layout.links, at_bound))
                inferences[side].append(latency.total_ns.sum(1))
    return CoreRun(
        sent={value: Sent(*(counts.of(probe).sum(1) @ each).T) for value, probe, each in layout.sends},
        counts=totals,
        links=layout.links,
        loads=layout.ways.loads(passed[inside]),
        step_ns=np.concatenate([s.total_ns for s in steps]) if steps else None,
        binds=np.concatenate([s.binds for s in steps]) if steps else None,
        where=np.concatenate([s.where for s in steps]) if steps else None,
        barrier_ns=steps[0].barrier_ns if steps else None,
        low_ns=np.concatenate(inferences["low"]) if inferences["low"] else None,
        high_ns=np.concatenate(inferences["high"]) if inferences["high"] else None,
    )


def _bounded(terms: Terms, side: Side) -> Terms:
    """The terms at the bounds of their times on a side, as far as there are any; none where there is not one."""
    bounds = [term.time_low_ns if side == "low" else term.time_high_ns for term in terms]
    if all(bound is None for bound in bounds):
        return ()
    pairs = zip(terms, bounds, strict=True)
    return tuple(term if bound is None else replace(term, time_ns=bound) for term, bound in pairs)


def times_of(table: CoresTable, terms: Terms) -> CoreTimes | None:
    """The times of a chip; None where its file says none, also of nothing that these terms count."""
    if table.latency is None or table.barrier is None:
        return None
    known = {term.count: term.time_ns for term in terms if term.time_ns is not None and term.count in COUNTS}
    barrier = table.barrier
    if not known and not any(barrier.nanoseconds):  # 0 ns a step would be no answer
        return None
    return CoreTimes(known, barrier.tiles, barrier.nanoseconds, barrier.between)


def traffic_of(plan: Plan, counts: Counts) -> tuple[Cores, Cores, NDArray[np.float64]]:
    """Sources, destinations and packets between the cores of a plan, a sample on the mean; for placement."""
    questions = questions_of(plan)
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


def _latency(layout: Layout, activity: CoreActivity, times: CoreTimes, link_ns: NDArray[np.float64]) -> StepLatency:
    if layout.plan.table.latency == "simple":
        return simple_latency(activity, times)
    return slowest_latency(activity, times, layout.ways.loads(activity.packets[..., layout.inside]), link_ns)


def _link_times(links: Links, terms: Terms) -> NDArray[np.float64]:
    """[links] ns a packet: the chip's hop times; a crossing, of which none is published, as a hop."""
    times = {term.count: term.time_ns or 0.0 for term in terms}
    return np.where(links.east_west, times.get("hop_ew", 0.0), times.get("hop_ns", 0.0))
