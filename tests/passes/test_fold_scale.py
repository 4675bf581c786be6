"""fold-scale: text before and after, the same spikes for every convention, and what it leaves alone."""

import numpy as np
import pytest

from passes.algebra import HOMOGENEOUS
from passes.fold_scale import FoldScale
from spikec.ir.types import FLOAT64, IntFormat, Role, Weight
from spikec.run.interp import Interpreter

SHARES = {"tau": 2.0, "a": 0.9, "b": 0.6, "w": 0.3}
VOLTAGES = {"vth": 0.5, "vr": -0.25, "vl": 0.125, "v0": 0.0625, **SHARES}
HEADER = "graph(%x: int(0,3) step [2,4]) steps 5"


def test_folds_into_the_threshold(make_graph, assert_same):
    before = make_graph(
        f"""
        {HEADER}
        %s = scale(%x) {{factor=0.25}} @attn
        %r = reshape(%s) {{shape=(4, 2)}} @attn
        %q = lif(%r; tau=tau, v_threshold=vth) @attn.lif
        return %q
        """,
        vth=0.5,
        tau=2.0,
    )
    after = FoldScale()(before)
    assert after.text().splitlines() == [
        HEADER,
        "%r = reshape(%x) {shape=(4, 2)} @attn",
        "%q = lif(%r; tau=tau, v_threshold=vth) @attn.lif",
        "return %q",
    ]
    assert after.weights["vth"].array == 2.0
    assert after.weights["vth"].format == FLOAT64
    assert_same(before, after, exact=True, membranes=False)
    assert FoldScale()(after) is after


NEURONS = {
    "lif": "lif(%s; tau=tau, v_threshold=vth, v_reset=vr, v_leak=vl, v0=v0)",
    "no input decay": "lif(%s; tau=tau, v_threshold=vth, v_reset=vr, v_leak=vl, v0=v0) {decay_input=False}",
    "soft reset": "lif(%s; tau=tau, v_threshold=vth, v_leak=vl, v0=v0) {reset='soft'}",
    "no reset": "lif(%s; tau=tau, v_threshold=vth, v_leak=vl, v0=v0) {reset='none'}",
    "strict and late": "lif(%s; tau=tau, v_threshold=vth, v_reset=vr) {fires_at='>', reset_delay=True}",
    "refractory": "lif(%s; tau=tau, v_threshold=vth, v_reset=vr) {refractory=1}",
    "if": "if(%s; v_threshold=vth, v_reset=vr, v0=v0) {reset='soft'}",
    "if with a hard reset": "if(%s; v_threshold=vth, v_reset=vr, v0=v0)",
    "threshold": "threshold(%s; v_threshold=vth)",
    "alpha": "alpha(%s; alpha=a, beta=b, v_threshold=vth)",
    "plif": "plif(%s; w=w, v_threshold=vth, v_leak=vl)",
    "cuba": "cuba_lif(%s; alpha=a, beta=b, v_threshold=vth, v_reset=vr, i0=v0)",
}


@pytest.mark.parametrize("factor", [0.125, 4.0, 0.3])
@pytest.mark.parametrize("case", NEURONS)
def test_every_convention_keeps_its_spikes(case, factor, make_graph, assert_same):
    text = f"graph(%x: real step [2,4]) steps 5\n%s = scale(%x) {{factor={factor}}}\n%q = {NEURONS[case]}\nreturn %q"
    # Voltages in units of what the scale gives, so that every neuron is live.
    given = {name: value * (1 if name in SHARES else factor) for name, value in VOLTAGES.items()}
    before = make_graph(text, **{name: value for name, value in given.items() if f"={name}" in text})
    after = FoldScale()(before)
    assert [node.name for node in after.nodes] == ["q"]
    assert_same(before, after, membranes=False)


BETWEEN = {
    "avg_pool": "%y = avg_pool(%s)",
    "expand": "%e = reshape(%s) {shape=(1, 4, 4)}\n %y = expand(%e) {shape=(3, 4, 4)}",
    "matmul": "%y = matmul(%s, %k)",
    "max_pool": "%y = max_pool(%s) {padding=(1, 1)}",
    "mean": "%y = mean(%s) {axes=(1,)}",
    "pad": "%y = pad(%s) {before=(0, 1, 0), after=(0, 0, 1)}",
    "reshape": "%y = reshape(%s) {shape=(16,)}",
    "scale": "%y = scale(%s) {factor=-1.0}",
    "slice": "%y = slice(%s) {axis=1, start=1, stop=3}",
    "sum": "%y = sum(%s) {axes=(1, 2)}",
    "sum_pool": "%y = sum_pool(%s)",
    "transpose": "%y = transpose(%s) {axes=(0, 2, 1)}",
    "upsample": "%y = upsample(%s)",
}


def test_every_homogeneous_op_has_a_case():
    assert set(BETWEEN) == {op.mnemonic for op in HOMOGENEOUS}


@pytest.mark.parametrize("case", BETWEEN)
def test_passes_every_homogeneous_op(case, make_graph, assert_same):
    before = make_graph(
        f"""
        graph(%x: real step [1,4,4], %k: spike step [1,4,4]) steps 5
        %s = scale(%x) {{factor=0.25}}
        {BETWEEN[case]}
        %q = if(%y; v_threshold=vth)
        return %q
        """,
        vth=0.0625,
    )
    after = FoldScale()(before)
    assert after.weights["vth"].array == 0.25
    assert_same(before, after, exact=True, membranes=False)
    assert FoldScale()(after) is after


def test_the_membrane_becomes_itself_over_the_factor(make_graph):
    before = make_graph(
        f"{HEADER}\n%s = scale(%x) {{factor=0.5}}\n%q = lif(%s; tau=tau, v_threshold=vth)\nreturn %q", vth=1.0, tau=2.0
    )
    data = {"x": np.random.default_rng(0).integers(0, 4, (5, 3, 2, 4))}
    own, folded = (Interpreter().run(graph, data, keep=["q", "q.v"]) for graph in (before, FoldScale()(before)))
    assert own["q"].sum() > 0
    assert folded["q.v"].equal(own["q.v"] / 0.5)


def test_two_scales_before_one_neuron(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n%s = scale(%x) {{factor=0.5}}\n%t = scale(%s) {{factor=0.25}}\n"
        "%q = if(%t; v_threshold=vth)\nreturn %q",
        vth=0.5,
    )
    after = FoldScale()(before)
    assert after.weights["vth"].array == 4.0
    assert_same(before, after, exact=True, membranes=False)
    assert FoldScale()(after) is after


def test_a_threshold_that_others_use_stays_what_it_is(make_graph, assert_same):
    before = make_graph(
        f"""
        {HEADER}
        %s = scale(%x) {{factor=0.5}}
        %q = if(%s; v_threshold=vth) @one
        %p = if(%x; v_threshold=vth) @two
        return %q, %p
        """,
        vth=2.0,
    )
    after = FoldScale()(before)
    assert after.node("q").weights == {"v_threshold": "one.v_threshold"}
    assert after.node("p").weights == {"v_threshold": "vth"}
    assert_same(before, after, exact=True, membranes=False)


def test_the_spikformers_scale_goes_into_its_attention_threshold(make_spikformer, assert_same):
    for seed in range(3):
        before = make_spikformer(seed)
        after = FoldScale()(before)
        assert after.weights["blocks.0.attn.attn_lif.v_threshold"].array == 2.0
        assert len(after.nodes) == len(before.nodes) - 1
        assert_same(before, after, exact=True, membranes=False)
        assert FoldScale()(after) is after


NEURON = "%q = lif(%s; tau=tau, v_threshold=vth)"
LEFT_ALONE = {
    "an op that is not homogeneous": f"%y = gelu(%s)\n {NEURON.replace('%s', '%y')}\n return %q",
    "one piece of several": f"%y = concat(%s, %x)\n {NEURON.replace('%s', '%y')}\n return %q",
    "an integer neuron": f"%y = multi_level_spike(%s)\n {NEURON.replace('%s', '%y')}\n return %q",
    "no neuron": f"%y = add(%s, %s)\n {NEURON.replace('%s', '%y')}\n return %q",
    "another user": f"{NEURON}\n %y = add(%s, %q)\n return %y",
    "an output": f"{NEURON}\n return %q, %s",
    "a negative factor": f"{NEURON}\n return %q",
    "a neuron that rounds": NEURON.replace("tau=tau", "beta=tau")
    + " {decay_input=False, rounding='floor'}\n return %q",
    "a membrane that is an output": f"{NEURON}\n return %q, %q.v",
    "a membrane that a node takes": f"{NEURON}\n %y = add(%q, %q.v)\n return %y",
    "both operands": f"%m = matmul(%s, %s) {{transpose_b=True}}\n {NEURON.replace('%s', '%m')}\n return %q",
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    factor = -0.5 if case == "a negative factor" else 0.5
    graph = make_graph(f"{HEADER}\n%s = scale(%x) {{factor={factor}}}\n{LEFT_ALONE[case]}", vth=1.0, tau=2.0)
    assert FoldScale()(graph) is graph


def test_leaves_fixed_point_alone(make_graph):
    vth = Weight(np.asarray(64, np.int16), Role.CONSTANT, IntFormat(16))
    graph = make_graph(f"{HEADER}\n%s = scale(%x) {{factor=0.5}}\n{NEURON}\nreturn %q", vth=vth, tau=2.0)
    assert FoldScale()(graph) is graph
