"""time-reductions-last: text before and after, the same numbers, and what it leaves alone."""

import numpy as np
import pytest
import torch

from passes.algebra import ADDITIVE, AFFINE, STORED, TIME_FREE
from passes.time_reductions_last import TimeReductionsLast
from spikec.ir.types import Timing, weight_of
from spikec.run.interp import Interpreter

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
    after = TimeReductionsLast()(before)
    assert after.text().splitlines() == [
        HEADER,
        LIF,
        "%m = mean(%q)",
        "%h = linear(%m; bias=b, weight=w) @head",
        "%t = time_mean(%h)",
        "return %t",
    ]
    assert_same(before, after)
    assert TimeReductionsLast()(after) is after


def test_the_spikformers_head_runs_at_every_step(make_spikformer, assert_same):
    for seed in range(3):
        before = make_spikformer(seed)
        after = TimeReductionsLast()(before)
        assert after.types["head"].timing is Timing.STEP
        assert after.outputs == ("time_mean",)
        assert_same(before, after)
        assert TimeReductionsLast()(after) is after


def test_two_means_become_one_behind_an_add(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n{LIF}\n%a = time_mean(%q)\n%b = time_mean(%x)\n%y = add(%a, %b)\nreturn %y", **NEURON
    )
    after = TimeReductionsLast()(before)
    assert [node.name for node in after.nodes] == ["q", "y", "a"]
    assert_same(before, after)


def test_a_sum_and_a_last_step_go_behind_their_heads(make_graph):
    before = make_graph(
        f"""
        {HEADER}
        {LIF}
        %s = time_sum(%q)
        %a = linear(%s; weight=w) @count
        %m = time_last(%q.v)
        %b = linear(%m; weight=w, bias=b) @readout
        %p = softmax(%b) {{axis=1}}
        return %a, %p
        """,
        w=(3, 4),
        b=(3,),
        **NEURON,
    )
    after = TimeReductionsLast()(before)
    assert after.text().splitlines() == [
        HEADER,
        LIF,
        "%a = linear(%q; weight=w) @count",
        "%s = time_sum(%a)",
        "%b = linear(%q.v; bias=b, weight=w) @readout",
        "%p = softmax(%b) {axis=1}",
        "%m = time_last(%p)",
        "return %s, %m",
    ]
    data = {"x": np.random.default_rng(0).integers(0, 2, (5, 6, 2, 4))}
    expected, found = (Interpreter().run(graph, data) for graph in (before, after))
    torch.testing.assert_close(found["s"], expected["a"], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found["m"], expected["p"], rtol=0, atol=0)
    assert expected["a"].abs().sum() > 0
    assert TimeReductionsLast()(after) is after


OPS = {
    "add": "%u = REDUCED(%x)\n %y = add(%t, %u)",
    "avg_pool": "%e = reshape(%t) {shape=(1, 2, 4)}\n %y = avg_pool(%e)",
    "batch_norm": "%y = batch_norm(%t; mean=g, var=h) {axis=1}",
    "concat": "%u = REDUCED(%x)\n %y = concat(%t, %u)",
    "conv1d": "%y = conv1d(%t; weight=w)",
    "conv2d": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = conv2d(%e; weight=k)",
    "exp": "%y = exp(%t)",
    "expand": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = expand(%e) {shape=(2, 4, 3)}",
    "gelu": "%y = gelu(%t)",
    "layer_norm": "%y = layer_norm(%t; weight=g)",
    "linear": "%y = linear(%t; weight=m)",
    "matmul": "%u = REDUCED(%x)\n %y = matmul(%t, %u) {transpose_b=True}",
    "max_pool": "%e = reshape(%t) {shape=(1, 2, 4)}\n %y = max_pool(%e) {kernel=(2, 1), stride=(1, 1)}",
    "mean": "%y = mean(%t)",
    "mul": "%u = REDUCED(%x)\n %y = mul(%t, %u)",
    "multi_level_spike": "%y = multi_level_spike(%t)",
    "pad": "%y = pad(%t) {before=(0, 1), after=(2, 0)}",
    "reshape": "%y = reshape(%t) {shape=(8,)}",
    "scale": "%y = scale(%t) {factor=-2.0}",
    "slice": "%y = slice(%t) {axis=1, start=1, stop=4, step=2}",
    "softmax": "%y = softmax(%t) {axis=1}",
    "sum": "%y = sum(%t) {axes=(1,)}",
    "sum_pool": "%e = reshape(%t) {shape=(1, 2, 4)}\n %y = sum_pool(%e)",
    "threshold": "%y = threshold(%t; v_threshold=vth)",
    "transpose": "%y = transpose(%t) {axes=(1, 0)}",
    "upsample": "%e = reshape(%t) {shape=(2, 4, 1)}\n %y = upsample(%e)",
}
BIASED = {op: OPS[op].replace("weight", "bias=b, weight") for op in ("conv1d", "conv2d", "linear")}
WEIGHTS = {"b": (3,), "g": (4,), "h": weight_of(np.array([0.5, 1.0, 2.0, 4.0]))}
WEIGHTS |= {"w": (3, 2, 1), "k": (3, 2, 2, 1), "m": (3, 4)}
BEHIND = {
    "time_mean": {op: OPS[op] for op in (kind.mnemonic for kind in AFFINE)}
    | {f"biased {op}": BIASED[op] for op in BIASED},
    "time_sum": {op: OPS[op] for op in (kind.mnemonic for kind in (*ADDITIVE, *STORED))},
    "time_last": OPS | {f"biased {op}": BIASED[op] for op in BIASED},
}
"""Each reduction, and what it goes behind."""


def test_every_op_without_a_state_has_a_case():
    assert set(OPS) == {op.mnemonic for op in TIME_FREE}


def reduced(make_graph, reduction, lines):
    """A graph of these lines, %t being the reduction of spikes."""
    text = f"{HEADER}\n{LIF}\n %t = REDUCED(%q)\n {lines}\n return %y"
    weights = {name: weight for name, weight in WEIGHTS.items() if f"={name}" in lines}
    return make_graph(text.replace("REDUCED", reduction), **NEURON, **weights)


CASES = [(kind, case) for kind, cases in BEHIND.items() for case in cases]


@pytest.mark.parametrize(("reduction", "case"), CASES)
def test_moves_behind_every_op_that_lets_it(reduction, case, make_graph):
    before = reduced(make_graph, reduction, BEHIND[reduction][case])
    after = TimeReductionsLast()(before)
    assert after.types["y"].timing is Timing.STEP
    assert after.outputs == ("t",)
    assert_same_output(before, after, exact=reduction == "time_last")
    assert TimeReductionsLast()(after) is after


def assert_same_output(before, after, exact):
    close = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-12, "atol": 1e-12}
    data = {"x": np.random.default_rng(0).integers(0, 2, (before.steps, 6, 2, 4))}
    expected, found = (Interpreter().run(graph, data, keep=[graph.outputs[0], "q"]) for graph in (before, after))
    assert 0.1 < expected["q"].mean() < 0.9
    assert len(expected["y"].unique()) > 1
    torch.testing.assert_close(found["t"], expected["y"], **close)


OTHERS = {
    (kind, case): text
    for kind, cases in BEHIND.items()
    for case, text in {**OPS, **{f"biased {op}": BIASED[op] for op in BIASED}}.items()
    if case not in cases
}


@pytest.mark.parametrize(("reduction", "case"), OTHERS)
def test_stays_before_every_other_op(reduction, case, make_graph):
    graph = reduced(make_graph, reduction, OTHERS[reduction, case])
    after = TimeReductionsLast()(graph)
    assert after.types["y"].timing is Timing.ONCE
    assert after.outputs == ("y",)


FORKS = {
    "time_mean": "linear(%n; weight=v, bias=b)",
    "time_sum": "linear(%n; weight=v)",
    "time_last": "softmax(%n) {axis=1}",
}


@pytest.mark.parametrize("reduction", FORKS)
def test_goes_behind_every_op_that_takes_it_and_stays_for_the_caller(reduction, make_graph):
    before = make_graph(
        f"""
        {HEADER}
        {LIF}
        %t = {reduction}(%q)
        %n = scale(%t) {{factor=0.5}}
        %one = {FORKS[reduction]} @one
        %two = linear(%n; weight=w) @two
        %y = add(%two, %n)
        return %t, %one, %y
        """,
        w=(4, 4),
        **({"v": (3, 4)} if "=v" in FORKS[reduction] else {}),
        **({"b": (3,)} if "=b" in FORKS[reduction] else {}),
        **NEURON,
    )
    after = TimeReductionsLast()(before)
    reduced = [(node.name, node.inputs[0]) for node in after.nodes if node.op.mnemonic == reduction]
    assert sorted(value for _, value in reduced) == ["one", "q", "y"]
    assert all(node.name not in after.outputs or node.op.mnemonic == reduction for node in after.nodes)
    data = {"x": np.random.default_rng(0).integers(0, 2, (5, 6, 2, 4))}
    expected, found = (Interpreter().run(graph, data) for graph in (before, after))
    for own, other in zip(before.outputs, after.outputs, strict=True):
        torch.testing.assert_close(found[other], expected[own], rtol=1e-12, atol=1e-12)
    assert TimeReductionsLast()(after) is after


LEFT_ALONE = {
    "last already": "%t = REDUCED(%q)\n return %t",
    "another user": "%t = REDUCED(%q)\n %s = scale(%t) {factor=0.5}\n %r = repeat(%t)\n return %s, %r",
    "an operand of no reduction": "%t = REDUCED(%q)\n %c = constant(; value=c)\n %y = add(%t, %c)\n return %y",
    "two kinds": "%t = REDUCED(%q)\n %u = OTHER(%q)\n %y = add(%t, %u)\n return %y",
    "what is repeated": "%t = REDUCED(%q)\n %r = repeat(%t)\n return %r",
}


@pytest.mark.parametrize("reduction", BEHIND)
@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, reduction, make_graph):
    other = next(kind for kind in BEHIND if kind != reduction)
    text = LEFT_ALONE[case].replace("REDUCED", reduction).replace("OTHER", other)
    graph = make_graph(f"{HEADER}\n{LIF}\n{text}", **NEURON, **({"c": (2, 4)} if "=c)" in text else {}))
    assert TimeReductionsLast()(graph) is graph
