"""PilotNet from lava-dl's own file: every printed row, with the widths of its weights read from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.loads import LayerCores
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.mapping.updates import neuron_updates
from hwmodels.registry import load
from spikec.cost import Policy
from spikec.ir.graph import Graph
from spikec.run.interp import Interpreter

PILOTNET = Path(__file__).parents[4] / "shared" / "data" / "pilotnet_lif"

ROWS = (  # neuron; W x H x C or N; cores; printed tile columns; printed synapse words (on average, in whole words)
    ("layer.0.neuron", (200, 66, 3), 13, 16, 0),
    ("layer.1.neuron", (99, 32, 24), 25, 4, 81),
    ("layer.2.neuron", (49, 15, 36), 13, 4, 864),
    ("layer.3.neuron", (24, 7, 48), 3, 8, 1620),
    ("layer.4.neuron", (22, 4, 64), 3, 8, 2160),
    ("layer.5.neuron", (20, 2, 64), 2, 16, 2880),
    ("layer.7.neuron", (100,), 12, None, 7253),
    ("layer.8.neuron", (50,), 1, None, 1300),
    ("layer.9.neuron", (10,), 1, None, 150),
    ("layer.10.neuron", (1,), 1, None, 10),
)
WIDTHS = (None, 5, 4, 4, 4, 4, 3, 4, 5, 6)


STEP_US = 1e6 / 408.91 / 16
"""The mean step of the newest measured run: 16 steps an inference."""


@pytest.fixture(scope="module")
def plan(pilotnet: Graph) -> Plan:
    chip = load("loihi2-older")
    return plan_of(pilotnet, chip.table, chip.form, "loihi2")


@pytest.fixture(scope="module")
def rules(plan: Plan) -> list[LayerCores]:
    found = [cores_of(row.wired.layer, plan.table.core_limits()) for row in plan.rows]
    assert all(isinstance(cores, LayerCores) for cores in found)
    return found


@pytest.fixture(scope="module")
def image() -> NDArray[np.float64]:
    """[1, C, H, W], from the folder's (W, H, C)."""
    return np.load(PILOTNET / "image.npy").transpose(2, 1, 0)[None].astype(np.float64)


def shape(layer: object) -> tuple[int, ...]:
    names = ("width", "height", "channels") if hasattr(layer, "width") else ("outputs",)
    return tuple(getattr(layer, name) for name in names)


def test_every_row_is_the_printed_one(plan: Plan, rules: list[LayerCores]) -> None:
    found = []
    for row, cores in zip(plan.rows, rules, strict=True):
        columns = cores.tile.columns if cores.tile else None
        words = int(cores.average_synapse_words)
        found.append((row.wired.node, shape(row.wired.layer), cores.cores, columns, words))
    assert tuple(found) == ROWS


def test_it_takes_74_cores_of_one_chip(plan: Plan) -> None:
    assert (plan.cores, plan.chips, plan.extrapolated, plan.misfits) == (74, 1, (), ())
    assert [row.cores for row in plan.rows] == [row[2] for row in ROWS]


def test_every_neuron_stands_on_a_core_of_its_layer_and_no_core_holds_more_than_its_slots(plan: Plan) -> None:
    found = [np.unique(plan.core_of[row[0]], return_counts=True) for row in ROWS]
    assert np.concatenate([cores for cores, _ in found]).tolist() == list(range(74))
    assert max(int(neurons.max()) for _, neurons in found) == 16 * 66 * 3


def test_the_widths_are_those_of_the_weights(plan: Plan) -> None:
    assert tuple(getattr(row.wired.layer, "weight_bits", None) for row in plan.rows) == WIDTHS


def test_the_log_of_its_split_layer(rules: list[LayerCores]) -> None:
    assert [attempt.synapse_words for attempt in rules[6].log] == [61440, 61440, 61440, 12800, 7680]


def test_each_layer_reads_the_one_before_it(plan: Plan) -> None:
    sources = [row.wired.sources for row in plan.rows]
    assert sources == [("image",), *((row[0],) for row in ROWS[:-1])]


def test_updates_are_counted_on_the_padded_tile(rules: list[LayerCores]) -> None:
    """13 cores of 16 x 66 x 3 slots for 39,600 neurons, 2 of 16 x 2 x 64 for 2,560, and so on."""
    padded = [cores.padded_slots for cores in rules]
    assert padded == [41184, 76800, 28080, 8064, 6144, 4096, 100, 50, 10, 1]
    assert [cores.neurons for cores in rules] == [39600, 76032, 26460, 8064, 5632, 2560, 100, 50, 10, 1]
    assert neuron_updates(rules[1], steps=16) == pytest.approx((16 * 76800 * 1.05, 16 * 76800 * 1.17))


# The reference's 40,871,264 leaves out the 3 events of the last layer, which its 48,267,067 has.
@pytest.mark.parametrize(("zeros", "events", "price"), [("count", 48_267_067, 22.7), ("skip", 40_871_267, 26.8)])
def test_an_inference_has_the_events_that_were_counted_on_its_recorded_spikes(
    pilotnet: Graph, image: NDArray[np.float64], zeros: str, events: int, price: float
) -> None:
    chip, policy = load("loihi2-older"), Policy(zero_weights=zeros)  # type: ignore[arg-type]
    counts = Interpreter(torch.float32).count(pilotnet, {"image": image}, chip.probes(pilotnet, policy))
    costs = chip.price(pilotnet, counts, policy)
    assert sum(cost.counts.get("ac", 0) for cost in costs) == events
    energy = sum(sum(cost.energy_pj.values()) for cost in costs)
    assert energy == pytest.approx(events * price)
    # 1.094 mJ is where the price is from, so this says that the two are the same and no more.
    assert energy == pytest.approx(1.094e9, rel=0.003)


def test_steps_spread_as_they_were_measured_to_around_a_mean_that_was_fitted(
    pilotnet: Graph, plan: Plan, image: NDArray[np.float64]
) -> None:
    """Fitted is the time of an event, to the mean step. Predicted are the shortest and the longest: 105 to 202 us."""
    chip = load("loihi2-older")
    counts = Interpreter(torch.float32).count(pilotnet, {"image": image}, chip.probes(pilotnet, Policy(), plan))
    placed = chip.place(plan, counts)
    facts = chip.describe(plan, Policy(), placed, counts, chip.price(pilotnet, counts, Policy(), placed))
    step = facts["latency"]["step_ns"]
    assert step["mean"] / 1e3 == pytest.approx(STEP_US, rel=1e-3)
    assert step["min"] / 1e3 == pytest.approx(96.3, abs=0.1)
    assert step["max"] / 1e3 == pytest.approx(235.1, abs=0.1)
    assert facts["latency"]["bound_by"] == {"messages": 1.0}


def test_the_events_of_all_cores_are_those_of_the_graph(
    pilotnet: Graph, plan: Plan, image: NDArray[np.float64]
) -> None:
    chip = load("loihi2-older")
    counts = Interpreter(torch.float32).count(pilotnet, {"image": image}, chip.probes(pilotnet, Policy(), plan))
    placed = chip.place(plan, counts)
    run = placed.run(counts, chip.prices(pilotnet, Policy()))  # type: ignore[union-attr]
    assert run.counts["ac"].sum() == 48_267_067
    assert placed.how["objective"] < placed.how["contiguous_objective"] / 10  # type: ignore[union-attr]


def test_s4d_is_predicted_from_the_time_of_an_event_alone(pilotnet: Graph) -> None:
    """31.0 us were measured. Its busiest core holds 128 x 128 synapses, all of them taken as used at every step."""
    (term,) = (term for term in load("loihi2").prices(pilotnet, Policy()) if term.count == "ac")
    assert term.time_ns is not None
    assert 128 * 128 * term.time_ns / 1e3 == pytest.approx(19.5, abs=0.05)
