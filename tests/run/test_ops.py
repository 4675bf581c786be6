"""Every stateless op against an independent computation in numpy, in fp64."""

import itertools

import numpy as np
import pytest
import scipy.stats

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import Threshold
from spikec.ir.ops import OPS
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Int, IntFormat, TensorType, Timing, Weight
from spikec.run.evaluate import TIME
from spikec.run.interp import Interpreter
from spikec.run.kernels import KERNELS
from spikec.run.neurons import STEPPERS

T, B = 3, 2


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found.dtype == np.float64


def test_every_op_is_run():
    assert set(OPS.values()) == {*KERNELS, *TIME, *STEPPERS}
    assert set(TIME) == {Delay, Repeat, TimeLast, TimeMean, TimeSum}


def test_elementwise(apply_op, rng):
    a, b = rng.normal(size=(2, T, B, 3, 4))
    close(apply_op(Add(), a, b), a + b)
    close(apply_op(Mul(), a, b), a * b)
    close(apply_op(Scale(-0.3), a), -0.3 * a)
    assert apply_op(Scale(1 / 49), np.full((1, 1, 1), 49.0)).item() == 49 * (1 / 49) < 1.0  # no mean in disguise


@pytest.mark.parametrize("turned", list(itertools.product([False, True], repeat=2)))
def test_matmul_and_its_transposes(turned, apply_op, rng):
    a, b = rng.normal(size=(T, B, 2, 3, 5)), rng.normal(size=(T, B, 2, 5, 4))
    held = [np.swapaxes(x, -1, -2) if t else x for x, t in zip((a, b), turned, strict=True)]
    close(apply_op(MatMul(*turned), *held), np.einsum("tbhnk,tbhkm->tbhnm", a, b))


def test_linear_on_the_last_axis(apply_op, rng):
    x, w, b = rng.normal(size=(T, B, 2, 5)), rng.normal(size=(4, 5)), rng.normal(size=4)
    close(apply_op(Linear(), x, weights={"weight": w}), np.einsum("tbni,oi->tbno", x, w))
    close(apply_op(Linear(), x, weights={"weight": w, "bias": b}), np.einsum("tbni,oi->tbno", x, w) + b)


def convolved(x, w, stride, padding, dilation, groups):
    """[C, *places] by loops over outputs, places, channels and the kernel."""
    axes = len(stride)
    padded = np.pad(x, [(0, 0), *((p, p) for p in padding)])
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    sizes = [(n - s) // st + 1 for n, s, st in zip(padded.shape[1:], spans, stride, strict=True)]
    y = np.zeros((len(w), *sizes))
    per, outputs = w.shape[1], len(w) // groups
    for o, *place in itertools.product(range(len(w)), *map(range, sizes)):
        for c, *tap in itertools.product(range(per), *map(range, w.shape[2:])):
            at = tuple(place[i] * stride[i] + tap[i] * dilation[i] for i in range(axes))
            y[(o, *place)] += w[(o, c, *tap)] * padded[(o // outputs * per + c, *at)]
    return y


def over_samples(function, x):
    return np.stack([np.stack([function(sample) for sample in step]) for step in x])


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "kernel"),
    [
        ((1, 1), (0, 0), (1, 1), 1, (3, 3)),
        ((2, 1), (1, 2), (1, 1), 1, (3, 2)),
        ((1, 3), (0, 1), (2, 1), 2, (2, 3)),
        ((1, 1), (1, 1), (1, 1), 4, (3, 3)),
    ],
)
def test_conv2d(stride, padding, dilation, groups, kernel, apply_op, rng):
    x, w = rng.normal(size=(T, B, 4, 5, 7)), rng.normal(size=(8, 4 // groups, *kernel))
    bias = rng.normal(size=8)
    expected = over_samples(lambda s: convolved(s, w, stride, padding, dilation, groups), x)
    op = Conv2d(stride, padding, dilation, groups)
    close(apply_op(op, x, weights={"weight": w}), expected)
    close(apply_op(op, x, weights={"weight": w, "bias": bias}), expected + bias[:, None, None])


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)])
def test_conv1d(stride, padding, dilation, groups, apply_op, rng):
    x, w = rng.normal(size=(T, B, 4, 6)), rng.normal(size=(6, 4 // groups, 3))
    expected = over_samples(lambda s: convolved(s, w, (stride,), (padding,), (dilation,), groups), x)
    close(apply_op(Conv1d((stride,), (padding,), (dilation,), groups), x, weights={"weight": w}), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_on_any_axis(axis, affine, apply_op, rng):
    x = rng.normal(size=(T, B, 2, 3, 4))
    size = x.shape[axis + 2]
    mean, var, gain, bias = rng.normal(size=size), rng.uniform(0, 2, size), rng.normal(size=size), rng.normal(size=size)
    weights = {"mean": mean, "var": var} | ({"weight": gain, "bias": bias} if affine else {})
    shape = [-1 if i == axis else 1 for i in range(3)]
    normal = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + 0.1)
    expected = normal * gain.reshape(shape) + bias.reshape(shape) if affine else normal
    close(apply_op(BatchNorm(axis, 0.1), x, weights=weights), expected)


POOLS = [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 2), (1, 0))]


def windows(x, kernel, stride, padding, fill):
    padded = np.pad(x, [(0, 0), *((p, p) for p in padding)], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, (1, 2))
    return view[:, :: stride[0], :: stride[1]]


@pytest.mark.parametrize(("kernel", "stride", "padding"), POOLS)
def test_pools(kernel, stride, padding, apply_op, rng):
    x = rng.normal(size=(T, B, 2, 5, 6)) - 3.0  # negative, so that padding could win
    arguments = (kernel, stride, padding)
    highest = over_samples(lambda s: windows(s, *arguments, -np.inf).max((-1, -2)), x)
    total = over_samples(lambda s: windows(s, *arguments, 0.0).sum((-1, -2)), x)
    close(apply_op(MaxPool(*arguments), x), highest)
    close(apply_op(SumPool(*arguments), x), total)
    close(apply_op(AvgPool(*arguments), x), total / (kernel[0] * kernel[1]))


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 2), (0, 1, 2)])
def test_reductions(axes, apply_op, rng):
    x = rng.normal(size=(T, B, 2, 3, 4))
    places = tuple(axis + 2 for axis in axes)
    close(apply_op(Sum(axes), x), x.sum(places))
    close(apply_op(Mean(axes), x), x.mean(places))


def test_a_mean_of_equal_values_is_that_value(apply_op):
    assert apply_op(Mean((0,)), np.ones((1, 1, 49))).item() == 1.0


def test_moves(apply_op, rng):
    x = rng.normal(size=(T, B, 2, 3, 4))
    close(apply_op(Reshape((4, 6)), x), x.reshape(T, B, 4, 6))
    close(apply_op(Reshape((24,)), x), x.reshape(T, B, 24))
    close(apply_op(Transpose((2, 0, 1)), x), x.transpose(0, 1, 4, 2, 3))


def test_reductions_over_time(apply_op, rng):
    x = rng.normal(size=(T, B, 4))
    close(apply_op(TimeMean(), x), x.mean(0))
    close(apply_op(TimeSum(), x), x.sum(0))
    close(apply_op(TimeLast(), x), x[-1])


def test_threshold_on_exact_ties(apply_op):
    x = np.array([0.1 + 0.2, 0.3, 0.5, 0.25]).reshape(1, 1, 4)
    v = np.array([0.3, 0.3, 0.5, 0.5])
    assert apply_op(Threshold(), x, weights={"v_threshold": v}).tolist() == [[[1, 1, 1, 0]]]
    assert apply_op(Threshold(">"), x, weights={"v_threshold": v}).tolist() == [[[1, 0, 0, 0]]]


def test_values_for_the_inference_have_no_time(apply_op, rng):
    x, w = rng.normal(size=(B, 5)), rng.normal(size=(4, 5))
    close(apply_op(Linear(), x, weights={"weight": w}, timing=Timing.ONCE), x @ w.T)
    close(apply_op(Transpose((1, 0)), x.reshape(1, B, 5), timing=Timing.ONCE), x.T[None])


def test_a_fixed_point_weight_counts_with_its_scale(apply_op, rng):
    x = rng.normal(size=(T, B, 2))
    weight = Weight(np.array([[4, -2]], np.int8), format=IntFormat(8, 0.25))
    close(apply_op(Linear(), x, weights={"weight": weight}), x @ np.array([[1.0], [-0.5]]))


def test_what_moves_values_by_numpy(apply_op, rng):
    x, y = rng.normal(size=(2, 3, 2, 4, 5)), rng.normal(size=(2, 3, 1, 4, 5))
    np.testing.assert_array_equal(apply_op(Concat(0), x, y), np.concatenate([x, y], 2))
    np.testing.assert_array_equal(apply_op(Concat(2), x, x, x), np.concatenate([x, x, x], 4))
    np.testing.assert_array_equal(apply_op(Slice(1, 1, 4, 2), x), x[:, :, :, 1:4:2])
    np.testing.assert_array_equal(
        apply_op(Pad((0, 1, 2), (3, 0, 0)), x), np.pad(x, [(0, 0), (0, 0), (0, 3), (1, 0), (2, 0)])
    )
    np.testing.assert_array_equal(apply_op(Upsample((2, 3)), x), x.repeat(2, 3).repeat(3, 4))
    np.testing.assert_array_equal(apply_op(Expand((7, 4, 5)), y), np.broadcast_to(y, (2, 3, 7, 4, 5)))


def test_domains_of_what_moves_values(apply_op):
    pad = Pad((1,), (0,)).infer([TensorType((2,), Int(3, 7, 0.5))], {})
    assert pad == (TensorType((3,), Int(0, 7, 0.5)),)
    halves, ones = TensorType((2,), Int(-1, 3, 0.5)), TensorType((2,), Int(0, 4))
    assert Concat().infer([halves, ones], {}) == (TensorType((4,), Int(-1, 8, 0.5)),)
    assert Concat().infer([TensorType((2,), Int(0, 1, 0.3)), ones], {}) == (TensorType((4,)),)


def test_functions_of_real_numbers_by_numpy(apply_op, rng):
    x = rng.normal(size=(2, 3, 4, 5)) * 3
    close(apply_op(Exp(), x), np.exp(x))
    for axis in (0, 1):
        e = np.exp(x - x.max(axis + 2, keepdims=True))
        close(apply_op(Softmax(axis), x), e / e.sum(axis + 2, keepdims=True))
    close(apply_op(Gelu(), x), x * scipy.stats.norm.cdf(x))
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    close(apply_op(Gelu("tanh"), x), 0.5 * x * (1 + np.tanh(inner)))
    for axes in (1, 2):
        weight, bias = rng.normal(size=(2, *x.shape[4 - axes :]))
        over = tuple(range(4 - axes, 4))
        mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
        expected = (x - mean) / np.sqrt(var + 1e-3) * weight + bias
        close(apply_op(LayerNorm(axes, 1e-3), x, weights={"weight": weight, "bias": bias}), expected)


def test_a_constant_is_there_for_every_sample(rng):
    builder, table = GraphBuilder(steps=3), rng.normal(size=(4, 5))
    x = builder.input("x", TensorType((4, 5)))
    position = builder.add(Repeat(), builder.add(Constant(), weights={"value": table}))
    graph = builder.graph(builder.add(Add(), x, position), builder.add(Constant(), weights={"value": table}, scope="p"))
    data = rng.normal(size=(3, 2, 4, 5))
    found, alone = Interpreter().run(graph, {"x": data}).values()
    np.testing.assert_array_equal(found.numpy(), data + table)
    np.testing.assert_array_equal(alone.numpy(), np.stack([table, table]))
