"""merge-linears: text before and after, the same numbers, the same counts, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.registry import load
from passes.manager import run
from passes.merge_linears import MergeLinears
from spikec.cost import Policy
from spikec.ir.linear import Linear
from spikec.ir.types import IntFormat, Role, Weight, weight_of
from spikec.tasks.pricing import price

NEURON = {"tau": 2.0, "vth": 0.25}
HEADER = "graph(%x: spike step [3,4]) steps 3"
LIFS = "\n".join(f"%{name}q = lif(%{name}; tau=tau, v_threshold=vth) @attn.{name}_lif" for name in "qkv")
LINEARS = "\n".join(f"%{name} = linear(%x; weight={name}.w, bias={name}.b) @attn.{name}" for name in "qkv")


@pytest.fixture
def attention(make_graph):
    return make_graph(
        f"{HEADER}\n{LINEARS}\n{LIFS}\nreturn %qq, %kq, %vq",
        **{"q.w": (2, 4), "q.b": (2,), "k.w": (2, 4), "k.b": (2,), "v.w": (3, 4), "v.b": (3,)},
        **NEURON,
    )


def test_query_key_and_value_become_one(attention, assert_same):
    after = MergeLinears()(attention)
    assert after.text().splitlines() == [
        HEADER,
        "%attn.linear = linear(%x; bias=attn.linear.bias, weight=attn.linear.weight) @attn",
        "%q = slice(%attn.linear) {axis=1, stop=2} @attn.q",
        "%k = slice(%attn.linear) {axis=1, start=2, stop=4} @attn.k",
        "%v = slice(%attn.linear) {axis=1, start=4, stop=7} @attn.v",
        *LIFS.splitlines(),
        "return %qq, %kq, %vq",
    ]
    assert after.parameters == attention.parameters
    assert_same(attention, after)
    assert MergeLinears()(after) is after


def test_the_spikformers_three_linears_become_one(spikformer, assert_same):
    before = run(spikformer, ["fold-batchnorm"]).graph
    after = MergeLinears()(before)
    assert len(list(after.nodes_of(Linear))) == len(list(before.nodes_of(Linear))) - 2
    assert after.node("blocks.0.attn.linear").type.shape == (16, 24)
    assert after.node("blocks.0.attn.q_linear").op.mnemonic == "slice"
    assert_same(before, after)
    assert MergeLinears()(after) is after


CONVOLUTIONS = {
    "pointwise": ("[3,4,4]", "conv2d", "", (2, 3, 1, 1)),
    "of a larger window": ("[3,4,4]", "conv2d", "{padding=(1, 1), stride=(2, 1)}", (4, 3, 3, 2)),
    "one axis": ("[3,6]", "conv1d", "", (2, 3, 1)),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_are_merged_bit_for_bit_where_their_sums_are_exact(case, make_graph, assert_same):
    shape, kind, fields, size = CONVOLUTIONS[case]
    random = np.random.default_rng(4)
    before = make_graph(
        f"""
        graph(%x: spike step {shape}) steps 4
        %a = {kind}(%x; weight=a.w) {fields}
        %b = {kind}(%x; weight=b.w) {fields}
        %q = lif(%a; tau=tau, v_threshold=vth)
        return %q, %b
        """,
        **{name: weight_of(random.integers(-8, 9, size) / 16) for name in ("a.w", "b.w")},
        **NEURON,
    )
    after = MergeLinears()(before)
    assert [node.op.mnemonic for node in after.nodes] == [kind, "slice", "slice", "lif"]
    assert after.types["a"] == before.types["a"]
    assert_same(before, after, exact=True)
    assert MergeLinears()(after) is after


def test_fixed_point_stays_what_it_is(make_graph):
    codes = [Weight(np.full((2, 4), n, np.int8), Role.CONSTANT, IntFormat(8, 0.5)) for n in (3, 5)]
    text = f"{HEADER}\n%a = linear(%x; weight=w0)\n%b = linear(%x; weight=w1)\nreturn %a, %b"
    after = MergeLinears()(make_graph(text, w0=codes[0], w1=codes[1]))
    stacked = after.weights["a.merged.weight"]
    assert stacked.same_as(replace(codes[0], array=np.concatenate([code.array for code in codes])))


@pytest.mark.parametrize("policy", [Policy(), Policy(zero_weights="skip"), Policy(counting="rate")])
def test_every_count_stays(policy, attention):
    inputs = np.random.default_rng(0).integers(0, 2, (5, 3, 3, 4)).astype(np.float32)
    own, other = (price(g, inputs, 3, load("45nm"), policy) for g in (attention, MergeLinears()(attention)))
    assert own.energy_pj > 0
    assert other.energy_pj == pytest.approx(own.energy_pj, rel=1e-12)


HALF = Weight(np.zeros((2, 4), np.float32), Role.CONSTANT)
LEFT_ALONE = {
    "one linear op": ("%a = linear(%x; weight=w)\n return %a", {"w": (2, 4)}),
    "two values": (
        "%a = linear(%x; weight=w)\n %s = scale(%x) {factor=2.0}\n %b = linear(%s; weight=u)\n return %a, %b",
        {"w": (2, 4), "u": (2, 4)},
    ),
    "a bias and none": (
        "%a = linear(%x; weight=w)\n %b = linear(%x; weight=u, bias=ub)\n return %a, %b",
        {"w": (2, 4), "u": (2, 4), "ub": (2,)},
    ),
    "another role": (
        "%a = linear(%x; weight=w)\n %b = linear(%x; weight=u)\n return %a, %b",
        {"w": (2, 4), "u": HALF},
    ),
    "another format": (
        "%a = linear(%x; weight=w)\n %b = linear(%x; weight=u)\n return %a, %b",
        {"w": (2, 4), "u": weight_of(np.ones((2, 4)))},
    ),
    "a shared weight": ("%a = linear(%x; weight=w)\n %b = linear(%x; weight=w)\n return %a, %b", {"w": (2, 4)}),
    "another window": (
        "%a = conv1d(%x; weight=w)\n %b = conv1d(%x; weight=u)\n return %a, %b",
        {"w": (2, 3, 1), "u": (2, 3, 3)},
    ),
    "another stride": (
        "%a = conv1d(%x; weight=w)\n %b = conv1d(%x; weight=u) {stride=(2,)}\n return %a, %b",
        {"w": (2, 3, 1), "u": (2, 3, 1)},
    ),
    "groups": (
        "%a = conv1d(%x; weight=w) {groups=3}\n %b = conv1d(%x; weight=u) {groups=3}\n return %a, %b",
        {"w": (3, 1, 1), "u": (3, 1, 1)},
    ),
    "another op": (
        "%a = conv1d(%x; weight=w)\n %b = linear(%x; weight=u)\n return %a, %b",
        {"w": (2, 3, 1), "u": (2, 4)},
    ),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    lines, weights = LEFT_ALONE[case]
    graph = make_graph(f"{HEADER}\n{lines}", **weights)
    assert MergeLinears()(graph) is graph
