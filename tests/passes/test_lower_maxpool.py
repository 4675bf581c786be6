"""lower-maxpool: text before and after, the same bits, and what it leaves alone."""

import pytest

from passes.lower_maxpool import LowerMaxPool
from spikec.ir.pools import MaxPool

HEADER = "graph(%x: DOMAIN TIMING [2,7,7]) steps 3"


def pooled(make_graph, domain="spike", timing="step", op="max_pool(%x)"):
    header = HEADER.replace("DOMAIN", domain).replace("TIMING", timing)
    return make_graph(f"{header}\n%p = {op} @pool\nreturn %p")


def test_becomes_a_sum_and_a_threshold(make_graph, assert_same):
    before = pooled(make_graph)
    after = LowerMaxPool()(before)
    assert after.text().splitlines() == [
        "graph(%x: spike step [2,7,7]) steps 3",
        "%p.sum_pool = sum_pool(%x) @pool",
        "%p = threshold(%p.sum_pool; v_threshold=pool.v_threshold) @pool",
        "return %p",
    ]
    assert after.weights["pool.v_threshold"].array == 0.5
    assert after.types["p"] == before.types["p"]
    assert_same(before, after, exact=True)
    assert LowerMaxPool()(after) is after


@pytest.mark.parametrize("window", ["kernel=(3, 3), padding=(1, 1)", "kernel=(2, 3), stride=(1, 2), padding=(1, 0)"])
@pytest.mark.parametrize("timing", ["step", "once"])
def test_windows_and_timing_are_kept(window, timing, make_graph, assert_same):
    before = pooled(make_graph, timing=timing, op=f"max_pool(%x) {{{window}}}")
    after = LowerMaxPool()(before)
    assert after.types["p"] == before.types["p"]
    assert_same(before, after, exact=True)


def test_two_pools_of_one_scope_have_a_threshold_each(make_graph, assert_same):
    text = "graph(%x: spike step [2,8,8]) steps 3\n%a = max_pool(%x) @pool\n%b = max_pool(%a) @pool\nreturn %b"
    before = make_graph(text)
    after = LowerMaxPool()(before)
    assert sorted(after.weights) == ["pool.v_threshold", "pool.v_threshold_1"]
    assert_same(before, after, exact=True, seeds=[0])


def test_a_name_that_is_taken_is_not_taken_again(make_graph):
    text = "graph(%p.sum_pool: spike step [2,8,8]) steps 3\n%p = max_pool(%p.sum_pool)\nreturn %p"
    after = LowerMaxPool()(make_graph(text))
    assert [node.name for node in after.nodes] == ["p.sum_pool_1", "p"]


def test_the_spikformers_pool_takes_spikes(spikformer, assert_same):
    after = LowerMaxPool()(spikformer)
    assert not list(after.nodes_of(MaxPool))
    assert_same(spikformer, after, exact=True)
    assert LowerMaxPool()(after) is after


@pytest.mark.parametrize("domain", ["real", "int(0,2)", "int(-1,1)", "int(0,1,0.5)"])
def test_leaves_all_but_spikes_alone(domain, make_graph):
    graph = pooled(make_graph, domain=domain)
    assert LowerMaxPool()(graph) is graph
