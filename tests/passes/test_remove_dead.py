"""remove-dead: text before and after, the same bits, and what it leaves alone."""

from passes.remove_dead import RemoveDead

NEURON = {"tau": 2.0, "vth": 0.5}


def test_removes_what_reaches_no_output(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real step [4], %unused: real step [4]) steps 3
        %d = linear(%x; weight=w) @dead
        %e = scale(%d) {factor=2.0} @dead
        %q = lif(%x; tau=tau, v_threshold=vth) @lif
        return %q
        """,
        w=(4, 4),
        **NEURON,
    )
    after = RemoveDead()(before)
    assert after.text().splitlines() == [
        "graph(%x: real step [4], %unused: real step [4]) steps 3",
        "%q = lif(%x; tau=tau, v_threshold=vth) @lif",
        "return %q",
    ]
    assert sorted(after.weights) == ["tau", "vth"]
    assert_same(before, after, exact=True)
    assert RemoveDead()(after) is after


def test_one_dead_node_is_removed_too(make_graph):
    before = make_graph(
        "graph(%x: real step [4]) steps 3\n%q = lif(%x; tau=tau, v_threshold=vth)\n%s = scale(%q)\nreturn %q", **NEURON
    )
    assert [node.name for node in RemoveDead()(before).nodes] == ["q"]


def test_a_neuron_of_which_only_the_membrane_is_used_stays(make_graph):
    graph = make_graph(
        "graph(%x: real step [4]) steps 3\n%q = lif(%x; tau=tau, v_threshold=vth)\nreturn %q.v", **NEURON
    )
    assert RemoveDead()(graph) is graph


def test_a_cycle_stays_or_goes_as_a_whole(make_graph):
    text = """
        graph(%x: spike step [4]) steps 3
        %d = delay(%q; steps=one) : spike step [4]
        %y = add(%x, %d)
        %q = lif(%y; tau=tau, v_threshold=vth)
        %p = threshold(%x; v_threshold=vth)
        return %OUT
        """
    alive = make_graph(text.replace("OUT", "q, %p"), one=1.0, **NEURON)
    assert RemoveDead()(alive) is alive
    after = RemoveDead()(make_graph(text.replace("OUT", "p"), one=1.0, **NEURON))
    assert [node.name for node in after.nodes] == ["p"]


def test_the_spikformer_has_nothing_dead(spikformer):
    assert RemoveDead()(spikformer) is spikformer
