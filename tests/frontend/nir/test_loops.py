"""Cycles: where a step passes, against NIR's equations with exactly that edge delayed, and no other."""

import itertools

import nir
import numpy as np
import pytest

from spikec.errors import UnsupportedOp
from spikec.ir.time import Delay
from spikec.run.cycles import cycles_of

DT = 1e-4
N = 5


def lif(n=N, v_threshold=0.6, tau=3 * DT):
    one = np.ones(n)
    return nir.LIF(tau=tau * one, r=tau / DT * one, v_leak=0 * one, v_threshold=v_threshold * one, v_reset=0 * one)


def dense(out=N, into=N, seed=0, bias=None):
    weight = np.random.default_rng(seed).normal(0.05, 0.5, size=(out, into))
    return nir.Linear(weight) if bias is None else nir.Affine(weight, np.full(out, bias))


def ends(n=N, out=N):
    return {"input": nir.Input(np.array([n])), "output": nir.Output(np.array([out]))}


@pytest.fixture
def equal(taken, values, reference, alive):
    """The graph, whose every neuron does what the equations do with these edges a step late, and only these."""

    def check(nodes, edges, late, **reading):
        found = taken(nodes, edges, **reading)
        x = np.random.default_rng(2).uniform(-0.4, 1.0, size=(30, 6, *nodes["input"].input_type["input"]))
        expected = reference(nodes, edges, x, DT, late=late)
        kept = [name for name, node in nodes.items() if hasattr(node, "v_threshold")]
        seen = values(found.graph, x, [*kept, *found.graph.outputs])
        for name in kept:
            alive(expected[name])
            assert np.array_equal(seen[name], expected[name]), name
        for name, value in found.facts["outputs"].items():
            np.testing.assert_allclose(seen[value], expected[name], rtol=1e-9, atol=1e-9)
        return found

    return check


def delays(found):
    return [(node.name, node.inputs[0]) for node in found.graph.nodes_of(Delay)]


RECURRENT = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]


@pytest.mark.parametrize("bias", [None, 0.3])
def test_a_neuron_is_heard_a_step_later_and_its_bias_at_once(equal, bias):
    found = equal({**ends(), "lif": lif(), "w_rec": dense(bias=bias)}, RECURRENT, [("lif", "w_rec")])
    assert delays(found) == [("lif.delay", "lif")]
    assert "a cycle without a Delay: 'w_rec' takes what 'lif' gave a step ago" in found.remarks
    assert len(max(cycles_of(found.graph), key=len)) == 4


def test_where_the_delay_stands_decides_when_a_bias_acts(equal, taken, values, reference):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(bias=0.7)}
    found = taken(nodes, RECURRENT)
    x = np.zeros((1, 1, N))
    at_once = reference(nodes, RECURRENT, x, DT, late=[("lif", "w_rec")])["lif"]
    later = reference(nodes, RECURRENT, x, DT, late=[("w_rec", "lif")])["lif"]
    assert at_once.all()
    assert not later.any()
    assert np.array_equal(values(found.graph, x)["lif"], at_once)


def test_a_cycle_that_has_a_delay_gets_no_other(equal):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(), "wait": nir.Delay(np.full(N, 3 * DT))}
    edges = [("input", "lif"), ("lif", "wait"), ("wait", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    found = equal(nodes, edges, [])
    assert delays(found) == [("wait", "lif")]
    assert not any("cycle" in remark for remark in found.remarks)


def test_a_delay_of_its_own_for_each_element(equal):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(), "wait": nir.Delay(np.array([1, 2, 3, 1, 7]) * DT)}
    edges = [("input", "lif"), ("lif", "wait"), ("wait", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    equal(nodes, edges, [])


def test_a_delay_behind_the_weights(equal):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(), "wait": nir.Delay(np.full(N, 2 * DT))}
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "wait"), ("wait", "lif"), ("lif", "output")]
    found = equal(nodes, edges, [])
    assert str(found.graph.types["wait"]) == "real step [5]"


def test_a_delay_that_several_edges_enter(equal):
    nodes = {**ends(), "lif": lif(), "other": lif(v_threshold=0.9), "w": dense(), "wait": nir.Delay(np.full(N, DT))}
    edges = [("input", "lif"), ("input", "other"), ("lif", "wait"), ("other", "wait"), ("wait", "w")]
    edges += [("w", "lif"), ("w", "other"), ("lif", "output")]
    found = equal(nodes, edges, [])
    assert str(found.graph.types["wait"]) == "int(0,2) step [5]"


@pytest.mark.parametrize("steps", [0.0, 1e-7])
def test_a_delay_of_nothing_on_a_cycle_is_refused(taken, steps):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(), "wait": nir.Delay(np.full(N, steps * DT))}
    edges = [("input", "lif"), ("lif", "wait"), ("wait", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    with pytest.raises(UnsupportedOp, match="a Delay of 0 steps on a cycle") as caught:
        taken(nodes, edges)
    assert [offender.path for offender in caught.value.offenders] == ["wait"]


def test_a_neuron_that_feeds_itself(equal):
    nodes = {**ends(), "lif": lif(v_threshold=1.2)}
    found = equal(nodes, [("input", "lif"), ("lif", "lif"), ("lif", "output")], [("lif", "lif")])
    assert delays(found) == [("lif.delay", "lif")]


def test_feedback_between_layers_does_not_delay_the_way_forward(equal):
    nodes = {**ends(), "a": lif(), "up": dense(seed=1), "b": lif(v_threshold=0.3), "down": dense(seed=2)}
    edges = [("input", "a"), ("a", "up"), ("up", "b"), ("b", "down"), ("down", "a"), ("b", "output")]
    found = equal(nodes, edges, [("b", "down")])
    assert delays(found) == [("b.delay", "b")]


def test_layers_that_are_recurrent_each_for_itself_and_together(equal):
    nodes = {**ends(), "a": lif(), "aa": dense(seed=1), "ab": dense(seed=2, bias=0.2), "b": lif(v_threshold=0.4)}
    nodes |= {"bb": dense(seed=3), "ba": dense(seed=4)}
    edges = [("input", "a"), ("a", "aa"), ("aa", "a"), ("a", "ab"), ("ab", "b"), ("b", "bb"), ("bb", "b")]
    edges += [("b", "ba"), ("ba", "a"), ("b", "output")]
    equal(nodes, edges, [("a", "aa"), ("b", "bb"), ("b", "ba")])


def test_of_many_edges_that_lead_back_the_first_are_said_and_how_many_more(taken):
    nodes = {**ends(), **{f"n{k}": lif() for k in range(40)}}
    names = ["input", *(f"n{k}" for k in range(40)), "output"]
    found = taken(nodes, [*itertools.pairwise(names), *((name, name) for name in names[1:-1])])
    said = [remark for remark in found.remarks if "a cycle without a Delay" in remark]
    assert len(said) == 32
    assert "cycles without a Delay: 8 more edges give what was given a step ago" in found.remarks


def test_weights_that_others_hear_as_well_are_delayed_behind_them(equal):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(bias=0.2), "seen": nir.Output(np.array([N]))}
    equal(nodes, [*RECURRENT, ("w_rec", "seen")], [("w_rec", "lif")])


def test_weights_that_two_cycles_share(equal):
    nodes = {**ends(), "a": lif(), "b": lif(v_threshold=0.9), "w": dense(bias=0.1)}
    edges = [
        ("input", "a"),
        ("input", "b"),
        ("a", "w"),
        ("b", "w"),
        ("w", "a"),
        ("w", "b"),
        ("a", "output"),
        ("b", "output"),
    ]
    found = equal(nodes, edges, [("a", "w"), ("b", "w")])
    assert sorted(delays(found)) == [("a.delay", "a"), ("b.delay", "b")]


@pytest.mark.parametrize(("first", "second"), [("exc", "inh"), ("z", "a")])
def test_populations_side_by_side_hear_each_other_a_step_later_whatever_their_names(equal, first, second):
    nodes = {**ends(), first: lif(), second: lif(v_threshold=0.9), "w_in": dense(seed=9)}
    nodes |= {"k": dense(seed=1), "l": dense(seed=2), "m": dense(seed=3), "n": dense(seed=4, bias=0.1)}
    edges = [("input", first), ("input", "w_in"), ("w_in", second), (first, "output")]
    edges += [(first, "k"), ("k", first), (first, "l"), ("l", second), (second, "m"), ("m", first)]
    edges += [(second, "n"), ("n", second)]
    equal(nodes, edges, [(first, "k"), (first, "l"), (second, "m"), (second, "n")])


def test_weights_that_take_the_input_and_the_feedback(equal):
    nodes = {**ends(), "lif": lif(), "w": dense()}
    equal(nodes, [("input", "w"), ("lif", "w"), ("w", "lif"), ("lif", "output")], [("lif", "w")])


def test_a_cycle_inside_a_subgraph(taken, values, reference, alive):
    nodes = {"lif": lif(), "w_rec": dense(bias=0.1)}
    block = nir.NIRGraph({**ends(), **nodes}, RECURRENT, type_check=False)
    outer = {**ends(), "fc": dense(seed=3), "rnn": block}
    found = taken(outer, [("input", "fc"), ("fc", "rnn"), ("rnn", "output")])
    flat = {**ends(), "fc": outer["fc"], **nodes}
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    x = np.random.default_rng(2).uniform(0, 1.0, size=(30, 6, N))
    expected = reference(flat, edges, x, DT, late=[("lif", "w_rec")])["lif"]
    alive(expected)
    assert np.array_equal(values(found.graph, x)["rnn.lif"], expected)
    assert delays(found) == [("rnn.lif.delay", "rnn.lif")]


def test_a_cycle_around_a_subgraph(equal, taken, values):
    inner = nir.NIRGraph({**ends(), "lif": lif()}, [("input", "lif"), ("lif", "output")], type_check=False)
    nodes = {**ends(), "cell": inner, "w_rec": dense()}
    found = taken(nodes, [("input", "cell"), ("cell", "w_rec"), ("w_rec", "cell"), ("cell", "output")])
    flat = equal({**ends(), "lif": lif(), "w_rec": dense()}, RECURRENT, [("lif", "w_rec")])
    x = np.random.default_rng(2).uniform(-0.4, 1.0, size=(20, 3, N))
    assert np.array_equal(values(found.graph, x)["cell.lif"], values(flat.graph, x)["lif"])


@pytest.mark.parametrize("kind", ["LI", "I", "CubaLI"])
def test_integrators_are_heard_a_step_later_as_neurons_are(equal, kind):
    one = np.ones(N)
    cell = {
        "LI": nir.LI(3 * DT * one, 3 * one, 0 * one),
        "I": nir.I(one / DT),
        "CubaLI": nir.CubaLI(2 * DT * one, 3 * DT * one, 3 * one, 0 * one, 2 * one),
    }[kind]
    nodes = {**ends(), "cell": cell, "w": nir.Linear(-0.1 * np.eye(N)), "lif": lif()}
    edges = [("input", "cell"), ("cell", "w"), ("w", "cell"), ("cell", "lif"), ("lif", "output")]
    equal(nodes, edges, [("cell", "w")])


def test_a_convolution_on_a_cycle(taken, values, reference, alive):
    one = np.ones((2, 6, 6))
    cell = nir.LIF(3 * DT * one, 3 * one, 0 * one, 0.5 * one, 0 * one)
    weight = np.random.default_rng(0).normal(0, 0.3, size=(2, 2, 3, 3))
    conv = nir.Conv2d(None, weight, 1, "same", 1, 1, np.array([0.1, -0.1]))
    nodes = {
        "input": nir.Input(np.array([2, 6, 6])),
        "lif": cell,
        "w_rec": conv,
        "output": nir.Output(np.array([2, 6, 6])),
    }
    x = np.random.default_rng(2).uniform(-0.4, 1.0, size=(15, 2, 2, 6, 6))
    expected = reference(nodes, RECURRENT, x, DT, late=[("lif", "w_rec")])["lif"]
    alive(expected)
    assert np.array_equal(values(taken(nodes, RECURRENT).graph, x)["lif"], expected)


def test_numbers_of_one_for_all_on_a_cycle(taken):
    cell = nir.LIF(np.array([3 * DT]), np.array([3.0]), np.zeros(1), np.ones(1), np.zeros(1))
    found = taken({**ends(), "lif": cell, "w_rec": dense()}, RECURRENT)
    assert str(found.graph.types["lif.delay"]) == "spike step [5]"


def test_what_adds_up_round_a_delay_without_a_neuron_is_real(taken, values):
    one = np.ones(N)
    nodes = {**ends(), "lif": lif(), "gather": nir.Scale(0.5 * one), "wait": nir.Delay(DT * one)}
    edges = [("input", "lif"), ("lif", "gather"), ("wait", "gather"), ("gather", "wait"), ("gather", "output")]
    found = taken(nodes, edges)
    assert str(found.graph.types["gather"]) == "real step [5]"
    x = np.random.default_rng(2).uniform(0, 1.0, size=(20, 3, N))
    seen = values(found.graph, x, ["lif", "gather"])
    expected, y = [], 0.0
    for spikes in seen["lif"]:
        expected.append(y := 0.5 * (spikes + y))
    np.testing.assert_allclose(seen["gather"], np.stack(expected), rtol=1e-12)


def test_a_cycle_in_which_nothing_takes_time_is_refused(taken):
    nodes = {**ends(), "a": dense(seed=1), "b": dense(seed=2), "lif": lif()}
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "lif"), ("lif", "a"), ("lif", "output")]
    with pytest.raises(UnsupportedOp, match="on a cycle without a neuron or a Delay") as caught:
        taken(nodes, edges)
    assert {offender.path for offender in caught.value.offenders} == {"a", "b"}


def test_subgraphs_that_only_pass_on_in_a_circle_are_refused(taken):
    block = nir.NIRGraph(ends(), [("input", "output")], type_check=False)
    with pytest.raises(UnsupportedOp, match="on a cycle without a neuron"):
        taken({**ends(), "block": block}, [("input", "block"), ("block", "block"), ("block", "output")])


def test_shapes_that_do_not_fit_round_a_cycle_are_refused(taken):
    nodes = {**ends(), "lif": lif(), "w_rec": dense(out=3)}
    with pytest.raises(UnsupportedOp, match="shapes differ") as caught:
        taken(nodes, RECURRENT)
    assert [offender.path for offender in caught.value.offenders] == ["lif"]
