"""Spikes that reach a neuron past no weight, against a run of ones one element at a time."""

import numpy as np
import pytest
import torch

from hwmodels.deliveries import deliveries
from hwmodels.host import host_values
from hwmodels.registry import load
from spikec.cost import Policy
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import IF, Threshold
from spikec.ir.pools import AvgPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay
from spikec.ir.types import SPIKE, Int, TensorType
from spikec.run.interp import Interpreter

SHAPE = (2, 4, 6)
NEURON = {"v_threshold": 1.0}
BETWEEN = {
    "nothing": lambda b, x: x,
    "scale": lambda b, x: b.add(Scale(0.5), x),
    "delay": lambda b, x: b.add(Delay(), x, weights={"steps": 0.0}),
    "sum pool": lambda b, x: b.add(SumPool(), x),
    "overlapping pool": lambda b, x: b.add(SumPool((3, 2), (2, 1), (1, 0)), x),
    "mean pool with a rest": lambda b, x: b.add(AvgPool((3, 4), (3, 4)), x),
    "sum": lambda b, x: b.add(Sum((0, 2)), x),
    "mean": lambda b, x: b.add(Mean((1,)), x),
    "moves": lambda b, x: b.add(Reshape((6, 8)), b.add(Transpose((2, 0, 1)), x)),
    "windows of what was turned": lambda b, x: b.add(SumPool((2, 3), (1, 1), (1, 0)), b.add(Transpose((2, 0, 1)), x)),
    "slice": lambda b, x: b.add(Slice(2, 1, 6, 2), x),
    "pad": lambda b, x: b.add(Pad((0, 1, 0), (1, 0, 2)), x),
    "upsample": lambda b, x: b.add(Upsample((2, 3)), x),
    "expand": lambda b, x: b.add(Expand((7, 4, 6)), b.add(Slice(0, 0, 1), x)),
    "concat": lambda b, x: b.add(Concat(1), b.add(Slice(1, 0, 3), x), x),
    "residual": lambda b, x: b.add(Add(), x, x),
    "chain": lambda b, x: b.add(SumPool(), b.add(Pad((0, 1, 1), (0, 1, 1)), b.add(Add(), x, b.add(Scale(2.0), x)))),
}


def graph_of(between):
    builder = GraphBuilder()
    value = between(builder, builder.input("x", TensorType(SHAPE, SPIKE)))
    neuron = builder.add(IF(), value, scope="if", weights=NEURON)
    return builder.graph(value, neuron)


@pytest.mark.parametrize("name", BETWEEN)
def test_an_element_is_an_event_at_each_neuron_whose_drive_it_enters(name):
    graph = graph_of(BETWEEN[name])
    (found,) = deliveries(graph, graph.node("if"), host_values(graph), "unit")
    size = int(np.prod(SHAPE))
    one_each = np.eye(size).reshape(1, size, *SHAPE)  # a sample an element
    counts = Interpreter(torch.float64).count(graph, {"x": one_each}, [found.probe])
    # A value that is scaled or averaged enters as one spike all the same, as often as it is one of the summands.
    ones = {"scale": 0.5, "mean pool with a rest": 1 / 12, "mean": 1 / 4}.get(name, 1.0)
    drive = Interpreter(torch.float64).run(graph, {"x": one_each})[graph.outputs[0]].numpy().reshape(size, -1)
    expected = drive.sum(1) / ones
    if name == "chain":  # of twice the value, one of two summands
        expected = expected * 2 / 3
    assert found.events(counts).tolist() == pytest.approx(expected.tolist())
    assert expected.sum() > 0


def test_a_stream_counts_each_of_its_spikes_or_one():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,), Int(0, 3)))
    graph = builder.graph(builder.add(IF(), x, scope="if", weights=NEURON))
    data = {"x": np.array([[[3.0, 0.0], [1.0, 1.0]]])}
    for multibit, expected in (("unit", [3, 2]), ("ac", [1, 2])):
        (found,) = deliveries(graph, graph.node("if"), frozenset(), multibit)
        counts = Interpreter(torch.float64).count(graph, data, [found.probe])
        assert found.events(counts).tolist() == expected


def test_what_a_layer_or_the_host_gives_is_no_delivery():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,), SPIKE))
    image = builder.input("image", TensorType((2,)))
    layer = builder.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))})
    drive = builder.add(Add(), builder.add(Add(), layer, x), image)
    graph = builder.graph(builder.add(IF(), drive, scope="if", weights=NEURON))
    assert [d.value for d in deliveries(graph, graph.node("if"), host_values(graph), "unit")] == ["x"]
    assert deliveries(graph, graph.node("fc"), host_values(graph), "unit") == ()


def test_a_lowered_maximum_costs_a_synapse_a_spike_and_window(priced):
    builder = GraphBuilder()
    pool = builder.add(SumPool((3, 3), (1, 1), (1, 1)), builder.input("x", TensorType((1, 3, 3), SPIKE)))
    graph = builder.graph(builder.add(Threshold(), pool, scope="max", weights={"v_threshold": 0.5}))
    image = np.zeros((1, 1, 1, 3, 3))
    image[..., 0, 0] = image[..., 1, 1] = 1
    pooled, neurons = priced(graph, {"x": image}, hardware=load("truenorth"))
    assert pooled.counts == {}
    assert neurons.counts["ac"] == 4 + 9  # a corner lies in four windows, the middle in nine
    assert neurons.energy_pj == {"synaptic_event": 13 * 26}
    assert "that is all that pools, sums and scales cost: %max" in " ".join(
        load("truenorth").assumptions(graph, Policy())
    )
