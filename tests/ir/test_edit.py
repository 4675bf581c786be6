"""Edits of a graph: names that stay free of one another, redirected users, cycles."""

from dataclasses import replace

import pytest

from spikec.ir.arithmetic import Scale
from spikec.ir.edit import Edit, assemble
from spikec.ir.graph import Node
from spikec.ir.text import parse
from spikec.ir.types import constant

TEXT = """
    graph(%x: real step [4]) steps 2
    %a = scale(%x) {factor=2.0} @a
    %b = scale(%a) {factor=3.0} @b
    %q = if(%b; v_threshold=vth) @q
    %p = if(%a; v_threshold=vth) @p
    return %q, %p, %b
    """


@pytest.fixture
def graph():
    return parse(TEXT, {"vth": constant(1.0)})


def test_without_an_edit_the_same_object_comes_back(graph):
    assert Edit(graph).graph() is graph


def test_users_and_outputs_follow_a_removed_value(graph):
    edit = Edit(graph)
    edit.remove(graph.node("b"))
    edit.remove(graph.node("a"))
    after = edit.graph()
    assert [node.inputs for node in after.nodes] == [("x",), ("x",)]
    assert after.outputs == ("q", "p", "x")


def test_new_nodes_of_one_place_take_each_other_by_name(graph):
    # %b stands before the new node that its users take instead: it must not take that one itself.
    edit = Edit(graph)
    b = graph.node("b")
    edit.replace(b, replace(b, op=Scale(5.0)), Node("c", Scale(0.5), ("b",)))
    after = edit.graph()
    assert after.node("c").inputs == ("b",)
    assert after.node("q").inputs == ("c",)
    assert after.outputs == ("q", "p", "c")


def test_the_users_of_a_membrane_follow_another_value():
    text = """
        graph(%x: real step [4]) steps 2
        %q = if(%x; v_threshold=vth)
        %p = if(%q.v; v_threshold=vth)
        return %q, %q.v, %p.v
        """
    graph = parse(text, {"vth": constant(1.0)})
    edit = Edit(graph)
    q = graph.node("q")
    edit.replace(q, q, Node("m", Scale(0.5), ("q.v",)), value="q")
    edit.redirect("q.v", "m")
    after = edit.graph()
    assert [node.inputs for node in after.nodes] == [("x",), ("q.v",), ("m",)]
    assert after.outputs == ("q", "m", "p.v")


def test_a_node_that_moves_elsewhere_keeps_its_users(graph):
    edit = Edit(graph)
    a, b = graph.node("a"), graph.node("b")
    edit.replace(a, value="a")
    edit.replace(b, a, b)
    after = edit.graph()
    assert after.text() == graph.text()


def test_a_weight_that_another_node_uses_gets_a_new_name(graph):
    edit = Edit(graph)
    name = edit.weight_for(graph.node("q"), "v_threshold", constant(2.0))
    second = edit.weight_for(graph.node("q"), "v_threshold", constant(3.0))
    absent = edit.weight_for(graph.node("q"), "v_reset", constant(0.5))
    assert (name, second, absent) == ("q.v_threshold", "q.v_threshold_1", "q.v_reset")
    assert graph.weights["vth"].array == 1.0


def test_a_weight_of_one_node_keeps_its_name():
    graph = parse("graph(%x: real step [4]) steps 2\n%q = if(%x; v_threshold=vth)\nreturn %q", {"vth": constant(1.0)})
    edit = Edit(graph)
    assert edit.weight_for(graph.node("q"), "v_threshold", constant(2.0)) == "vth"
    assert edit.graph().weights["vth"].array == 2.0


def test_a_new_values_name_is_free(graph):
    edit = Edit(graph)
    assert edit.value_name("c") == "c"
    b = graph.node("b")
    edit.replace(b, b, Node("c", Scale(0.5), ("b",)))
    assert [edit.value_name(stem) for stem in ("a", "c", "q.v", "x")] == ["a_1", "c_1", "q.v_1", "x_1"]


def test_a_delay_before_its_operand_is_reassembled():
    text = """
        graph(%x: spike step [4]) steps 3
        %d = delay(%q; steps=one) : spike step [4]
        %y = add(%x, %d)
        %q = if(%y; v_threshold=one)
        return %q
        """
    graph = parse(text, {"one": constant(1.0)})
    after = assemble(graph.inputs, graph.nodes, graph.outputs, graph.weights, graph.steps)
    assert after.text() == graph.text()


def test_a_delay_behind_its_operand_takes_its_new_type():
    text = """
        graph(%x: int(0,3) step [4]) steps 3
        %s = scale(%x) {factor=0.5}
        %d = delay(%s; steps=one) : int(0,3,0.5) step [4]
        return %d
        """
    graph = parse(text, {"one": constant(1.0)})
    edit = Edit(graph)
    edit.remove(graph.node("s"))
    assert edit.graph().types["d"] == graph.types["x"]
