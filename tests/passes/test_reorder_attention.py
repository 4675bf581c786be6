"""reorder-attention: text before and after, the same bits in both orders, and what it leaves alone."""

import pytest

from passes.canonicalise import Canonicalise
from passes.reorder_attention import ReorderAttention
from spikec.errors import UsageError
from spikec.ir.types import Int

NEURON = {"tau": 2.0, "vth": 0.5}
HEADER = "graph(%q: spike step [2,6,3], %k: spike step [2,6,3], %v: spike step [2,6,3]) steps 3"
QK = """
    %s = matmul(%q, %k) {transpose_b=True} @attn
    %f = scale(%s) {factor=FACTOR} @attn
    %y = matmul(%f, %v) @attn
    """
KV = """
    %s = matmul(%k, %v) {transpose_a=True} @attn
    %y = matmul(%q, %s) @attn
    %f = scale(%y) {factor=FACTOR} @attn
    """


def attention(make_graph, lines, last, factor=0.25, header=HEADER):
    lif = f"%z = lif(%{last}; tau=tau, v_threshold=vth)"
    return make_graph(f"{header}\n{lines.replace('FACTOR', str(factor))}\n{lif}\nreturn %z, %{last}", **NEURON)


def test_qk_becomes_kv(make_graph, assert_same):
    before = attention(make_graph, QK, "y")
    after = ReorderAttention(order="kv")(before)
    assert after.text().splitlines() == [
        HEADER,
        "%s = matmul(%k, %v) {transpose_a=True} @attn",
        "%y = matmul(%q, %s) @attn",
        "%f = scale(%y) {factor=0.25} @attn",
        "%z = lif(%f; tau=tau, v_threshold=vth)",
        "return %z, %f",
    ]
    assert after.types["f"] == before.types["y"]
    assert_same(before, after, exact=True)
    assert ReorderAttention(order="kv")(after) is after


def test_kv_becomes_qk(make_graph, assert_same):
    before = attention(make_graph, KV, "f")
    after = ReorderAttention(order="qk")(before)
    assert after.text().splitlines() == [
        HEADER,
        "%s = matmul(%q, %k) {transpose_b=True} @attn",
        "%y = matmul(%s, %v) @attn",
        "%f = scale(%y) {factor=0.25} @attn",
        "%z = lif(%f; tau=tau, v_threshold=vth)",
        "return %z, %f",
    ]
    assert_same(before, after, exact=True)
    assert ReorderAttention(order="qk")(after) is after
    assert ReorderAttention(order="kv")(after).text() == before.text()


def test_each_order_leaves_itself_alone(make_graph):
    qk, kv = attention(make_graph, QK, "y"), attention(make_graph, KV, "f")
    assert ReorderAttention(order="qk")(qk) is qk
    assert ReorderAttention(order="kv")(kv) is kv


def test_a_scale_behind_is_exact_for_every_factor(make_graph, assert_same):
    before = attention(make_graph, KV, "f", factor=0.3)
    assert_same(before, ReorderAttention(order="qk")(before), exact=True)


def test_a_moved_scale_of_no_power_of_two_is_kept_to_rounding(make_graph, assert_same):
    # 0.31 keeps 0.31 n / 2 off the threshold: on the tie rounding may decide, as the docstring says.
    before = attention(make_graph, QK, "y", factor=0.31)
    assert_same(before, ReorderAttention(order="kv")(before))


TRANSPOSED = {
    "kv": """
        %s = matmul(%q, %k) {transpose_a=True}
        %y = matmul(%s, %v) {transpose_b=True}
        """,
    "qk": """
        %s = matmul(%q, %k) {transpose_b=True}
        %y = matmul(%v, %s) {transpose_a=True}
        """,
}


@pytest.mark.parametrize("order", TRANSPOSED)
def test_each_factor_keeps_its_own_transpose(order, make_graph, assert_same):
    header = "graph(%q: spike step [2,4,4], %k: spike step [2,4,4], %v: spike step [2,4,4]) steps 3"
    before = attention(make_graph, TRANSPOSED[order], "y", header=header)
    after = ReorderAttention(order=order)(before)
    assert after is not before
    assert_same(before, after, exact=True)


def test_the_spikformers_attention_in_both_orders(make_spikformer, assert_same):
    for seed in range(3):
        before = Canonicalise()(make_spikformer(seed))
        kv = ReorderAttention(order="kv")(before)
        assert kv.types["blocks.0.attn.matmul"].shape == (2, 4, 4)
        assert kv.types["blocks.0.attn.matmul"].domain == Int(0, 16)
        assert_same(before, kv, exact=True)
        qk = ReorderAttention(order="qk")(kv)
        assert qk.types["blocks.0.attn.matmul"].shape == (2, 16, 16)
        assert_same(before, qk, exact=True)


def test_four_factors_are_turned_until_none_nests_otherwise(make_graph, assert_same):
    header = HEADER.replace(") steps", ", %w: spike step [2,3,6]) steps")
    lines = "%s = matmul(%q, %w)\n %t = matmul(%s, %k)\n %y = matmul(%t, %w)"
    before = attention(make_graph, lines, "y", header=header)
    after = ReorderAttention(order="kv")(before)
    assert_same(before, after, exact=True)
    assert ReorderAttention(order="kv")(after) is after
    assert after.node("y").inputs[0] == "q"


LEFT_ALONE = {
    "a real operand": (HEADER.replace("%v: spike", "%v: real"), QK, "y"),
    "a factor that is not positive": (HEADER, QK.replace("FACTOR", "-0.5"), "y"),
    "integers beyond float32": (HEADER.replace("%v: spike", "%v: int(0,1000000)"), QK, "y"),
    "scores that others take": (HEADER, QK + "%u = threshold(%s; v_threshold=vth)\n", "u"),
    "scaled scores that others take": (HEADER, QK + "%u = threshold(%f; v_threshold=vth)\n", "u"),
    "scores read transposed": (
        HEADER,
        QK.replace("%y = matmul(%f, %v)", "%y = matmul(%f, %v) {transpose_a=True}"),
        "y",
    ),
    "the same scores twice": (HEADER, QK.replace("matmul(%f, %v)", "matmul(%f, %f)"), "y"),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    header, lines, last = LEFT_ALONE[case]
    graph = attention(make_graph, lines, last, header=header)
    assert ReorderAttention(order="kv")(graph) is graph


def test_an_output_between_is_left_alone(make_graph):
    text = f"{HEADER}\n{QK.replace('FACTOR', '0.5')}\nreturn %y, %f"
    graph = make_graph(text)
    assert ReorderAttention(order="kv")(graph) is graph


def test_an_unknown_order_is_refused():
    with pytest.raises(UsageError, match=r"'kv' or 'qk'"):
        ReorderAttention(order="vk")
