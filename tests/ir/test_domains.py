"""Which numbers each op's result can hold, inferred: that decides whether an event is an accumulate."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import VerifyError
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing, product_of, sum_of, union_of


def domain(op, *domains, shape=(4, 4), weights=None, timing=Timing.STEP):
    """The domain of the op's first result on inputs of these domains."""
    builder = GraphBuilder()
    inputs = [builder.input(f"x{i}", TensorType(shape, d, timing)) for i, d in enumerate(domains)]
    return builder.type(builder.add(op, *inputs, weights=weights)).domain


def test_the_residual_stream_is_an_integer():
    assert domain(Add(), SPIKE, SPIKE) == Int(0, 2, 1.0)
    assert domain(Add(), Int(0, 2), SPIKE) == Int(0, 3, 1.0)


def test_attention_scores_are_scaled_integers():
    heads, tokens, d = 2, 5, 16
    builder = GraphBuilder()
    q, k = (builder.input(name, TensorType((heads, tokens, d), SPIKE)) for name in "qk")
    scores = builder.add(MatMul(transpose_b=True), q, k)
    assert builder.type(scores) == TensorType((heads, tokens, tokens), Int(0, d, 1.0))
    scaled = builder.add(Scale(0.125), scores)
    assert builder.type(scaled).domain == Int(0, d, 1 / 8)
    v = builder.input("v", TensorType((heads, tokens, d), SPIKE))
    assert builder.type(builder.add(MatMul(), scaled, v)).domain == Int(0, d * tokens, 1 / 8)


@pytest.mark.parametrize("op", [TimeMean(), TimeSum()])
def test_a_sum_over_time_is_real(op):
    assert domain(op, SPIKE) == REAL


def test_what_moves_or_selects_values_keeps_their_domain():
    kind = Int(-2, 5, 0.5)
    assert domain(Reshape((16,)), kind) == kind
    assert domain(Transpose((1, 0)), kind) == kind
    assert domain(TimeLast(), kind) == kind
    assert domain(Repeat(), kind, timing=Timing.ONCE) == kind
    assert domain(MaxPool(), kind, shape=(1, 4, 4)) == kind


def test_pools_and_reductions():
    assert domain(SumPool(), SPIKE, shape=(1, 4, 4)) == Int(0, 4, 1.0)
    assert domain(AvgPool(), SPIKE, shape=(1, 4, 4)) == Int(0, 4, 0.25)
    assert domain(SumPool((3, 3), (1, 1), (1, 1)), Int(2, 3), shape=(1, 4, 4)) == Int(0, 27, 1.0)  # zeros at the border
    assert domain(Sum((0,)), Int(-1, 2), shape=(3, 2)) == Int(-3, 6, 1.0)
    assert domain(Mean((0, 1)), SPIKE, shape=(2, 5)) == Int(0, 10, 0.1)


def test_neurons_give_spikes_and_a_real_membrane():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((3,), REAL))
    q = builder.add(LIF(), x, weights={"tau": 2.0, "v_threshold": 1.0})
    assert builder.type(q).domain == SPIKE
    assert builder.type(f"{q}.v").domain == REAL
    assert builder.type(builder.add(IF(), x, weights={"v_threshold": 1.0})).domain == SPIKE
    assert builder.type(builder.add(Threshold(), x, weights={"v_threshold": 1.0})).domain == SPIKE


def test_stored_weights_make_values_real():
    assert domain(Linear(), SPIKE, weights={"weight": np.ones((3, 4))}) == REAL
    assert domain(Conv1d(), SPIKE, weights={"weight": np.ones((3, 4, 1))}) == REAL
    assert domain(Conv2d(), SPIKE, shape=(1, 4, 4), weights={"weight": np.ones((3, 1, 1, 1))}) == REAL
    assert domain(BatchNorm(), SPIKE, weights={"mean": np.ones(4), "var": np.ones(4)}) == REAL


def test_real_is_contagious():
    for op in (Add(), Mul(), MatMul()):
        assert domain(op, SPIKE, REAL) == domain(op, REAL, SPIKE) == REAL


def test_only_a_positive_factor_is_a_scale():
    assert domain(Scale(-1.0), SPIKE) == REAL
    assert domain(Scale(0.0), SPIKE) == REAL


def test_a_scale_out_of_floating_point_is_an_error_of_the_graph():
    with pytest.raises(VerifyError, match=r"%scale.*scale"):
        domain(Scale(1e-200), Int(0, 1, 1e-200))


def test_scales_that_are_no_multiples_add_up_to_real():
    assert sum_of(Int(0, 1, 0.5), Int(0, 1, 2.0)) == Int(0, 5, 0.5)
    assert sum_of(Int(0, 1, 1 / 3), Int(0, 1, 0.5)) == REAL


INTS = st.builds(
    lambda lo, width, scale: Int(lo, lo + width, scale),
    st.integers(-5, 5),
    st.integers(0, 4),
    st.sampled_from([0.125, 0.5, 1.0, 3.0]),
)


def numbers(kind):
    return [code * kind.scale for code in range(kind.lo, kind.hi + 1)]


@given(INTS, INTS)
def test_every_sum_and_product_lies_in_the_inferred_domain(a, b):
    for x, y in itertools.product(numbers(a), numbers(b)):
        if isinstance(total := sum_of(a, b), Int):
            assert x + y in numbers(total)
        assert x * y in numbers(product_of(a, b))


@given(INTS, INTS)
def test_the_inferred_range_is_reached(a, b):
    products = [x * y for x, y in itertools.product(numbers(a), numbers(b))]
    found = product_of(a, b)
    assert (min(products), max(products)) == (found.lo * found.scale, found.hi * found.scale)
    assert product_of(a, b, terms=7) == Int(found.lo * 7, found.hi * 7, found.scale)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_is_positive_and_finite(scale):
    with pytest.raises(ValueError, match="scale"):
        Int(0, 1, scale)


def test_a_range_is_not_empty():
    with pytest.raises(ValueError, match="lo <= hi"):
        Int(1, 0)


def test_unary_means_that_an_event_is_one_accumulate():
    assert SPIKE.is_unary
    assert Int(-1, 1, 0.125).is_unary
    assert not Int(0, 2).is_unary
    assert not Int(-2, 0).is_unary


@pytest.mark.parametrize(
    ("a", "b", "either", "total"),
    [
        (Int(0, 4), Int(-3, 2), Int(-3, 4), Int(-3, 6)),
        (Int(0, 4), Int(1, 9), Int(0, 9), Int(1, 13)),
        (Int(-2, 1, 0.5), Int(-1, 3), Int(-2, 6, 0.5), Int(-4, 7, 0.5)),
        (SPIKE, Int(0, 2, 0.25), Int(0, 4, 0.25), Int(0, 6, 0.25)),
        (Int(0, 1, 0.3), SPIKE, REAL, REAL),
        (SPIKE, REAL, REAL, REAL),
    ],
)
def test_either_and_the_sum_of_two_domains_in_both_orders(a, b, either, total):
    assert (union_of(a, b), union_of(b, a)) == (either, either)
    assert (sum_of(a, b), sum_of(b, a)) == (total, total)
