"""From a graph to layers: what each neuron is driven by, what is extrapolated, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from hwmodels.mapping.layers import ConvLayer, DenseLayer, Form, InputLayer
from hwmodels.mapping.wiring import WiredLayer, wire
from hwmodels.registry import load
from spikec.errors import UnsupportedOp
from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import LIF, MultiLevelSpike, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Delay, Repeat, TimeMean
from spikec.ir.types import REAL, SPIKE, IntFormat, TensorType, Timing, Weight

FORM = Form(load("loihi2").table.encoding.weight_bits)


class Network:
    """A builder of integer networks, an op at a time."""

    def __init__(self, *shape: int, domain=SPIKE, timing: Timing = Timing.STEP) -> None:
        self.builder = GraphBuilder(4)
        self.value = self.builder.input("x", TensorType(shape, domain, timing))

    def add(self, op, *others: str, scope: str, **weights: object) -> str:
        self.value = self.builder.add(op, self.value, *others, scope=scope, weights=weights)
        return self.value

    def weighted(self, op, *shape: int, scope: str, most: int = 127) -> str:
        return self.add(op, scope=scope, weight=codes(*shape, most=most))

    def lif(self, scope: str) -> str:
        return self.add(LIF(), scope=scope, tau=2.0, v_threshold=1.0)

    def graph(self) -> Graph:
        return self.builder.graph(self.value)


def codes(*shape: int, most: int = 127) -> Weight:
    array: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
    array.flat[0] = -most
    return Weight(array, format=IntFormat(16, 0.5))


def wired(graph: Graph) -> tuple[WiredLayer, ...]:
    return wire(graph, FORM, "a chip")


def only(network: Network) -> WiredLayer:
    (found,) = wired(network.graph())
    return found


def refused(network: Network) -> list[tuple[str, str]]:
    with pytest.raises(UnsupportedOp) as caught:
        wired(network.graph())
    return [(offender.op, offender.path) for offender in caught.value.offenders]


def test_dense_layers_behind_spikes_from_outside() -> None:
    """As in the printed MNIST and Oxford tables, spikes that come from outside take no core."""
    network = Network(784)
    network.weighted(Linear(), 128, 784, scope="fc")
    network.lif("q")
    assert only(network) == WiredLayer("q", "q", "fc", DenseLayer(128, 784, 8), ("x",))


def test_a_convolution_keeps_its_axes_and_its_kernel() -> None:
    network = Network(3, 20, 30)
    network.weighted(Conv2d(stride=(2, 1), padding=(1, 0)), 8, 3, 5, 3, scope="conv", most=15)
    network.lif("q")
    assert only(network).layer == ConvLayer(28, 9, 8, kernel=(3, 5), inputs=3, weight_bits=4)
    assert only(network).extrapolated == ()


def test_a_neuron_on_the_input_is_an_input_layer() -> None:
    network = Network(3, 20, 30, domain=REAL, timing=Timing.ONCE)
    network.add(Repeat(), scope="repeat")
    network.lif("q")
    assert only(network) == WiredLayer("q", "q", None, InputLayer(30, 20, 3), ("x",))


@pytest.mark.parametrize(
    ("most", "bits"), [(1, 1), (2, 2), (3, 2), (31, 5), (63, 6), (64, 8), (127, 8), (128, 8), (255, 8), (256, 9)]
)
def test_the_width_is_that_of_the_greatest_magnitude(most: int, bits: int) -> None:
    network = Network(4)
    network.weighted(Linear(), 2, 4, scope="fc", most=most)
    network.lif("q")
    assert only(network).layer == DenseLayer(2, 4, bits)


def test_the_least_int8_is_8_bits_wide() -> None:
    network = Network(4)
    weight = Weight(np.full((2, 4), -128, dtype=np.int8), format=IntFormat(8))
    network.add(Linear(), scope="fc", weight=weight)
    network.lif("q")
    assert only(network).layer == DenseLayer(2, 4, 8)


def one_axis(network: Network) -> None:
    network.add(Reshape((4, 36)), scope="r")
    network.weighted(Conv1d(), 8, 4, 3, scope="w")


def tokens(network: Network) -> None:
    network.add(Reshape((36, 4)), scope="r")
    network.weighted(Linear(), 8, 4, scope="w")


def a_sum_of_spikes(network: Network) -> None:
    first = network.value
    network.weighted(Linear(), 6, 6, scope="skipped")
    q = network.lif("skip")
    network.value = first
    network.add(Add(), q, scope="sum")
    network.weighted(Conv2d(), 8, 4, 3, 3, scope="w")


def late(network: Network) -> None:
    network.add(Delay(), scope="late", steps=Weight(np.asarray(2)))
    network.weighted(Conv2d(), 8, 4, 3, 3, scope="w")


@pytest.mark.parametrize(
    ("build", "layer", "word"),
    [
        (one_axis, ConvLayer(34, 1, 8, (3, 1), 4, 8), "conv1d"),
        (tokens, ConvLayer(36, 1, 8, (1, 1), 4, 8), "36 places"),
        (a_sum_of_spikes, ConvLayer(4, 4, 8, (3, 3), 4, 8), "skip"),
        (late, ConvLayer(4, 4, 8, (3, 3), 4, 8), "delay"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_no_printed_table_shows_is_said(build: Callable[[Network], None], layer: object, word: str) -> None:
    network = Network(4, 6, 6)
    build(network)
    network.lif("q")
    found = wired(network.graph())[-1]
    assert found.layer == layer
    assert [word in reason for reason in found.extrapolated] == [True]


def test_numbers_that_reach_weights_are_said() -> None:
    network = Network(3, 6, 6, domain=REAL)
    network.weighted(Conv2d(), 8, 3, 3, 3, scope="conv")
    network.lif("q")
    assert only(network).extrapolated == ("numbers and not spikes are sent: %x",)


def test_a_delay_before_the_neuron_is_said() -> None:
    network = Network(4)
    network.weighted(Linear(), 2, 4, scope="fc")
    network.add(Delay(), scope="late", steps=Weight(np.asarray(2)))
    network.lif("q")
    assert ["delay" in reason for reason in only(network).extrapolated] == [True]


def test_an_input_layer_of_one_axis_is_said() -> None:
    network = Network(784)
    network.lif("q")
    assert only(network).layer == InputLayer(1, 1, 784)
    assert only(network).extrapolated == ("an input layer of shape [784]",)


def test_a_sum_before_a_dense_layer_doubles_its_axons() -> None:
    network = Network(6)
    first = network.value
    network.weighted(Linear(), 6, 6, scope="skipped")
    q = network.lif("skip")
    network.value = first
    network.add(Add(), q, scope="sum")
    network.weighted(Linear(), 3, 6, scope="fc")
    network.lif("q")
    found = wired(network.graph())[-1]
    assert (found.layer, found.sources) == (DenseLayer(3, 12, 8), ("x", "skip"))


def test_sums_that_two_neurons_take_are_stored_for_each() -> None:
    network = Network(6)
    drive = network.weighted(Linear(), 3, 6, scope="fc")
    network.lif("q")
    network.value = drive
    network.lif("k")
    found = wired(network.graph())
    assert [(layer.node, layer.layer, layer.extrapolated) for layer in found] == [
        (name, DenseLayer(3, 6, 8), ("%fc drives 2 layers, and is taken as stored for each",)) for name in ("q", "k")
    ]


def test_a_cycle_is_walked_once() -> None:
    network = Network(4, domain=REAL)
    back = network.builder.feedback(TensorType((4,), REAL), 1.0, "back")
    network.builder.close(back, network.add(Add(), back, scope="sum"))
    network.weighted(Linear(), 2, 4, scope="fc")
    network.lif("q")
    assert only(network).sources == ("x",)
    assert [word in " ".join(only(network).extrapolated) for word in ("delay", "numbers")] == [True, True]


def test_a_recurrent_layer_reads_itself() -> None:
    network = Network(4)
    back = network.builder.feedback(TensorType((4,), SPIKE), 1.0, "back")
    network.add(Add(), back, scope="sum")
    network.weighted(Linear(), 4, 4, scope="fc")
    network.builder.close(back, network.lif("q"))
    assert only(network).sources == ("x", "q")


def test_groups_and_dilation_are_a_matter_of_the_layer() -> None:
    network = Network(4, 6, 6)
    network.weighted(Conv2d(groups=2, dilation=(1, 2)), 8, 2, 3, 3, scope="w")
    network.lif("q")
    assert only(network).layer == ConvLayer(2, 4, 8, (3, 3), 4, 8, groups=2, dilation=(2, 1))


def test_another_neuron_is_said() -> None:
    network = Network(4)
    network.weighted(Linear(), 2, 4, scope="fc")
    network.add(MultiLevelSpike(), scope="q")
    assert ["multi_level_spike" in reason for reason in only(network).extrapolated] == [True]


def test_a_head_without_a_neuron_is_a_layer_of_its_own_and_said() -> None:
    network = Network(4)
    network.weighted(Linear(), 2, 4, scope="head")
    network.add(TimeMean(), scope="mean")
    found = only(network)
    assert (found.node, found.weighted, found.layer) == ("head", "head", DenseLayer(2, 4, 8))
    assert ["no neuron" in reason for reason in found.extrapolated] == [True]


def test_every_op_that_has_no_form_is_named_with_its_path() -> None:
    network = Network(4, 6, 6)
    network.add(BatchNorm(), scope="stem.bn", mean=np.zeros(4), var=np.ones(4))
    q = network.lif("stem.q")
    network.add(MaxPool(), scope="stem.pool")
    network.add(Reshape((9, 4)), scope="r")
    network.weighted(Linear(), 9, 4, scope="fc")
    network.lif("k")
    network.add(MatMul(), network.value, scope="attn.qk")
    assert q
    assert refused(network) == [("batch_norm", "stem.bn"), ("max_pool", "stem.pool"), ("matmul", "attn.qk")]


def test_floating_weights_have_no_width() -> None:
    network = Network(4)
    network.add(Linear(), scope="fc", weight=np.ones((2, 4)))
    network.lif("q")
    assert refused(network) == [("linear", "fc")]


def test_two_weighted_ops_before_one_neuron_are_refused() -> None:
    network = Network(4)
    first = network.value
    a = network.weighted(Linear(), 2, 4, scope="a")
    network.value = first
    network.weighted(Linear(), 2, 4, scope="b")
    network.add(Add(), a, scope="sum")
    network.lif("q")
    assert refused(network) == [("lif", "q")]


def test_weights_on_weights_are_refused() -> None:
    network = Network(4)
    network.weighted(Linear(), 3, 4, scope="a")
    network.weighted(Linear(), 2, 3, scope="b")
    network.lif("q")
    assert refused(network) == [("linear", "a")]


def test_a_sum_over_time_within_the_network_is_refused() -> None:
    network = Network(4)
    network.lif("k")
    network.add(TimeMean(), scope="mean")
    network.weighted(Linear(), 2, 4, scope="head")
    assert refused(network) == [("time_mean", "mean")]


@pytest.mark.parametrize("before", [True, False])
def test_a_scale_behind_a_layer_is_refused(before: bool) -> None:
    network = Network(4)
    network.lif("k")
    if before:
        network.add(Scale(0.5), scope="half")
    network.weighted(Linear(), 2, 4, scope="fc")
    if not before:
        network.add(Scale(0.5), scope="half")
    network.lif("q")
    assert refused(network) == [("scale", "half")]


def test_a_scale_of_the_input_is_part_of_it() -> None:
    network = Network(4)
    network.add(Scale(0.5), scope="half")
    network.weighted(Linear(), 2, 4, scope="fc")
    network.lif("q")
    assert only(network).sources == ("x",)


def test_a_neuron_on_a_neuron_is_refused() -> None:
    network = Network(4)
    network.lif("k")
    network.lif("q")
    assert refused(network) == [("lif", "q")]


def test_what_nothing_but_a_cycle_reaches_is_refused() -> None:
    network = Network(4)
    back = network.builder.feedback(TensorType((4,), SPIKE), 1.0, "back")
    network.value = back
    network.builder.close(back, network.add(Delay(), scope="again", steps=1.0))
    network.weighted(Linear(), 2, 4, scope="fc")
    network.lif("q")
    assert refused(network) == [("linear", "fc")]


@pytest.mark.parametrize("pool", [SumPool((3, 2), (3, 2)), AvgPool((3, 2), (3, 2))], ids=str)
def test_a_pool_before_a_neuron_is_a_depthwise_convolution_of_ones(pool: SumPool | AvgPool) -> None:
    network = Network(4, 6, 6)
    network.add(pool, scope="pool")
    network.add(Threshold(), scope="q", v_threshold=0.5)
    found = only(network)
    assert found.layer == ConvLayer(3, 2, 4, kernel=(2, 3), inputs=4, weight_bits=1, groups=4)
    assert (found.weighted, found.sources) == ("pool", ("x",))
    assert [word in " ".join(found.extrapolated) for word in ("threshold", pool.mnemonic)] == [True, True]


def test_a_pool_without_a_neuron_is_part_of_the_weights_behind_it() -> None:
    """A Loihi 1 sends no numbers: each spike goes straight to the sums that it ends in."""
    network = Network(4, 6, 6)
    network.add(SumPool(), scope="pool")
    network.weighted(Conv2d(), 8, 4, 3, 3, scope="conv")
    network.lif("q")
    found = only(network)
    assert (found.weighted, found.sources) == ("conv", ("x",))
    assert [word in " ".join(found.extrapolated) for word in ("sum_pool", "axons of its own")] == [True, True]


def test_a_mean_before_a_dense_layer_multiplies_its_axons() -> None:
    network = Network(6, 4)
    network.add(Mean((0,)), scope="mean")
    network.weighted(Linear(), 3, 4, scope="fc")
    network.lif("q")
    assert only(network).layer == DenseLayer(3, 24, 8)


def test_a_pool_behind_weights_is_refused_where_no_numbers_are_sent() -> None:
    network = Network(4, 6, 6)
    network.weighted(Conv2d(), 4, 4, 1, 1, scope="first")
    network.add(SumPool(), scope="pool")
    network.weighted(Conv2d(), 8, 4, 3, 3, scope="conv")
    network.lif("q")
    assert set(refused(network)) == {("conv2d", "first")}
