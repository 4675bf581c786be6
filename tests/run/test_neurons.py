"""Every convention of LIF and IF against a scalar loop, written from the ops' docstrings."""

import itertools
import math

import numpy as np
import pytest
import torch

from spikec.ir.neurons import IF, LIF
from spikec.run.interp import Interpreter

T, B, N = 12, 3, 5
FIELDS = {
    "reset": ("hard", "soft", "none"),
    "fires_at": (">=", ">"),
    "reset_delay": (False, True),
    "rounding": ("none", "toward_zero", "floor"),
    "refractory": (0, 2),
}
CONVENTIONS = [dict(zip(FIELDS, values, strict=True)) for values in itertools.product(*FIELDS.values())]


def told(fields):
    return "-".join(str(value) for value in fields.values())


def loop(op, drive, w):
    """One neuron's spikes and membranes: plain Python, one element, from LIF's docstring."""
    v_reset = w.get("v_reset", 0.0)
    v_leak = w.get("v_leak", v_reset)
    v = w.get("v0", v_leak)
    resting, fired, spikes, membranes = 0, False, [], []

    def after_reset(h, q):
        if op.reset == "hard":
            return v_reset if q else h
        return h - q * w["v_threshold"] if op.reset == "soft" else h

    for x in drive:
        if op.reset_delay:
            v = after_reset(v, fired)
        if isinstance(op, IF):
            h = v + x
        elif op.decay_input:
            h = v + (x - (v - v_leak)) / w["tau"]
        else:
            h = v_leak + (v - v_leak) * (1 - 1 / w["tau"]) + x
        h = {"none": float, "toward_zero": math.trunc, "floor": math.floor}[op.rounding](h)
        q = h > w["v_threshold"] if op.fires_at == ">" else h >= w["v_threshold"]
        if resting:
            h, q, resting = v_reset, False, resting - 1
        elif q:
            resting = op.refractory
        v = h if op.reset_delay else after_reset(h, q)
        fired = q
        spikes.append(float(q))
        membranes.append(float(v))
    return spikes, membranes


def loops(op, drive, weights):
    """The loop over every element, weights broadcast."""
    full = {slot: np.broadcast_to(np.asarray(value), (N,)) for slot, value in weights.items()}
    spikes, membranes = np.empty_like(drive), np.empty_like(drive)
    for b, n in np.ndindex(drive.shape[1:]):
        spikes[:, b, n], membranes[:, b, n] = loop(op, drive[:, b, n], {s: float(v[n]) for s, v in full.items()})
    return spikes, membranes


def agree(apply_op, op, drive, weights):
    """Asserts spikes and membranes bit for bit, and that the neurons both fire and rest."""
    spikes, membranes = loops(op, drive, weights)
    given = {slot: np.asarray(value, np.float64) for slot, value in weights.items()}
    np.testing.assert_array_equal(apply_op(op, drive, weights=given), spikes)
    np.testing.assert_array_equal(apply_op(op, drive, weights=given, result=1), membranes)
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
