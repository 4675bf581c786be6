"""Events of convolutions equal a loop over every output, weight and input."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.events import EventTally
from hwmodels.fanout import fan_out
from hwmodels.registry import load
from spikec.cost import Policy
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import Int, TensorType
from spikec.run.interp import Interpreter


@st.composite
def convolutions(draw, axes):
    """An op, its weight with zeros among it, and an integer input that its kernel fits."""

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, padding, dilation = each(1, 3), each(1, 3), each(0, 2), each(1, 2)
    extra = each(0, 4)
    sizes = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + e for k, d, p, e in zip(kernel, dilation, padding, extra, strict=True)
    )
    groups, inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight = rng.integers(-1, 2, (outputs * groups, inputs, *kernel)).astype(np.float64)
    data = rng.integers(-2, 3, (inputs * groups, *sizes)).astype(np.float64)
    op = {1: Conv1d, 2: Conv2d}[axes](stride, padding, dilation, groups)
    return op, weight, data


def counted_by_loop(op, weight, data, size, skip_zeros):
    """Sum over outputs and weights of the size of the input value that each reads."""
    outputs, channels, *kernel = weight.shape
    places = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(data.shape[1:], kernel, op.stride, op.padding, op.dilation, strict=True)
    ]
    total = 0
    for o, c in product(range(outputs), range(channels)):
        channel = (o // (outputs // op.groups)) * channels + c
        for at in product(*map(range, places)):
            for offset in product(*map(range, kernel)):
                where = [
                    a * s - p + f * d
                    for a, s, p, f, d in zip(at, op.stride, op.padding, offset, op.dilation, strict=True)
                ]
                inside = all(0 <= w < n for w, n in zip(where, data.shape[1:], strict=True))
                if inside and not (skip_zeros and weight[(o, c, *offset)] == 0):
                    total += size(data[(channel, *where)])
    return total


SIZES = {"unit": lambda x: abs(int(x)), "ac": lambda x: int(x != 0), "mac": lambda x: int(x != 0)}


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(convolutions(1), convolutions(2)),
    st.sampled_from(sorted(SIZES)),
    st.sampled_from(["count", "skip"]),
)
def test_events_of_a_convolution_are_those_of_a_loop(convolution, multibit, zero_weights):
    op, weight, data = convolution
    builder = GraphBuilder()
    x = builder.input("x", TensorType(data.shape, Int(-2, 2)))
    graph = builder.graph(builder.add(op, x, weights={"weight": weight}))
    chip, policy = load("45nm"), Policy(multibit=multibit, zero_weights=zero_weights)
    counts = Interpreter().count(graph, {"x": data[None, None]}, chip.probes(graph, policy))
    (cost,) = chip.price(graph, counts, policy)
    kind = "mac" if multibit == "mac" else "ac"
    expected = counted_by_loop(op, weight, data, SIZES[multibit], zero_weights == "skip")
    assert cost.counts == {kind: expected}
    assert cost.rate == np.abs(data).sum() / data.size


def graph_of(op, shape, weight):
    builder = GraphBuilder()
    x = builder.input("x", TensorType(shape, Int(0, 1)))
    return builder.graph(builder.add(op, x, scope="layer", weights={"weight": weight}))


def test_a_linear_reaches_all_outputs_from_every_input():
    graph = graph_of(Linear(), (5, 3), np.array([[1.0, 0, 2], [0, 0, 1]]))
    fan = fan_out(graph, graph.nodes[0])
    assert fan.groups is None
    assert fan.reach.tolist() == [2]
    fan = fan_out(graph, graph.nodes[0], skip_zeros=True)
    assert fan.groups is not None
    assert fan.reach[fan.groups].tolist() == [[1, 0, 2]] * 5


def test_layers_of_one_shape_share_a_fan_out_but_not_where_zeros_differ():
    one, two = (graph_of(Conv2d(), (1, 4, 4), np.full((2, 1, 3, 3), fill)) for fill in (0.0, 1.0))
    assert fan_out(one, one.nodes[0]) is fan_out(two, two.nodes[0])
    assert fan_out(one, one.nodes[0], skip_zeros=True).reach.tolist() == [0]
    assert fan_out(two, two.nodes[0], skip_zeros=True).reach.max() > 0
    assert fan_out(two, two.nodes[0], skip_zeros=True) is fan_out(two, two.nodes[0], skip_zeros=True)


def test_candidates_of_a_search_ask_the_same_probe_objects():
    one, two = (graph_of(Conv2d(), (1, 4, 4), np.full((2, 1, 3, 3), fill)) for fill in (1.0, 2.0))
    (first, *_), (second, *_) = (EventTally(g, Policy()).probes(g.nodes[0]) for g in (one, two))
    assert first is second
