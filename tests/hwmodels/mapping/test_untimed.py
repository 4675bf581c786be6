"""What a latency leaves out is said: of shipped chips, and of what a file may leave out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwmodels.cores_model import CoresModel
from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.runs import times_of
from hwmodels.mapping.untimed import untimed
from hwmodels.registry import load
from spikec.cost import Policy, Terms
from spikec.ir.builder import GraphBuilder
from spikec.ir.types import SPIKE, TensorType

SKIP = Policy(zero_weights="skip")


def chip(name: str) -> CoresModel:
    found = load(name)
    assert isinstance(found, CoresModel)
    return found


def terms(model: CoresModel, policy: Policy | None = None) -> Terms:
    builder = GraphBuilder()
    graph = builder.graph(builder.input("x", TensorType((1,), SPIKE)))
    return model.prices(graph, policy or Policy())


def barrier_of(table: CoresTable, nanoseconds: float) -> CoresTable:
    assert table.barrier is not None
    flat = table.barrier.model_copy(update={"tiles": (1,), "value": (nanoseconds,)})
    return table.model_copy(update={"barrier": flat})


@pytest.mark.parametrize("name", ["loihi1", "loihi1-sanafe"])
def test_a_chip_with_times_of_neurons_and_of_what_binds_leaves_nothing_unsaid(name: str) -> None:
    model = chip(name)
    assert untimed(model.table, terms(model)) == ()
    assert untimed(barrier_of(model.table, 0.0), terms(model)) == ()  # neurons that rest take time, too


def test_a_chip_that_only_times_events_says_that_silent_steps_take_none() -> None:
    model = chip("loihi2")
    silent, hops = untimed(model.table, terms(model))
    assert silent.startswith("latency is that of synaptic events alone: ")
    assert silent.endswith("so that a step in which nothing spikes takes 0 ns")
    assert hops.startswith("a hop takes 0 ns")
    assert untimed(barrier_of(model.table, 5.0), terms(model)) == (hops,)


def test_where_nothing_that_is_counted_has_a_time_there_is_no_latency() -> None:
    """Loihi 2's time of an event was fitted with zeros counted; without them 0 ns would be no answer."""
    model = chip("loihi2")
    assert times_of(model.table, terms(model)) is not None
    assert times_of(model.table, terms(model, SKIP)) is None
    sends = chip("loihi1")
    without = tuple(replace(term, time_ns=None) for term in terms(sends))
    assert times_of(sends.table, without) is not None  # its barrier takes time


def test_a_direction_without_a_time_is_named() -> None:
    model = chip("loihi1")
    found = tuple(replace(t, time_ns=None) if t.count == "hop_ns" else t for t in terms(model))
    assert [text.split(":")[0] for text in untimed(model.table, found)] == ["a hop north-south takes 0 ns"]
    simple = model.table.model_copy(update={"latency": "simple"})  # in which hops have no time
    assert untimed(simple, found) == ()
