"""time-mean-last: text before and after, the same numbers, and what it leaves alone."""

import numpy as np
import pytest

from passes.time_mean_last import AFFINE, TimeMeanLast
from spikec.ir.types import Timing, weight_of

NEURON = {"tau": 2.0, "vth": 0.5}
HEADER = "graph(%x: spike step [2,4]) steps 5"
LIF = "%q = lif(%x; tau=tau, v_threshold=vth) @lif"


def test_moves_behind_the_head(make_graph, assert_same):
    before = make_graph(
        f"""
        {HEADER}
        {LIF}
        %t = time_mean(%q)
        %m = mean(%t)
        %h = linear(%m; weight=w, bias=b) @head
        return %h
        """,
        w=(3, 4),
        b=(3,),
        **NEURON,
    )
    after = TimeMeanLast()(before)
    assert after.text().splitlines() == [
        HEADER,
        LIF,
        "%m = mean(%q)",
        "%h = linear(%m; bias=b, weight=w) @head",
        "%t = time_mean(%h)",
        "return %t",
    ]
    assert_same(before, after)
    assert TimeMeanLast()(after) is after


def test_the_spikformers_head_runs_at_every_step(make_spikformer, assert_same):
    for seed in range(3):
        before = make_spikformer(seed)
        after = TimeMeanLast()(before)
        assert after.types["head"].timing is Timing.STEP
        assert after.outputs == ("time_mean",)
        assert_same(before, after)
        assert TimeMeanLast()(after) is after


def test_two_means_become_one_behind_an_add(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n{LIF}\n%a = time_mean(%q)\n%b = time_mean(%x)\n%y = add(%a, %b)\nreturn %y", **NEURON
    )
    after = TimeMeanLast()(before)
    assert [node.name for node in after.nodes] == ["q", "y", "a"]
    assert_same(before, after)


MOVED_BEHIND = {
    "add": "%u = time_mean(%x)\n %y = add(%t, %u)",
    "avg_pool": "%e = reshape(%t) {shape=(1, 2, 4)}\n %y = avg_pool(%e)",
    "batch_norm": "%y = batch_norm(%t; mean=g, var=h) {axis=1}",
    "concat": "%u = time_mean(%x)\n %y = concat(%t, %u)",
    "conv1d": "%y = conv1d(%t; weight=w, bias=b)",
    "conv2d": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = conv2d(%e; weight=k)",
    "expand": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = expand(%e) {shape=(2, 4, 3)}",
    "linear": "%y = linear(%t; weight=m, bias=b)",
    "mean": "%y = mean(%t)",
    "pad": "%y = pad(%t) {before=(0, 1), after=(2, 0)}",
    "reshape": "%y = reshape(%t) {shape=(8,)}",
    "scale": "%y = scale(%t) {factor=-2.0}",
    "slice": "%y = slice(%t) {axis=1, start=1, stop=4, step=2}",
    "sum": "%y = sum(%t) {axes=(1,)}",
    "sum_pool": "%e = reshape(%t) {shape=(1, 2, 4)}\n %y = sum_pool(%e)",
    "transpose": "%y = transpose(%t) {axes=(1, 0)}",
    "upsample": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = upsample(%e)",
}
WEIGHTS = {"b": (3,), "g": (4,), "h": weight_of(np.array([0.5, 1.0, 2.0, 4.0]))}
WEIGHTS |= {"w": (3, 2, 1), "k": (3, 2, 2, 1), "m": (3, 4)}


def test_every_affine_op_has_a_case():
    assert set(MOVED_BEHIND) == {op.mnemonic for op in AFFINE}


@pytest.mark.parametrize("case", MOVED_BEHIND)
def test_moves_behind_every_affine_op(case, make_graph, assert_same):
    text = f"{HEADER}\n{LIF}\n %t = time_mean(%q)\n {MOVED_BEHIND[case]}\n return %y"
    before = make_graph(text, **NEURON, **{n: w for n, w in WEIGHTS.items() if f"={n}" in MOVED_BEHIND[case]})
    after = TimeMeanLast()(before)
    assert after.types["y"].timing is Timing.STEP
    assert after.outputs == ("t",)
    assert_same(before, after)
    assert TimeMeanLast()(after) is after


LEFT_ALONE = {
    "last already": "%t = time_mean(%q)\n return %t",
    "an op that is not affine": "%t = time_mean(%q)\n %p = threshold(%t; v_threshold=vth)\n return %p",
    "a product": "%t = time_mean(%q)\n %p = mul(%t, %t)\n return %p",
    "another user": "%t = time_mean(%q)\n %s = scale(%t) {factor=0.5}\n %y = add(%s, %t)\n return %y",
    "an output": "%t = time_mean(%q)\n %s = scale(%t) {factor=0.5}\n return %s, %t",
    "a sum over time": "%t = time_sum(%q)\n %s = scale(%t) {factor=0.5}\n return %s",
    "the last step": "%t = time_last(%q)\n %s = scale(%t) {factor=0.5}\n return %s",
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    graph = make_graph(f"{HEADER}\n{LIF}\n{LEFT_ALONE[case]}", **NEURON)
    assert TimeMeanLast()(graph) is graph
