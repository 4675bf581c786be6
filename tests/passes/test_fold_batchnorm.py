"""fold-batchnorm: text before and after, the same numbers, and what it leaves alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from passes.fold_batchnorm import FoldBatchNorm, folded_before
from spikec.ir.edit import assemble
from spikec.ir.linear import BatchNorm
from spikec.ir.types import FLOAT64, IntFormat, Role, Weight, weight_of
from spikec.run.interp import Interpreter

NORM = {"g": (4,), "b": (4,), "m": (4,), "v": Weight(np.float32([0.5, 1.0, 1.5, 2.0]), Role.STATISTIC)}
NEURON = {"tau": 2.0, "vth": 1.0}


@pytest.fixture
def stem(make_graph):
    return make_graph(
        """
        graph(%image: real once [3,8,8]) steps 3
        %x = repeat(%image)
        %c = conv2d(%x; weight=c.weight) {padding=(1, 1)} @stem.conv
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) @stem.bn
        %q = lif(%n; tau=tau, v_threshold=vth) @stem.lif
        return %q
        """,
        **{"c.weight": (4, 3, 3, 3)},
        **NORM,
        **NEURON,
    )


def test_folds_into_the_conv_that_it_alone_follows(stem, assert_same):
    after = FoldBatchNorm()(stem)
    assert after.text().splitlines() == [
        "graph(%image: real once [3,8,8]) steps 3",
        "%x = repeat(%image)",
        "%c = conv2d(%x; bias=stem.conv.bias, weight=c.weight) {padding=(1, 1)} @stem.conv",
        "%q = lif(%c; tau=tau, v_threshold=vth) @stem.lif",
        "return %q",
    ]
    assert_same(stem, after)
    assert FoldBatchNorm()(after) is after


def test_folded_weights_are_float64_parameters(stem):
    after = FoldBatchNorm()(stem)
    for name in ("c.weight", "stem.conv.bias"):
        weight = after.weights[name]
        assert (weight.format, weight.array.dtype, weight.role) == (FLOAT64, np.float64, Role.PARAMETER)
    gain = stem.weights["g"].array.astype(float) / np.sqrt(stem.weights["v"].array.astype(float) + 1e-5)
    expected = stem.weights["c.weight"].array.astype(float) * gain[:, None, None, None]
    np.testing.assert_allclose(after.weights["c.weight"].array, expected, rtol=1e-15)


def test_the_spikformer_keeps_no_batch_norm(make_spikformer, assert_same):
    for seed in range(3):
        before = make_spikformer(seed)
        after = FoldBatchNorm()(before)
        assert not list(after.nodes_of(BatchNorm))
        assert len(after.nodes) == len(before.nodes) - 9
        assert_same(before, after)
        assert FoldBatchNorm()(after) is after


LINEARS = {
    "conv1d": ("[4,5]", "%c = conv1d(%x; weight=w, bias=wb) {padding=(1,)}", "", {"w": (4, 4, 3), "wb": (4,)}),
    "grouped": (
        "[4,5,5]",
        "%c = conv2d(%x; weight=w) {groups=2, stride=(2, 2)}",
        "",
        {"w": (4, 2, 3, 3)},
    ),
    "linear": ("[6,3]", "%c = linear(%x; weight=w, bias=wb)", "axis=1", {"w": (4, 3), "wb": (4,)}),
    "through transpose": (
        "[6,3]",
        "%l = linear(%x; weight=w)\n %c = transpose(%l) {axes=(1, 0)}",
        "axis=0",
        {"w": (4, 3)},
    ),
    "through transpose of three axes": (
        "[2,5,3]",
        "%l = linear(%x; weight=w)\n %c = transpose(%l) {axes=(2, 0, 1)}",
        "axis=0",
        {"w": (4, 3)},
    ),
    "through both": (
        "[4,4,4]",
        "%l = conv2d(%x; weight=w)\n %r = reshape(%l) {shape=(4, 16)}\n %c = transpose(%r) {axes=(1, 0)}",
        "axis=1",
        {"w": (4, 4, 1, 1)},
    ),
    "twice": (
        "[4,4]",
        "%l = linear(%x; weight=w)\n %c = batch_norm(%l; weight=g, bias=b, mean=m, var=v) {axis=1, eps=0.001}",
        "axis=1",
        {"w": (4, 4)},
    ),
}


@pytest.mark.parametrize("case", LINEARS)
def test_folds_into_every_linear_op(case, make_graph, assert_same):
    shape, lines, axis, weights = LINEARS[case]
    before = make_graph(
        f"""
        graph(%x: real step {shape}) steps 3
        {lines}
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) {{{axis}}}
        %q = lif(%n; tau=tau, v_threshold=vth)
        return %q, %n
        """,
        **weights,
        **NORM,
        **NEURON,
    )
    after = FoldBatchNorm()(before)
    assert not list(after.nodes_of(BatchNorm))
    assert_same(before, after)
    assert FoldBatchNorm()(after) is after


def test_folds_into_the_conv_that_alone_takes_it(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real step [4,6,6]) steps 3
        %s = lif(%x; tau=tau, v_threshold=vth) @block.lif
        %n = batch_norm(%s; weight=g, bias=b, mean=m, var=v) @block.bn
        %c = conv2d(%n; weight=w) {stride=(2, 2)} @block.conv
        %a = avg_pool(%s) @block.down
        %q = lif(%c; tau=tau, v_threshold=vth) @block.lif2
        return %q, %a
        """,
        seed=5,
        w=(3, 4, 3, 3),
        **NORM,
        **NEURON,
    )
    after = FoldBatchNorm()(before)
    assert after.text().splitlines() == [
        "graph(%x: real step [4,6,6]) steps 3",
        "%s = lif(%x; tau=tau, v_threshold=vth) @block.lif",
        "%c = conv2d(%s; bias=block.conv.bias, weight=w) {stride=(2, 2)} @block.conv",
        "%a = avg_pool(%s) @block.down",
        "%q = lif(%c; tau=tau, v_threshold=vth) @block.lif2",
        "return %q, %a",
    ]
    assert_same(before, after)
    assert FoldBatchNorm()(after) is after


TAKERS = {
    "conv1d": ("[4,5]", "axis=0", "%c = conv1d(%n; weight=w, bias=wb) {dilation=(2,)}", {"w": (3, 4, 2), "wb": (3,)}),
    "grouped": ("[4,5,5]", "axis=0", "%c = conv2d(%n; weight=w) {groups=2}", {"w": (6, 2, 3, 3)}),
    "depthwise": ("[4,5,5]", "axis=0", "%c = conv2d(%n; weight=w) {groups=4}", {"w": (8, 1, 3, 3)}),
    "linear": ("[6,4]", "axis=1", "%c = linear(%n; weight=w, bias=wb)", {"w": (3, 4), "wb": (3,)}),
    "through transpose": (
        "[4,2,6]",
        "axis=0",
        "%t = transpose(%n) {axes=(2, 1, 0)}\n %c = linear(%t; weight=w)",
        {"w": (3, 4)},
    ),
    "through both": (
        "[4,3,2]",
        "axis=0",
        "%r = reshape(%n) {shape=(4, 6)}\n %t = transpose(%r) {axes=(1, 0)}\n %c = linear(%t; weight=w)",
        {"w": (3, 4)},
    ),
    "twice": (
        "[6,4]",
        "axis=1",
        "%l = batch_norm(%n; weight=g, bias=b, mean=m, var=v) {axis=1, eps=0.01}\n %c = linear(%l; weight=w)",
        {"w": (3, 4)},
    ),
    "on both sides": (
        "[6,4]",
        "axis=1",
        "%l = linear(%n; weight=w)\n %c = batch_norm(%l; weight=g, bias=b, mean=m, var=v) {axis=1}",
        {"w": (4, 4)},
    ),
}


@pytest.mark.parametrize("case", TAKERS)
def test_folds_into_every_linear_op_behind_it(case, make_graph, assert_same):
    shape, axis, lines, weights = TAKERS[case]
    before = make_graph(
        f"""
        graph(%x: real step {shape}) steps 3
        %n = batch_norm(%x; weight=g, bias=b, mean=m, var=v) {{{axis}}}
        {lines}
        %q = lif(%c; tau=tau, v_threshold=vth)
        return %q, %c
        """,
        **weights,
        **NORM,
        **NEURON,
    )
    after = FoldBatchNorm()(before)
    assert not list(after.nodes_of(BatchNorm))
    assert_same(before, after)
    assert FoldBatchNorm()(after) is after


def test_the_linear_op_before_comes_first(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real step [6,4]) steps 3
        %c = linear(%x; weight=w) @one
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) {axis=1}
        %d = linear(%n; weight=u) @two
        return %d
        """,
        w=(4, 4),
        u=(4, 4),
        **NORM,
    )
    after = FoldBatchNorm()(before)
    assert after.node("c").weights == {"weight": "w", "bias": "one.bias"}
    assert after.node("d").weights == {"weight": "u"}
    assert_same(before, after)


@pytest.fixture
def padded(make_graph):
    """A BatchNorm before a convolution that pads; its shift is bias - gain * mean."""

    def make(bias):
        one = np.ones(4)
        norm = {"g": weight_of(2 * one), "m": weight_of(one, Role.STATISTIC), "v": weight_of(one, Role.STATISTIC)}
        text = """
            graph(%x: real step [4,5,5]) steps 3
            %n = batch_norm(%x; weight=g, bias=b, mean=m, var=v) {eps=0.0}
            %c = conv2d(%n; weight=w) {padding=(1, 1)}
            %q = lif(%c; tau=tau, v_threshold=vth)
            return %q, %c
            """
        return make_graph(text, w=(3, 4, 3, 3), b=weight_of(bias * one), **norm, **NEURON)

    return make


def test_a_conv_that_pads_takes_a_norm_without_shift(padded, assert_same):
    before = padded(bias=2.0)
    after = FoldBatchNorm()(before)
    assert [node.name for node in after.nodes] == ["c", "q"]
    assert "bias" not in after.node("c").weights
    assert_same(before, after)


def test_a_conv_that_pads_takes_no_norm_with_a_shift(padded):
    graph = padded(bias=3.0)
    assert FoldBatchNorm()(graph) is graph
    # What it would give: the same inside, and another sum wherever the window meets the padding.
    conv = graph.node("c")
    weights = folded_before(conv, graph.node("n"), graph)
    folded = assemble(
        graph.inputs,
        [replace(conv, inputs=("x",), weights={"weight": "w", "bias": "b"})],
        ("c",),
        {"w": weights["weight"], "b": weights["bias"]},
        graph.steps,
    )
    data = {"x": np.random.default_rng(0).normal(0, 1, (3, 2, 4, 5, 5))}
    own, other = (Interpreter().run(g, data, keep=["c"])["c"].numpy() for g in (graph, folded))
    np.testing.assert_allclose(other[..., 1:-1, 1:-1], own[..., 1:-1, 1:-1], rtol=0, atol=1e-12)
    border = np.ones((5, 5), bool)
    border[1:-1, 1:-1] = False
    assert (np.abs(other - own)[..., border] > 1e-3).all()


def test_a_norm_without_gain_and_bias(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real step [6,3]) steps 3
        %c = linear(%x; weight=w)
        %n = batch_norm(%c; mean=m, var=v) {axis=1}
        %q = lif(%n; tau=tau, v_threshold=vth)
        return %q, %n
        """,
        w=(4, 3),
        m=(4,),
        v=NORM["v"],
        **NEURON,
    )
    assert_same(before, FoldBatchNorm()(before))


def test_a_weight_that_others_use_stays_what_it_is(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real step [6,4]) steps 3
        %c = linear(%x; weight=w, bias=wb) @one
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) {axis=1}
        %d = linear(%x; weight=w, bias=wb) @two
        %y = add(%n, %d)
        %q = lif(%y; tau=tau, v_threshold=vth)
        return %q, %d
        """,
        w=(4, 4),
        wb=(4,),
        **NORM,
        **NEURON,
    )
    after = FoldBatchNorm()(before)
    assert after.node("c").weights == {"weight": "one.weight", "bias": "one.bias"}
    assert after.weights["w"].same_as(before.weights["w"])
    assert_same(before, after)


SOURCE = "%c = linear(%x; weight=w)"
LEFT_ALONE = {
    "another user": SimpleNamespace(lines=SOURCE, axis=1, more="%y = add(%n, %c)", out="%y"),
    "an output": SimpleNamespace(lines=SOURCE, axis=1, more="", out="%n, %c"),
    "another axis": SimpleNamespace(lines=SOURCE, axis=0, more="", out="%n"),
    "another user of a transpose between": SimpleNamespace(
        lines="%l = linear(%x; weight=w)\n %c = transpose(%l) {axes=(1, 0)}", axis=0, more="%y = add(%l, %n)", out="%y"
    ),
    "no linear op": SimpleNamespace(lines="%c = lif(%x; tau=tau, v_threshold=vth)", axis=1, more="", out="%n"),
    "an input": SimpleNamespace(lines="", axis=1, more="", out="%n"),
    "an add between": SimpleNamespace(lines="%l = linear(%x; weight=w)\n %c = add(%l, %x)", axis=1, more="", out="%n"),
    "another user than the linear op behind": SimpleNamespace(
        lines="", axis=1, more="%c = linear(%n; weight=w)\n %y = add(%c, %n)", out="%y"
    ),
    "an output before the linear op behind": SimpleNamespace(
        lines="", axis=1, more="%c = linear(%n; weight=w)", out="%c, %n"
    ),
    "another axis than the linear op behind": SimpleNamespace(
        lines="", axis=0, more="%c = linear(%n; weight=w)", out="%c"
    ),
    "an add before the linear op behind": SimpleNamespace(
        lines="", axis=1, more="%y = add(%n, %x)\n %c = linear(%y; weight=w)", out="%c"
    ),
    "channels mixed before the linear op behind": SimpleNamespace(
        lines="",
        axis=1,
        more="%t = transpose(%n) {axes=(1, 0)}\n %r = reshape(%t) {shape=(4, 4)}\n %c = linear(%r; weight=w)",
        out="%c",
    ),
    "channels mixed by a reshape": SimpleNamespace(
        lines="%l = linear(%x; weight=w)\n %t = transpose(%l) {axes=(1, 0)}\n %c = reshape(%t) {shape=(4, 4)}",
        axis=1,
        more="",
        out="%n",
    ),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    this = LEFT_ALONE[case]
    norm = f"batch_norm(%{'c' if this.lines else 'x'}; weight=g, bias=b, mean=m, var=v) {{axis={this.axis}}}"
    text = f"""
        graph(%x: real step [4,4]) steps 2
        {this.lines}
        %n = {norm}
        {this.more}
        return {this.out}
        """
    given = {"w": (4, 4), **NORM, **NEURON}
    graph = make_graph(text, **{name: value for name, value in given.items() if f"={name}" in text})
    assert FoldBatchNorm()(graph) is graph


def test_statistics_in_fixed_point_count_as_what_they_stand_for(make_graph):
    text = """
        graph(%x: real step [4,4]) steps 2
        %c = linear(%x; weight=w)
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) {axis=1}
        return %n
        """
    codes = np.array([3, -8, 5, 1], np.int8)
    norm = {
        **NORM,
        "m": Weight(codes, Role.STATISTIC, IntFormat(8, 0.25)),
        "v": weight_of(np.array([1.0, 2.0, 0.5, 1.5]), Role.STATISTIC),
    }
    fixed = make_graph(text, w=(4, 4), **norm)
    weights = {**fixed.weights, "m": weight_of(codes * 0.25, Role.STATISTIC)}
    after = FoldBatchNorm()(fixed)
    assert after is not fixed
    assert after.sha256 == FoldBatchNorm()(replace(fixed, weights=weights)).sha256


def test_leaves_fixed_point_alone(make_graph):
    weight = Weight(np.ones((4, 4), np.int8), Role.PARAMETER, IntFormat(8, 0.125))
    graph = make_graph(
        """
        graph(%x: real step [4,4]) steps 2
        %c = linear(%x; weight=w)
        %n = batch_norm(%c; weight=g, bias=b, mean=m, var=v) {axis=1}
        return %n
        """,
        w=weight,
        **NORM,
    )
    assert FoldBatchNorm()(graph) is graph
