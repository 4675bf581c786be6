"""quantize: spikes and membranes are, bit for bit, those of an integer model of its own."""

import math

import numpy as np
import pytest

from passes.manager import run
from passes.quantize import Quantize
from spikec.ir.types import Role, weight_of
from spikec.run.interp import Interpreter

SPIKES = "graph(%x: spike step [3,6]) steps 12"


@pytest.mark.parametrize("seed", range(5))
def test_two_layers_equal_the_integer_model(seed, make_graph, lava):
    random = np.random.default_rng(seed)
    w1, b1, w2 = random.normal(0.2, 0.5, (5, 6)), random.normal(0, 0.2, 5), random.normal(0.3, 0.7, (4, 5))
    graph = make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=w1, bias=b1)
        %p = lif(%a; tau=tau, v_threshold=one)
        %b = linear(%p; weight=w2)
        %q = lif(%b; beta=beta, v_threshold=vth) {{decay_input=False, fires_at='>'}}
        return %q
        """,
        **{name: weight_of(w) for name, w in {"w1": w1, "b1": b1, "w2": w2}.items()},
        tau=2.5,
        beta=0.7,
        one=0.5,
        vth=1.3,
    )
    x = lava.spikes_in((3, 6), seed)
    a, k1 = lava.linear_in_integers(x, w1, b1)
    p, p_v = lava.neuron_in_integers(a, math.ceil(2.5 * 0.5 * 2**k1) - 1, round(4096 * 0.6))
    b, k2 = lava.linear_in_integers(p, w2)
    q, q_v = lava.neuron_in_integers(b, math.floor(1.3 * 2**k2), round(4096 * 0.7))
    lava.check(Quantize()(graph), x, {"p": p, "p.v": p_v, "q": q, "q.v": q_v})


NEURONS = {
    "input decay": ("lif(%a; tau=tau, v_threshold=vth)", lambda u: {"threshold": math.ceil(1.2 * u) - 1, "m": 1365}),
    "no input decay": (
        "lif(%a; tau=tau, v_threshold=vth) {decay_input=False}",
        lambda u: {"threshold": math.ceil(0.8 * u) - 1, "m": 1365},
    ),
    "no reset": (
        "lif(%a; beta=beta, v_threshold=vth) {decay_input=False, reset='none'}",
        lambda u: {"threshold": math.ceil(0.8 * u) - 1, "m": 2867, "reset": "none"},
    ),
    "soft reset": (
        "lif(%a; beta=beta, v_threshold=vth) {decay_input=False, reset='soft'}",
        lambda u: {"threshold": round(0.8 * u), "m": 2867, "reset": "soft", "strict": False},
    ),
    "soft reset, strict and late": (
        "lif(%a; beta=beta, v_threshold=vth) {decay_input=False, reset='soft', fires_at='>', reset_delay=True}",
        lambda u: {"threshold": round(0.8 * u), "m": 2867, "reset": "soft", "late": True},
    ),
    "hard reset, late": (
        "lif(%a; beta=beta, v_threshold=vth, v_reset=vr, v_leak=zero) {decay_input=False, reset_delay=True}",
        lambda u: {"threshold": math.ceil(0.8 * u) - 1, "m": 2867, "to": round(-0.3 * 64 * u), "late": True},
    ),
    "a reset that is the rest": (
        "lif(%a; tau=tau, v_threshold=vth, v_reset=vr)",
        lambda u: {"threshold": math.ceil(1.5 * (0.8 + 0.3) * u) - 1, "m": 1365},
    ),
    "a rest, a reset and a start of their own": (
        "lif(%a; tau=tau, v_threshold=vth, v_reset=vr, v_leak=vl, v0=v0)",
        lambda u: {
            "threshold": math.ceil((0.8 - 0.1) * 1.5 * u) - 1,
            "m": 1365,
            "to": round((-0.3 - 0.1) * 1.5 * 64 * u),
            "start": round((0.45 - 0.1) * 1.5 * 64 * u),
        },
    ),
    "refractory": (
        "lif(%a; beta=beta, v_threshold=vth) {decay_input=False, refractory=2}",
        lambda u: {"threshold": math.ceil(0.8 * u) - 1, "m": 2867, "rest": 2},
    ),
    "plif": (
        "plif(%a; w=w_, v_threshold=vth)",
        lambda u: {
            "threshold": math.ceil(0.8 * (1 + math.exp(-0.4)) * u) - 1,
            "m": round(4096 * (1 - 1 / (1 + math.exp(-0.4)))),
        },
    ),
    "if": ("if(%a; v_threshold=vth)", lambda u: {"threshold": math.ceil(0.8 * u) - 1}),
    "if with a reset and a start": (
        "if(%a; v_threshold=vth, v_reset=vr, v0=v0)",
        lambda u: {"threshold": math.ceil((0.8 + 0.3) * u) - 1, "start": round((0.45 + 0.3) * 64 * u)},
    ),
    "if with a soft reset, started at v_reset": (
        "if(%a; v_threshold=vth, v_reset=vr) {reset='soft'}",
        lambda u: {
            "threshold": round(0.8 * u),
            "reset": "soft",
            "strict": False,
            "start": round(-0.3 * 64 * u),
        },
    ),
    "current": (
        "cuba_lif(%a; alpha=alpha, beta=beta, v_threshold=vth)",
        lambda u: {"threshold": math.ceil(0.8 * u) - 1, "m": 2867, "i": 1229},
    ),
    "current by time constants": (
        "cuba_lif(%a; tau_syn=tau, tau=tau4, v_threshold=vth) {decay_input=True}",
        lambda u: {"threshold": math.ceil(0.8 * 4 * u) - 1, "m": 3072, "i": 1365},
    ),
}
NUMBERS = {
    "tau": 1.5,
    "tau4": 4.0,
    "beta": 0.7,
    "alpha": 0.3,
    "w_": 0.4,
    "vth": 0.8,
    "vr": -0.3,
    "vl": 0.1,
    "v0": 0.45,
    "zero": 0.0,
}


@pytest.mark.parametrize("case", NEURONS)
def test_every_convention_equals_the_integer_model(case, make_graph, lava):
    neuron, numbers = NEURONS[case]
    weight = np.random.default_rng(3).normal(0.15, 0.4, (5, 6))
    text = f"{SPIKES}\n%a = linear(%x; weight=w)\n%q = {neuron}\nreturn %q"
    given = {name: value for name, value in NUMBERS.items() if f"={name}," in text or f"={name})" in text}
    graph = make_graph(text, w=weight_of(weight), **given)
    after = Quantize()(graph)
    x = lava.spikes_in((3, 6))
    drive, k = lava.linear_in_integers(x, weight)
    q, v = lava.neuron_in_integers(drive, **numbers(2.0**k))
    lava.check(after, x, {"q": q, "q.v": v})
    assert Quantize()(after) is after


def test_channels_of_a_folded_convolution(make_graph, lava):
    """A threshold, a tau and a reset for each channel; a bias from the BatchNorm."""
    random = np.random.default_rng(1)
    weight, mean = random.normal(0, 0.4, (4, 2, 3, 3)), random.normal(-0.3, 0.1, 4)
    tau, vth, reset = np.array([1.5, 2.0, 2.0, 4.0]), np.array([0.8, 1.0, 1.2, 0.6]), np.array([0.0, -0.5, 0.25, 0.0])
    column = (4, 1, 1)
    graph = make_graph(
        """
        graph(%x: int(0,3) step [2,5,5]) steps 12
        %c = conv2d(%x; weight=w) {padding=(1, 1), stride=(2, 2)} @conv
        %n = batch_norm(%c; mean=m, var=v) {eps=0.0} @bn
        %q = lif(%n; tau=tau, v_threshold=vth, v_reset=vr) @lif
        return %q
        """,
        w=weight_of(weight),
        m=weight_of(mean, Role.STATISTIC),
        v=weight_of(np.array([1.0, 4.0, 1.0, 0.25]), Role.STATISTIC),
        tau=weight_of(tau.reshape(column)),
        vth=weight_of(vth.reshape(column)),
        vr=weight_of(reset.reshape(column)),
    )
    after = run(graph, ["fold-batchnorm", "quantize"]).graph
    x = lava.spikes_in((2, 5, 5), most=3)
    gain = 1 / np.sqrt([1.0, 4.0, 1.0, 0.25])
    codes, k = lava.codes_of(weight * gain[:, None, None, None])
    mantissa, own = lava.codes_of(-mean * gain, bits=13, finest=k)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)))
    drive = np.zeros((lava.STEPS, lava.SAMPLES, 4, 3, 3), np.int64)
    for row in range(3):
        for column_ in range(3):
            window = padded[..., 2 * row : 2 * row + 3, 2 * column_ : 2 * column_ + 3]
            drive[..., row, column_] = np.einsum("tbiyx,oiyx->tbo", window, codes)
    drive += (mantissa << (k - own))[:, None, None]
    threshold = np.ceil((vth - reset) * tau * 2.0**k).astype(np.int64) - 1
    m = np.round(4096 * (1 - 1 / tau)).astype(np.int64)
    q, v = lava.neuron_in_integers(drive, threshold.reshape(column), m.reshape(column))
    lava.check(after, x, {"q": q, "q.v": v})


def test_a_sum_of_drives_is_in_units_of_the_finest(make_graph, lava):
    random = np.random.default_rng(2)
    fine, coarse = random.normal(0, 0.05, (5, 6)), random.normal(0.2, 0.6, (5, 6))
    graph = make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=fine)
        %b = linear(%x; weight=coarse)
        %y = add(%a, %b)
        %q = lif(%y; tau=two, v_threshold=one)
        %r = if(%b; v_threshold=one)
        return %q, %r
        """,
        fine=weight_of(fine),
        coarse=weight_of(coarse),
        two=2.0,
        one=1.0,
    )
    after = Quantize()(graph)
    # %b drives a neuron and joins a sum: it keeps its units, and each drive is multiplied by itself.
    (a_codes, a_k), (b_codes, b_k) = lava.codes_of(fine), lava.codes_of(coarse)
    assert a_k > b_k
    assert [str(after.weights[name].format) for name in ("fine", "coarse")] == [
        f"int(8,{2.0**-a_k!r})",
        f"int(8,{2.0**-b_k!r})",
    ]
    assert [node.op.factor for node in after.nodes if node.op.mnemonic == "scale"] == [64 * 2.0**a_k, 64 * 2.0**b_k]
    x = lava.spikes_in((3, 6))
    drive = x @ a_codes.T + ((x @ b_codes.T) << (a_k - b_k))
    q, q_v = lava.neuron_in_integers(drive, 2 * 2**a_k - 1, 2048)
    r, r_v = lava.neuron_in_integers(x @ b_codes.T, 2**b_k - 1)
    lava.check(after, x, {"q": q, "q.v": q_v, "r": r, "r.v": r_v})
    assert Quantize()(after) is after


def test_attention_and_levels(make_graph, lava):
    """Products of spikes with their scale, and a weight that the levels of an integer neuron share."""
    random = np.random.default_rng(6)
    weight, bias = random.normal(0.05, 0.3, (4, 6)), random.normal(0, 0.3, 4)
    graph = make_graph(
        f"""
        {SPIKES}
        %s = matmul(%x, %x) {{transpose_b=True}}
        %z = scale(%s) {{factor=0.25}}
        %y = matmul(%z, %x)
        %p = lif(%y; tau=two, v_threshold=half)
        %k = multi_level_spike(%y) {{levels=3, scale=0.5}}
        %a = linear(%k; weight=w, bias=b)
        %q = lif(%a; tau=two, v_threshold=half)
        return %p, %q
        """,
        w=weight_of(weight),
        b=weight_of(bias),
        two=2.0,
        half=0.9,
    )
    after = run(graph, ["unroll-levels", "quantize"]).graph
    x = lava.spikes_in((3, 6))
    y = np.einsum("tbnd,tbmd,tbme->tbne", x, x, x)  # in quarters
    p, p_v = lava.neuron_in_integers(y, math.ceil(2 * 0.9 * 4) - 1, 2048)
    # Half to even of quarters: 1/2 is level 0, 3/2 level 2, 5/2 level 2.
    levels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    found = np.where(y > 10, 3, levels[np.minimum(y, 10)])
    drive, k = lava.linear_in_integers(found, weight, 2 * bias)  # halves of the weights' units
    q, q_v = lava.neuron_in_integers(drive, math.ceil(2 * 0.9 * 2 * 2**k) - 1, 2048)
    lava.check(after, x, {"p": p, "p.v": p_v, "q": q, "q.v": q_v})
    assert len([name for name in after.weights if name == "w"]) == 1
    assert {node.weights["weight"] for node in after.nodes if node.op.mnemonic == "linear"} == {"w"}
    assert "%y = matmul" in after.text()
    assert Quantize()(after) is after


def test_thresholds_without_a_membrane_stay_where_they_are(make_graph, lava):
    random = np.random.default_rng(6)
    weight = random.normal(0.05, 0.3, (4, 6))
    graph = make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=w)
        %q = threshold(%a; v_threshold=vth)
        %r = threshold(%a; v_threshold=low) {{fires_at='>'}}
        return %q, %r
        """,
        w=weight_of(weight),
        vth=0.25,
        low=-0.3,
    )
    after = Quantize()(graph)
    x = lava.spikes_in((3, 6))
    drive, k = lava.linear_in_integers(x, weight)
    lava.check(after, x, {"q": (drive >= 2 ** (k - 2)).astype(int), "r": (drive > np.floor(-0.3 * 2**k)).astype(int)})
    assert (after.weights["low"].array, str(after.weights["low"].format)) == (
        np.floor(-0.3 * 2**k),
        f"int(18,{2.0**-k!r})",
    )
    assert "scale" not in after.text().replace("v_threshold", "")


def test_a_loop_of_spikes(make_graph, lava):
    random = np.random.default_rng(8)
    weight, back = random.normal(0.1, 0.4, (5, 6)), random.normal(-0.1, 0.3, (5, 5))
    graph = make_graph(
        f"""
        {SPIKES}
        %d = delay(%q; steps=one) : spike step [3,5]
        %a = linear(%x; weight=w)
        %b = linear(%d; weight=u)
        %y = add(%a, %b)
        %q = lif(%y; tau=two, v_threshold=half)
        return %q
        """,
        w=weight_of(weight),
        u=weight_of(back),
        one=1.0,
        two=2.0,
        half=0.5,
    )
    after = Quantize()(graph)
    x = lava.spikes_in((3, 6))
    (w, w_k), (u, u_k) = lava.codes_of(weight), lava.codes_of(back)
    k = max(w_k, u_k)
    q, v, spikes, membranes = np.zeros((2, lava.SAMPLES, 3, 5), np.int64), 0, [], []
    q = q[0]
    for step in x:
        drive = ((step @ w.T) << (k - w_k)) + ((q @ u.T) << (k - u_k))
        v = lava.share(np.asarray(v), 2048) + 64 * drive
        q = (v > 64 * (2**k - 1)).astype(np.int64)
        v = np.where(q > 0, 0, v)
        spikes.append(q)
        membranes.append(v)
    lava.check(after, x, {"q": np.stack(spikes), "q.v": np.stack(membranes)})


def test_a_membrane_that_is_an_output_has_its_units_again(make_graph, lava):
    weight = np.random.default_rng(3).normal(0.15, 0.4, (5, 6))
    graph = make_graph(
        f"""
        {SPIKES}
        %a = linear(%x; weight=w)
        %q = lif(%a; tau=tau, v_threshold=vth) {{reset='soft'}}
        %m = time_mean(%q.v)
        return %q.v, %m, %q
        """,
        w=weight_of(weight),
        tau=2.0,
        vth=0.5,
    )
    after = Quantize()(graph)
    assert after.outputs == ("q.v.given_back", "m", "q")
    assert Quantize()(after) is after
    x = lava.spikes_in((3, 6))
    drive, k = lava.linear_in_integers(x, weight)
    _, v = lava.neuron_in_integers(drive, 2**k, 2048, reset="soft", strict=False)
    found = Interpreter().run(after, {"x": x})
    np.testing.assert_array_equal(found["q.v.given_back"].numpy(), v / (64 * 2.0 * 2**k))
    own = Interpreter().run(graph, {"x": x})
    assert np.abs(found["m"].numpy() - own["m"].numpy()).mean() < 0.02


def test_a_loop_that_only_adds_is_on_a_grid(make_graph, lava):
    graph = make_graph(
        f"""
        {SPIKES}
        %d = delay(%y; steps=one) : real step [3,5]
        %a = linear(%x; weight=w)
        %y = add(%d, %a)
        %q = if(%y; v_threshold=far)
        return %q
        """,
        w=weight_of(np.full((5, 6), 0.25)),
        one=1.0,
        far=20.0,
    )
    after = Quantize()(graph)
    x = lava.spikes_in((3, 6))
    codes, k = lava.codes_of(np.full((5, 6), 0.25))
    q, v = lava.neuron_in_integers(np.cumsum(x @ codes.T, axis=0), 20 * 2**k - 1)
    values = Interpreter().run(after, {"x": x}, keep=["q", "q.v"])
    np.testing.assert_array_equal(values["q"], q)
    np.testing.assert_array_equal(values["q.v"], v)
    assert q.any()
