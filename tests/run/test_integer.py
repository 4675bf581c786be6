"""Integer execution: exact on quantised graphs, equal to fp64 there, and refused by name where it would not be."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from spikec.cost import Probe
from spikec.errors import DataError, UnsupportedOp
from spikec.ir.text import parse
from spikec.ir.types import FLOAT64, IntFormat, Role, Weight, constant, weight_of
from spikec.run.interp import Interpreter

INTEGER = Interpreter(torch.int64)


@pytest.fixture
def whole(rng):
    """Random fixed-point weights: shape, bits, scale."""

    def make(shape, bits=8, scale=1.0, low=None):
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1)
        codes = rng.integers(least if low is None else low, most, shape)
        return Weight(codes.astype(np.int32), Role.PARAMETER, IntFormat(bits + (low is not None), scale))

    return make


def share(numerator):
    return Weight(np.asarray(numerator, np.int32), Role.CONSTANT, IntFormat(13, 1 / 4096))


def agree(graph, data, steps=None, live=()):
    """Every value in whole numbers and in fp64; those `live` spike, and not always."""
    names = list(graph.types)
    found, expected = (runner.run(graph, data, steps, names) for runner in (INTEGER, Interpreter()))
    for name in names:
        assert found[name].dtype in (torch.int64, torch.float64)
        np.testing.assert_array_equal(found[name].numpy(), expected[name].numpy(), err_msg=name)
    for name in live:
        assert 0.02 < found[name].double().mean() < 0.98, name
    return found


FIXED = """graph(%x: spike step [3,5,5]) steps 20
%c = conv2d(%x; bias=b, weight=w) {padding=(1, 1)}
%d = scale(%c) {factor=64.0}
%q = lif(%d; beta=decay, v_threshold=v) {decay_input=False, fires_at='>', rounding='toward_zero'}
return %q, %q.v
"""


def test_fixed_point_neurons_by_their_recurrence(whole, rng):
    """v = trunc0(v (4096 - vDecay) / 4096) + 64 (w . s + bias), spikes at v > vThMant << 6, reset to 0."""
    weights = {"w": whole((4, 3, 3, 3)), "b": whole((4,)), "decay": share(4096 - 131), "v": constant(300 << 6)}
    x = (rng.uniform(size=(20, 2, 3, 5, 5)) < 0.3).astype(np.int64)
    found = agree(parse(FIXED, weights), {"x": x}, live=["q"])
    w, b, v = weights["w"].array.astype(np.int64), weights["b"].array, np.zeros((2, 4, 5, 5), np.int64)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 0), (1, 1), (1, 1)])
    for t in range(20):
        drive = sum(
            np.einsum("bcij,oc->boij", padded[t, :, :, i : i + 5, j : j + 5], w[:, :, i, j])
            for i in range(3)
            for j in range(3)
        )
        leaked = v * (4096 - 131)
        v = np.sign(leaked) * (np.abs(leaked) // 4096) + 64 * (drive + b[:, None, None])
        q = v > 300 << 6
        v = np.where(q, 0, v)
        np.testing.assert_array_equal(found["q"][t], q)
        np.testing.assert_array_equal(found["q.v"][t], v)
    assert found["q"].dtype == found["q.v"].dtype == torch.int64


BLOCK = """graph(%x: int(0,3) step [8,8]) steps 4
%half = scale(%x) {factor=0.5}
%l = linear(%half; bias=b, weight=w)
%q = if(%l; v_reset=rest, v_threshold=theta) {reset='soft'}
%k = if(%l; v_threshold=odd) {reset_delay=True}
%s = matmul(%q, %k) {transpose_b=True}
%a = scale(%s) {factor=0.125}
%y = matmul(%a, %q)
%r = add(%y, %half)
%m = multi_level_spike(%r) {scale=0.25}
%i = i(%m; v0=start)
%th = threshold(%i; v_threshold=odd) {fires_at='>'}
%n = mean(%m) {axes=(0,)}
%t = time_mean(%n)
%u = time_sum(%n)
return %t, %u, %k.v, %q.v, %th
"""


def test_an_attention_block_with_units_of_all_kinds(whole, rng):
    weights = {
        "w": whole((8, 8), scale=0.25),
        "b": whole((8,), scale=1 / 64),
        "rest": constant(0.0),
        "theta": constant(12.5),
        "odd": Weight(rng.uniform(1, 9, 8), Role.CONSTANT, FLOAT64),  # need be no multiple of anything
        "start": constant(2.25),
    }
    x = rng.integers(0, 4, (4, 3, 8, 8))
    found = agree(parse(BLOCK, weights), {"x": x}, live=["q", "k", "th"])
    assert len(np.unique(found["m"])) == 5
    assert found["t"].dtype == found["q.v"].dtype == torch.float64
    assert found["q"].dtype == torch.int64


MOVES = """graph(%x: int(-3,4,0.5) step [2,6,6], %y: int(0,2) once [2,6,6]) steps 4
%r = repeat(%y)
%c = concat(%x, %r)
%p = avg_pool(%c)
%s = sum_pool(%c) {kernel=(3, 3), padding=(1, 1)}
%m = max_pool(%c) {kernel=(3, 3), padding=(1, 1)}
%d = delay(%m; steps=steps)
%o = constant(; value=table)
%e = expand(%o) {shape=(4,3,3)}
%f = repeat(%e)
%g = mul(%d, %f)
%h = add(%g, %p)
%neg = scale(%h) {factor=-2.0}
%pad = pad(%neg) {before=(0, 1, 0), after=(0, 0, 2)}
%up = upsample(%pad)
%t = transpose(%up) {axes=(1, 2, 0)}
%v = reshape(%t) {shape=(80,4)}
%sl = slice(%v) {axis=0, start=3, stop=40, step=3}
%su = sum(%sl) {axes=(1,)}
%c1 = conv1d(%sl; weight=w1) {stride=(2,), padding=(1,), groups=13}
%li = cuba_lif(%su; alpha=a, beta=a, i0=i0, v_threshold=th, v_leak=leak) {rounding='floor', refractory=1}
%last = time_last(%li)
return %last, %c1, %li.i, %s
"""


def test_moves_pools_and_a_current(whole, rng):
    steps = Weight(rng.integers(0, 4, (4, 3, 3)), Role.CONSTANT, IntFormat(8))
    weights = {"steps": steps, "table": whole((4, 1, 3), 4), "w1": whole((26, 1, 3), scale=2.0)}
    voltages = {"a": share(3000), "i0": constant(3.0), "th": constant(2.5), "leak": constant(-2.0)}
    data = {"x": rng.integers(-3, 5, (4, 2, 2, 6, 6)) * 0.5, "y": rng.integers(0, 3, (2, 2, 6, 6))}
    with pytest.raises(UnsupportedOp, match=r"(?s)li .*cuba_lif .*rounds to whole numbers.*multiples of"):
        agree(parse(MOVES, weights | voltages), data)  # quarters of averages come in
    text = MOVES.replace("%su = sum(%sl)", "%w = scale(%sl) {factor=-8.0}\n%su = sum(%w)")
    agree(parse(text, weights | voltages), data, live=["li"])


RECURRENT = """graph(%x: spike step [4]) steps 9
%d = delay(%i; steps=two) : spike step [3]
%r = linear(%d; weight=wr)
%back = delay(%q; steps=one) : spike step [3]
%f = linear(%back; weight=wr)
%c = linear(%x; weight=wx)
%a = add(%c, %f)
%q = lif(%a; beta=decay, v_threshold=th) {rounding='floor', reset='soft', reset_delay=True, decay_input=False}
%i = threshold(%r; v_threshold=th)
return %q
"""


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_cycle(scale, whole, rng):
    weights = {"wr": whole((3, 3), 5, scale), "wx": whole((3, 4), 5, scale)}
    weights |= {"one": constant(1.0), "two": constant(2.0), "decay": share(2048), "th": constant(3.0)}
    agree(parse(RECURRENT, weights), {"x": rng.integers(0, 2, (9, 3, 4))}, live=["q"])


def test_a_cycle_through_codes_of_a_half():
    text = """graph(%x: int(0,1) step [2]) steps 6
%d = delay(%h; steps=one) : int(0,1,0.5) step [2]
%q = threshold(%d; v_threshold=quarter)
%a = add(%q, %x)
%b = threshold(%a; v_threshold=one)
%h = scale(%b) {factor=0.5}
return %h, %d
"""
    graph = parse(text, {"one": constant(1.0), "quarter": constant(0.25)})
    x = np.array([[0, 0], [0, 1], [0, 0], [1, 0], [0, 0], [0, 0]]).reshape(6, 1, 2)
    assert agree(graph, {"x": x})["h"][:, 0].tolist() == [
        [0, 0],
        [0, 0.5],
        [0, 0.5],
        [0.5, 0.5],
        [0.5, 0.5],
        [0.5, 0.5],
    ]


TENTHS = """graph(%x: spike step [1,1,10]) steps 3
%d = delay(%h; steps=one) : int(0,10,0.1) step [1,1,1]
%e = expand(%d) {shape=(1,1,10)}
%t = threshold(%e; v_threshold=one)
%h = avg_pool(%t) {kernel=(1, 10), stride=(1, 10)}
return %h
"""
UNBOUNDED = """graph(%x: spike step [2]) steps 3
%d = delay(%h; steps=one) : real step [2]
%h = linear(%d; weight=w)
return %h
"""


@pytest.mark.parametrize(("text", "reason"), [(TENTHS, "multiples of 1/10, not of"), (UNBOUNDED, "it is real")])
def test_a_cycle_whose_unit_or_range_is_not_known_is_refused(text, reason, whole):
    weights = {"one": constant(1.0)} | ({"w": whole((2, 2))} if text is UNBOUNDED else {})
    graph = parse(text, weights)
    with pytest.raises(UnsupportedOp, match=f"d +delay +.*{reason}"):
        INTEGER.run(graph, {"x": np.zeros((3, 1, *graph.inputs["x"].shape))})


ALL_WRONG = """graph(%x: real step [4], %s: spike step [4]) steps 2
%a = linear(%s; weight=w) @blocks.0.fc
%b = lif(%s; tau=tau, v_threshold=one) @blocks.0.lif
%c = lif(%s; beta=tenth, v_threshold=one) {decay_input=False, rounding='floor'} @blocks.1.lif
%d = softmax(%s) @blocks.1.soft
%e = lif(%s; beta=half, v_threshold=one) {decay_input=False} @blocks.2.lif
%f = add(%a, %x)
%g = if(%s; v_threshold=tenth) {reset='soft'} @blocks.3.if
%h = batch_norm(%f; mean=v4, var=v4) @bn
return %f, %b, %c, %d, %e, %g, %h
"""


def test_what_is_not_whole_is_refused_all_at_once(rng):
    weights = {"w": weight_of(rng.normal(size=(4, 4))), "tau": constant(2.0), "one": constant(1.0)}
    weights |= {"tenth": constant(0.1), "half": constant(0.5), "v4": weight_of(np.ones(4))}
    graph = parse(ALL_WRONG, weights)
    data = {"x": np.zeros((2, 1, 4)), "s": np.zeros((2, 1, 4))}
    with pytest.raises(UnsupportedOp) as caught:
        INTEGER.run(graph, data)
    said = {offender.path: offender.reason for offender in caught.value.offenders}
    assert list(said) == ["%x", *(f"blocks.{at}" for at in ("0.fc", "0.lif", "1.lif", "1.soft", "2.lif", "3.if")), "bn"]
    words = ("real", "'w' is in float64", "tau", "'tenth'", "whole numbers", "does not round", "'tenth'", "whole")
    for reason, word in zip(said.values(), words, strict=True):
        assert word in reason
    assert "quantize" in str(caught.value)


def test_sums_that_would_not_be_exact_are_refused(whole):
    text = """graph(%x: int(0,65535) step [64]) steps 1
%a = linear(%x; weight=w) @first
%b = linear(%a; weight=w) @second
return %b
"""
    weights = {"w": Weight(np.full((64, 64), 2**20), Role.PARAMETER, IntFormat(22))}
    with pytest.raises(UnsupportedOp, match=r"second +linear +it may reach 2\^6\d") as caught:
        INTEGER.run(parse(text, weights), {"x": np.full((1, 1, 64), 65535)})
    assert len(caught.value.offenders) == 1


def test_zeros_are_taken_beside_the_finest_of_units():
    text = """graph(%x: int(-1,1,1e-30) step [1], %zero: int(0,0) step [1]) steps 2
%q = if(%x; v_threshold=far, v0=nothing)
%a = add(%x, %zero)
return %q, %a
"""
    nothing = Weight(np.array(0, np.int8), Role.CONSTANT, IntFormat(8, 0.25))
    graph = parse(text, {"far": constant(0.377), "nothing": nothing})
    agree(graph, {"x": np.array([[[1e-30]], [[-1e-30]]]), "zero": np.zeros((2, 1, 1))})


def test_a_mean_over_three_is_the_number_nearest_to_it():
    graph = parse("graph(%x: int(0,9) step [3]) steps 7\n%m = mean(%x)\n%t = time_mean(%m)\nreturn %t, %m", {})
    x = np.arange(7 * 3).reshape(7, 1, 3) % 10
    found = INTEGER.run(graph, {"x": x})
    assert found["t"].tolist() == [float(Fraction(int(x.sum()), 21))]
    assert found["m"].flatten().tolist() == [float(Fraction(int(row.sum()), 3)) for row in x[:, 0]]


def test_codes_and_counts_are_those_of_fp64(whole, rng):
    weights = {"w": whole((8, 8), scale=0.25), "b": whole((8,), scale=1 / 64), "rest": constant(0.0)}
    weights |= {"theta": constant(12.5), "odd": constant(3.3), "start": constant(2.25)}
    graph, data = parse(BLOCK, weights), {"x": rng.integers(0, 4, (4, 3, 8, 8))}
    kinds = ("sum", "nonzero", "other", "max", "per-element")
    probes = [Probe((name,), kind) for name in ("half", "q", "a", "m", "r", "q.v") for kind in kinds]
    probes.append(Probe(("a", "q"), "coincidence"))
    found, expected = (runner.count(graph, data, probes) for runner in (INTEGER, Interpreter()))
    for probe in probes:
        np.testing.assert_array_equal(found.of(probe), expected.of(probe), err_msg=probe.key)


def test_data_are_checked_as_ever(whole):
    graph = parse("graph(%x: int(0,3) step [2]) steps 1\n%y = linear(%x; weight=w)\nreturn %y", {"w": whole((2, 2))})
    with pytest.raises(DataError, match="%x"):
        INTEGER.run(graph, {"x": np.full((1, 1, 2), 0.5)})
