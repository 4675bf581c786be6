"""What other libraries say of the cases that are counted by hand, by their policies.

The right answers stand in `test_counts_by_hand.py`; the libraries themselves are run in
`tests/zoo/test_spikingjelly_counts.py` and `tests/zoo/test_syops_counts.py`.
"""

import numpy as np
import pytest
import torch

from hwmodels.policies import preset
from hwmodels.registry import load
from spikec.cost import Policy, Rates
from spikec.errors import UnsupportedOp, UsageError
from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean
from spikec.ir.shapes import Upsample
from spikec.ir.time import TimeMean
from spikec.ir.types import REAL, SPIKE, Int, TensorType
from spikec.run.interp import Interpreter

JELLY, SYOPS = preset("spikingjelly").policy, preset("syops").policy
WORDS = ("read_weight", "read_bias", "read_potential", "write_potential")


def spikes(*shape):
    return TensorType(shape, SPIKE)


def per_step(array):
    """[T, samples, ...] of one step and one sample."""
    return np.asarray(array, dtype=np.float64)[None, None]


def operations(cost):
    """ACs and MACs alone."""
    return {kind: count for kind, count in cost.counts.items() if kind in ("ac", "mac")}


def test_both_run_the_graph_as_traced_and_ignore_the_fields_of_our_own():
    for policy in (JELLY, SYOPS):
        assert policy.counting in ("spikingjelly", "syops")
        assert policy.first_layer == "per-step"
    assert preset("spikingjelly").pipeline == preset("syops").pipeline == ()


def test_a_spike_in_the_corner_of_a_padded_conv(single, priced):
    graph = single(Conv2d(padding=(1, 1)), spikes(1, 5, 5), weight=np.full((1, 1, 3, 3), 2.0))
    image = np.zeros((1, 5, 5))
    image[0, 0, 0] = 1
    (cost,) = priced(graph, {"a": per_step(image)}, SYOPS)
    assert operations(cost) == {"ac": pytest.approx(9)}  # 225 operations at a rate of 1/25
    (cost,) = priced(graph, {"a": per_step(image)}, JELLY)
    assert operations(cost) == {"ac": 4 + 24}  # 24 of them the counter's own sum over 25 places
    assert cost.counts["read_weight"] == 4


def test_linear_with_bias_on_two_samples_of_three_spikes(single, priced):
    graph = single(Linear(), spikes(3), weight=np.full((2, 3), 0.5), bias=np.ones(2))
    data = {"a": np.array([[[1, 0, 1], [0, 1, 0]]], dtype=np.float64)}
    (cost,) = priced(graph, data, JELLY)
    assert cost.counts == {"ac": 6, "read_weight": 6, "read_bias": 4}
    (cost,) = priced(graph, data, SYOPS)
    assert cost.counts["ac"] / 2 == pytest.approx(3.5)  # the bias, once for both samples, is billed at the rate
    assert cost.per_sample_pj.tolist() == pytest.approx([0.9 * 7 * 2 / 3, 0.9 * 7 / 3])


def test_a_real_input_of_zeros_and_halves(single, priced):
    real = single(Linear(), TensorType((4,), REAL), weight=np.full((3, 4), 0.5))
    data = {"a": per_step([0, 0.5, 0.5, 0])}
    assert operations(priced(real, data, JELLY)[0]) == {"mac": 12}
    # syops takes two values within 0..1 for spikes of their mean; of reals that are none of 0 and 1 that is not told
    halves = single(Linear(), TensorType((4,), Int(0, 1, 0.5)), weight=np.full((3, 4), 0.5))
    assert operations(priced(halves, data, SYOPS)[0]) == {"ac": 3}
    assert operations(priced(real, data, SYOPS)[0]) == {"mac": 12}
    assert operations(priced(real, {"a": per_step([0, 1, 1, 0])}, SYOPS)[0]) == {"ac": 6}


@pytest.mark.parametrize(
    ("scale", "codes", "counted"),
    [(0.25, [0, 2, 2, 0], {"ac": 3}), (0.25, [0, 2, 1, 0], {"mac": 12}), (2.0, [0, 1, 1, 0], {"mac": 12})],
)
def test_integers_of_two_values_are_spikes_to_syops_where_none_is_above_one(single, priced, scale, codes, counted):
    graph = single(Linear(), TensorType((4,), Int(0, 4, scale)), weight=np.full((3, 4), 0.5))
    (cost,) = priced(graph, {"a": per_step(codes) * scale}, SYOPS)
    assert operations(cost) == counted


def test_a_multi_bit_stream_is_dense_macs_to_both_zeros_included(single, priced):
    graph = single(Linear(), TensorType((8,), Int(0, 2)), weight=np.full((4, 8), 0.5))
    for policy in (JELLY, SYOPS):
        (cost,) = priced(graph, {"a": per_step([2, 1, 1, 0, 0, 0, 0, 0])}, policy)
        assert operations(cost) == {"mac": 32}
        (cost,) = priced(graph, {"a": per_step([1, 1, 1, 1, 0, 0, 0, 0])}, policy)  # a stream that never reaches 2
        assert operations(cost) == {"ac": 16}


def test_one_value_in_any_sample_or_step_makes_macs_of_all(single, priced):
    graph = single(Linear(), TensorType((2,), Int(0, 2)), steps=2, weight=np.full((3, 2), 0.5))
    data = np.zeros((2, 2, 2))
    for policy in (JELLY, SYOPS):
        assert operations(priced(graph, {"a": data}, policy)[0]) == {"ac": 0}
        one_two = data.copy()
        one_two[1, 1, 0] = 2
        assert operations(priced(graph, {"a": one_two}, policy)[0]) == {"mac": 24}


def test_zeros_and_ones_as_weights_are_spikes_to_spikingjelly(single, priced):
    weight = [[1, 0], [0, 1], [1, 1]]
    real = single(Linear(), TensorType((2,), REAL), weight=weight)
    assert operations(priced(real, {"a": per_step([0.5, 0.25])}, JELLY)[0]) == {"ac": 4}
    binary = single(Linear(), spikes(2), weight=weight)
    assert operations(priced(binary, {"a": per_step([1, 1])}, JELLY)[0]) == {"ac": 4}  # 6 with other weights
    conv = single(Conv2d(padding=(1, 1)), TensorType((1, 4, 4), REAL), weight=np.eye(3)[None, None])
    assert operations(priced(conv, {"a": per_step(np.full((1, 4, 4), 0.3))}, JELLY)[0]) == {"ac": 3 * 16}
    assert operations(priced(real, {"a": per_step([0.5, 0.25])}, SYOPS)[0]) == {"mac": 6}


Q, K, V = [[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 1], [1, 0]], [[1, 0], [0, 1], [1, 1]]


def attention(scale):
    builder = GraphBuilder()
    q, k, v = (builder.input(name, spikes(3, 2)) for name in "qkv")
    scores = builder.add(MatMul(transpose_b=True), q, k, scope="qk")
    scores = builder.add(Scale(scale), scores, scope="scale")
    return builder.graph(builder.add(MatMul(), scores, v, scope="v"))


@pytest.mark.parametrize(("scale", "second"), [(0.125, 4 * 3), (1.0, 4 * 3)])
def test_attention_of_spikingjelly(priced, scale, second):
    """Coincidences of q and k; of scores and v every row for each spike of v, since some score is 2 or a fraction."""
    data = {"q": per_step(Q), "k": per_step(K), "v": per_step(V)}
    costs = priced(attention(scale), data, JELLY)
    assert [operations(cost) for cost in costs] == [{"ac": 8}, {}, {"ac": second}]
    assert not any(operations(cost) for cost in priced(attention(scale), data, SYOPS))


def test_scores_of_zeros_and_ones_are_spikes_to_spikingjelly(priced):
    data = {"q": per_step([[1, 0], [0, 0], [0, 0]]), "k": per_step([[1, 1], [0, 1], [0, 1]]), "v": per_step(V)}
    costs = priced(attention(1.0), data, JELLY)
    assert [operations(cost) for cost in costs] == [{"ac": 1}, {}, {"ac": 1}]
    data["v"] = per_step([[1, 1], [1, 1], [1, 1]])
    assert operations(priced(attention(0.5), data, JELLY)[2]) == {"ac": 6 * 3}


def test_a_product_of_no_spikes_is_dense_to_spikingjelly(single, priced):
    graph = single(MatMul(), TensorType((2, 3), REAL), TensorType((3, 2), REAL))
    data = {"a": per_step(np.full((2, 3), 0.5)), "b": per_step(np.full((3, 2), 0.5))}
    assert operations(priced(graph, data, JELLY)[0]) == {"mac": 12}
    data["a"] = per_step(np.array([[1, 0, 0], [0, 0, 1]]))
    assert operations(priced(graph, data, JELLY)[0]) == {"ac": 2 * 2}


def test_a_batch_norm_of_four_values(single, priced):
    ones = {slot: np.ones(4) for slot in ("mean", "var", "weight", "bias")}
    graph = single(BatchNorm(), TensorType((4,), REAL), **ones)
    data = {"a": per_step([1, 2, 3, 4])}
    assert operations(priced(graph, data, JELLY)[0]) == {"ac": 8, "mac": 4}
    assert operations(priced(graph, data, SYOPS)[0]) == {"mac": 8}
    plain = single(BatchNorm(), TensorType((4,), REAL), mean=np.ones(4), var=np.ones(4))
    assert operations(priced(plain, data, JELLY)[0]) == {"ac": 8}
    assert operations(priced(plain, data, SYOPS)[0]) == {"mac": 4}


def test_a_channels_addition_is_counted_once_a_call_in_whole_numbers(single, priced):
    graph = single(BatchNorm(), TensorType((4,), REAL), steps=2, mean=np.ones(4), var=np.ones(4))
    (cost,) = priced(graph, {"a": np.ones((2, 3, 4))}, JELLY)
    assert cost.counts["ac"] == 2 * 3 * 4 + 4
    assert type(cost.counts["ac"]) is int
    assert cost.per_sample_pj.tolist() == pytest.approx([0.9 * 10, 0.9 * 9, 0.9 * 9])


@pytest.mark.parametrize(
    ("op", "numbers", "adds"),
    [(LIF(), {"tau": 2.0}, 6), (LIF(reset="soft"), {"tau": 2.0}, 5), (PLIF(), {"w": 0.0}, 6), (IF(), {}, 4)],
)
def test_six_updates_of_a_neuron(single, priced, op, numbers, adds):
    """Every addition of a step at every element: 36 of a LIF, and of syops one an update."""
    graph = single(op, TensorType((3,), REAL), steps=2, v_threshold=1.0, **numbers)
    data = {"a": np.array([[[0.3, 0.2, 0.7]], [[0.1, 0.9, 0.3]]])}
    (cost,) = priced(graph, data, JELLY)
    assert cost.counts == {"ac": 6 * adds, "read_potential": 6, "write_potential": 6, "spike": cost.counts["spike"]}
    assert operations(priced(graph, data, SYOPS)[0]) == {"ac": 6}


def test_a_neurons_additions_are_fewer_where_whole_tensors_hold_zeros_and_ones(single, priced):
    """Drives of 2 and 0 that bring the membrane to 1 or leave it at 0, from which it is reset to 0.

    v - 0, x - v, h - v_threshold and 1 - q at all 6 updates; v + (x - v) / tau at the 3 where that is 1; and
    (q * 0) + ((1 - q) * h) at none.
    """
    graph = single(LIF(), TensorType((3,), REAL), steps=2, tau=2.0, v_threshold=1.0)
    (cost,) = priced(graph, {"a": np.array([[[2.0, 0, 2.0]], [[0, 0, 2.0]]])}, JELLY)
    assert cost.counts["ac"] == 4 * 6 + 3


def test_a_residual_sum_counts_spikes_or_every_element(single, priced):
    graph = single(Add(), spikes(4), TensorType((4,), Int(0, 3)))
    data = {"a": per_step([1, 0, 0, 1]), "b": per_step([1, 1, 1, 0])}
    assert operations(priced(graph, data, JELLY)[0]) == {"ac": 5}
    assert operations(priced(graph, data, SYOPS)[0]) == {}
    data["b"] = per_step([2, 0, 0, 0])
    assert operations(priced(graph, data, JELLY)[0]) == {"ac": 4}


@pytest.mark.parametrize(
    ("op", "jelly", "syops"),
    [
        (MaxPool(), {}, {"ac": pytest.approx(3)}),
        (AvgPool(), {"ac": 4 * 3}, {"ac": pytest.approx(3)}),
        (Mean((1, 2)), {"ac": 15}, {}),
        (TimeMean(), {"ac": 0}, {}),
    ],
    ids=lambda value: getattr(value, "mnemonic", ""),
)
def test_pools_and_means(single, priced, op, jelly, syops):
    graph = single(op, spikes(1, 4, 4))
    data = {"a": per_step(np.eye(4)[None] * np.array([1, 1, 1, 0]))}
    assert operations(priced(graph, data, JELLY)[0]) == jelly
    assert operations(priced(graph, data, SYOPS)[0]) == syops


def test_a_time_mean_adds_every_step_but_one(single, priced):
    (cost,) = priced(single(TimeMean(), spikes(3), steps=4), {"a": np.ones((4, 2, 3))}, JELLY)
    assert operations(cost) == {"ac": 2 * 3 * 3}


SCALARS = {"tau": 2.0, "v_threshold": 1.0}


@pytest.mark.parametrize(
    ("op", "numbers", "said"),
    [
        (LIF(reset="none"), SCALARS, "does not have"),
        (LIF(reset_delay=True), SCALARS, "does not have"),
        (LIF(decay_input=False), {"beta": 0.5, "v_threshold": 1.0}, "does not have"),
        (LIF(), {**SCALARS, "v_reset": 0.25}, "does not rest at 0 (v_reset)"),
        (LIF(), {**SCALARS, "v_threshold": [1.0, 2.0]}, "one threshold"),
        (LIF(), {**SCALARS, "tau": 1.0}, "above 1"),
        (Alpha(), {"alpha": 0.9, "beta": 0.5, "v_threshold": 1.0}, "no such neuron"),
        (Threshold(), {"v_threshold": 1.0}, "no such neuron"),
    ],
)
def test_neurons_that_spikingjelly_does_not_have_are_refused_by_name(single, chip, op, numbers, said):
    graph = single(op, TensorType((2,), REAL), **numbers)
    with pytest.raises(UnsupportedOp, match="counting = spikingjelly") as caught:
        chip.probes(graph, JELLY)
    (offender,) = caught.value.offenders
    assert said in offender.reason
    assert offender.path == "layer"
    assert chip.probes(graph, SYOPS) is not None


def test_an_upsample_is_refused_by_syops(single, chip):
    graph = single(Upsample((2, 2)), TensorType((1, 2, 2), REAL))
    with pytest.raises(UnsupportedOp, match="counting = syops"):
        chip.probes(graph, SYOPS)


@pytest.mark.parametrize("policy", [JELLY, SYOPS])
def test_published_rates_are_refused(single, chip, policy):
    graph = single(Linear(), spikes(2), weight=np.ones((1, 2)))
    with pytest.raises(UsageError, match="published rates tell no events"):
        chip.price(graph, Rates({(graph.nodes[0].name, 0): 0.5}, steps=1), policy)


def test_fields_of_our_own_change_nothing(single, chip):
    graph = single(Linear(), TensorType((3,), Int(0, 2)), weight=np.array([[0.5, 0.0, 1.0]]), bias=np.ones(1))
    data = {"a": per_step([2, 0, 1])}
    found = []
    for fields in ({}, {"multibit": "ac", "zero_weights": "skip", "bias": "in-ops", "domain": "observed", "ssa": "kv"}):
        policy = Policy(counting="spikingjelly", **fields)
        counts = Interpreter(torch.float64).count(graph, data, chip.probes(graph, policy))
        found.append([cost.counts for cost in chip.price(graph, counts, policy)])
    assert found[0] == found[1]


@pytest.mark.parametrize(("counting", "idle"), [("events", True), ("syops", True), ("spikingjelly", False)])
def test_a_report_says_whose_rules_they_are_and_which_prices_they_leave_idle(single, counting, idle):
    graph = single(Linear(), spikes(2), weight=np.ones((1, 2)))
    said = " ".join(load("45nm-spikingjelly").assumptions(graph, Policy(counting=counting)))
    assert ("nothing is counted of read_weight" in said) == idle
    assert ("SpikingJelly 2.0.0" in said) == (counting == "spikingjelly")
    assert ("syops 0.0.5" in said) == (counting == "syops")
