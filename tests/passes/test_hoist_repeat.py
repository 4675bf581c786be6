"""hoist-repeat: text before and after, the same bits, and what it leaves alone."""

import numpy as np
import pytest

from passes.algebra import TIME_FREE
from passes.hoist_repeat import HoistRepeat
from passes.repeat_first import RepeatFirst
from spikec.ir.types import Timing, weight_of

NEURON = {"tau": 2.0, "vth": 1.0}


def test_moves_behind_all_that_needs_no_step(make_graph, assert_same):
    before = make_graph(
        """
        graph(%image: real once [3,8,8]) steps 3
        %x = repeat(%image)
        %c = conv2d(%x; weight=w) {padding=(1, 1)} @stem.conv
        %p = max_pool(%c) @stem.pool
        %q = lif(%p; tau=tau, v_threshold=vth) @stem.lif
        return %q
        """,
        w=(4, 3, 3, 3),
        **NEURON,
    )
    after = HoistRepeat()(before)
    assert after.text().splitlines() == [
        "graph(%image: real once [3,8,8]) steps 3",
        "%c = conv2d(%image; weight=w) {padding=(1, 1)} @stem.conv",
        "%p = max_pool(%c) @stem.pool",
        "%x = repeat(%p)",
        "%q = lif(%x; tau=tau, v_threshold=vth) @stem.lif",
        "return %q",
    ]
    assert after.types["c"].timing is Timing.ONCE
    assert_same(before, after, exact=True)
    assert HoistRepeat()(after) is after


def test_stops_where_its_value_forks(make_graph, assert_same):
    before = make_graph(
        """
        graph(%image: real once [4,6]) steps 3
        %x = repeat(%image)
        %c = linear(%x; weight=w)
        %q = lif(%c; tau=tau, v_threshold=vth)
        %y = add(%c, %q)
        return %y, %c
        """,
        w=(6, 6),
        **NEURON,
    )
    after = HoistRepeat()(before)
    assert after.text().splitlines() == [
        "graph(%image: real once [4,6]) steps 3",
        "%c = linear(%image; weight=w)",
        "%x = repeat(%c)",
        "%q = lif(%x; tau=tau, v_threshold=vth)",
        "%y = add(%x, %q)",
        "return %y, %x",
    ]
    assert_same(before, after, exact=True)
    assert HoistRepeat()(after) is after


def test_two_repeats_become_one_behind_the_op_that_takes_both(make_graph, assert_same):
    before = make_graph(
        """
        graph(%a: real once [4,6], %b: real once [4,6]) steps 3
        %ra = repeat(%a)
        %rb = repeat(%b)
        %s = scale(%rb) {factor=0.5}
        %y = add(%s, %ra)
        %q = lif(%y; tau=tau, v_threshold=vth)
        return %q
        """,
        **NEURON,
    )
    after = HoistRepeat()(before)
    assert after.text().splitlines() == [
        "graph(%a: real once [4,6], %b: real once [4,6]) steps 3",
        "%s = scale(%b) {factor=0.5}",
        "%y = add(%s, %a)",
        "%rb = repeat(%y)",
        "%q = lif(%rb; tau=tau, v_threshold=vth)",
        "return %q",
    ]
    assert_same(before, after, exact=True)
    assert HoistRepeat()(after) is after


def test_the_spikformers_first_layer_is_once(spikformer, assert_same):
    after = HoistRepeat()(spikformer)
    once = [node.name for node in after.nodes if node.type.timing is Timing.ONCE]
    assert once == ["stem.0_conv", "stem.0_bn", "time_mean", "head"]
    assert_same(spikformer, after, exact=True)
    assert HoistRepeat()(after) is after


MOVED_BEHIND = {
    "add": "%y = add(%r, %r)",
    "avg_pool": "%e = reshape(%r) {shape=(1, 2, 3)}\n %y = avg_pool(%e) {kernel=(2, 1), stride=(1, 1)}",
    "batch_norm": "%y = batch_norm(%r; mean=g, var=h) {axis=1}",
    "concat": "%y = concat(%r, %r)",
    "conv1d": "%y = conv1d(%r; weight=w)",
    "conv2d": "%e = reshape(%r) {shape=(2, 3, 1)}\n %y = conv2d(%e; weight=k)",
    "exp": "%y = exp(%r)",
    "expand": "%e = reshape(%r) {shape=(2, 3, 1)}\n %y = expand(%e) {shape=(2, 3, 5)}",
    "gelu": "%y = gelu(%r)",
    "layer_norm": "%y = layer_norm(%r; weight=g)",
    "linear": "%y = linear(%r; weight=m)",
    "matmul": "%y = matmul(%r, %r) {transpose_b=True}",
    "max_pool": "%e = reshape(%r) {shape=(1, 2, 3)}\n %y = max_pool(%e) {kernel=(2, 1), stride=(1, 1)}",
    "mean": "%y = mean(%r)",
    "mul": "%y = mul(%r, %r)",
    "multi_level_spike": "%y = multi_level_spike(%r)",
    "pad": "%y = pad(%r) {before=(0, 1), after=(2, 0)}",
    "reshape": "%y = reshape(%r) {shape=(6,)}",
    "scale": "%y = scale(%r) {factor=-2.0}",
    "slice": "%y = slice(%r) {axis=1, start=1, stop=3}",
    "softmax": "%y = softmax(%r) {axis=1}",
    "sum": "%y = sum(%r) {axes=(1,)}",
    "sum_pool": "%e = reshape(%r) {shape=(1, 2, 3)}\n %y = sum_pool(%e)",
    "threshold": "%y = threshold(%r; v_threshold=vth)",
    "transpose": "%y = transpose(%r) {axes=(1, 0)}",
    "upsample": "%e = reshape(%r) {shape=(2, 3, 1)}\n %y = upsample(%e) {factors=(1, 2)}",
}


WEIGHTS = {"g": (3,), "h": weight_of(np.array([0.5, 1.0, 2.0])), "w": (3, 2, 1), "k": (3, 2, 2, 1), "m": (4, 3)}


def test_every_op_without_a_state_has_a_case():
    assert set(MOVED_BEHIND) == {op.mnemonic for op in TIME_FREE}


@pytest.mark.parametrize("case", MOVED_BEHIND)
def test_moves_behind_every_op_without_a_state(case, make_graph, assert_same):
    lines = f"graph(%a: real once [2,3]) steps 3\n %r = repeat(%a)\n {MOVED_BEHIND[case]}"
    text = f"{lines}\n %q = lif(%y; tau=tau, v_threshold=vth)\n return %q"
    before = make_graph(text, **NEURON | {"vth": 0.2}, **{n: w for n, w in WEIGHTS.items() if f"={n}" in lines})
    after = HoistRepeat()(before)
    assert after.types["y"].timing is Timing.ONCE
    assert_same(before, after, exact=True)
    assert HoistRepeat()(after) is after
    back = RepeatFirst()(after)
    assert back.text().replace("%a.repeat", "%r") == before.text()
    assert_same(after, back, exact=True)
    assert RepeatFirst()(back) is back


def test_a_delay_follows_a_repeat_that_goes_behind_its_operand(make_graph, assert_same):
    before = make_graph(
        """
        graph(%a: real once [4]) steps 3
        %d = delay(%y; steps=one) : real step [4]
        %r = repeat(%a)
        %y = scale(%r) {factor=2.0}
        %q = lif(%d; tau=tau, v_threshold=vth)
        return %q
        """,
        one=1.0,
        **NEURON,
    )
    after = HoistRepeat()(before)
    assert after.node("d").inputs == ("r",)
    assert after.types["y"].timing is Timing.ONCE
    assert_same(before, after, exact=True)
    assert HoistRepeat()(after) is after


LEFT_ALONE = {
    "a neuron follows": "%q = lif(%r; tau=tau, v_threshold=vth)\n return %q",
    "two users": "%s = scale(%r) {factor=0.5}\n %y = add(%s, %r)\n %q = lif(%y; tau=tau, v_threshold=vth)\n return %q",
    "an output": "%s = scale(%r) {factor=0.5}\n %q = lif(%s; tau=tau, v_threshold=vth)\n return %q, %r",
    "an operand per step": "%y = add(%r, %x)\n %q = lif(%y; tau=tau, v_threshold=vth)\n return %q",
    "a reduction over time": "%m = time_mean(%r)\n %q = lif(%x; tau=tau, v_threshold=vth)\n return %m, %q",
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    text = f"graph(%a: real once [4], %x: real step [4]) steps 2\n %r = repeat(%a)\n {LEFT_ALONE[case]}"
    graph = make_graph(text, **NEURON)
    assert HoistRepeat()(graph) is graph
