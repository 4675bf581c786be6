"""The graph's hash, its parameters, who makes and takes each value, and the builder's names."""

from dataclasses import replace

import numpy as np
import pytest

from spikec.errors import GraphError, VerifyError
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.text import parse
from spikec.ir.types import FLOAT32, FLOAT64, SPIKE, IntFormat, Role, TensorType, Weight, constant, weight_of

TEXT = """graph(%x: spike step [4]) steps 2
%a = linear(%x; bias=b, weight=w) @a
%q = lif(%a; tau=t, v_threshold=t) @q
%c = linear(%q; bias=b, weight=w) @c
return %c
"""


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return {"w": weight_of(rng.normal(size=(4, 4))), "b": weight_of(np.zeros(4)), "t": constant(2.0)}


@pytest.fixture
def graph(weights):
    return parse(TEXT, weights)


def test_the_default_steps_are_printed_and_not_hashed(graph):
    other = replace(graph, steps=9)
    assert other.text() != graph.text()
    assert other.sha256 == graph.sha256


def test_any_bit_of_any_weight_changes_the_hash(graph):
    hashes = {graph.sha256}
    for name, weight in graph.weights.items():
        for byte in range(weight.array.nbytes):
            flipped = np.array(weight.array).reshape(-1).view(np.uint8).copy()
            flipped[byte] ^= 1
            array = flipped.view(weight.array.dtype).reshape(weight.array.shape)
            changed = replace(graph, weights={**graph.weights, name: replace(weight, array=array)})
            hashes.add(changed.sha256)
    assert len(hashes) == 1 + sum(w.array.nbytes for w in graph.weights.values())


def test_minus_zero_is_not_zero(graph):
    negative = replace(graph, weights={**graph.weights, "b": weight_of(-np.zeros(4))})
    assert negative.sha256 != graph.sha256


@pytest.mark.parametrize(
    "other",
    [
        lambda w: replace(w, role=Role.STATISTIC),
        lambda w: replace(w, role=Role.CONSTANT),
        lambda w: replace(w, format=FLOAT32),
        lambda w: replace(w, format=IntFormat(8)),
        lambda w: replace(w, format=IntFormat(8, 0.5)),
        lambda w: replace(w, format=IntFormat(8, signed=False)),
        lambda w: replace(w, array=w.array.astype(np.float32)),
    ],
)
def test_role_format_and_number_type_are_hashed(graph, other):
    assert graph.weights["w"].format == FLOAT64
    assert replace(graph, weights={**graph.weights, "w": other(graph.weights["w"])}).sha256 != graph.sha256


def test_names_scopes_fields_and_types_are_hashed(weights, graph):
    renamed = parse(TEXT.replace("=w)", "=u)"), {**{n: w for n, w in weights.items() if n != "w"}, "u": weights["w"]})
    texts = [
        TEXT.replace("@q", "@p"),
        TEXT.replace("%q", "%p"),
        TEXT.replace("@q", "{fires_at='>'} @q"),
        TEXT.replace("spike step", "int(0,2) step"),
        TEXT.replace("return %c", "return %c, %q"),
        TEXT.replace("return %c", "return %q.v, %c"),
    ]
    hashes = {graph.sha256, renamed.sha256, *(parse(text, weights).sha256 for text in texts)}
    assert len(hashes) == 2 + len(texts)


def test_the_order_in_which_weights_are_given_does_not_matter(graph, weights):
    assert parse(TEXT, dict(reversed(weights.items()))).sha256 == graph.sha256


def test_only_weights_of_role_parameter_count_and_each_once(graph):
    assert graph.parameters == 16 + 4  # w and b serve two layers; t is a constant
    statistic = replace(graph.weights["b"], role=Role.STATISTIC)
    assert replace(graph, weights={**graph.weights, "b": statistic}).parameters == 16


def test_producers_and_users(graph):
    assert graph.producers["q.v"] is graph.node("q")
    assert "x" not in graph.producers
    assert [n.name for n in graph.users("x")] == ["a"]
    assert graph.users("q.v") == ()
    assert [n.name for n in graph.nodes_of(Linear)] == ["a", "c"]
    for name in ("q.v", "x", "nothing"):
        with pytest.raises(GraphError, match=name):
            graph.node(name)


def test_a_node_taking_a_value_twice_is_one_user():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,)))
    graph = builder.graph(builder.add(Add(), x, x))
    assert len(graph.users("x")) == 1


def test_arrays_of_a_graph_cannot_be_written(graph):
    with pytest.raises(ValueError, match="read-only"):
        graph.weights["w"].array[0, 0] = 1.0


def test_a_weight_keeps_its_numbers_when_the_source_changes():
    source = np.ones(3)
    weight = weight_of(source)
    source[:] = 7.0
    assert weight.array.tolist() == [1.0, 1.0, 1.0]


def test_a_fixed_point_weight_stands_for_its_integers_times_the_scale():
    weight = Weight(np.array([-3, 4], np.int8), format=IntFormat(8, 0.25))
    assert weight.values.tolist() == [-0.75, 1.0]


def built(*calls):
    """Names given for calls (op, scope, inner)."""
    builder = GraphBuilder()
    x = builder.input("x", TensorType((4,), SPIKE))
    names = []
    for op, scope, inner in calls:
        weights = {"tau": 2.0, "v_threshold": 1.0} if isinstance(op, LIF) else None
        names.append(builder.add(op, x, scope=scope, inner=inner, weights=weights))
    return names


def test_a_node_is_called_by_its_scope_then_by_scope_and_op_then_by_number():
    scale = Scale(2.0)
    assert built((scale, "a.b", False), (scale, "a.b", False), (scale, "a.b", False)) == [
        "a.b",
        "a.b.scale",
        "a.b.scale_1",
    ]
    assert built((scale, "a.b", True), (scale, "a.b", False)) == ["a.b.scale", "a.b"]
    assert built((scale, "", False), (scale, "", True), (Scale(3.0), "", False)) == ["scale", "scale_1", "scale_2"]


def test_names_do_not_depend_on_what_else_is_in_the_graph():
    assert built((Scale(2.0), "b", True))[0] == built((Scale(2.0), "a", True), (Scale(2.0), "b", True))[1]


def test_a_membranes_name_is_kept_free():
    names = built((Scale(2.0), "q.v", False), (LIF(), "q", False))
    assert names == ["q.v", "q.lif"]


def test_weights_are_called_by_scope_and_slot_and_shared_where_equal():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,)))
    array = np.eye(2)
    y = builder.add(Linear(), x, scope="fc", weights={"weight": array})
    y = builder.add(Linear(), y, scope="fc", weights={"weight": array})
    graph = builder.graph(y)
    assert [dict(n.weights) for n in graph.nodes] == [{"weight": "fc.weight"}] * 2
    with pytest.raises(GraphError, match=r"'fc\.weight' is given twice"):
        builder.add(Linear(), y, scope="fc", weights={"weight": array * 2})


def test_the_builder_says_where_what_does_not_fit():
    builder = GraphBuilder()
    builder.input("x", TensorType((2,)))
    with pytest.raises(VerifyError, match=r"%fc \(@fc\).*'%y'"):
        builder.add(Linear(), "y", scope="fc", weights={"weight": np.eye(2)})
    with pytest.raises(VerifyError, match=r"%fc2 \(@fc2\).*last axis 3"):
        builder.add(Linear(), "x", scope="fc2", weights={"weight": np.eye(3)})
    with pytest.raises(GraphError, match=r"'%x' is defined twice"):
        builder.input("x", TensorType((3,)))


def test_an_edit_drops_the_weights_that_nothing_uses_any_more(graph):
    edit = Edit(graph)
    edit.remove(graph.node("a"))
    assert set(edit.graph().weights) == {"w", "b", "t"}
    edit.remove(graph.node("c"))
    after = edit.graph()
    assert set(after.weights) == {"t"}
    assert after.outputs == ("q",)
    assert isinstance(after, Graph)
    assert set(graph.weights) == {"w", "b", "t"}


def test_an_edit_that_breaks_a_rule_names_the_node(graph):
    edit = Edit(graph)
    edit.replace(graph.node("a"), replace(graph.node("a"), inputs=("gone",)))
    with pytest.raises(VerifyError, match=r"%a \(@a\).*gone"):
        edit.graph()


def test_a_path_tells_each_node_from_all_others():
    graph = parse(
        """graph(%x: spike step [4]) steps 1
%a = reshape(%x) {shape=(2,2)} @blocks.0
%attn.b = reshape(%a) {shape=(4,)} @attn
%c = reshape(%attn.b) {shape=(2,2)} @attn
%bare = reshape(%c) {shape=(4,)}
return %bare
""",
        {},
    )
    assert [graph.path_of(node) for node in graph.nodes] == ["blocks.0", "%attn.b", "attn %c", "bare"]


def test_the_order_in_which_a_nodes_slots_are_given_does_not_matter():
    kind = TensorType((2,))
    weights = {"w": weight_of(np.eye(2)), "b": weight_of(np.ones(2))}
    slots = {"weight": "w", "bias": "b"}
    orders = [slots, dict(reversed(slots.items()))]
    graphs = [Graph({"x": kind}, (Node("y", Linear(), ("x",), order, (kind,)),), ("y",), weights) for order in orders]
    assert graphs[0].text() == graphs[1].text()
    assert "linear(%x; bias=b, weight=w)" in graphs[0].text()
    assert graphs[0].sha256 == graphs[1].sha256
