"""repeat-first: text before and after, the same bits, and what it leaves alone."""

import pytest

from passes.hoist_repeat import HoistRepeat
from passes.repeat_first import RepeatFirst
from spikec.ir.builder import GraphBuilder
from spikec.ir.neurons import LIF
from spikec.ir.op import Op
from spikec.ir.time import Repeat
from spikec.ir.types import TensorType, Timing

NEURON = {"tau": 2.0, "vth": 1.0}


def once(graph):
    """The nodes that are computed once."""
    return [node.name for node in graph.nodes if node.type.timing is Timing.ONCE]


def test_brings_a_repeat_to_its_input(make_graph, assert_same):
    before = make_graph(
        """
        graph(%image: real once [3,8,8]) steps 3
        %c = conv2d(%image; weight=w) {padding=(1, 1)} @stem.conv
        %p = max_pool(%c) @stem.pool
        %x = repeat(%p)
        %q = lif(%x; tau=tau, v_threshold=vth) @stem.lif
        return %q
        """,
        w=(4, 3, 3, 3),
        **NEURON,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines() == [
        "graph(%image: real once [3,8,8]) steps 3",
        "%image.repeat = repeat(%image)",
        "%c = conv2d(%image.repeat; weight=w) {padding=(1, 1)} @stem.conv",
        "%p = max_pool(%c) @stem.pool",
        "%q = lif(%p; tau=tau, v_threshold=vth) @stem.lif",
        "return %q",
    ]
    assert_same(before, after, exact=True)
    assert RepeatFirst()(after) is after


def test_several_repeats_outputs_and_inputs(make_graph, assert_same):
    """One value repeated twice and an output as well; an input that has a Repeat already, behind its first use."""
    before = make_graph(
        """
        graph(%a: real once [4,6], %b: real once [4,6]) steps 3
        %s = linear(%a; weight=w) @first
        %r = repeat(%s)
        %p = lif(%r; tau=tau, v_threshold=vth)
        %z = scale(%s) {factor=-1.0} @turned
        %y = add(%z, %b)
        %ry = repeat(%y)
        %rs = repeat(%s)
        %rb = repeat(%b)
        %u = add(%rs, %ry)
        %v = add(%u, %rb)
        %q = lif(%v; tau=tau, v_threshold=vth)
        return %p, %q, %s, %r
        """,
        w=(6, 6),
        **NEURON,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines() == [
        "graph(%a: real once [4,6], %b: real once [4,6]) steps 3",
        "%a.repeat = repeat(%a)",
        "%s = linear(%a.repeat; weight=w) @first",
        "%s.time_last = time_last(%s) @first",
        "%p = lif(%s; tau=tau, v_threshold=vth)",
        "%z = scale(%s) {factor=-1.0} @turned",
        "%rb = repeat(%b)",
        "%y = add(%z, %rb)",
        "%u = add(%s, %y)",
        "%v = add(%u, %rb)",
        "%q = lif(%v; tau=tau, v_threshold=vth)",
        "return %p, %q, %s.time_last, %s",
    ]
    assert_same(before, after, exact=True)
    assert RepeatFirst()(after) is after


def test_a_repeat_of_the_input_that_is_there_is_used(make_graph, assert_same):
    before = make_graph(
        """
        graph(%a: real once [4,6]) steps 3
        %ra = repeat(%a)
        %p = lif(%ra; tau=tau, v_threshold=vth)
        %s = linear(%a; weight=w)
        %rs = repeat(%s)
        %q = lif(%rs; tau=tau, v_threshold=vth)
        return %p, %q
        """,
        w=(6, 6),
        tau=2.0,
        vth=0.5,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines()[1:5] == [
        "%ra = repeat(%a)",
        "%p = lif(%ra; tau=tau, v_threshold=vth)",
        "%s = linear(%ra; weight=w)",
        "%q = lif(%s; tau=tau, v_threshold=vth)",
    ]
    assert_same(before, after, exact=True)


def test_what_is_made_of_constants_is_repeated_as_it_is(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real once [4,6]) steps 3
        %table = constant(; value=table) @position
        %half = scale(%table) {factor=0.5} @position
        %y = add(%x, %half)
        %r = repeat(%y)
        %only = repeat(%half)
        %z = add(%r, %only)
        %q = lif(%z; tau=tau, v_threshold=vth)
        return %q
        """,
        table=(4, 6),
        **NEURON,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines() == [
        "graph(%x: real once [4,6]) steps 3",
        "%table = constant(; value=table) @position",
        "%half = scale(%table) {factor=0.5} @position",
        "%x.repeat = repeat(%x)",
        "%only = repeat(%half)",
        "%y = add(%x.repeat, %only)",
        "%z = add(%y, %only)",
        "%q = lif(%z; tau=tau, v_threshold=vth)",
        "return %q",
    ]
    assert_same(before, after, exact=True)
    assert RepeatFirst()(after) is after


def test_what_stays_once_takes_the_last_of_what_moved(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real once [4,6]) steps 3
        %c = linear(%x; weight=w) @stem
        %r = repeat(%c)
        %q = lif(%r; tau=tau, v_threshold=vth)
        %m = time_mean(%q)
        %y = add(%m, %c) @joined
        %g = scale(%m) {factor=2.0} @gate
        %back = repeat(%g)
        %p = lif(%back; tau=tau, v_threshold=vth)
        %late = scale(%c) {factor=0.5} @late
        %out = add(%y, %late)
        return %out, %p
        """,
        w=(6, 6),
        tau=2.0,
        vth=0.5,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines()[1:] == [
        "%x.repeat = repeat(%x)",
        "%c = linear(%x.repeat; weight=w) @stem",
        "%c.time_last = time_last(%c) @stem",
        "%q = lif(%c; tau=tau, v_threshold=vth)",
        "%m = time_mean(%q)",
        "%y = add(%m, %c.time_last) @joined",
        "%g = scale(%m) {factor=2.0} @gate",
        "%back = repeat(%g)",
        "%p = lif(%back; tau=tau, v_threshold=vth)",
        "%late = scale(%c.time_last) {factor=0.5} @late",
        "%out = add(%y, %late)",
        "return %out, %p",
    ]
    assert_same(before, after, exact=True)
    assert RepeatFirst()(after) is after


def test_an_output_that_only_the_caller_takes_is_the_last_of_its_steps(make_graph, assert_same):
    before = make_graph(
        """
        graph(%x: real once [4], %e: spike step [4]) steps 2
        %y = exp(%x)
        %q = lif(%e; tau=tau, v_threshold=vth)
        return %y, %q
        """,
        tau=2.0,
        vth=0.4,
    )
    after = RepeatFirst()(before)
    assert after.text().splitlines()[1:4] == [
        "%x.repeat = repeat(%x)",
        "%y = exp(%x.repeat)",
        "%y.time_last = time_last(%y)",
    ]
    assert after.outputs == ("y.time_last", "q")
    assert_same(before, after, exact=True)


def test_a_delay_takes_what_its_repeat_repeated(make_graph, assert_same):
    before = make_graph(
        """
        graph(%a: real once [4]) steps 3
        %d = delay(%r; steps=one) : real step [4]
        %y = scale(%a) {factor=2.0}
        %r = repeat(%y)
        %q = lif(%d; tau=tau, v_threshold=vth)
        return %q
        """,
        one=1.0,
        tau=2.0,
        vth=0.5,
    )
    after = RepeatFirst()(before)
    assert after.node("d").inputs == ("y",)
    assert after.types["y"].timing is Timing.STEP
    assert_same(before, after, exact=True)
    assert RepeatFirst()(after) is after


def test_names_that_are_taken_are_left_to_their_values(make_graph):
    before = make_graph(
        """
        graph(%x: real once [4], %x.repeat: real step [4]) steps 3
        %y = scale(%x) {factor=2.0}
        %y.time_last = repeat(%y)
        %z = add(%y.time_last, %x.repeat)
        return %z, %y
        """
    )
    after = RepeatFirst()(before)
    assert [node.name for node in after.nodes] == ["x.repeat_1", "y", "y.time_last_1", "z"]
    assert after.outputs == ("z", "y.time_last_1")


def test_is_the_inverse_of_hoisting(spikformer, assert_same):
    hoisted = HoistRepeat()(spikformer)
    after = RepeatFirst()(hoisted)
    assert once(hoisted) == ["stem.0_conv", "stem.0_bn", "time_mean", "head"]
    assert once(after) == once(spikformer) == ["time_mean", "head"]
    assert after.text().replace("image.repeat", "repeat") == spikformer.text()
    assert_same(hoisted, after, exact=True)
    assert HoistRepeat()(after).text().replace("image.repeat", "repeat") == hoisted.text()


LEFT_ALONE = {
    "at the input already": "%r = repeat(%a)\n %q = lif(%r; tau=tau, v_threshold=vth)\n return %q",
    "an output that is an input": "%q = lif(%x; tau=tau, v_threshold=vth)\n return %q, %a",
    "what a reduction reaches": """
        %q = lif(%x; tau=tau, v_threshold=vth)
        %m = time_mean(%q)
        %y = add(%m, %a)
        %r = repeat(%y)
        %p = lif(%r; tau=tau, v_threshold=vth)
        return %p
    """,
    "what joins a reduction": """
        %q = lif(%x; tau=tau, v_threshold=vth)
        %m = time_mean(%q)
        %s = scale(%a) {factor=0.5}
        %y = add(%m, %s)
        return %y
    """,
    "constants": """
        %c = constant(; value=table)
        %s = scale(%c) {factor=0.5}
        %r = repeat(%s)
        %y = add(%r, %x)
        %q = lif(%y; tau=tau, v_threshold=vth)
        return %q, %s
    """,
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    given = {"table": (4,)} if "table" in LEFT_ALONE[case] else {}
    text = f"graph(%a: real once [4], %x: real step [4]) steps 2\n {LEFT_ALONE[case]}"
    graph = make_graph(text, **NEURON, **given)
    assert RepeatFirst()(graph) is graph


def test_leaves_a_network_without_steps_alone(make_graph):
    graph = make_graph("graph(%a: real once [4]) steps 1\n %y = linear(%a; weight=w)\n return %y", w=(4, 4))
    assert RepeatFirst()(graph) is graph


class Strange(Op):
    """An op that the house does not know: it may remember."""

    mnemonic = "strange"

    def infer(self, inputs, weights):
        return tuple(inputs)


def test_leaves_an_op_that_it_does_not_know_alone():
    build = GraphBuilder(2)
    y = build.add(Strange(), build.input("x", TensorType((4,), timing=Timing.ONCE)))
    q = build.add(LIF(), build.add(Repeat(), y), weights={"tau": 2.0, "v_threshold": 1.0})
    graph = build.graph(q)
    assert RepeatFirst()(graph) is graph
