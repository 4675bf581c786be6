"""Every kind of layer against an integer model of its own, spike by spike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from spikec.frontend.foreign import Taken
from spikec.frontend.netx.layers import KINDS
from spikec.ir.graph import Graph
from spikec.ir.text import parse
from spikec.run.interp import Interpreter

STEPS = 12
Fields = Mapping[str, Any]
Made = tuple[Fields, ...]


def one(x: Any) -> int:
    return int(np.asarray(x).reshape(-1)[0])


def two(x: Any) -> tuple[int, int]:
    flat = np.asarray(x).reshape(-1)
    return int(flat[0]), int(flat[-1])


def kept(x: np.ndarray, decay: Any) -> np.ndarray:
    """x (4096 - decay) / 4096, cut off toward zero, by channel where there are several."""
    share = 4096 - np.asarray(decay).reshape(-1, *(1 for _ in x.shape[1:]))
    return np.sign(x) * (np.abs(x) * share >> 12)


def fired(x: np.ndarray, bias: Any, layer: Fields, back: np.ndarray | None = None) -> np.ndarray:
    """Spikes of Loihi's LIF from w . s of each step [T, ...]; `back` are weights of its own last spikes."""
    n = layer["neuron"]
    threshold = 64 * np.asarray(n["vThMant"]).reshape(-1, *(1 for _ in x.shape[2:]))
    u = v = q = rest = np.zeros(x.shape[1:], np.int64)
    found = []
    for step in x:
        weighed = step if back is None else step + back @ q
        u = kept(u, n["iDecay"]) + weighed * 2 ** (6 + one(n.get("wgtExp", 0)))
        v = kept(v, n["vDecay"]) + u + 64 * bias
        q = ((v > threshold) & (rest == 0)).astype(np.int64)
        v = np.where((q > 0) | (rest > 0), 0, v)
        rest = np.where(q > 0, one(n.get("refDelay", 1)) - 1, np.maximum(rest - 1, 0))
        found.append(q)
    return np.stack(found)


def correlated(x: np.ndarray, layer: Fields) -> np.ndarray:
    """[T, C, H, W] to [T, O, H', W'], tap by tap and group by group."""
    w = np.asarray(layer["weight"]).astype(np.int64)
    w = w.reshape(w.shape[:4])
    (sy, sx), (py, px), (dy, dx) = (two(layer[name]) for name in ("stride", "padding", "dilation"))
    groups = one(layer.get("groups", 1))
    x = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    _, height, width = layer["shape"]
    out = np.zeros((len(x), *layer["shape"]), np.int64)
    per_in, per_out = x.shape[1] // groups, w.shape[0] // groups
    for g in range(groups):
        inputs, outputs = slice(g * per_in, (g + 1) * per_in), slice(g * per_out, (g + 1) * per_out)
        for ky in range(w.shape[2]):
            for kx in range(w.shape[3]):
                seen = x[:, inputs, ky * dy :: sy, kx * dx :: sx][:, :, :height, :width]
                out[:, outputs] += np.einsum("oi,tihw->tohw", w[outputs, :, ky, kx], seen)
    return out


def late(x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Each element [T, N] so many steps later."""
    out = np.zeros_like(x)
    for i, n in enumerate(np.broadcast_to(steps, x.shape[1])):
        out[n:, i] = x[: len(x) - n, i]
    return out


def dense_model(x: np.ndarray, layer: Fields) -> np.ndarray:
    outputs = prod(layer["shape"])
    w = np.asarray(layer["weight"]).astype(np.int64).reshape(outputs, -1)
    x = x.reshape(len(x), -1)
    delay = np.asarray(layer.get("delay", 0)).astype(np.int64)
    by_synapse = np.broadcast_to(delay.reshape(-1, 1) if delay.size == outputs else delay, w.shape)
    y = np.zeros((len(x), outputs), np.int64)
    for n in np.unique(by_synapse):
        y += late(x, n) @ np.where(by_synapse == n, w, 0).T
    bias = np.asarray(layer.get("bias", 0)).astype(np.int64)
    if "neuron" not in layer:
        return np.cumsum(y * 64, 0)
    back = np.asarray(layer["weight_rec"]).astype(np.int64) if "weight_rec" in layer else None
    return fired(y, bias, layer, back)


def plane_model(x: np.ndarray, layer: Fields) -> np.ndarray:
    bias = np.asarray(layer.get("bias", [0])).astype(np.int64).reshape(-1, 1, 1)
    return fired(correlated(x, layer), bias, layer)


def pool_model(x: np.ndarray, layer: Fields) -> np.ndarray:
    repeated = np.repeat(np.asarray(layer["weight"]).reshape(1, 1, *two(layer["kernelSize"])), x.shape[1], 0)
    return plane_model(x, {**layer, "weight": repeated, "groups": x.shape[1]})


def image_model(x: np.ndarray, layer: Fields) -> np.ndarray:
    still = {**layer, "neuron": {**layer["neuron"], "iDecay": 4096}}
    return fired(np.zeros((STEPS, *x.shape), np.int64), x, still)


MODELS: dict[str, Callable[[np.ndarray, Fields], np.ndarray]] = {
    "average": lambda x, layer: x.reshape(len(x), prod(layer["shape"]), -1).mean(2),
    "conv": plane_model,
    "dense": dense_model,
    "dense_rec": dense_model,
    "flatten": lambda x, layer: x.reshape(len(x), -1),
    "input": lambda x, layer: image_model(x, layer) if "neuron" in layer else x,
    "pool": pool_model,
}
LAST = {"average": ".mean", "flatten": ".reshape", "input": ".neuron"}


def name_of(graph: Graph, number: int, layer: Fields) -> str:
    """The value that a layer gives."""
    if layer["type"] == "input" and "neuron" not in layer:
        return "spikes"
    end = LAST.get(layer["type"], ".neuron" if "neuron" in layer else ".integrator")
    return f"layer.{number}{end}"


def assert_equal_to_the_model(taken: Taken, layers: Made) -> None:
    ((name, kind),) = taken.graph.inputs.items()
    rng = np.random.default_rng(1)
    if name == "image":
        x = rng.integers(-2, 9, kind.shape)
        data = x[None]
    else:
        x = (rng.random((STEPS, *kind.shape)) < 0.4).astype(np.int64)
        data = x[:, None]
    names = [name_of(taken.graph, number, layer) for number, layer in enumerate(layers)]
    found = Interpreter(torch.float64).run(taken.graph, {name: data}, keep=names)
    for layer, value in zip(layers, names, strict=True):
        x = MODELS[layer["type"]](x, layer)
        np.testing.assert_array_equal(found[value][:, 0].numpy(), x, err_msg=value)
        if "neuron" in layer:
            assert 0.05 < x.mean() < 0.8, f"{value} says nothing: it fires at a rate of {x.mean():.3f}"
    assert parse(taken.graph.text(), taken.graph.weights).text() == taken.graph.text()


BY_OUTPUT, BY_INPUT = np.array([0.0, 3, 1, 9, 2, 0]), np.array([2.0, 0, 0, 5, 1])

PLANES: dict[str, Callable[[SimpleNamespace], Made]] = {
    "conv": lambda m: (m.spikes(2, 9, 7), m.conv((4, 7, 5), 2)),
    "conv by axis": lambda m: (
        m.spikes(2, 9, 7),
        m.conv((4, 4, 6), 2, (4, 2), stride=[2, 1], padding=[1, 0], bias=m.integers(4, least=0, most=2)),
    ),
    "conv padded in W": lambda m: (m.spikes(2, 9, 7), m.conv((4, 3, 5), 2, (3, 5), stride=[3, 1], padding=[0, 1])),
    "conv, one number for both axes": lambda m: (
        m.spikes(2, 9, 7),
        m.conv((4, 5, 4), 2, stride=2, padding=np.array([1]), dilation=1, groups=np.array([1])),
    ),
    "conv dilated": lambda m: (m.spikes(2, 9, 7), m.conv((4, 5, 5), 2, (3, 2), dilation=[2, 2])),
    "conv in groups": lambda m: (m.spikes(4, 6, 6), m.conv((6, 4, 4), 4, groups=2)),
    "conv by channel": lambda m: (m.spikes(4, 6, 6), m.conv((4, 4, 4), 4, groups=4, neuron=m.neuron(vThMant=2))),
    "conv with an axis of time": lambda m: (
        m.spikes(2, 9, 7),
        {**m.conv((4, 7, 5), 2), "weight": m.integers(4, 2, 3, 3, 1, most=6)},
    ),
    "conv, numbers by channel": lambda m: (
        m.spikes(2, 9, 7),
        m.conv(
            (4, 7, 5),
            2,
            neuron=m.neuron(iDecay=[4096, 900, 2000, 50], vDecay=[0, 4096, 100, 3000], vThMant=[9, 40, 30, 200]),
        ),
    ),
    "conv as first layer": lambda m: (m.conv((4, 7, 5), 2, (3, 2), dilation=[2, 1], padding=[1, 0]),),
    "pool": lambda m: (
        m.spikes(3, 6, 9),
        {
            "type": "pool",
            "shape": (3, 3, 3),
            "kernelSize": [2, 3],
            "stride": [2, 3],
            "padding": [0, 0],
            "dilation": [1, 1],
            "weight": m.integers(1, 1, 2, 3, 1, least=1),
            "neuron": m.neuron(vThMant=8),
        },
    ),
    "flatten": lambda m: (
        m.spikes(2, 9, 7),
        m.conv((3, 7, 5), 2),
        {"type": "flatten", "shape": [1, 1, 105]},
        m.dense(5, 105, neuron=m.neuron(vThMant=9)),
    ),
}


DENSE: dict[str, Callable[[SimpleNamespace], Made]] = {
    "dense": lambda m: (m.dense(6, 5),),
    "dense with bias": lambda m: (m.dense(6, 5, bias=m.integers(6, seed=3, least=-1, most=2)),),
    "dense, one bias for all": lambda m: (m.dense(6, 5, bias=np.array([1.0])),),
    "dense of one output": lambda m: (m.dense(6, 5), {**m.dense(1, 6), "weight": np.array([1.0, 4, 2, 3, 1, 2])}),
    "dense, currents": lambda m: (m.dense(6, 5, neuron=m.neuron(iDecay=410, vDecay=410, vThMant=20)),),
    "dense, decays of each": lambda m: (
        m.dense(6, 5, neuron=m.neuron(iDecay=[4096, 10, 300, 2000, 1, 0], vThMant=30)),
    ),
    "dense, thresholds of each": lambda m: (m.dense(6, 5, neuron=m.neuron(vThMant=[1, 2, 3, 4, 5, 6])),),
    "dense, LOIHI": lambda m: (
        m.dense(6, 5, neuron={"theta": 192, "tauRho": 0.5, **m.neuron(type="LOIHI", wgtExp=0)}),
    ),
    "dense, weights times 8": lambda m: (m.dense(6, 5, neuron=m.neuron(wgtExp=3, vThMant=20)),),
    "dense, weights by 16": lambda m: (m.dense(6, 5, bias=m.integers(6), neuron=m.neuron(wgtExp=-4, vThMant=2)),),
    "dense, rests": lambda m: (m.dense(6, 5, neuron=m.neuron(refDelay=3, vThMant=1)),),
    "dense, numbers in arrays": lambda m: (m.dense(6, 5, neuron=m.neuron(iDecay=[4096], vDecay=[700], vThMant=[3])),),
    "delay": lambda m: (m.dense(6, 5, delay=3.0, bias=m.integers(6, least=-1, most=1)),),
    "delay in an array": lambda m: (m.dense(6, 5, delay=np.array([2])),),
    "delay of none": lambda m: (m.dense(6, 5, delay=np.zeros((6, 5))),),
    "delay by output": lambda m: (m.dense(6, 5, delay=BY_OUTPUT),),
    "delay by output, bias": lambda m: (m.dense(6, 5, delay=BY_OUTPUT, bias=m.integers(6, seed=3, least=0, most=2)),),
    "delay by output, 6 inputs": lambda m: (m.dense(6, 6, delay=BY_OUTPUT),),
    "delay by output, whole": lambda m: (m.dense(6, 5, delay=np.repeat(BY_OUTPUT[:, None], 5, 1)),),
    "delay by input": lambda m: (m.dense(6, 5, delay=BY_INPUT, bias=m.integers(6, least=-1, most=1)),),
    "delay by input, whole": lambda m: (m.dense(6, 5, delay=np.repeat(BY_INPUT[None], 6, 0)),),
    "recurrent": lambda m: (
        {**m.dense(6, 5), "type": "dense_rec", "weight_rec": m.integers(6, 6, seed=5)},
        m.dense(4, 6),
    ),
    "recurrent, currents and bias of 0": lambda m: (
        {
            **m.dense(6, 5, bias=np.zeros(6), neuron=m.neuron(iDecay=2000, vThMant=5)),
            "type": "dense_rec",
            "weight_rec": m.integers(6, 6, seed=5),
        },
    ),
    "no neuron": lambda m: (m.dense(6, 5), {k: v for k, v in m.dense(4, 6).items() if k != "neuron"}),
    "average": lambda m: (m.dense(6, 5), {"type": "average", "shape": [2, 1, 1]}),
    "image": lambda m: (
        {"type": "input", "shape": [2, 6, 5], "neuron": m.neuron(iDecay=9, vThMant=8), "weight": 40.0, "bias": 3.0},
        m.conv((4, 4, 3), 2),
    ),
    "image on one axis": lambda m: ({"type": "input", "shape": [5], "neuron": m.neuron(vThMant=6)}, m.dense(6, 5)),
    "spikes on three axes": lambda m: (m.spikes(5, 1, 1), m.dense(6, 5)),
}

CASES = {**PLANES, **DENSE}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_gives_the_spikes_of_its_integer_model(
    taken: Callable[..., Taken], make: SimpleNamespace, case: str
) -> None:
    layers = CASES[case](make)
    assert_equal_to_the_model(taken(*layers), layers)


def test_every_kind_of_layer_has_a_case(make: SimpleNamespace) -> None:
    assert {layer["type"] for case in CASES.values() for layer in case(make)} == set(KINDS)
