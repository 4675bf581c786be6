"""Every rule that a graph keeps, broken once: the error names the node and its module path."""

from dataclasses import replace

import numpy as np
import pytest

from spikec.errors import VerifyError
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.pools import MaxPool, Mean
from spikec.ir.real import Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import REAL, SPIKE, Int, Role, TensorType, Timing, Weight, constant, weight_of

STEP, ONCE = TensorType((4,), SPIKE), TensorType((4,), REAL, Timing.ONCE)
MAP, HALF, WIDE = TensorType((2, 4, 4)), TensorType((1, 4, 4)), TensorType((2, 3, 4))
INPUTS = {"x": STEP, "once": ONCE, "map": MAP, "half": HALF, "wide": WIDE}


def graph(*nodes, inputs=None, outputs=("n",), weights=None, steps=2):
    return Graph(INPUTS if inputs is None else inputs, nodes, outputs, weights or {}, steps)


def node(op=None, inputs=("x",), weights=None, types=(STEP,), name="n", scope="block.layer"):
    return Node(name, op or Scale(), tuple(inputs), weights or {}, types, scope)


def refused(broken, *words):
    with pytest.raises(VerifyError) as caught:
        broken.verify()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_sound_graph_passes():
    graph(node()).verify()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (graph(node(), steps=0), ("steps", "0")),
        (graph(node(), outputs=()), ("no output",)),
        (graph(node(), outputs=("y",)), ("'%y'", "nowhere")),
        (graph(node(name="a b")), ("'a b'",)),
        (graph(node(), node()), ("'%n'", "twice")),
        (graph(node(name="x"), outputs=("x",)), ("'%x'", "twice")),
        (graph(node(types=())), ("%n (@block.layer)", "0 type(s)")),
        (graph(node(scope="block layer")), ("%n", "'block layer'")),
        (graph(node(inputs=("y",))), ("%n (@block.layer)", "'%y'")),
        (graph(node(inputs=("m",)), node(name="m")), ("%n (@block.layer)", "'%m'", "before it")),
        (graph(node(types=(STEP.with_domain(REAL),))), ("%n (@block.layer)", "real step [4]", "spike step [4]")),
        (graph(node(inputs=("x", "x"))), ("%n (@block.layer)", "1 operand", "found 2")),
    ],
    ids=lambda case: None if isinstance(case, Graph) else " ".join(case)[:30],
)
def test_names_order_and_stated_types(broken, words):
    refused(broken, *words)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value):
    weights = {"w": weight_of(np.array([[1.0, value, 0.0, value]]))}
    broken = graph(node(Linear(), weights={"weight": "w"}, types=(TensorType((1,)),)), weights=weights)
    refused(broken, "'w'", "2 NaN or infinite", "of 4")


def test_weights_that_are_missing_unused_misnamed_empty_or_no_numbers():
    layer = node(Linear(), weights={"weight": "w"}, types=(TensorType((1,)),))
    fine = weight_of(np.ones((1, 4)))
    refused(graph(layer), "%n (@block.layer)", "'w'", "slot weight")
    refused(graph(layer, weights={"w": fine, "other": fine}), "'other'", "no node")
    refused(graph(replace(layer, weights={"weight": "a b"}), weights={"a b": fine}), "'a b'")
    refused(graph(layer, weights={"w": Weight(np.ones((0, 4)))}), "'w'", "0 of")
    refused(graph(layer, weights={"w": Weight(np.full((1, 4), "1"))}), "'w'", "numbers")


def test_slots_are_the_ops_own():
    weights = {"w": constant(1.0)}
    refused(graph(node(IF(), types=(STEP, STEP))), "%n (@block.layer)", "missing ['v_threshold']")
    lif = node(LIF(), weights={"tau": "w", "v_threshold": "w", "decay": "w"}, types=(STEP, STEP.with_domain(REAL)))
    refused(graph(lif, weights=weights), "%n (@block.layer)", "unknown ['decay']")
    both = replace(lif, weights={"tau": "w", "v_threshold": "w", "beta": "w"})
    refused(graph(both, weights=weights), "%n (@block.layer)", "expected one of ['tau', 'beta']")
    refused(graph(replace(lif, weights={"v_threshold": "w"}), weights=weights), "expected one of")
    decays = replace(lif, weights={"v_threshold": "w", "beta": "w"})
    refused(graph(decays, weights=weights), "decay_input takes tau")
    rounds = replace(lif, op=LIF(decay_input=False, rounding="floor"), weights={"v_threshold": "w", "tau": "w"})
    refused(graph(rounds, weights=weights), "hold a beta")


ONES = {"w": weight_of(np.ones((3, 4))), "b": weight_of(np.ones(2)), "k": weight_of(np.ones((4, 2, 3, 3)))}
ONES["other"] = weight_of(np.ones((3, 5)))


@pytest.mark.parametrize(
    ("op", "inputs", "slots", "words"),
    [
        (Add(), ("x", "map"), {}, ("shapes differ",)),
        (Add(), ("x", "once"), {}, ("Repeat",)),
        (MatMul(), ("x", "once"), {}, ("Repeat",)),
        (MatMul(), ("x", "x"), {}, ("ranks",)),
        (MatMul(), ("map", "x"), {}, ("ranks",)),
        (TimeMean(), ("once",), {}, ("Repeat",)),
        (Repeat(), ("x",), {}, ("one value for the inference",)),
        (Scale(float("nan")), ("x",), {}, ("factor", "nan")),
        (Scale(2), ("x",), {}, ("factor", "float")),
        (Reshape((3,)), ("x",), {}, ("reshape", "[4]", "[3]")),
        (Reshape((-2, -2)), ("x",), {}, ("shape", "at least 1")),
        (Transpose((1, 0)), ("x",), {}, ("permutation",)),
        (Transpose((0, 0, 1)), ("map",), {}, ("permutation",)),
        (Mean((1,)), ("x",), {}, ("axes",)),
        (Mean(()), ("x",), {}, ("axes",)),
        (Mean((0, 0)), ("map",), {}, ("axes",)),
        (MaxPool(), ("x",), {}, ("[C, H, W]",)),
        (MaxPool((2, 2), (2, 2), (2, 0)), ("map",), {}, ("half the kernel",)),
        (MaxPool((5, 2)), ("map",), {}, ("does not fit",)),
        (MaxPool((2, 2), (0, 1)), ("map",), {}, ("stride", "at least 1")),
        (Linear(), ("x",), {"weight": "k"}, ("[O, I]",)),
        (Linear(), ("map",), {"weight": "w", "bias": "b"}, ("bias must be [3]",)),
        (Conv1d(), ("map",), {"weight": "k"}, ("3 axes",)),
        (Conv2d(), ("x",), {"weight": "k"}, ("input of 3 axes",)),
        (Conv2d(), ("map",), {"weight": "k", "bias": "b"}, ("bias must be [4]",)),
        (Conv2d(groups=3), ("map",), {"weight": "k"}, ("groups",)),
        (Conv2d(groups=2), ("map",), {"weight": "k"}, ("4 channels expected, found 2",)),
        (Conv2d(dilation=(3, 1)), ("map",), {"weight": "k"}, ("does not fit",)),
        (Conv2d(stride=(1,)), ("map",), {"weight": "k"}, ("stride", "(1,)")),
        (BatchNorm(axis=3), ("map",), {"mean": "b", "var": "b"}, ("axis 3",)),
        (BatchNorm(axis=1), ("map",), {"mean": "b", "var": "b"}, ("must be [4]",)),
        (IF(), ("x",), {"v_threshold": "b"}, ("v_threshold", "broadcast")),
        (IF(), ("once",), {"v_threshold": "b"}, ("Repeat",)),
        (IF(reset="zero"), ("x",), {"v_threshold": "b"}, ("reset", "'zero'", "hard")),
        (LIF(fires_at="="), ("x",), {"tau": "b", "v_threshold": "b"}, ("fires_at",)),
        (LIF(rounding="up"), ("x",), {"tau": "b", "v_threshold": "b"}, ("rounding",)),
        (LIF(refractory=-1), ("x",), {"tau": "b", "v_threshold": "b"}, ("refractory", "at least 0")),
        (LI(), ("once",), {"tau": "b"}, ("Repeat",)),
        (LI(), ("x",), {"tau": "b"}, ("tau", "broadcast")),
        (LI(), ("x",), {}, ("expected one of ['tau', 'beta']",)),
        (LI(), ("x",), {"beta": "w"}, ("decay_input takes tau",)),
        (CubaLIF(), ("x",), {"v_threshold": "w", "beta": "w"}, ("expected one of ['tau_syn', 'alpha']",)),
        (CubaLIF(), ("x",), {"v_threshold": "w", "alpha": "w"}, ("expected one of ['tau', 'beta']",)),
        (
            CubaLIF(rounding="floor"),
            ("x",),
            {"v_threshold": "w", "beta": "w", "tau_syn": "w"},
            ("hold an alpha, not a tau_syn",),
        ),
        (MultiLevelSpike(scale=0.0), ("x",), {}, ("positive scale", "0.0")),
        (MultiLevelSpike(levels=0), ("x",), {}, ("levels", "at least 1")),
        (Threshold(), ("x",), {"v_threshold": "b"}, ("v_threshold", "broadcast")),
        (Mul(), ("x", "map"), {}, ("shapes differ",)),
        (Mul(), ("x", "once"), {}, ("Repeat",)),
        (MatMul(), ("map", "half"), {}, ("leading axes differ", "[2, 4, 4]", "[1, 4, 4]")),
        (MatMul(), ("map", "wide"), {}, ("contracted axes differ", "4", "3")),
        (Linear(), ("map",), {"weight": "other"}, ("last axis 5 expected",)),
        (LayerNorm(0), ("x",), {}, ("0 axes",)),
        (LayerNorm(2), ("x",), {}, ("2 axes", "[4]")),
        (LayerNorm(1), ("map",), {"weight": "b"}, ("weight must be [4]",)),
        (LayerNorm(eps=-1.0), ("map",), {}, ("eps", "at least 0")),
        (Softmax(1), ("x",), {}, ("axis 1",)),
        (Softmax(-1), ("x",), {}, ("axis -1",)),
        (Gelu("erf"), ("x",), {}, ("approximate", "'erf'", "tanh")),
        (Expand((3,)), ("x",), {}, ("does not expand", "[3]")),
        (Expand((1, 4)), ("x",), {}, ("does not expand", "[1, 4]")),
        (Concat(), ("x",), {}, ("takes 2 or more", "found 1")),
        (Concat(1), ("x", "x"), {}, ("axis 1",)),
        (Concat(1), ("map", "half"), {}, ("shapes differ beside axis 1",)),
        (Concat(0), ("x", "map"), {}, ("shapes differ",)),
        (Concat(0), ("x", "once"), {}, ("Repeat",)),
        (Slice(1), ("x",), {}, ("axis 1",)),
        (Slice(0, 0, 5), ("x",), {}, ("stop 5",)),
        (Slice(0, 2, 2), ("x",), {}, ("start 2",)),
        (Slice(step=0), ("x",), {}, ("step", "at least 1")),
        (Pad((1,), (0, 0)), ("x",), {}, ("do not fit",)),
        (Pad((1, 1), (0, 0)), ("x",), {}, ("do not fit",)),
        (Pad((-1,), (0,)), ("x",), {}, ("before", "at least 0")),
        (Upsample(), ("x",), {}, ("[C, H, W]",)),
        (Constant(), (), {}, ("missing ['value']",)),
        (Delay(), ("once",), {"steps": "b"}, ("Repeat",)),
        (Delay(), ("x",), {"steps": "b"}, ("steps", "broadcast")),
        (TimeSum(), ("once",), {}, ("Repeat",)),
        (TimeLast(), ("once",), {}, ("Repeat",)),
    ],
    ids=lambda case: type(case).__name__ if hasattr(case, "mnemonic") else None,
)
def test_operands_fields_and_weights_that_do_not_fit(op, inputs, slots, words):
    weights = {name: ONES[name] for name in slots.values()}
    types = (STEP,) * (1 + len(op.extra_results))
    refused(graph(node(op, inputs, slots, types), weights=weights), "%n (@block.layer)", op.mnemonic, *words)


def test_a_value_without_elements():
    empty = TensorType((0, 4))
    refused(graph(node(inputs=("e",), types=(empty,)), inputs={"e": empty}), "no element")


def cyclic(steps):
    """x + delay(spikes), fed back: %n = delay(%q), %sum = x + n, %q = if(%sum)."""
    nodes = [
        node(Delay(), ("q",), {"steps": "d"}),
        node(Add(), ("x", "n"), types=(TensorType((4,), Int(0, 2)),), name="sum"),
        node(IF(), ("sum",), {"v_threshold": "t"}, (STEP, STEP.with_domain(REAL)), name="q"),
    ]
    weights = {"d": Weight(np.asarray(steps, np.int64), Role.CONSTANT), "t": constant(1.0)}
    return graph(*nodes, weights=weights)


def test_a_delay_may_look_forward_with_the_type_that_it_declares():
    cyclic(1).verify()
    cyclic([1, 2, 1, 3]).verify()
    first = node(Delay(), ("later",), {"steps": "d"})
    later = node(Add(), ("x", "x"), types=(TensorType((4,), Int(0, 2)),), name="later")
    weights = {"d": Weight(np.asarray(1), Role.CONSTANT)}
    refused(graph(first, later, weights=weights), "%n (@block.layer)", "stated is spike step [4]", "int(0,2) step [4]")


@pytest.mark.parametrize("steps", [0, [1, 1, 0, 1]])
def test_a_delay_inside_a_cycle_is_at_least_one_step(steps):
    refused(cyclic(steps), "%n (@block.layer)", "at least 1")


def test_a_delay_of_itself_is_a_cycle_too():
    weights = {"d": Weight(np.asarray(0), Role.CONSTANT)}
    refused(graph(node(Delay(), ("n",), {"steps": "d"}), weights=weights), "%n (@block.layer)", "at least 1")


@pytest.mark.parametrize("steps", [-1, 0.5])
def test_a_delay_is_whole_and_not_negative_anywhere(steps):
    weights = {"d": weight_of(np.asarray(steps, np.float64), Role.CONSTANT)}
    refused(graph(node(Delay(), weights={"steps": "d"}), weights=weights), "%n (@block.layer)", "whole")


def test_a_feed_forward_delay_may_be_of_no_step():
    weights = {"d": Weight(np.asarray(0), Role.CONSTANT)}
    graph(node(Delay(), weights={"steps": "d"}), weights=weights).verify()


def test_only_a_delay_closes_a_cycle():
    refused(graph(node(Add(), ("x", "n"))), "%n (@block.layer)", "before it")
