"""unroll-levels: text before and after, ties, the same numbers and counts, and what it leaves alone."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from hwmodels.registry import load
from passes.manager import run
from passes.unroll_levels import UnrollLevels
from spikec.cost import Policy
from spikec.ir.neurons import MultiLevelSpike
from spikec.ir.types import SPIKE, IntFormat, Role, Weight, weight_of
from spikec.run.interp import Interpreter
from spikec.tasks.pricing import price

NEURON = {"tau": 2.0, "vth": 2.0**-6}
HEADER = "graph(%x: real step [3,4]) steps 3"
LIF = "%q = lif(%c; tau=tau, v_threshold=vth) @lif"


def dyadic(*shape):
    """Weights whose sums are exact in any order."""
    return weight_of(np.random.default_rng(5).integers(-5, 12, shape) / 8)


def test_a_linear_op_takes_each_level_with_the_same_weights(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n%m = multi_level_spike(%x) {{levels=3}} @block.sn\n"
        f"%c = linear(%m; weight=w, bias=b) @block.fc\n{LIF}\nreturn %q, %c",
        w=dyadic(5, 4),
        b=dyadic(5),
        **NEURON,
    )
    after = UnrollLevels()(before)
    assert after.text().splitlines() == [
        HEADER,
        "%m.1 = threshold(%x; v_threshold=m.1.v_threshold) {fires_at='>'} @block.sn",
        "%m.2 = threshold(%x; v_threshold=m.2.v_threshold) @block.sn",
        "%m.3 = threshold(%x; v_threshold=m.3.v_threshold) {fires_at='>'} @block.sn",
        "%c.1 = linear(%m.1; bias=b, weight=w) @block.fc",
        "%c.2 = linear(%m.2; weight=w) @block.fc",
        "%c.3 = linear(%m.3; weight=w) @block.fc",
        "%c.to_2 = add(%c.1, %c.2) @block.fc",
        "%c.to_3 = add(%c.to_2, %c.3) @block.fc",
        "%c = scale(%c.to_3) {factor=0.25} @block.fc",
        LIF,
        "return %q, %c",
    ]
    assert after.parameters == before.parameters
    np.testing.assert_array_equal(after.weights["b"].array, 4 * before.weights["b"].array)
    assert [float(after.weights[f"m.{k}.v_threshold"].array) for k in (1, 2, 3)] == [0.5, 1.5, 2.5]
    assert all(after.types[f"m.{k}"].domain == SPIKE for k in (1, 2, 3))
    assert_same(before, after, exact=True)
    assert UnrollLevels()(after) is after


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("levels", [1, 2, 3, 4, 7])
def test_levels_agree_at_ties_beside_them_and_outside(levels, dtype, make_graph):
    """Half to even: 1/2 rounds to 0, 3/2 to 2, 5/2 to 2; one step of floating point beside a tie decides it."""
    before = make_graph(f"graph(%x: real once [1]) steps 1\n%m = multi_level_spike(%x) {{levels={levels}}}\nreturn %m")
    after = UnrollLevels()(before)
    assert not list(after.nodes_of(MultiLevelSpike))
    assert after.types["m"] == before.types["m"]
    small = np.float32 if dtype is torch.float32 else np.float64
    ties = np.arange(-3, 2 * levels + 4).astype(small) / 2
    drives = np.concatenate([ties, np.nextafter(ties, small(99)), np.nextafter(ties, small(-99)), [-1e30, 1e30, -0.0]])
    own, other = (Interpreter(dtype).run(g, {"x": drives[:, None]})["m"].numpy() for g in (before, after))
    # Python's round of an exact fraction goes half to even as well.
    expected = [min(max(round(Fraction(float(x))), 0), levels) / 4 for x in drives]
    np.testing.assert_array_equal(own[:, 0], expected)
    np.testing.assert_array_equal(other, own)


USERS = {
    "an output": "%c = linear(%m; weight=w)\n {LIF}\n return %q, %m",
    "a residual add": "%l = linear(%m; weight=u)\n %c = add(%l, %m)\n {LIF}\n return %q",
    "a product": "%t = matmul(%m, %m) {transpose_b=True}\n %c = matmul(%t, %m)\n {LIF}\n return %q",
    "moves": """
        %t = transpose(%m) {axes=(1, 0)}
        %r = reshape(%t) {shape=(2, 6)}
        %p = pad(%r) {before=(0, 1), after=(0, 1)}
        %s = slice(%p) {axis=1, start=2, stop=6}
        %c = linear(%s; weight=w)
        {LIF}
        return %q
        """,
    "moves that fork": """
        %r = reshape(%m) {shape=(1, 3, 4)}
        %e = expand(%r) {shape=(2, 3, 4)}
        %u = upsample(%r)
        %l = linear(%e; weight=w)
        %k = conv2d(%u; weight=k)
        %s = slice(%k) {axis=1, stop=3}
        %z = sum(%e) {axes=(0, 1)}
        %c = add(%s, %l)
        {LIF}
        return %q, %z
        """,
    "a move that ends": "%r = reshape(%m) {shape=(12,)}\n %c = linear(%m; weight=w)\n {LIF}\n return %q, %r",
    "no linear op": "%c = reshape(%m) {shape=(12,)}\n {LIF}\n return %q",
    "two linear ops": "%a = linear(%m; weight=w)\n %b = linear(%m; weight=w2)\n %c = add(%a, %b)\n {LIF}\n return %q",
    "a shared weight and bias": (
        "%a = linear(%m; weight=w, bias=b)\n %b_ = linear(%x; weight=w, bias=b)\n %c = add(%a, %b_)\n {LIF}\n return %q"
    ),
    "another integer neuron": (
        "%a = linear(%m; weight=u)\n %s = scale(%a) {factor=4.0}\n %n = multi_level_spike(%s) {levels=2, scale=0.5}\n"
        "%c = linear(%n; weight=w)\n {LIF}\n return %q"
    ),
    "a convolution": "%c = conv1d(%m; weight=k1, bias=b) {padding=(1,), stride=(2,)}\n {LIF}\n return %q",
}
SIZES = {"w": (5, 4), "w2": (5, 4), "u": (4, 4), "b": (5,), "k": (2, 1, 2, 4), "k1": (5, 3, 3)}


@pytest.mark.parametrize("fields", ["", "{levels=1}", "{levels=1, scale=1.0}", "{levels=3, scale=1.0}"])
@pytest.mark.parametrize("case", USERS)
def test_every_user_gets_what_it_needs(case, fields, make_graph, assert_same):
    text = f"{HEADER}\n%m = multi_level_spike(%x) {fields}\n {USERS[case].replace('{LIF}', LIF)}"
    names = {**{name: dyadic(*size) for name, size in SIZES.items()}, **NEURON}
    used = {name: value for name, value in names.items() if any(f"={name}{end}" in text for end in ",)")}
    before = make_graph(text, **used)
    after = UnrollLevels()(before)
    assert not list(after.nodes_of(MultiLevelSpike))
    assert all(after.types[value] == before.types[value] for value in before.types if value in after.types)
    assert_same(before, after, exact=True)
    assert UnrollLevels()(after) is after


def test_weights_that_are_not_exact_are_kept_to_rounding(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n%m = multi_level_spike(%x) {{levels=5, scale=0.3}}\n%c = linear(%m; weight=w, bias=b)\n{LIF}\n"
        "return %q, %c",
        w=(5, 4),
        b=(5,),
        **NEURON,
    )
    assert_same(before, UnrollLevels()(before))


def test_a_bias_in_fixed_point_keeps_its_codes(make_graph, assert_same):
    codes = Weight(np.arange(-2, 3, dtype=np.int8), Role.PARAMETER, IntFormat(8, 0.5))
    before = make_graph(
        f"{HEADER}\n%m = multi_level_spike(%x)\n%c = linear(%m; weight=w, bias=b)\n{LIF}\nreturn %q",
        w=dyadic(5, 4),
        b=codes,
        **NEURON,
    )
    after = UnrollLevels()(before)
    np.testing.assert_array_equal(after.weights["b"].array, codes.array)
    assert after.weights["b"].format == IntFormat(8, 2.0)
    assert_same(before, after, exact=True)


def test_a_level_is_an_event_as_a_unit_of_the_value_was(make_graph):
    before = make_graph(
        f"{HEADER}\n%m = multi_level_spike(%x)\n%c = linear(%m; weight=w)\n{LIF}\nreturn %q", w=(5, 4), **NEURON
    )
    inputs = np.random.default_rng(0).normal(1, 2, (5, 3, 3, 4)).astype(np.float32)
    own, other = (price(g, inputs, 3, load("45nm"), Policy()) for g in (before, UnrollLevels()(before)))
    assert own.energy_pj > 0
    assert other.energy_pj == pytest.approx(own.energy_pj, rel=1e-12)


def test_a_loop_through_an_integer_neuron(make_graph, assert_same):
    before = make_graph(
        f"""
        {HEADER}
        %d = delay(%m; steps=one) : int(0,4,0.25) step [3,4]
        %l = linear(%d; weight=u)
        %y = add(%x, %l)
        %m = multi_level_spike(%y)
        %c = linear(%m; weight=w)
        {LIF}
        return %q
        """,
        one=1.0,
        u=dyadic(4, 4),
        w=dyadic(5, 4),
        **NEURON,
    )
    after = UnrollLevels()(before)
    assert after.node("d").inputs == ("m",)
    assert_same(before, after, exact=True)


def test_a_scale_behind_the_levels_goes_into_the_neuron(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n%m = multi_level_spike(%x)\n%c = linear(%m; weight=w)\n{LIF}\nreturn %q", w=dyadic(5, 4), **NEURON
    )
    after = run(before, ["unroll-levels", "fold-scale"]).graph
    assert "scale" not in after.text().replace("v_threshold", "")
    assert_same(before, after, exact=True, membranes=False)


def test_leaves_all_but_integer_neurons_alone(make_graph):
    graph = make_graph(f"{HEADER}\n%c = linear(%x; weight=w)\n{LIF}\nreturn %q", w=(5, 4), **NEURON)
    assert UnrollLevels()(graph) is graph
