"""A run on cores against a walk over every spike: packets, hops, links, events, and the time of each step."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwmodels.cores_model import _static
from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.activity import CoreQuestions
from hwmodels.mapping.facts import core_energy_pj, plan_facts, run_facts
from hwmodels.mapping.layers import Form
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.mapping.runs import CoreRun, Layout, board_of, run_on, traffic_of
from spikec.cost import Cost, Term
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.run.interp import Interpreter

STEPS, SAMPLES = 5, 3
SIZES = (9, 14, 6)
KNOWN = {"evidence": "assumed", "source": "a test"}
TERMS = (
    Term("event", "ac", 2.0, time_ns=3.5),
    Term("active", "neuron_update_active", 8.0, time_ns=8.4),
    Term("inactive", "neuron_update_inactive", 5.0, time_ns=5.3),
    Term("message", "message", 1.7, time_ns=2.1),
    Term("east", "hop_ew", 3.0, time_ns=4.1),
    Term("north", "hop_ns", 4.0, time_ns=6.5),
)


def table(neurons: int = 4, latency: str = "slowest") -> CoresTable:
    return CoresTable.model_validate(
        {
            "rule": "contiguous",
            "latency": latency,
            "mesh": {"columns": 2, "rows": 2, "cores_a_tile": 1, **KNOWN},
            "limits": {"neurons": {"value": neurons, "unit": "neurons", **KNOWN}},
            "barrier": {"tiles": [1, 4], "value": [113.0, 200.0], "unit": "ns", **KNOWN},
        }
    )


def network() -> Graph:
    rng = np.random.default_rng(3)
    builder = GraphBuilder(STEPS)
    value = builder.input("x", TensorType((SIZES[0],), SPIKE))
    for at, size in enumerate(SIZES):
        if at:
            weights = {"weight": rng.normal(0.1, 0.6, (size, SIZES[at - 1]))}
            value = builder.add(Linear(), value, scope=f"w{at}", weights=weights)
        value = builder.add(LIF(), value, scope=f"q{at}", weights={"tau": 2.0, "v_threshold": 0.4 + 0.5 * (at > 0)})
    return builder.graph(value)


class Walk:
    """The same run, spike by spike, over the edges of a dense network."""

    def __init__(self, plan: Plan, on: NDArray[np.int64], spikes: dict[str, NDArray[np.int64]]) -> None:
        board = board_of(plan.table, plan.cores)
        nodes = [layer.wired.node for layer in plan.layers]
        self.messages = {node: np.zeros(SAMPLES, dtype=int) for node in nodes}
        self.ew = {node: np.zeros(SAMPLES, dtype=int) for node in nodes}
        self.ns = {node: np.zeros(SAMPLES, dtype=int) for node in nodes}
        self.crossings = {node: np.zeros(SAMPLES, dtype=int) for node in nodes}
        self.events = np.zeros((SAMPLES, STEPS, plan.cores), dtype=int)
        self.received = np.zeros((SAMPLES, STEPS, plan.cores), dtype=int)
        self.sent = np.zeros((SAMPLES, STEPS, plan.cores), dtype=int)
        self.links: dict[tuple[int, int, int, int], NDArray[np.int64]] = {}
        for at, node in enumerate(nodes[:-1]):
            targets = plan.core_of[nodes[at + 1]]
            for step, sample, neuron in zip(*np.nonzero(spikes[node]), strict=True):
                home = plan.core_of[node][neuron]
                for core in targets:
                    self.events[sample, step, core] += 1
                for core in sorted(set(targets.tolist())):
                    self.messages[node][sample] += 1
                    self.received[sample, step, core] += 1
                    self.sent[sample, step, home] += 1
                    self._travel(board, int(on[home]), int(on[core]), node, sample, step)

    def _travel(self, board, start: int, end: int, node: str, sample: int, step: int) -> None:
        (x, y), (to_x, to_y) = self._tile(board, start), self._tile(board, end)
        while (x, y) != (to_x, to_y):
            towards = (np.sign(to_x - x), 0) if x != to_x else (0, np.sign(to_y - y))
            new = (x + int(towards[0]), y + int(towards[1]))
            crosses = (x // board.columns, y // board.rows) != (new[0] // board.columns, new[1] // board.rows)
            kind = self.crossings if crosses else self.ew if x != new[0] else self.ns
            kind[node][sample] += 1
            load = self.links.setdefault((x, y, *new), np.zeros((SAMPLES, STEPS), dtype=int))
            load[sample, step] += 1
            x, y = new

    @staticmethod
    def _tile(board, core: int) -> tuple[int, int]:
        chip, within = divmod(core, board.cores_a_chip)
        row, column = divmod(within // board.cores_a_tile, board.columns)
        down, across = divmod(chip, board.chips_across)
        return across * board.columns + column, down * board.rows + row


def run(latency: str = "slowest") -> tuple[Plan, CoreRun, Walk, dict[str, NDArray[np.int64]]]:
    graph = network()
    plan = plan_of(graph, table(latency=latency), Form(), "a chip")
    rng = np.random.default_rng(0)
    data = {"x": (rng.random((STEPS, SAMPLES, SIZES[0])) < 0.5).astype(np.float64)}
    runner = Interpreter(torch.float64)
    counts = runner.count(graph, data, CoreQuestions(plan).probes)
    kept = runner.run(graph, data, keep=[f"q{at}" for at in range(3)] + ["x", "w1", "w2"])
    values = {name: value.numpy() for name, value in kept.items()}
    on = rng.permutation(board_of(plan.table, plan.cores).cores)[: plan.cores]
    spikes = {name: values[name].astype(int) for name in ("q0", "q1", "q2")}
    assert all(0.05 < spike.mean() < 0.95 for spike in spikes.values())
    return plan, run_on(Layout(plan, on), counts, TERMS), Walk(plan, on, spikes), values


def test_it_takes_several_chips() -> None:
    plan, *_ = run()
    assert (plan.cores, plan.chips) == (3 + 4 + 2, 3)


def test_packets_and_hops_are_those_of_the_walk() -> None:
    plan, found, walk, _ = run()
    assert sum(part.sum() for part in walk.crossings.values()) > 0
    for node in plan.core_of:
        np.testing.assert_array_equal(found.sent[node].message, walk.messages[node])
        np.testing.assert_array_equal(found.sent[node].hop_ew, walk.ew[node])
        np.testing.assert_array_equal(found.sent[node].hop_ns, walk.ns[node])
        np.testing.assert_array_equal(found.sent[node].chip_crossing, walk.crossings[node])


def test_loads_of_links_are_those_of_the_walk() -> None:
    _, found, walk, _ = run()
    links = found.links
    steps = {0: (1, 0), 1: (-1, 0), 2: (0, 1), 3: (0, -1)}
    for at, load in enumerate(found.loads):
        x, y = int(links.x[at]), int(links.y[at])
        dx, dy = steps[int(links.direction[at])]
        assert load == walk.links.get((x, y, x + dx, y + dy), np.zeros(1)).sum()
    assert found.loads.sum() == sum(load.sum() for load in walk.links.values()) > 0


def test_counts_of_cores_are_those_of_the_walk() -> None:
    plan, found, walk, values = run()
    np.testing.assert_array_equal(found.counts["ac"], walk.events.sum((0, 1)))
    np.testing.assert_array_equal(found.counts["message_in"], walk.received.sum((0, 1)))
    active = sum((values[name] != 0).sum() for name in ("x", "w1", "w2"))
    assert found.counts["neuron_update_active"].sum() == active
    everything = SAMPLES * STEPS * sum(SIZES)
    assert found.counts["neuron_update_active"].sum() + found.counts["neuron_update_inactive"].sum() == everything
    assert found.counts["neuron_update_inactive"].sum() > 0
    assert plan.cores == found.counts["ac"].size


def test_a_step_takes_as_long_as_its_slowest_core_or_link_and_the_barrier() -> None:
    plan, found, walk, values = run()
    drives = {"q0": values["x"], "q1": values["w1"], "q2": values["w2"]}
    link_ns = {key: load * (4.1 if key[1] == key[3] else 6.5) for key, load in walk.links.items()}
    assert found.step_ns is not None
    for sample, step in product(range(SAMPLES), range(STEPS)):
        slowest = 0.0
        for core in range(plan.cores):
            work = walk.events[sample, step, core] * 3.5 + walk.sent[sample, step, core] * 2.1
            for node, cores in plan.core_of.items():
                for neuron in np.flatnonzero(cores == core):
                    work += 8.4 if drives[node][step, sample, neuron] else 5.3
            slowest = max(slowest, work)
        slowest = max(slowest, *(float(load[sample, step]) for load in link_ns.values()))
        assert found.step_ns[sample, step] == pytest.approx(slowest + 200.0, rel=1e-12)


def test_a_run_that_is_held_a_sample_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run()[1]
    monkeypatch.setattr("hwmodels.mapping.runs.CHUNK", 1)
    parts = run()[1]
    np.testing.assert_array_equal(parts.loads, whole.loads)
    np.testing.assert_array_equal(parts.step_ns, whole.step_ns)
    for name, counts in whole.counts.items():
        np.testing.assert_array_equal(parts.counts[name], counts)


def test_the_traffic_for_placement_is_the_packets_of_each_pair() -> None:
    graph = network()
    plan = plan_of(graph, table(), Form(), "a chip")
    rng = np.random.default_rng(0)
    data = {"x": (rng.random((STEPS, SAMPLES, SIZES[0])) < 0.5).astype(np.float64)}
    counts = Interpreter(torch.float64).count(graph, data, CoreQuestions(plan).probes)
    sources, destinations, packets = traffic_of(plan, counts)
    assert len({*zip(sources.tolist(), destinations.tolist(), strict=True)}) == packets.size == 3 * 4 + 4 * 2
    walk = run()[2]
    assert packets.sum() * SAMPLES == pytest.approx(sum(part.sum() for part in walk.messages.values()))


def test_facts_hold_the_run_an_inference_and_energy_a_core_adds_up() -> None:
    plan, found, walk, _ = run()
    costs = [
        Cost(node, node, "linear", None, {}, {"event": 7.0, "message": 1.5}, np.zeros(SAMPLES))
        for node in ("w1", "q1", "q0", "w2", "q2")
    ]
    energy = core_energy_pj(plan, found, costs, TERMS)
    assert energy.sum() == pytest.approx(5 * 8.5)
    facts = run_facts(plan, np.arange(plan.cores), found, costs, TERMS, SAMPLES)
    assert sum(facts["core_energy_pj"]) == pytest.approx(5 * 8.5 / SAMPLES)
    assert facts["latency"]["inference_ns"] == pytest.approx(found.step_ns.sum() / SAMPLES)  # type: ignore[union-attr]
    assert facts["links"]["max"] == pytest.approx(max(load.sum() for load in walk.links.values()) / SAMPLES)
    assert [row["cores"] for row in plan_facts(plan)["layers"]] == [3, 4, 2]
    assert [row["binding_limit"] for row in plan_facts(plan)["layers"]] == ["neurons"] * 3
    assert plan_facts(plan)["layers"][1]["utilisation"] == {"neurons": 1.0}


def test_bounds_of_times_are_bounds_of_an_inference() -> None:
    """Every time at its bound on a side is a run of its own; a side without any bound has none."""
    plan, found, _, _ = run()
    assert (found.low_ns, found.high_ns) == (None, None)
    graph = plan.graph
    data = {"x": (np.random.default_rng(0).random((STEPS, SAMPLES, SIZES[0])) < 0.5).astype(np.float64)}
    counts = Interpreter(torch.float64).count(graph, data, CoreQuestions(plan).probes)
    layout = Layout(plan, np.arange(plan.cores))
    bounded = tuple(replace(term, time_high_ns=2 * (term.time_ns or 0.0)) for term in TERMS)
    twice = tuple(replace(term, time_ns=2 * (term.time_ns or 0.0)) for term in TERMS)
    slow, high = run_on(layout, counts, twice), run_on(layout, counts, bounded)
    assert high.low_ns is None
    assert slow.step_ns is not None
    np.testing.assert_allclose(high.high_ns, slow.step_ns.sum(1))  # type: ignore[arg-type]
    low = run_on(layout, counts, tuple(replace(term, time_low_ns=0.0) for term in TERMS))
    np.testing.assert_allclose(low.low_ns, np.full(SAMPLES, STEPS * 200.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high", "bounds"), [(None, 1.0, (0.0, None)), (0.5, 2.0, (0.5, 2.0))])
def test_static_power_over_bounded_times_is_bounded(
    low: float | None, high: float, bounds: tuple[float, float | None]
) -> None:
    """Where times are maxima at their own values, static power is bounded from below by nothing."""
    plan, found, _, _ = run()
    whole = found.step_ns.sum(1)  # type: ignore[union-attr]
    at = replace(found, low_ns=None if low is None else low * whole, high_ns=high * whole)
    (cost,) = _static(at, plan, (Term("static", "chip_ns", 104.0),), SAMPLES)
    total = 104.0 * plan.chips * whole.sum()
    assert sum(cost.energy_pj.values()) == pytest.approx(total)
    expected = tuple(None if bound is None else pytest.approx(bound * total) for bound in bounds)
    assert (cost.low_pj, cost.high_pj) == expected


def test_it_is_said_where_cores_and_prices_count_other_events() -> None:
    plan, found, walk, _ = run()
    events = int(walk.events.sum())

    def said(priced: int) -> list[str]:
        costs = [Cost("w1", "w1", "linear", None, {"ac": priced}, {}, np.zeros(SAMPLES))]
        facts = run_facts(plan, np.arange(plan.cores), found, costs, TERMS, SAMPLES)
        return [text for text in facts["latency"]["assumed"] if "synaptic events on cores" in text]

    assert said(events) == []
    (text,) = said(events - 3)
    assert f"{events / SAMPLES:,.10g} synaptic events on cores, energy of {events / SAMPLES - 1:,.10g}" in text
