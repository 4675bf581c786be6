"""quantize: text before and after, formats and scales, the whole Spikformer, and what it leaves alone."""

import numpy as np
import pytest

from passes.manager import make, run
from passes.quantize import Quantize
from spikec.errors import UsageError
from spikec.ir.types import IntFormat, Role, Weight, weight_of
from spikec.run.interp import Interpreter

SPIKES = "graph(%x: spike step [3,6]) steps 12"


@pytest.fixture
def layers(make_graph):
    """Two Linears with LIFs, tau 2.5 with decay_input, then beta 0.7 and '>'."""
    return make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=w1, bias=b1) @fc1
        %p = lif(%a; tau=tau, v_threshold=one) @lif1
        %b = linear(%p; weight=w2) @fc2
        %q = lif(%b; beta=beta, v_threshold=vth) {{decay_input=False, fires_at='>'}} @lif2
        return %q
        """,
        w1=(5, 6),
        b1=(5,),
        w2=(4, 5),
        tau=2.5,
        beta=0.7,
        one=1.0,
        vth=1.3,
    )


WHOLE = "{fires_at='>', state=int(24,1.0), decay_input=False, rounding='toward_zero'}"


def test_weights_shares_and_thresholds_become_integers(layers):
    after = Quantize()(layers)
    assert after.text().splitlines() == [
        SPIKES,
        "%a = linear(%x; bias=b1, weight=w1) @fc1",
        f"%p = lif(%a; beta=lif1.beta, v_threshold=one) {WHOLE} @lif1",
        "%b = linear(%p; weight=w2) @fc2",
        f"%q = lif(%b; beta=beta, v_threshold=vth) {WHOLE} @lif2",
        "return %q",
    ]
    assert {name: str(weight.format) for name, weight in after.weights.items()} == {
        "w1": "int(8,64.0)",
        "b1": "int(13,64.0)",
        "w2": "int(8,64.0)",
        "lif1.beta": "uint(13,0.000244140625)",
        "beta": "uint(13,0.000244140625)",
        "one": "uint(17,64.0)",
        "vth": "uint(17,64.0)",
    }
    assert {weight.array.dtype.kind for weight in after.weights.values()} == {"i"}
    assert after.parameters == layers.parameters
    assert after.types["q"] == layers.types["q"]
    assert Quantize()(after) is after


def test_a_sum_that_only_neurons_take_goes_into_the_weights(make_graph):
    graph = make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=u)
        %b = linear(%x; weight=w, bias=b)
        %y = add(%a, %b)
        %t = transpose(%y) {{axes=(1, 0)}}
        %q = lif(%t; tau=two, v_threshold=one)
        %r = lif(%t; tau=two, v_threshold=one)
        return %q, %r
        """,
        u=weight_of(np.full((5, 6), 0.03)),
        w=weight_of(np.random.default_rng(0).normal(0.2, 0.6, (5, 6))),
        b=weight_of(np.full(5, 0.1)),
        two=2.0,
        one=1.0,
    )
    after = Quantize()(graph)
    assert "scale" not in after.text()
    assert all(np.array_equal(np.rint(w.values), w.values) for name, w in after.weights.items() if name in "uwb")


SCALES = {1.0: 2.0**-6, -1.0: 2.0**-7, 0.99: 2.0**-7, 0.999: 2.0**-6, 0.0: 1.0, 3e-5: 2.0**-22, 700.0: 8.0}


@pytest.mark.parametrize("largest", SCALES)
def test_the_finest_scale_at_which_nothing_is_clipped(largest, make_graph):
    weight = np.array([[largest, 0.0, 0.0, 0.0, 0.0, 0.0]])
    graph = make_graph(f"{SPIKES}\n%a = linear(%x; weight=w)\nreturn %a", w=weight_of(weight))
    found = Quantize()(graph).weights["w"]
    assert (found.format, found.array.dtype) == (IntFormat(8, SCALES[largest]), np.int8)
    assert np.abs(found.values - weight).max() <= SCALES[largest] / 2


@pytest.mark.parametrize(("bits", "size"), [(4, np.int8), (8, np.int8), (12, np.int16), (16, np.int16)])
def test_more_bits_come_nearer(bits, size, layers, lava):
    after = Quantize(weight_bits=bits)(layers)
    weight = after.weights["w1"]
    own = layers.weights["w1"].array.astype(float)
    unit = 2.0 ** -lava.codes_of(own, bits)[1]
    assert weight.array.dtype == size
    np.testing.assert_array_equal(weight.array, np.round(own / unit))
    assert after.weights["w1"].format.bits == bits


def test_decays_of_fewer_bits(layers):
    after = Quantize(decay_bits=4)(layers)
    assert (after.weights["beta"].array, after.weights["beta"].format) == (11, IntFormat(5, 1 / 16, signed=False))


IMAGE = "graph(%x: real once [1,4,4]) steps 3\n%r = repeat(%x)\n"


def test_the_first_neurons_of_an_image_keep_their_voltages(make_graph):
    graph = make_graph(
        f"""
        {IMAGE}
        %c = conv2d(%r; weight=w, bias=b)
        %p = lif(%c; tau=two, v_threshold=one)
        %d = conv2d(%p; weight=u)
        %q = lif(%d; tau=two, v_threshold=one)
        %m = time_mean(%q)
        %f = reshape(%m) {{shape=(2,)}}
        %h = linear(%f; weight=h, bias=hb)
        return %h
        """,
        w=(2, 1, 3, 3),
        b=(2,),
        u=(2, 2, 2, 2),
        h=(3, 2),
        hb=(3,),
        two=2.0,
        one=1.0,
    )
    after = Quantize()(graph)
    assert after.node("p").op == graph.node("p").op
    assert after.node("p").weights == graph.node("p").weights
    assert after.node("q").op.rounding == "toward_zero"
    kinds = {name: str(weight.format).split(",")[0] for name, weight in after.weights.items()}
    assert {kinds[name] for name in ("w", "u", "h")} == {"int(8"}
    assert {kinds[name] for name in ("b", "hb")} == {"int(13"}
    assert Quantize()(after) is after


def test_the_spikformer_fires_much_as_before(spikformer):
    passes = ["fold-batchnorm", "fold-scale", "lower-maxpool", "quantize"]
    before, after = run(spikformer, passes[:3]).graph, run(spikformer, passes).graph
    data = {"image": np.random.default_rng(0).normal(0, 1, (16, 2, 8, 8))}
    names = [node.name for node in before.nodes if node.op.mnemonic == "lif"]
    own, other = (Interpreter().run(graph, data, keep=names) for graph in (before, after))
    differing = [float((own[name] != other[name]).double().mean()) for name in names]
    assert 0 < max(differing) < 0.15
    for name in names:
        assert abs(float(own[name].mean() - other[name].mean())) < 0.03, name
    assert Quantize()(after) is after


LEFT_ALONE = {
    "no weights": "%y = add(%x, %x)\n return %y",
    "fixed point": "%a = linear(%x; weight=w8)\n %q = threshold(%a; v_threshold=v8)\n return %q",
    "an integrator": "%y = i(%x)\n return %y",
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    eight = {
        "w8": Weight(np.ones((6, 6), np.int8), Role.PARAMETER, IntFormat(8, 0.5)),
        "v8": Weight(np.asarray(3, np.int8), Role.CONSTANT, IntFormat(8, 0.5)),
    }
    given = eight if case == "fixed point" else {}
    graph = make_graph(f"{SPIKES}\n{LEFT_ALONE[case]}", **given)
    assert Quantize()(graph) is graph


@pytest.mark.parametrize("wrong", [{"weight_bits": 1}, {"weight_bits": 17}, {"decay_bits": 0}, {"decay_bits": 25}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=r"_bits = .* expected \d+ to \d+"):
        make({"pass": "quantize", **wrong})
