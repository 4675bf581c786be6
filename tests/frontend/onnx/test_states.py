"""Inputs that are outputs of the step before, and what an input may be."""

import numpy as np
import pytest
from onnx import TensorProto

from spikec.backend.lava.writer import check_carried
from spikec.backend.nir.encode import check
from spikec.backend.nir.writer import peeled
from spikec.backend.protocol import peel
from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.onnx.ends import PAIRS
from spikec.ir.time import Delay
from spikec.ir.types import SPIKE, Int
from spikec.run.interp import Interpreter


@pytest.fixture
def leaky(node, model, port):
    """v = v/2 + x, fires at v >= 1 and loses 1 then; the state goes in and comes out under these names."""

    def make(went="v", came="v_out", batch="n", outputs=("q",)):
        nodes = [
            node("Mul", [went, "half"], ["kept"]),
            node("Add", ["kept", "x"], ["h"]),
            node("GreaterOrEqual", ["h", "one"], ["fired"]),
            node("Cast", ["fired"], ["q"], to=1),
            node("Sub", ["h", "q"], [came]),
        ]
        constants = {"half": np.float32(0.5), "one": np.float32(1)}
        return model(nodes, [port("x", batch, 3), port(went, batch, 3)], [*outputs, came], **constants)

    return make


def steps_by_hand(x):
    v, found = np.zeros_like(x[0]), []
    for frame in x:
        h = v / 2 + frame
        found.append(h >= 1)
        v = h - found[-1]
    return np.stack(found).astype(float)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_a_state_is_known_by_its_names_and_begins_at_0(reader, leaky, pair, batch):
    went, came = (form.format("v") for form in pair)
    found = reader.taken(leaky(went, came, batch), steps=9)
    x = np.random.default_rng(0).uniform(0, 1.5, size=(9, 4, 3))
    (q,) = Interpreter().run(found.graph, {"x": x}, 9).values()
    assert np.array_equal(q.numpy(), steps_by_hand(x))
    assert 0.1 < q.numpy().mean() < 0.9
    assert found.encoder == "frames"
    assert found.facts["states"] == {went: came}
    assert found.remarks[0] == f"'{came}' is '{went}' a step later, which is 0 at the first step"
    (delay,) = found.graph.nodes_of(Delay)
    assert found.graph.weights[delay.weights["steps"]].array == 1


def test_the_number_of_steps_is_asked_for_or_said_to_be_1(reader, leaky):
    assert reader.taken(leaky(), steps=7).graph.steps == 7
    found = reader.taken(leaky())
    assert found.graph.steps == 1
    assert "the file does not say how many steps it is meant for: 1 unless --steps" in found.remarks


def test_without_states_any_time_is_unrolled_and_steps_are_not_used(reader, node, model, port):
    found = reader.taken(model([node("Neg", ["x"], ["y"])], [port("x", "n", 3)], ["y"]), steps=7)
    assert found.encoder == "direct"
    assert found.graph.steps == 1  # the reader takes each node once: T would say nothing
    assert any("--steps is not used" in remark for remark in found.remarks)


@pytest.mark.parametrize("op", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_a_difference_against_0_is_a_comparison_with_what_was_taken_away(reader, node, model, port, ops, op):
    """As snnTorch and SpikingJelly write it, also one bit above and below, and at the smallest numbers there are."""
    for level in (0.3, 1e-44):
        c = np.float32(level)
        nodes = [node("Sub", ["x", "c"], ["d"]), node(op, ["d", "zero"], ["q"]), node("Cast", ["q"], ["y"], to=1)]
        content = model(nodes, [port("x", "n", 4)], ["y"], c=c, zero=np.float32(0))
        x = np.array([[c, np.nextafter(c, np.float32(1)), np.nextafter(c, np.float32(-1)), 0.5]] * 4, np.float32)
        graph = reader.equal(content, values=x, exact=True)
        assert [kind for kind in ops(graph) if kind not in ("threshold", "scale")] == (
            [] if op.startswith("Greater") else ["constant", "expand", "add"]
        )
    nodes[1] = node(op, ["d", "c"], ["q"])
    over = reader.equal(model(nodes, [port("x", "n", 4)], ["y"], c=np.float32(0.3)), exact=True)
    assert "add" in ops(over)  # x - c against another number is rounded first


def test_a_step_with_its_states_is_what_the_mend_of_exports_says_it_is(reader, node, model, port):
    nodes = [
        node("Mul", ["v", "half"], ["kept"]),
        node("Add", ["kept", "x"], ["h"]),
        node("Sub", ["h", "one"], ["over"]),
        node("Greater", ["over", "zero"], ["fired"]),
        node("Cast", ["fired"], ["q"], to=1),
        node("Sub", ["h", "q"], ["v_out"]),
    ]
    constants = {"half": np.float32(0.5), "one": np.float32(1), "zero": np.float32(0)}
    ports = [port("x", "n", 3), port("v", "n", 3)]
    graph = reader.taken(model(nodes, ports, ["q", "v_out"], **constants), steps=4).graph
    check_carried(peel(graph, "lava"))
    check(peeled(graph, "strict"), "strict")


def test_a_state_of_spikes_is_known_as_such(reader, node, model, port):
    """x + the spikes of the step before, so that what comes back decides the domain of what goes in."""
    nodes = [
        node("Add", ["x", "q"], ["h"]),
        node("Greater", ["h", "one"], ["fired"]),
        node("Cast", ["fired"], ["q_out"], to=1),
        node("Add", ["q_out", "q"], ["y"]),
    ]
    content = model(nodes, [port("x", "n", 3), port("q", "n", 3)], ["y", "q_out"], one=np.float32(1))
    graph = reader.taken(content).graph
    assert graph.types["q"].domain == SPIKE
    assert graph.types[graph.outputs[0]].domain == Int(0, 2)


def test_a_state_that_grows_is_real(reader, node, model, port):
    content = model([node("Add", ["x", "v"], ["v_out"])], [port("x", "n", 3), port("v", "n", 3)], ["v_out"])
    found = reader.taken(content, steps=5)
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    (y,) = Interpreter().run(found.graph, {"x": x}, 5).values()
    np.testing.assert_allclose(y.numpy(), np.cumsum(x, axis=0), rtol=1e-12)


def test_a_state_of_another_shape_is_refused(reader, node, model, port):
    nodes = [node("Add", ["x", "v"], ["h"]), node("Concat", ["h", "h"], ["v_out"], axis=1)]
    content = model(nodes, [port("x", "n", 3), port("v", "n", 3)], ["h", "v_out"])
    with pytest.raises(TraceError, match=r"the state 'v_out' has the shape \[2, 6\].*\[2, 3\]"):
        reader.taken(content)


def test_two_inputs_that_are_no_state_are_refused_with_the_names_that_would_pair_them(reader, node, model, port):
    content = model([node("Add", ["a", "b"], ["y"])], [port("a", "n", 3), port("b", "n", 3)], ["y"])
    with pytest.raises(TraceError, match="2 inputs that are no state: 'a', 'b'") as caught:
        reader.taken(content)
    for went, came in PAIRS:
        assert f"'{went.format('v')}' with '{came.format('v')}'" in str(caught.value)


def test_an_output_is_the_state_of_one_input_alone(reader, node, model, port):
    nodes = [node("Add", ["x", "v"], ["h"]), node("Add", ["h", "v_in"], ["v_out"])]
    content = model(nodes, [port(name, "n", 3) for name in ("x", "v", "v_in")], ["h", "v_out"])
    with pytest.raises(TraceError, match="2 inputs that are no state: 'x', 'v_in'"):
        reader.taken(content)


def test_the_only_input_is_no_state_whatever_its_name(reader, node, model, port, ops):
    found = reader.taken(model([node("Neg", ["v"], ["v_out"])], [port("v", "n", 3)], ["v_out"]))
    assert ops(found.graph) == ["scale"]


def test_an_output_that_depends_on_no_input_is_refused(reader, node, model, port):
    nodes = [node("Neg", ["x"], ["y"]), node("Neg", ["c"], ["z"])]
    content = model(nodes, [port("x", "n", 3)], ["y", "z"], c=np.ones(3, np.float32))
    with pytest.raises(TraceError, match="the output 'z' depends on no input"):
        reader.taken(content)


@pytest.mark.parametrize(("element", "word"), [(TensorProto.FLOAT16, "float16"), (TensorProto.INT64, "int64")])
def test_an_input_of_a_type_that_is_not_taken_is_refused(reader, node, model, port, element, word):
    content = model([node("Cast", ["x"], ["y"], to=1)], [port("x", "n", 3, element=element)], ["y"])
    with pytest.raises(UnsupportedOp, match=rf"x +input +{word} tensors are not taken"):
        reader.taken(content)
