"""Every row of the table of counts that were done by hand, where published counters disagree."""

import numpy as np
import pytest

from hwmodels.totals import left_out, total_energy_pj
from spikec.cost import Policy
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.time import TimeMean
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing


def spikes(*shape):
    return TensorType(shape, SPIKE)


def per_step(array):
    """[T, samples, ...] of one step and one sample."""
    return np.asarray(array, dtype=np.float64)[None, None]


def test_a_spike_in_the_corner_of_a_padded_conv_reaches_four_outputs(single, priced):
    graph = single(Conv2d(padding=(1, 1)), spikes(1, 5, 5), weight=np.ones((1, 1, 3, 3)))
    image = np.zeros((1, 5, 5))
    image[0, 0, 0] = 1
    (cost,) = priced(graph, {"a": per_step(image)})
    assert cost.counts == {"ac": 4}
    assert type(cost.counts["ac"]) is int  # events are exact at any size
    assert cost.energy_pj == {"ac": 4 * 0.9}
    assert cost.rate == 1 / 25


@pytest.mark.parametrize("steps", [1, 3])
def test_linear_with_bias_counts_spikes_and_states_bias_adds_apart(single, priced, chip, steps):
    graph = single(Linear(), spikes(3), steps=steps, weight=np.ones((2, 3)), bias=np.ones(2))
    first = np.array([[1, 0, 1], [0, 1, 0]])  # two samples, three spikes, one and a half a sample
    data = np.zeros((steps, 2, 3))
    data[0] = first
    costs = priced(graph, {"a": data})
    assert costs[0].counts == {"ac": 6, "bias_add": 2 * 2 * steps}
    assert costs[0].per_sample_pj.tolist() == pytest.approx([4 * 0.9, 2 * 0.9])
    assert total_energy_pj(costs, samples=2) == pytest.approx(3 * 0.9)
    assert left_out(costs, chip.prices(graph, Policy()), samples=2) == {"bias_add": 2 * steps}


def test_bias_in_ops_bills_bias_adds_as_accumulates(single, priced):
    graph = single(Linear(), spikes(3), steps=4, weight=np.ones((2, 3)), bias=np.ones(2))
    (cost,) = priced(graph, {"a": np.ones((4, 1, 3))}, Policy(bias="in-ops"))
    assert cost.counts == {"ac": 4 * (3 * 2 + 2)}
    (cost,) = priced(graph, {"a": np.zeros((4, 1, 3))}, Policy(bias="in-ops"))
    assert cost.counts == {"ac": 4 * 2}


def test_a_real_input_counts_its_nonzero_values_as_macs(single, priced):
    graph = single(Linear(), TensorType((4,), REAL), weight=np.ones((3, 4)))
    (cost,) = priced(graph, {"a": per_step([0, 0.5, 0.5, 0])})
    assert cost.counts == {"mac": 6}
    assert cost.energy_pj == {"mac": 6 * 4.6}
    assert cost.rate is None


@pytest.mark.parametrize(("multibit", "counts"), [("unit", {"ac": 16}), ("ac", {"ac": 12}), ("mac", {"mac": 12})])
def test_a_multi_bit_stream_by_unit_by_nonzero_and_as_macs(single, priced, multibit, counts):
    graph = single(Linear(), TensorType((8,), Int(0, 2)), weight=np.ones((4, 8)))
    (cost,) = priced(graph, {"a": per_step([2, 1, 1, 0, 0, 0, 0, 0])}, Policy(multibit=multibit))
    assert cost.counts == counts
    assert cost.rate == 4 / 8


def test_a_scaled_integer_counts_by_its_code(single, priced):
    graph = single(Linear(), TensorType((3,), Int(0, 8, 0.125)), weight=np.ones((2, 3)))
    (cost,) = priced(graph, {"a": per_step([0.25, 0, 1.0])})
    assert cost.counts == {"ac": (2 + 8) * 2}


def test_negative_codes_count_by_magnitude(single, priced):
    graph = single(Linear(), TensorType((3,), Int(-2, 1)), weight=np.ones((2, 3)))
    (cost,) = priced(graph, {"a": per_step([-2, 1, 0])})
    assert cost.counts == {"ac": 3 * 2}


def test_weights_of_zero_and_one_do_not_make_an_accumulate_of_a_real_input(single, priced):
    graph = single(Linear(), TensorType((2,), REAL), weight=[[1, 0], [0, 1], [1, 1]])
    (cost,) = priced(graph, {"a": per_step([0.5, 0.25])})
    assert cost.counts == {"mac": 6}
    (cost,) = priced(graph, {"a": per_step([0.5, 0.25])}, Policy(zero_weights="skip"))
    assert cost.counts == {"mac": 4}


Q, K, V = [[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 1], [1, 0]], [[1, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize(("multibit", "second"), [("unit", {"ac": 10}), ("ac", {"ac": 9}), ("mac", {"mac": 9})])
def test_attention_counts_coincidences(priced, multibit, second):
    builder = GraphBuilder()
    q, k, v = (builder.input(name, spikes(3, 2)) for name in "qkv")
    scores = builder.add(MatMul(transpose_b=True), q, k, scope="qk")
    graph = builder.graph(builder.add(MatMul(), scores, v, scope="v"))
    data = {"q": per_step(Q), "k": per_step(K), "v": per_step(V)}
    costs = priced(graph, data, Policy(multibit=multibit))
    assert [cost.counts for cost in costs] == [{"ac": 8}, second]
    assert [cost.rate for cost in costs] == [8 / 12, 4 / 6]  # of q and k; of v, which alone is spikes beside scores
    skipped = priced(graph, data, Policy(attention="skip"))
    assert [cost.counts for cost in skipped] == [{"product_left_out": 18}, {"product_left_out": 18}]


def test_a_real_factor_makes_macs_of_a_product(single, priced):
    graph = single(MatMul(), spikes(2, 3), TensorType((3, 2), REAL))
    a, b = [[1, 0, 1], [0, 0, 1]], [[0.5, 0], [1, 1], [0, 2]]
    (cost,) = priced(graph, {"a": per_step(a), "b": per_step(b)})
    assert cost.counts == {"mac": 1 * 1 + 2 * 1}


@pytest.mark.parametrize(("multibit", "counts"), [("unit", {"ac": 5}), ("ac", {"ac": 2}), ("mac", {"mac": 2})])
def test_mul_counts_element_by_element(single, priced, multibit, counts):
    graph = single(Mul(), spikes(4), TensorType((4,), Int(0, 3)))
    data = {"a": per_step([1, 1, 1, 0]), "b": per_step([2, 3, 0, 1])}
    assert priced(graph, data, Policy(multibit=multibit))[0].counts == counts


def test_a_batch_norm_in_evaluation_costs_nothing(single, priced, chip):
    assert "fold-batchnorm" in chip.pipeline
    statistics = {"mean": np.zeros(4), "var": np.ones(4)}
    graph = single(BatchNorm(), TensorType((4,), REAL), **statistics)
    costs = priced(graph, {"a": per_step([1, 2, 3, 4])})
    assert total_energy_pj(costs, samples=1) == 0
    assert costs[0].counts == {"batchnorm": 4}  # listed where a policy keeps it unfolded


def test_neuron_updates_and_spikes_are_stated_apart(single, priced, chip):
    graph = single(LIF(), TensorType((3,), REAL), steps=2, tau=2.0, v_threshold=1.0)
    costs = priced(graph, {"a": np.array([[[2.0, 0, 2.0]], [[0, 0, 2.0]]])})
    assert costs[0].counts == {"neuron_update": 6, "spike": 3}
    assert costs[0].rate == 3 / 6
    assert costs[0].energy_pj == {}
    assert left_out(costs, chip.prices(graph, Policy()), 1) == {"neuron_update": 6, "spike": 3}


def test_a_mean_over_time_reads_every_step(single, priced):
    graph = single(TimeMean(), spikes(3), steps=4)
    (cost,) = priced(graph, {"a": np.ones((4, 2, 3))})
    assert cost.counts == {"mean": 4 * 3 * 2}


def test_a_value_of_the_inference_counts_once_whatever_the_steps(single, priced):
    graph = single(Linear(), TensorType((2,), REAL, Timing.ONCE), steps=4, weight=np.ones((3, 2)), bias=np.ones(3))
    (cost,) = priced(graph, {"a": np.array([[0.5, 1.5]])})
    assert cost.counts == {"mac": 6, "bias_add": 3}
