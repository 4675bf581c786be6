"""Groups of a sender against every synapse one by one: the response of each layer to each element alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwmodels.mapping.layers import Form
from hwmodels.mapping.senders import HOST, PlacedLayer, Sender, senders_of
from hwmodels.mapping.splits import Split, View, chunked, rows_of, view_of, view_of_input
from hwmodels.mapping.wiring import WiredLayer, wire
from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import AvgPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.types import SPIKE, TensorType
from spikec.run.interp import Interpreter

Build = Callable[[GraphBuilder, str], str]
SHAPE = (4, 6, 5)


def ones(*shape: int) -> dict[str, object]:
    return {"weight": np.ones(shape)}


def neuron(builder: GraphBuilder, value: str, scope: str) -> str:
    return builder.add(LIF(), value, scope=scope, weights={"tau": 2.0, "v_threshold": 1.0})


def conv(builder: GraphBuilder, value: str) -> str:
    return builder.add(Conv2d((2, 1), (1, 2)), value, scope="w", weights=ones(6, 4, 3, 2))


def grouped(builder: GraphBuilder, value: str) -> str:
    return builder.add(Conv2d(groups=2, dilation=(2, 1)), value, scope="w", weights=ones(6, 2, 2, 3))


def one_axis(builder: GraphBuilder, value: str) -> str:
    rows = builder.add(Reshape((4, 30)), value)
    return builder.add(Conv1d((3,), (1,)), rows, scope="w", weights=ones(5, 4, 4))


def dense(builder: GraphBuilder, value: str) -> str:
    return builder.add(Linear(), builder.add(Reshape((120,)), value), scope="w", weights=ones(7, 120))


def tokens(builder: GraphBuilder, value: str) -> str:
    rows = builder.add(Reshape((30, 4)), builder.add(Transpose((1, 2, 0)), value))
    return builder.add(Linear(), rows, scope="w", weights=ones(6, 4))


def pooled(builder: GraphBuilder, value: str) -> str:
    return builder.add(SumPool((3, 3), (2, 2), (1, 1)), value, scope="w")


def averaged(builder: GraphBuilder, value: str) -> str:
    return builder.add(Sum((0, 2)), value, scope="w")


def moved(builder: GraphBuilder, value: str) -> str:
    """A part twice beside itself, padded, grown and expanded."""
    part = builder.add(Slice(0, 1, 4, 2), value)
    both = builder.add(Concat(0), value, part)
    grown = builder.add(Upsample((1, 2)), builder.add(Pad((0, 1, 0), (0, 0, 1)), both))
    return builder.add(Conv2d((1, 2)), grown, scope="w", weights=ones(3, 6, 2, 2))


def summed(builder: GraphBuilder, value: str) -> str:
    """A residual of a value and a part of itself."""
    one = builder.add(Expand(SHAPE), builder.add(Slice(0, 2, 3), value))
    return builder.add(Conv2d(), builder.add(Add(), value, one), scope="w", weights=ones(2, 4, 3, 3))


def pooled_before(builder: GraphBuilder, value: str) -> str:
    """A pool that is no layer where no numbers are sent: windows overlap."""
    pool = builder.add(SumPool((3, 2), (1, 2), (1, 0)), value)
    return builder.add(Conv2d(), pool, scope="w", weights=ones(3, 4, 2, 2))


def reduced_before(builder: GraphBuilder, value: str) -> str:
    total = builder.add(Sum((0, 2)), builder.add(Transpose((1, 0, 2)), value))
    return builder.add(Linear(), total, scope="w", weights=ones(5, 4))


PART_OF_WEIGHTS: list[Build] = [pooled_before, reduced_before]
BUILDS: list[Build] = [conv, grouped, one_axis, dense, tokens, pooled, averaged, moved, summed]


def network(build: Build) -> Graph:
    builder = GraphBuilder(1)
    first = neuron(builder, builder.input("x", TensorType(SHAPE, SPIKE)), "first")
    return builder.graph(neuron(builder, build(builder, first), "second"))


def random_split(view: View, rng: np.random.Generator) -> Split:
    """Labels that need not be ranges: what is counted does not depend on it."""
    labels = []
    for size in view.shape:
        found = rng.integers(0, rng.integers(1, 4), size)
        labels.append(np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int64))
    return Split(view, tuple(labels))


PROGRAMMABLE = Form(graded=True, products="programmable")


def placed(graph: Graph, rng: np.random.Generator, form: Form = PROGRAMMABLE) -> tuple[list[PlacedLayer], int]:
    layers, cores = [], 0
    for wired in wire(graph, form, "a chip"):
        view = _view(graph, wired)
        split = random_split(view, rng)
        layers.append(PlacedLayer(wired, split, cores + split.core_of, cores + np.arange(split.cores)))
        cores += split.cores
    return layers, cores


def _view(graph: Graph, wired: WiredLayer) -> View:
    shape = graph.node(wired.node).type.shape
    return view_of(graph.node(wired.weighted)) if wired.weighted else view_of_input(shape)


def response(graph: Graph, value: str, driver: str) -> NDArray[np.int64]:
    """[elements of value, elements of the driver]: how often each stands in the sums of each, by running it."""
    kind = graph.types[value]
    names: dict[str, str] = {}
    builder = GraphBuilder(1)
    names[value] = builder.input("x", kind)
    for node in graph.nodes:
        if node.name in names or any(v not in names for v in node.inputs):
            continue
        weights = {slot: graph.weights[w] for slot, w in node.weights.items()}
        names[node.name] = builder.add(node.op, *(names[v] for v in node.inputs), scope=node.scope, weights=weights)
        if node.name == driver:
            break
    alone = builder.graph(names[driver])
    eye = np.eye(kind.elements).reshape(1, kind.elements, *kind.shape)
    found = Interpreter(torch.float64).run(alone, {"x": eye})[alone.outputs[0]]
    return found.reshape(kind.elements, -1).round().to(torch.int64).numpy()


def by_core(responses: NDArray[np.int64], layer: PlacedLayer, cores: int) -> NDArray[np.int64]:
    found = np.zeros((responses.shape[0], cores), dtype=np.int64)
    np.add.at(found.T, layer.numbers[layer.split.core_of], responses.T)
    return found


def of_elements(sender: Sender, node: str) -> NDArray[np.int64]:
    return sender.synapses[node].toarray()[sender.groups.reshape(-1)]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_each_element_has_the_synapses_that_a_run_of_it_alone_shows(build: Build, seed: int) -> None:
    graph = network(build)
    layers, cores = placed(graph, np.random.default_rng(seed))
    (first, second) = senders_of(graph, layers, cores)
    assert (first.value, second.value, list(second.synapses)) == ("first", "second", [])
    expected = by_core(response(graph, "first", "w"), layers[1], cores)
    assert expected.sum() > 0
    np.testing.assert_array_equal(of_elements(first, "second"), expected)
    np.testing.assert_array_equal(first.own[first.groups.reshape(-1)], layers[0].core_of)
    np.testing.assert_array_equal(first.sizes, np.bincount(first.groups.reshape(-1)))
    assert len(first.own) <= first.groups.size


@pytest.mark.parametrize("build", PART_OF_WEIGHTS, ids=lambda build: build.__name__)
def test_a_pool_that_is_no_layer_is_part_of_the_weights_behind_it(build: Build) -> None:
    graph = network(build)
    layers, cores = placed(graph, np.random.default_rng(0), Form())
    assert [layer.wired.node for layer in layers] == ["first", "second"]
    first, _ = senders_of(graph, layers, cores)
    expected = by_core(response(graph, "first", "w"), layers[1], cores)
    assert expected.max() > 1
    np.testing.assert_array_equal(of_elements(first, "second"), expected)


def test_a_product_is_heard_by_its_rows_and_columns() -> None:
    rng = np.random.default_rng(0)
    for turned in ((False, False), (True, False), (False, True), (True, True)):
        builder = GraphBuilder(1)
        a, b = (3, 4, 5), (3, 5, 2)
        shapes = [(s[0], s[2], s[1]) if t else s for s, t in zip((a, b), turned, strict=True)]
        values = [builder.input(name, TensorType(shape, SPIKE)) for name, shape in zip("ab", shapes, strict=True)]
        q, k = (neuron(builder, value, scope) for value, scope in zip(values, "qk", strict=True))
        product = builder.add(MatMul(*turned), q, k, scope="product")
        graph = builder.graph(neuron(builder, product, "last"))
        layers, cores = placed(graph, rng)
        q_sender, k_sender = (sender for sender in senders_of(graph, layers, cores) if sender.value in "qk")
        core = layers[-1].numbers[layers[-1].split.core_of].reshape(3, 4, 2)
        for sender, shape, turn in ((q_sender, a, turned[0]), (k_sender, b, turned[1])):
            expected = np.zeros((*shape, cores), dtype=np.int64)
            for lead, n, m in np.ndindex(3, 4, 2):
                for contracted in range(5):
                    at = (lead, n, contracted) if sender is q_sender else (lead, contracted, m)
                    expected[(*at, core[lead, n, m])] += 1
            held = expected.swapaxes(1, 2) if turn else expected
            np.testing.assert_array_equal(of_elements(sender, "last"), held.reshape(-1, cores))


def test_a_value_that_two_operands_take_is_counted_for_both() -> None:
    builder = GraphBuilder(1)
    x = neuron(builder, builder.input("x", TensorType((6, 4), SPIKE)), "x_lif")
    graph = builder.graph(neuron(builder, builder.add(Mul(), x, x, scope="square"), "last"))
    layers, cores = placed(graph, np.random.default_rng(1))
    sender = senders_of(graph, layers, cores)[0]
    expected = np.zeros((24, cores), dtype=np.int64)
    expected[np.arange(24), layers[1].numbers[layers[1].split.core_of]] = 2
    np.testing.assert_array_equal(of_elements(sender, "last"), expected)


def test_inputs_of_the_graph_stand_on_no_core() -> None:
    builder = GraphBuilder(1)
    x = builder.input("x", TensorType((5,), SPIKE))
    graph = builder.graph(neuron(builder, builder.add(Linear(), x, scope="w", weights=ones(3, 5)), "q"))
    layers, cores = placed(graph, np.random.default_rng(0))
    outside, own = senders_of(graph, layers, cores)
    assert (outside.value, set(outside.own)) == ("x", {HOST})
    assert outside.synapses["q"].toarray().sum() == 3
    assert (own.value, own.synapses) == ("q", {})


def test_numbers_that_are_sent_on_are_layers_of_their_own() -> None:
    """A mean over tokens, then a head: the mean's neurons send what they have summed."""
    builder = GraphBuilder(1)
    x = neuron(builder, builder.input("x", TensorType((6, 4), SPIKE)), "x_lif")
    mean = builder.add(Mean((0,)), x, scope="mean")
    graph = builder.graph(builder.add(Linear(), mean, scope="head", weights=ones(3, 4)))
    layers, cores = placed(graph, np.random.default_rng(2))
    assert [layer.wired.node for layer in layers] == ["x_lif", "mean", "head"]
    senders = {sender.value: sender for sender in senders_of(graph, layers, cores)}
    np.testing.assert_array_equal(of_elements(senders["x_lif"], "mean").sum(1), np.ones(24))
    np.testing.assert_array_equal(of_elements(senders["mean"], "head").sum(1), np.full(4, 3))


def test_a_split_numbers_its_cores_along_the_axes() -> None:
    split = chunked(rows_of((4, 6)), (2, 4))
    assert (split.counts, split.cores) == ((2, 2), 4)
    assert split.core_of.reshape(4, 6).tolist() == [[0, 0, 0, 0, 1, 1]] * 2 + [[2, 2, 2, 2, 3, 3]] * 2


def test_a_pool_before_a_convolution_is_sent_on_as_numbers() -> None:
    builder = GraphBuilder(1)
    x = neuron(builder, builder.input("x", TensorType((2, 4, 4), SPIKE)), "x_lif")
    pool = builder.add(AvgPool(), x, scope="pool")
    head = builder.add(Conv2d(), pool, scope="conv", weights=ones(3, 2, 2, 2))
    graph = builder.graph(neuron(builder, head, "q"))
    assert [layer.node for layer in wire(graph, Form(graded=True, products="programmable"), "a chip")] == [
        "x_lif",
        "pool",
        "q",
    ]
