"""decompose-groups: text before and after, the same numbers, the same counts, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.registry import load
from passes.decompose_groups import DecomposeGroups
from spikec.cost import Policy
from spikec.ir.linear import Conv1d, Conv2d
from spikec.ir.types import IntFormat, Role, Weight, weight_of
from spikec.tasks.pricing import price

NEURON = {"tau": 2.0, "vth": 0.25}
HEADER = "graph(%x: spike step [4,5,5]) steps 3"
LIF = "%q = lif(%c; tau=tau, v_threshold=vth) @lif"


def test_becomes_slices_convolutions_and_a_concat(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n%c = conv2d(%x; weight=w, bias=b) {{padding=(1, 1), groups=2}} @dw\n{LIF}\nreturn %q",
        w=(6, 2, 3, 3),
        b=weight_of(np.linspace(-1.5, 1, 6)),
        **NEURON,
    )
    after = DecomposeGroups()(before)
    assert after.text().splitlines() == [
        HEADER,
        "%c.0.slice = slice(%x) {stop=2} @dw",
        "%c.0 = conv2d(%c.0.slice; bias=c.0.bias, weight=c.0.weight) {padding=(1, 1)} @dw",
        "%c.1.slice = slice(%x) {start=2, stop=4} @dw",
        "%c.1 = conv2d(%c.1.slice; bias=c.1.bias, weight=c.1.weight) {padding=(1, 1)} @dw",
        "%c = concat(%c.0, %c.1) @dw",
        LIF,
        "return %q",
    ]
    np.testing.assert_array_equal(after.weights["c.1.weight"].array, before.weights["w"].array[3:])
    np.testing.assert_array_equal(after.weights["c.1.bias"].array, before.weights["b"].array[3:])
    assert after.parameters == before.parameters
    assert_same(before, after)
    assert DecomposeGroups()(after) is after


def dyadic(*shape):
    """Weights whose sums are exact in any order."""
    return weight_of(np.random.default_rng(5).integers(-8, 9, shape) / 16)


CONVOLUTIONS = {
    "depthwise": ("[4,5,5]", "conv2d", "groups=4, padding=(1, 1)", (4, 1, 3, 3)),
    "depthwise of two outputs": ("[3,5,5]", "conv2d", "groups=3, stride=(2, 1)", (6, 1, 2, 3)),
    "groups of three": ("[6,4,5]", "conv2d", "groups=2, dilation=(1, 2), padding=(0, 2)", (4, 3, 2, 3)),
    "one axis": ("[6,7]", "conv1d", "groups=3, stride=(2,)", (3, 2, 3)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_sums_are_the_same_bit_for_bit_where_they_are_exact(case, bias, make_graph, assert_same):
    shape, kind, fields, weight = CONVOLUTIONS[case]
    given = {"w": dyadic(*weight), **({"b": dyadic(weight[0])} if bias else {})}
    before = make_graph(
        f"""
        graph(%x: spike step {shape}) steps 4
        %c = {kind}(%x; weight=w{", bias=b" if bias else ""}) {{{fields}}}
        {LIF}
        return %q, %c
        """,
        **given,
        **NEURON,
    )
    after = DecomposeGroups()(before)
    assert all(node.op.groups == 1 for node in after.nodes_of(Conv1d, Conv2d))
    assert after.types["c"] == before.types["c"]
    assert_same(before, after, exact=True)
    assert DecomposeGroups()(after) is after


def test_formats_and_roles_stay(make_graph):
    codes = Weight(np.arange(-18, 18, dtype=np.int8).reshape(4, 1, 3, 3), Role.CONSTANT, IntFormat(8, 0.25))
    before = make_graph(f"{HEADER}\n%c = conv2d(%x; weight=w) {{groups=4}}\nreturn %c", w=codes)
    after = DecomposeGroups()(before)
    for group in range(4):
        part = after.weights[f"c.{group}.weight"]
        assert part.same_as(replace(codes, array=codes.array[group : group + 1]))


def test_a_shared_weight_stays_shared(make_graph, assert_same):
    before = make_graph(
        f"""
        {HEADER}
        %a = conv2d(%x; weight=w) {{groups=2, padding=(1, 1)}}
        %c = conv2d(%a; weight=w) {{groups=2}}
        {LIF}
        return %q
        """,
        w=(4, 2, 3, 3),
        **NEURON,
    )
    after = DecomposeGroups()(before)
    assert after.node("c.1").weights == after.node("a.1").weights == {"weight": "a.1.weight"}
    assert after.parameters == before.parameters
    assert_same(before, after)


def test_a_weight_that_is_cut_two_ways(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: spike step [4,5,5], %z: spike step [2,5,5]) steps 3
        %a = conv2d(%x; weight=w) {groups=4, padding=(1, 1)}
        %b = conv2d(%z; weight=w) {groups=2, padding=(1, 1)}
        %c = add(%a, %b)
        %q = lif(%c; tau=tau, v_threshold=vth)
        return %q
        """,
        w=(4, 1, 3, 3),
        **NEURON,
    )
    after = DecomposeGroups()(before)
    assert sorted(after.weights) == ["a.0.weight", "a.1.weight", "a.2.weight", "a.3.weight", "b.0.weight",
                                     "b.1.weight", "tau", "vth"]  # fmt: skip
    assert_same(before, after)


@pytest.mark.parametrize("policy", [Policy(), Policy(zero_weights="skip"), Policy(counting="rate")])
def test_every_count_stays(policy, make_graph):
    before = make_graph(
        f"{HEADER}\n%c = conv2d(%x; weight=w) {{padding=(1, 1), groups=2}}\n{LIF}\nreturn %q", w=(6, 2, 3, 3), **NEURON
    )
    inputs = np.random.default_rng(0).integers(0, 2, (5, 3, 4, 5, 5)).astype(np.float32)
    own, other = (price(g, inputs, 3, load("45nm"), policy) for g in (before, DecomposeGroups()(before)))
    assert own.energy_pj > 0
    assert other.energy_pj == pytest.approx(own.energy_pj, rel=1e-12)


def test_leaves_one_group_alone(make_graph):
    graph = make_graph(f"{HEADER}\n%c = conv2d(%x; weight=w)\n{LIF}\nreturn %q", w=(6, 4, 3, 3), **NEURON)
    assert DecomposeGroups()(graph) is graph
