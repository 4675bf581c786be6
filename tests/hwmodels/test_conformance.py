"""What every chip keeps to, whatever it prices."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.counting import SYNAPTIC
from hwmodels.registry import load, names
from hwmodels.totals import standard_error_pj, total_energy_pj
from spikec.cost import Policy
from spikec.errors import UnsupportedOp
from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.op import Op
from spikec.ir.pools import MaxPool, Mean
from spikec.ir.shapes import Reshape
from spikec.ir.time import TimeMean
from spikec.ir.types import SPIKE, TensorType
from spikec.run.interp import Interpreter

STEPS = 2
SHAPE = (2, 4, 4)


def network(*, bias):
    """Every kind of node that spikes alone reach without a neuron, so that more spikes in are more everywhere."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder(STEPS)
    x, y = (builder.input(name, TensorType(SHAPE, SPIKE)) for name in "xy")
    weights = {"weight": rng.integers(-1, 2, (3, 2, 3, 3)).astype(np.float64)}
    if bias:
        weights["bias"] = rng.normal(size=3)
    conv = builder.add(Conv2d((2, 1), (1, 1)), x, scope="conv", weights=weights)
    lif = builder.add(LIF(), conv, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    a, b = (builder.add(Reshape((2, 16)), value) for value in (x, y))
    scores = builder.add(MatMul(transpose_b=True), a, b, scope="scores")
    product = builder.add(MatMul(transpose_a=True), scores, b, scope="product")
    masked = builder.add(Mul(), a, b, scope="masked")
    stream = builder.add(Add(), builder.add(MaxPool(), x), builder.add(MaxPool(), y), scope="stream")
    linear = builder.add(Linear(), stream, scope="linear", weights={"weight": rng.normal(size=(3, 2))})
    head = builder.add(TimeMean(), builder.add(Mean((1, 2)), x))
    head = builder.add(Linear(), head, scope="head", weights={"weight": np.eye(2)})
    return builder.graph(lif, product, masked, linear, head)


POLICIES = [
    Policy(),
    Policy(multibit="ac"),
    Policy(multibit="mac", zero_weights="skip"),
    Policy(domain="observed", attention="skip"),
    Policy(counting="rate"),
    Policy(counting="rate", rate_of="nonzero", multibit="mac", ssa="kv"),
]
SYNAPTIC_NODES = ("conv", "scores", "product", "masked", "linear", "head")

chips = pytest.mark.parametrize("name", names())
policies = pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
spikes = st.integers(0, 2**32 - 1).flatmap(lambda seed: st.floats(0, 1).map(lambda rate: (seed, rate)))


def draw(seed, rate, samples=3):
    rng = np.random.default_rng(seed)
    return {name: (rng.random((STEPS, samples, *SHAPE)) < rate).astype(np.float64) for name in "xy"}


def price(name, data, policy, *, bias=False):
    chip, graph = load(name), network(bias=bias)
    partition = chip.plan(graph, policy)
    counts = Interpreter(torch.float64).count(graph, data, chip.probes(graph, policy, partition))
    return chip.price(graph, counts, policy, chip.place(partition, counts)), counts


def synaptic(cost):
    return sum(cost.counts.get(kind, 0) for kind in SYNAPTIC)


@chips
@policies
@settings(max_examples=5, deadline=None)
@given(drawn=spikes)
def test_energy_is_finite_not_negative_and_the_sum_of_its_terms(name, policy, drawn):
    costs, counts = price(name, draw(*drawn), policy, bias=True)
    assert [cost.node for cost in costs] == [node.name for node in network(bias=True).nodes]
    for cost in costs:
        assert all(math.isfinite(e) and e >= 0 for e in cost.energy_pj.values())
        assert all(count >= 0 for count in cost.counts.values())
        assert cost.per_sample_pj.shape == (counts.samples,)
        assert math.fsum(cost.energy_pj.values()) == pytest.approx(float(cost.per_sample_pj.sum()))
        assert cost.rate is None or cost.rate >= 0
    total = math.fsum(math.fsum(cost.energy_pj.values()) for cost in costs) / counts.samples
    assert total_energy_pj(costs, counts.samples) == pytest.approx(total)
    assert standard_error_pj(costs) >= 0


@chips
@policies
@settings(max_examples=5, deadline=None)
@given(drawn=spikes, more=spikes)
def test_more_spikes_cost_no_less(name, policy, drawn, more):
    few = draw(*drawn)
    many = {key: np.maximum(value, draw(*more)[key]) for key, value in few.items()}
    for less, greater in zip(*(price(name, data, policy)[0] for data in (few, many)), strict=True):
        if less.op == "lif":  # a neuron may answer more drive with fewer spikes, by its negative weights
            continue
        assert synaptic(less) <= synaptic(greater) + 1e-9, less.node
        if policy.domain == "observed":  # of Real values that all reach 1, that rule makes ACs again
            continue
        assert math.fsum(less.energy_pj.values()) <= math.fsum(greater.energy_pj.values()) + 1e-9, less.node


@chips
@policies
def test_without_spikes_there_is_no_synaptic_event(name, policy):
    costs, _ = price(name, draw(0, 0.0), policy)
    found = {cost.node: synaptic(cost) for cost in costs}
    if policy.counting == "rate":
        del found["head"]  # the formula takes a Real operand as always active
    assert not any(found.values())


@chips
@policies
def test_with_spikes_every_synaptic_node_has_events(name, policy):
    costs, _ = price(name, draw(0, 0.5), policy)
    found = {cost.node: synaptic(cost) for cost in costs}
    left_out = {"scores", "product", "masked"} if policy.attention == "skip" else set()
    assert {node for node, count in found.items() if count} == set(SYNAPTIC_NODES) - left_out


@chips
def test_the_same_counts_price_the_same_to_the_last_bit(name):
    first, again = (price(name, draw(0, 0.3), Policy())[0] for _ in range(2))
    assert total_energy_pj(first, 3) == total_energy_pj(again, 3) > 0


@chips
@policies
def test_each_question_is_asked_once_and_all_are_used(name, policy):
    chip, graph = load(name), network(bias=True)
    keys = [probe.key for probe in chip.probes(graph, policy)]
    assert len(keys) == len(set(keys))


class Unheard(Op):
    mnemonic = "unheard"

    def infer(self, inputs, weights):
        return (inputs[0],)


@chips
def test_an_op_without_a_rule_is_refused_by_name(name):
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,), SPIKE))
    graph = builder.graph(builder.add(Unheard(), x, scope="blocks.0.odd"))
    for ask in (load(name).plan, load(name).probes):
        with pytest.raises(UnsupportedOp, match=r"unheard") as caught:
            ask(graph, Policy())
        assert caught.value.offenders[0].path == "blocks.0.odd"
