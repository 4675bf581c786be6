"""The rate formula: what each field of the policy changes, and which rates are refused."""

import numpy as np
import pytest
import torch

from hwmodels.attention import triples
from hwmodels.totals import total_energy_pj
from spikec.cost import Policy, Rates
from spikec.errors import DataError, UsageError
from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.shapes import Reshape
from spikec.ir.time import Repeat
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing
from spikec.run.interp import Interpreter

RATE = Policy(counting="rate")
HEADS, TOKENS, WIDTH = 2, 5, 3


def counted(chip, graph, data, policy):
    counts = Interpreter(torch.float64).count(graph, data, chip.probes(graph, policy))
    return chip.price(graph, counts, policy)


def test_a_rate_averages_the_border_away(single, chip):
    graph = single(Conv2d(padding=(1, 1)), TensorType((1, 5, 5), SPIKE), steps=2, weight=np.ones((3, 1, 3, 3)))
    data = np.zeros((2, 1, 1, 5, 5))
    data[0, 0, 0, 0, 0] = 1
    (cost,) = counted(chip, graph, {"a": data}, RATE)
    assert cost.counts["ac"] == pytest.approx((1 / 50) * 2 * (3 * 9 * 25))
    assert cost.rate == 1 / 50


@pytest.mark.parametrize(("rate_of", "rate"), [("mean", 4 / 8), ("nonzero", 3 / 8)])
@pytest.mark.parametrize(("multibit", "kind"), [("unit", "ac"), ("ac", "ac"), ("mac", "mac")])
def test_the_rate_of_integers_is_their_mean_or_their_nonzero_fraction(single, chip, rate_of, rate, multibit, kind):
    graph = single(Linear(), TensorType((8,), Int(0, 2)), weight=np.ones((4, 8)))
    data = np.array([2, 1, 1, 0, 0, 0, 0, 0.0])[None, None]
    policy = Policy(counting="rate", rate_of=rate_of, multibit=multibit)
    (cost,) = counted(chip, graph, {"a": data}, policy)
    assert cost.counts == {kind: pytest.approx(rate * 32)}
    assert cost.rate == 4 / 8


def test_a_real_operand_is_always_active(single, chip):
    graph = single(Linear(), TensorType((4,), REAL), steps=3, weight=np.ones((2, 4)))
    (cost,) = counted(chip, graph, {"a": np.zeros((3, 2, 4))}, RATE)
    assert cost.counts == {"mac": 3 * 8 * 2}  # two samples
    assert cost.per_sample_pj.tolist() == pytest.approx([24 * 4.6] * 2)


def test_zero_weights_leave_the_dense_operations(single, chip):
    graph = single(Linear(), TensorType((3,), SPIKE), weight=[[0, 1, 1], [0, 0, 1]])
    policy = Policy(counting="rate", zero_weights="skip")
    (cost,) = counted(chip, graph, {"a": np.ones((1, 1, 3))}, policy)
    assert cost.counts == {"ac": 3}


@pytest.mark.parametrize(("first_layer", "runs"), [("once", 1), ("per-step", 4)])
def test_what_a_repeat_feeds_runs_once_or_at_every_step(chip, first_layer, runs):
    builder = GraphBuilder(4)
    image = builder.input("image", TensorType((2,), REAL, Timing.ONCE))
    x = builder.add(Reshape((1, 2)), builder.add(Repeat(), image))
    x = builder.add(Linear(), x, scope="first", weights={"weight": np.ones((3, 2)), "bias": np.ones(3)})
    ones = {slot: np.ones(3) for slot in ("mean", "var")}
    x = builder.add(BatchNorm(axis=1), x, scope="norm", weights=ones)
    x = builder.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    graph = builder.graph(builder.add(Linear(), x, scope="second", weights={"weight": np.ones((1, 3))}))
    policy = Policy(counting="rate", first_layer=first_layer)
    costs = {c.node: c for c in chip.price(graph, Rates({("second", 0): 0.5}, steps=4), policy)}
    assert costs["first"].counts == {"mac": 6 * runs, "bias_add": 3 * runs}
    assert costs["norm"].counts == {"batchnorm": 3 * runs}
    assert costs["second"].counts == {"ac": 4 * 3 * 0.5}
    assert costs["lif"].counts == {"neuron_update": 12}
    assert costs["lif"].rate is None


def attention(order, *, transposed=False, between=()):
    """q, k, v [H, N, d] multiplied in an order; `transposed` computes the inner product the other way round."""
    builder = GraphBuilder(2)
    q, k, v = (builder.input(name, TensorType((HEADS, TOKENS, WIDTH), SPIKE)) for name in "qkv")
    left, right, turned = {"qk": (q, k, (False, True)), "kv": (k, v, (True, False))}[order]
    if transposed:
        left, right, turned = right, left, (not turned[1], not turned[0])
    inner = builder.add(MatMul(*turned), left, right, scope="first")
    for op in between:
        inner = builder.add(op, inner)
    if order == "qk":
        outer = builder.add(MatMul(transpose_a=transposed), inner, v, scope="second")
    else:
        outer = builder.add(MatMul(transpose_b=transposed), q, inner, scope="second")
    operands = {"first": (left, right), "second": (inner, v) if order == "qk" else (q, inner)}
    rates = {"q": 0.2, "k": 0.3, "v": 0.1}
    given = {(n, i): rates[x] for n, xs in operands.items() for i, x in enumerate(xs) if x in rates}
    return builder.graph(outer), Rates(given, steps=2)


TN2D = 2 * HEADS * TOKENS**2 * WIDTH
TND2 = 2 * HEADS * TOKENS * WIDTH**2
QK, KV = (TN2D * 0.2, TN2D * 0.1), (TND2 * 0.1, TND2 * 0.2)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("between", [(), (Scale(0.125),)], ids=["direct", "scaled"])
@pytest.mark.parametrize(
    ("order", "ssa", "expected"),
    [("qk", "graph", QK), ("qk", "qk", QK), ("kv", "qk", QK), ("kv", "graph", KV), ("qk", "kv", KV), ("kv", "kv", KV)],
)
def test_attention_is_billed_in_the_order_that_the_policy_names(chip, order, ssa, expected, between, transposed):
    graph, rates = attention(order, between=between, transposed=transposed)
    costs = {c.node: c for c in chip.price(graph, rates, Policy(counting="rate", ssa=ssa))}
    assert costs["first"].counts == {"ac": pytest.approx(expected[0])}
    assert costs["second"].counts == {"ac": pytest.approx(expected[1])}


def test_the_product_of_reordered_attention_with_sums_is_multi_bit(chip):
    graph, rates = attention("qk")
    costs = {c.node: c for c in chip.price(graph, rates, Policy(counting="rate", ssa="kv", multibit="mac"))}
    assert costs["first"].counts == {"ac": pytest.approx(KV[0])}
    assert costs["second"].counts == {"mac": pytest.approx(KV[1])}


@pytest.mark.parametrize("reader", ["none", "output", "node"])
def test_scores_that_something_else_reads_are_not_reordered(reader):
    builder = GraphBuilder()
    q, k, v = (builder.input(name, TensorType((TOKENS, WIDTH), SPIKE)) for name in "qkv")
    scores = builder.add(MatMul(transpose_b=True), q, k)
    others = {"none": [], "output": [scores], "node": [builder.add(Scale(2.0), scores)] if reader == "node" else []}
    graph = builder.graph(builder.add(MatMul(), scores, v), *others[reader])
    assert len(list(triples(graph))) == (reader == "none")


def test_attention_with_anything_but_a_scale_between_is_not_reordered():
    assert len(list(triples(attention("qk", between=(Scale(0.5), Scale(0.5)))[0]))) == 1
    for op in (Scale(-1.0), Reshape((HEADS, TOKENS, TOKENS))):
        assert not list(triples(attention("qk", between=(op,))[0]))


def test_counted_rates_choose_the_smaller_over_all_samples(single, chip):
    graph = single(MatMul(), TensorType((2, 2), SPIKE), TensorType((2, 2), SPIKE))
    a = np.array([[[1, 0], [0, 0]], [[1, 1], [0, 0]]])[None]  # 3 of 8 over both samples
    b = np.array([[[1, 1], [1, 1]], [[0, 0], [0, 0]]])[None]  # 4 of 8
    (cost,) = counted(chip, graph, {"a": a, "b": b}, RATE)
    assert cost.counts == {"ac": pytest.approx(2 * 8 * 3 / 8)}
    assert cost.per_sample_pj.tolist() == pytest.approx([0.9 * 8 * 1 / 4, 0.9 * 8 * 2 / 4])
    assert total_energy_pj([cost], 2) == pytest.approx(float(cost.per_sample_pj.mean()))


def residual(steps=1):
    builder = GraphBuilder(steps)
    a, b = (builder.input(name, TensorType((2,), SPIKE)) for name in "ab")
    x = builder.add(Add(), a, b, scope="add")
    y = builder.add(Linear(), x, scope="stream", weights={"weight": np.ones((1, 2))})
    z = builder.add(Linear(), a, scope="spikes", weights={"weight": np.ones((1, 2))})
    return builder.graph(y, z)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -0.1])
def test_impossible_rates_name_node_and_operand(chip, rate):
    rates = Rates({("stream", 0): rate, ("spikes", 0): 0.1}, steps=1)
    with pytest.raises(DataError, match=r"%stream \(@stream\), operand 0 \(%add\): a rate of"):
        chip.price(residual(), rates, RATE)


def test_only_spikes_are_bound_by_one(chip):
    costs = chip.price(residual(), Rates({("stream", 0): 1.5, ("spikes", 0): 1.0}, steps=1), RATE)
    assert [c.counts.get("ac") for c in costs] == [None, 3.0, 2.0]
    assert [c.rate for c in costs] == [None, 1.5, 1.0]
    with pytest.raises(DataError, match=r"%spikes.*operand 0 \(%a\): a rate of 1.01; expected a fraction"):
        chip.price(residual(), Rates({("stream", 0): 1.5, ("spikes", 0): 1.01}, steps=1), RATE)


def test_a_missing_rate_is_named(chip):
    with pytest.raises(DataError, match=r"no rate for 1 of 2 operands: %spikes \(@spikes\), operand 0 \(%a\)"):
        chip.price(residual(), Rates({("stream", 0): 0.5}, steps=1), RATE)


@pytest.mark.parametrize("key", [("strem", 0), ("stream", 1), ("a", 0)])
def test_a_rate_for_nothing_is_refused(chip, key):
    rates = Rates({("stream", 0): 0.5, ("spikes", 0): 0.5, key: 0.5}, steps=1)
    with pytest.raises(DataError, match=rf"operand {key[1]} of '{key[0]}'"):
        chip.price(residual(), rates, RATE)


def test_rates_tell_no_events_and_observe_no_domain(chip):
    rates = Rates({("stream", 0): 0.5, ("spikes", 0): 0.5}, steps=1)
    with pytest.raises(UsageError, match="--counting rate"):
        chip.price(residual(), rates, Policy())
    with pytest.raises(UsageError, match="--counting events"):
        chip.price(residual(), rates, Policy(counting="rate", domain="observed"))


def test_counts_of_another_policy_are_refused(chip):
    graph = residual()
    counts = Interpreter().count(graph, {x: np.ones((1, 1, 2)) for x in "ab"}, chip.probes(graph, Policy()))
    with pytest.raises(DataError, match="other questions"):
        chip.price(graph, counts, Policy(multibit="ac"))


def product_of_two(single):
    """[2, 2] [2, 2] on spikes, two steps: the smaller rate is a's at the first step, b's at the second."""
    kind = TensorType((2, 2), SPIKE)
    data = {"a": np.zeros((2, 1, 2, 2)), "b": np.zeros((2, 1, 2, 2))}
    data["a"][0, 0, 0, 0] = data["b"][1, 0, 0, 0] = 1  # a quarter
    data["a"][1], data["b"][0, 0, 0] = 1, 1  # all, and a half
    return single(MatMul(), kind, kind, steps=2), data


def test_rates_over_each_step_take_the_smaller_at_each(single, chip):
    """Over all steps a has 5 of 8 and b 3 of 8; at each step the smaller has a quarter."""
    graph, data = product_of_two(single)
    (whole,) = counted(chip, graph, data, RATE)
    (each,) = counted(chip, graph, data, Policy(counting="rate", rate_over="step"))
    assert whole.counts == {"ac": pytest.approx(2 * 8 * 3 / 8)}
    assert each.counts == {"ac": pytest.approx(8 * 1 / 4 + 8 * 1 / 4)}


def test_of_one_operand_rates_over_each_step_are_those_over_all(single, chip):
    graph = single(Linear(), TensorType((6,), SPIKE), steps=4, weight=np.ones((5, 6)))
    data = {"a": (np.random.default_rng(0).random((4, 3, 6)) < 0.3).astype(np.float64)}
    whole, each = (
        counted(chip, graph, data, Policy(counting="rate", rate_over=over))[0] for over in ("inference", "step")
    )
    assert whole.counts["ac"] == pytest.approx(each.counts["ac"])
    assert whole.counts["ac"] > 0


def test_given_rates_are_of_no_step(single, chip):
    graph, _ = product_of_two(single)
    rates = Rates({(graph.nodes[0].name, at): 0.5 for at in (0, 1)}, steps=2)
    with pytest.raises(UsageError, match="published rates"):
        chip.price(graph, rates, Policy(counting="rate", rate_over="step"))
