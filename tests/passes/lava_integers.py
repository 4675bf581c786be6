"""Lava's fixed point as an integer model of its own: numpy in int64, and not a line of the pass that it checks."""

import numpy as np
import torch

from spikec.run.interp import Interpreter

STEPS, SAMPLES = 12, 6


def codes_of(values, bits=8, finest=40):
    """Integers and k of values rounded to 2^-k: by trial, from the finest scale on, the first at which all fit."""
    for k in range(finest, -40, -1):
        codes = np.round(np.asarray(values, np.float64) * 2.0**k)
        if -(2 ** (bits - 1)) <= codes.min() and codes.max() < 2 ** (bits - 1):
            return codes.astype(np.int64), k
    raise AssertionError("no scale fits")


def linear_in_integers(x, weight, bias=None):
    """The drive x W^T + b in units of 2^-k, and k."""
    codes, k = codes_of(weight)
    drive = x @ codes.T
    if bias is not None:
        mantissa, own = codes_of(bias, bits=13, finest=k)
        drive = drive + (mantissa << (k - own))
    return drive, k


def share(v, m):
    """m / 4096 of v toward zero, in integers alone."""
    return np.sign(v) * (np.abs(v) * m // 4096)


def neuron_in_integers(
    drive, threshold, m=4096, *, reset="hard", to=0, start=0, late=False, strict=True, rest=0, i=None
):
    """Spikes and membranes [T, ...] of a drive in its units: Lava's rule, and its kin.

    `m` is what a step leaves of 4096, `threshold` in the drive's units; `to` (where a hard reset goes) and `start` in
    those of the membrane; `late` the delay of the reset, `strict` whether it fires above the threshold only, `rest`
    its refractory steps, `i` a current's share of 4096.
    """
    v = np.full(drive.shape[1:], start, np.int64)
    q = np.zeros(drive.shape[1:], bool)
    current, sitting = np.zeros_like(v), np.zeros_like(v)
    spikes, membranes = [], []
    for x in 64 * drive:
        if i is not None:
            current = share(current, i) + x
            x = current
        if late and reset == "hard":
            v = np.where(q, to, v)
        before = q
        v = share(v, m) + x
        if late and reset == "soft":
            v = v - before * (64 * threshold)
        v = np.where(sitting > 0, to, v)
        q = ((v > 64 * threshold) if strict else (v >= 64 * threshold)) & (sitting == 0)
        sitting = np.where(q, rest, np.maximum(sitting - 1, 0))
        if not late and reset == "hard":
            v = np.where(q, to, v)
        elif not late and reset == "soft":
            v = v - q * (64 * threshold)
        spikes.append(q.astype(np.int64))
        membranes.append(v)
    return np.stack(spikes), np.stack(membranes)


def spikes_in(shape, seed=0, most=1):
    return np.random.default_rng(seed).integers(0, most + 1, (STEPS, SAMPLES, *shape))


def check(graph, data, expected):
    """Equality, bit for bit, of what floats and what integers compute; every neuron alive."""
    runs = [Interpreter(dtype).run(graph, {"x": data}, keep=list(expected)) for dtype in (torch.float64, torch.int64)]
    for name, numbers in expected.items():
        for values in runs:
            np.testing.assert_array_equal(values[name].numpy(), numbers, err_msg=name)
        if not name.endswith(".v"):
            assert 0.02 < numbers.mean() < 0.98, f"{name} fires at {numbers.mean():.3f}"
        else:
            assert len(np.unique(numbers)) > 20, name
