"""Every convention of the neurons against a scalar loop, written from the ops' docstrings."""

import itertools
import math

import numpy as np
import pytest
import torch

from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike
from spikec.run.interp import Interpreter

T, B, N = 12, 3, 5
FIELDS = {
    "reset": ("hard", "soft", "none"),
    "fires_at": (">=", ">"),
    "reset_delay": (False, True),
    "refractory": (0, 2),
}
CONVENTIONS = [dict(zip(FIELDS, values, strict=True)) for values in itertools.product(*FIELDS.values())]


def told(fields):
    return "-".join(str(value) for value in fields.values())


ROUND = {"none": float, "toward_zero": math.trunc, "floor": math.floor}


def charged(op, x, v, v_leak, w):
    """The membrane with a step's input in it."""
    if isinstance(op, IF):
        return v + x
    if isinstance(op, PLIF):
        share = 1 / (1 + math.exp(-w["w"]))
        return v + (x - (v - v_leak)) * share if op.decay_input else v - (v - v_leak) * share + x
    if op.decay_input:
        return v + (x - (v - v_leak)) / w["tau"]
    if "tau" in w:
        return v - (v - v_leak) / w["tau"] + x
    return v_leak + ROUND[op.rounding]((v - v_leak) * w["beta"]) + x


def loop(op, drive, w):
    """One neuron's spikes, membranes and currents: plain Python, one element, from the ops' docstrings."""
    v_reset = w.get("v_reset", 0.0)
    v_leak = w.get("v_leak", v_reset)
    v = w.get("v0", v_leak)
    resting, fired, i, spikes, membranes, currents = 0, False, w.get("i0", 0.0), [], [], []

    def after_reset(h, q):
        if op.reset == "hard":
            return v_reset if q else h
        return h - q * w["v_threshold"] if op.reset == "soft" else h

    for x in drive:
        if op.reset_delay and op.reset == "hard" and fired:
            v = v_reset
        if isinstance(op, CubaLIF):
            x = i = ROUND[op.rounding](i * w["alpha"]) + x if "alpha" in w else i - i / w["tau_syn"] + x
        h = charged(op, x, v, v_leak, w)
        if op.reset_delay and op.reset == "soft" and fired:
            h -= w["v_threshold"]
        q = h > w["v_threshold"] if op.fires_at == ">" else h >= w["v_threshold"]
        if resting:
            h, q, resting = v_reset, False, resting - 1
        elif q:
            resting = op.refractory
        v = h if op.reset_delay else after_reset(h, q)
        fired = q
        spikes.append(float(q))
        membranes.append(float(v))
        currents.append(float(i))
    return spikes, membranes, currents


def loops(op, drive, weights):
    """The loop over every element, weights broadcast."""
    full = {slot: np.broadcast_to(np.asarray(value), (N,)) for slot, value in weights.items()}
    found = np.empty((3, *drive.shape))
    for b, n in np.ndindex(drive.shape[1:]):
        found[:, :, b, n] = loop(op, drive[:, b, n], {s: float(v[n]) for s, v in full.items()})
    return tuple(found)


def agree(apply_op, op, drive, weights):
    """Asserts spikes and membranes bit for bit, and that the neurons both fire and rest."""
    spikes, membranes, currents = loops(op, drive, weights)
    given = {slot: np.asarray(value, np.float64) for slot, value in weights.items()}
    np.testing.assert_array_equal(apply_op(op, drive, weights=given), spikes)
    np.testing.assert_array_equal(apply_op(op, drive, weights=given, result=1), membranes)
    if isinstance(op, CubaLIF):
        np.testing.assert_array_equal(apply_op(op, drive, weights=given, result=2), currents)
    assert 0.02 < spikes.mean() < 0.98


@pytest.fixture
def drive(rng):
    """On a grid of sixteenths, so that ties at the threshold happen; scaled so that rounding leaves something."""
    return rng.integers(-24, 72, (T, B, N)) / 16


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("fields", CONVENTIONS, ids=told)
def test_lif(fields, decay_input, apply_op, drive):
    weights = {"tau": 2.0, "v_threshold": 1.0, "v_reset": -0.25, "v_leak": 0.125, "v0": 0.5}
    agree(apply_op, LIF(**fields, decay_input=decay_input), drive, weights)


VOLTAGES = {"v_threshold": 1.0, "v_reset": -0.25, "v_leak": 0.125, "v0": 0.5}


@pytest.mark.parametrize("rounding", ["none", "toward_zero", "floor"])
@pytest.mark.parametrize("fields", CONVENTIONS, ids=told)
def test_lif_of_beta(fields, rounding, apply_op, drive):
    op = LIF(**fields, decay_input=False, rounding=rounding)
    agree(apply_op, op, drive, {**VOLTAGES, "beta": 0.8, "v_threshold": 1.5})


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("fields", CONVENTIONS, ids=told)
def test_plif(fields, decay_input, apply_op, drive):
    op = PLIF(**fields, decay_input=decay_input)
    weights = {**VOLTAGES, "w": 0.0}  # of which the sigmoid is exact
    agree(apply_op, op, drive, weights)


@pytest.mark.parametrize(
    "leaks", [{"alpha": 0.7, "beta": 0.8}, {"tau_syn": 3.0, "tau": 1.5}, {"alpha": 0.5, "tau": 3.0}]
)
@pytest.mark.parametrize("fields", CONVENTIONS, ids=told)
def test_cuba_lif(fields, leaks, apply_op, drive):
    for decay_input in (False, True) if "tau" in leaks else (False,):
        agree(apply_op, CubaLIF(**fields, decay_input=decay_input), drive, {**VOLTAGES, **leaks, "i0": 0.25})


@pytest.mark.parametrize("rounding", ["toward_zero", "floor"])
def test_cuba_lif_that_rounds(rounding, apply_op, rng):
    drive = rng.integers(-24, 72, (T, B, N)) * 64.0
    weights = {"alpha": 1024 / 4096, "beta": 3000 / 4096, "v_threshold": 2048.0}
    agree(apply_op, CubaLIF(fires_at=">", rounding=rounding), drive, weights)


@pytest.mark.parametrize("reset", ["hard", "none"])
@pytest.mark.parametrize("fires_at", [">", ">="])
def test_alpha(reset, fires_at, apply_op, drive):
    alpha, beta = 0.9, 0.6
    gain = math.log(alpha) / (math.log(beta) - math.log(alpha)) + 1
    expected = np.empty((2, *drive.shape))
    for b, n in np.ndindex(drive.shape[1:]):
        e = i = fired = 0
        for t, x in enumerate(drive[:, b, n]):
            e, i = alpha * e + x, beta * i - x
            h = gain * (e + i)
            if fired and reset == "hard":
                e = i = h = 0.0
            fired = h > 0.7 if fires_at == ">" else h >= 0.7
            expected[:, t, b, n] = fired, h
    weights = {"alpha": alpha, "beta": beta, "v_threshold": 0.7}
    op = Alpha(reset=reset, fires_at=fires_at)
    np.testing.assert_array_equal(apply_op(op, drive, weights=weights), expected[0])
    np.testing.assert_allclose(apply_op(op, drive, weights=weights, result=1), expected[1], rtol=1e-13)
    assert 0.02 < expected[0].mean() < 0.98


@pytest.mark.parametrize("weights", [{"tau": 3.0}, {"beta": 0.7}, {"tau": 3.0, "v_leak": 0.25, "v0": -1.0}])
def test_li_is_a_lif_that_never_fires(weights, apply_op, drive):
    for decay_input in (False, True) if "tau" in weights else (False,):
        lif = LIF(decay_input=decay_input)
        expected = apply_op(lif, drive, weights={**weights, "v_threshold": 1e9}, result=1)
        np.testing.assert_array_equal(apply_op(LI(decay_input=decay_input), drive, weights=weights), expected)


def test_i_sums_what_comes(apply_op, drive):
    np.testing.assert_array_equal(apply_op(I(), drive, weights={}), np.cumsum(drive, 0))
    np.testing.assert_array_equal(apply_op(I(), drive, weights={"v0": 0.5}), np.cumsum(drive, 0) + 0.5)


def test_levels_by_hand(apply_op):
    x = np.array([-1.0, 0.4, 0.5, 1.5, 2.5, 3.6, 9.0]).reshape(1, 1, 7)
    assert apply_op(MultiLevelSpike(), x, weights={}).reshape(-1).tolist() == [0, 0, 0, 0.5, 0.5, 1, 1]
    assert apply_op(MultiLevelSpike(8, 1.0), x, weights={}).reshape(-1).tolist() == [0, 0, 0, 2, 2, 4, 8]


@pytest.mark.parametrize("fields", CONVENTIONS, ids=told)
def test_if(fields, apply_op, drive):
    agree(apply_op, IF(**fields), drive, {"v_threshold": 1.5, "v_reset": -0.25, "v0": 0.5})


@pytest.mark.parametrize("given", [(), ("v_reset",), ("v_leak",), ("v0",), ("v_reset", "v_leak"), ("v_leak", "v0")])
def test_defaults_of_the_weights_that_are_not_given(given, apply_op, drive):
    values = {"v_reset": -0.5, "v_leak": 0.25, "v0": 0.75}
    agree(apply_op, LIF(), drive, {"tau": 3.0, "v_threshold": 1.0} | {slot: values[slot] for slot in given})


def test_weights_for_each_element(apply_op, drive, rng):
    weights = {
        "tau": rng.uniform(1, 4, N),
        "v_threshold": rng.uniform(0.5, 2, N),
        "v_reset": rng.uniform(-1, 0, N),
        "v_leak": rng.uniform(-1, 0.3, N),
        "v0": rng.uniform(-1, 1, N),
    }
    agree(apply_op, LIF(), drive, weights)
    agree(apply_op, LIF(reset="soft", decay_input=False, fires_at=">"), drive, weights)


def test_tau_of_a_channel_reaches_all_its_places(apply_op, rng):
    x = rng.normal(1.0, 1.0, (4, 2, 3, 2, 2))
    tau = np.array([1.0, 2.0, 5.0]).reshape(3, 1, 1)
    found = apply_op(LIF(), x, weights={"tau": tau, "v_threshold": 1.0}, result=1)
    for channel, value in enumerate(tau.reshape(-1)):
        alone = apply_op(LIF(), x[:, :, channel], weights={"tau": float(value), "v_threshold": 1.0}, result=1)
        np.testing.assert_array_equal(found[:, :, channel], alone)


@pytest.mark.parametrize(("fires_at", "expected"), [(">=", [1.0, 1.0, 0.0]), (">", [0.0, 1.0, 0.0])])
def test_exact_ties_and_their_neighbours(fires_at, expected, apply_op):
    x = np.array([1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0)]).reshape(1, 1, 3)
    assert apply_op(IF(fires_at=fires_at), x, weights={"v_threshold": 1.0}).reshape(-1).tolist() == expected


def test_spikformers_neuron_by_hand(apply_op):
    x = np.array([2.0, 1.0, 1.5, 0.0]).reshape(4, 1, 1)
    weights = {"tau": 2.0, "v_threshold": 1.0}
    assert apply_op(LIF(), x, weights=weights).reshape(-1).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert apply_op(LIF(), x, weights=weights, result=1).reshape(-1).tolist() == [0.0, 0.5, 0.0, 0.0]


def test_auto_spikformers_neuron_by_hand(apply_op):
    x = np.array([1.0, 0.5, 0.25, 0.9]).reshape(4, 1, 1)
    op, weights = LIF(decay_input=False, fires_at=">"), {"tau": 2.0, "v_threshold": 1.0}
    assert apply_op(op, x, weights=weights).reshape(-1).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert apply_op(op, x, weights=weights, result=1).reshape(-1).tolist() == [1.0, 1.0, 0.75, 0.0]


@pytest.mark.parametrize("decay_input", [True, False])
def test_a_delayed_reset_changes_the_state_and_no_spike(decay_input, apply_op, drive):
    weights = {"tau": 2.0, "v_threshold": 1.0}
    now, later = (LIF(reset_delay=delay, decay_input=decay_input) for delay in (False, True))
    np.testing.assert_array_equal(apply_op(now, drive, weights=weights), apply_op(later, drive, weights=weights))
    assert (apply_op(later, drive, weights=weights, result=1).max(0) >= 1.0).all()
    assert (apply_op(now, drive, weights=weights, result=1) < 1.0).all()


def test_samples_do_not_touch_each_other(apply_op, drive):
    weights = {"tau": 2.0, "v_threshold": 1.0}
    alone = [apply_op(LIF(), drive[:, b : b + 1], weights=weights) for b in range(B)]
    np.testing.assert_array_equal(apply_op(LIF(), drive, weights=weights), np.concatenate(alone, 1))


def test_in_fp32_too(apply_op, drive):
    weights = {"tau": 2.0, "v_threshold": 1.0}
    found = apply_op(LIF(), drive, weights=weights, interpreter=Interpreter(torch.float32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, loops(LIF(), drive, weights)[0])  # sixteenths and tau 2: exact in fp32
