"""Boxes of neurons: what a core takes is counted again from every synapse, and no coarser equal boxes would fit."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.layers import Form
from hwmodels.mapping.loads import Held, Misfit
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.mapping.splits import Split, chunked
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.types import SPIKE, IntFormat, TensorType, Weight

KNOWN = {"evidence": "assumed", "source": "a test"}
ENCODING = {
    "word_bits": 64,
    "header_bits": 10,
    "index_bits_dense": 0,
    "index_bits_conv": 10,
    "weight_bits": [1, 2, 3, 4, 5, 6, 8],
    **KNOWN,
}
FORM = Form((1, 2, 3, 4, 5, 6, 8))


def table(**limits: int) -> CoresTable:
    units = {"neurons": "neurons", "axons_in": "axons", "axons_out": "axons", "synapse_words": "words"}
    found = {name: {"value": value, "unit": units[name], **KNOWN} for name, value in limits.items()}
    mesh = {"columns": 8, "rows": 4, "cores_a_tile": 4, **KNOWN}
    return CoresTable.model_validate({"rule": "contiguous", "mesh": mesh, "limits": found, "encoding": ENCODING})


def codes(*shape: int) -> Weight:
    return Weight(np.full(shape, 127, dtype=np.int8), format=IntFormat(8))


def network(stride: int = 1, kernel: int = 3) -> Graph:
    """An input layer, a convolution, a pool, tokens, a dense layer."""
    builder = GraphBuilder(1)

    def layer(op, value: str, scope: str, weight: Weight | None = None) -> str:
        drive = value if op is None else builder.add(op, value, scope=f"{scope}.w", weights=_weights(weight))
        return builder.add(LIF(), drive, scope=scope, weights={"tau": 2.0, "v_threshold": 1.0})

    q = layer(None, builder.input("x", TensorType((3, 8, 6), SPIKE)), "input")
    q = layer(Conv2d((stride, 1), (1, 1)), q, "conv", codes(5, 3, kernel, 3))
    q = layer(SumPool((2, 2), (2, 2)), q, "pool")
    places = prod(builder.type(q).shape[1:])
    q = layer(Linear(), builder.add(Reshape((places, 5)), q), "tokens", codes(7, 5))
    q = layer(Linear(), builder.add(Reshape((places * 7,)), q), "dense", codes(11, places * 7))
    return builder.graph(q)


def _weights(weight: Weight | None) -> dict[str, object]:
    return {} if weight is None else {"weight": weight}


def axons_in(plan: Plan, node: str) -> int:
    """The most distinct elements that reach a core of a layer."""
    numbers = next(layer.numbers for layer in plan.layers if layer.wired.node == node)
    counts = np.zeros(plan.cores, dtype=np.int64)
    for sender in plan.senders:
        if node in sender.synapses:
            counts += ((sender.synapses[node].toarray() > 0) * sender.sizes[:, None]).sum(0)
    return int(counts[numbers].max())


def axons_out(plan: Plan) -> int:
    """The most pairs of a neuron and a core that it reaches, of any core."""
    counts = np.zeros(plan.cores, dtype=np.int64)
    for sender in plan.senders:
        if sender.synapses and sender.own[0] >= 0:
            np.add.at(counts, sender.own, np.asarray(sender.reaches.sum(1)).reshape(-1) * sender.sizes)
    return int(counts.max())


def words(node: str, channels: int) -> int:
    """By hand: n (8 + index) + 10 bits for each input axon, or each tap and input channel, in whole words of 64."""
    runs, index = {"conv": (9 * 3, 10), "tokens": (5, 10), "dense": (84, 0)}[node]
    return runs * -(-(channels * (8 + index) + 10) // 64)


LIMITS = [
    {"neurons": 1000, "axons_in": 4096, "synapse_words": 16384},
    {"neurons": 40, "axons_in": 4096, "synapse_words": 16384},
    {"neurons": 1000, "axons_in": 60, "synapse_words": 16384},
    {"neurons": 1000, "axons_in": 4096, "synapse_words": 90},
    {"neurons": 30, "axons_in": 100, "synapse_words": 100},
]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_what_the_fullest_core_takes_is_what_its_synapses_say(limits: dict[str, int]) -> None:
    plan = plan_of(network(), table(**limits), FORM, "a chip")
    for row in plan.rows:
        if isinstance(row.found, Misfit):
            assert (row.wired.node, limits["axons_in"] < 84 or limits["synapse_words"] < 84) == ("dense", True)
            continue
        uses, node = row.found.uses, row.wired.node
        assert uses["neurons"].taken == int(np.bincount(plan.core_of[node]).max())
        if node == "input":
            assert set(uses) == {"neurons"}
            continue
        assert uses["axons_in"].taken == axons_in(plan, node)
        if node != "pool":
            assert isinstance(row.found.split, Split)
            channels = int((row.found.split.labels[row.found.split.view.channels] == 0).sum())
            assert uses["synapse_words"].taken == words(node, channels)
        assert all(use.taken <= use.limit for use in uses.values())
        assert bool(row.found.binding) == (row.found.cores > 1)


@pytest.mark.parametrize("limits", LIMITS[1:3], ids=str)
def test_no_fewer_equal_boxes_would_have_kept_the_limits(limits: dict[str, int]) -> None:
    """Every coarser box of the convolution is tried by counting its neurons and the places that it reads."""
    plan = plan_of(network(), table(**limits), FORM, "a chip")
    (row,) = (row for row in plan.rows if row.wired.node == "conv")
    assert isinstance(row.found, Held)
    assert isinstance(row.found.split, Split)
    view = row.found.split.view
    for sizes in product(*(range(1, size + 1) for size in view.shape)):
        box = chunked(view, sizes)
        if box.cores >= row.found.cores:
            continue
        neurons = prod(int(np.bincount(labels).max()) for labels in box.labels)
        rows, columns = (_read(labels, size) for labels, size in zip(box.labels[1:], (8, 6), strict=True))
        assert neurons > limits["neurons"] or 3 * rows * columns > limits["axons_in"], sizes


def _read(labels: np.ndarray, size: int) -> int:
    """The most places that one part of an axis reads, by a kernel of 3 with padding 1."""
    parts = [np.flatnonzero(labels == part) for part in range(labels.max() + 1)]
    return max(min(part.max() + 1, size - 1) - max(part.min() - 1, 0) + 1 for part in parts)


def test_output_axons_cut_the_layer_that_sends_them_finer() -> None:
    loose = plan_of(network(), table(neurons=1000, axons_in=4096, synapse_words=90), FORM, "a chip")
    limit = axons_out(loose) // 3
    tight = plan_of(network(), table(neurons=1000, axons_in=4096, synapse_words=90, axons_out=limit), FORM, "a chip")
    assert not tight.misfits
    assert axons_out(tight) <= limit < axons_out(loose)
    assert tight.cores > loose.cores
    assert "axons_out" in {limit for row in tight.rows if isinstance(row.found, Held) for limit in row.found.binding}
    # Shares are of what a core holds, not of the fewer neurons that the search for a finer cut asks for.
    assert {row.found.uses["neurons"].limit for row in tight.rows if isinstance(row.found, Held)} == {1000}


def test_a_layer_whose_neuron_has_more_output_axons_than_a_core_fits_nowhere() -> None:
    """Each input is heard by every core of the dense layer, which 12 words cut into one neuron each."""
    builder = GraphBuilder(1)
    q = builder.add(
        LIF(), builder.input("x", TensorType((6,), SPIKE)), scope="q", weights={"tau": 2.0, "v_threshold": 1.0}
    )
    drive = builder.add(Linear(), q, scope="w", weights={"weight": codes(40, 6)})
    graph = builder.graph(builder.add(LIF(), drive, scope="k", weights={"tau": 2.0, "v_threshold": 1.0}))
    plan = plan_of(graph, table(neurons=8, axons_in=10, synapse_words=60, axons_out=4), FORM, "a chip")
    assert [(wired.node, misfit) for wired, misfit in plan.misfits] == [("q", Misfit("axons_out", 5, 4))]


def test_what_does_not_fit_says_the_limit_that_it_breaks_most() -> None:
    plan = plan_of(network(), table(neurons=1000, axons_in=50, synapse_words=16384), FORM, "a chip")
    assert [(wired.node, misfit) for wired, misfit in plan.misfits] == [("dense", Misfit("axons_in", 84, 50))]


@pytest.mark.parametrize("groups", [1, 2, 4, 12])
@pytest.mark.parametrize("words", [40, 70, 110, 400])
def test_the_words_of_a_convolution_in_groups_are_its_runs_one_by_one(groups: int, words: int) -> None:
    """A box may cut groups: an input channel's run is as long as the channels of its group that stand in the box."""
    builder = GraphBuilder(1)
    weight = codes(12, 12 // groups, 1, 2)
    drive = builder.add(
        Conv2d(groups=groups), builder.input("x", TensorType((12, 3, 4), SPIKE)), scope="w", weights={"weight": weight}
    )
    graph = builder.graph(builder.add(LIF(), drive, scope="q", weights={"tau": 2.0, "v_threshold": 1.0}))
    plan = plan_of(graph, table(neurons=40, axons_in=4096, synapse_words=words), FORM, "a chip")
    (row,) = plan.rows
    if isinstance(row.found, Misfit):
        assert (groups, words) == (1, 40)  # one channel is 24 words of 12 inputs' 2 taps: it must not happen elsewhere
        return
    assert isinstance(row.found.split, Split)
    labels = row.found.split.labels[0]
    most = 0
    for box in range(labels.max() + 1):
        held = np.flatnonzero(labels == box)
        found = 0
        for given, _ in product(range(12), range(2)):
            run = int((held // (12 // groups) == given // (12 // groups)).sum())
            found += -(-(run * (8 + 10) + 10) // 64) if run else 0
        most = max(most, found)
    assert row.found.uses["synapse_words"].taken == most <= words
