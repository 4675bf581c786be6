"""Neurons that are touched, against a walk over every connection: leftovers, spikes that reach, biases, first steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spikec.cost import Probe
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import IF, LIF
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.types import SPIKE, TensorType
from spikec.run.interp import Interpreter
from spikec.run.torch_module import TorchModuleRunner

T, B = 6, 3
RUNNERS = {
    "interpreter-fp64": Interpreter(torch.float64),
    "interpreter-fp32": Interpreter(torch.float32),
    "torch-module-fp64": TorchModuleRunner(torch.float64),
}
ZEROS = np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, -0.5, 0.25, 1.0]])


def dense(*, bias: list[float] | None = None, v0: float | None = None) -> Graph:
    builder = GraphBuilder(T)
    weights: dict[str, object] = {"weight": ZEROS}
    if bias is not None:
        weights["bias"] = np.array(bias)
    drive = builder.add(Linear(), builder.input("x", TensorType((4,), SPIKE)), scope="w", weights=weights)
    numbers = {"v_threshold": 0.9} | ({} if v0 is None else {"v0": v0})
    return builder.graph(builder.add(IF(), drive, scope="q", weights=numbers))


def spikes(rate: float = 0.2) -> NDArray[np.float64]:
    return (np.random.default_rng(0).random((T, B, 4)) < rate).astype(np.float64)


def walked(
    membrane: NDArray[np.float64], reached: NDArray[np.bool_], bias: NDArray[np.bool_], v0: float = 0.0
) -> NDArray[np.int64]:
    """[T, B, N] by definition."""
    before = np.concatenate([np.full_like(membrane[:1], v0), membrane[:-1]])
    return ((before != 0) | reached | bias).astype(np.int64)


@pytest.mark.parametrize("skip_zeros", [False, True])
@pytest.mark.parametrize(("bias", "v0"), [(None, None), ([0.0, 0.3, 0.0], None), (None, 0.2)])
@pytest.mark.parametrize("runner", RUNNERS)
def test_of_a_dense_layer(runner: str, bias: list[float] | None, v0: float | None, skip_zeros: bool) -> None:
    graph, x = dense(bias=bias, v0=v0), spikes()
    groups = np.array([0, 1, 1])
    each = frozenset({"sample", "step"})
    probe = Probe(("q.v", "x"), "touched", groups, keep=each, through=("w",), skip_zeros=skip_zeros)
    found = RUNNERS[runner].count(graph, {"x": x}, [probe]).of(probe)
    membrane = Interpreter().run(graph, {"x": x}, keep=["q.v"])["q.v"].numpy()
    connected = (ZEROS != 0) if skip_zeros else np.ones_like(ZEROS, dtype=bool)
    reached = np.einsum("tbi,oi->tbo", x, connected.astype(float)) > 0
    expected = walked(membrane, reached, np.array(bias or [0.0] * 3) != 0, v0 or 0.0)
    by_group = np.stack([expected[..., groups == group].sum(-1) for group in (0, 1)], -1)
    np.testing.assert_array_equal(found, by_group.swapaxes(0, 1))
    assert expected.sum() > 0


def test_weights_that_cancel_touch_all_the_same() -> None:
    """Two spikes through 0.5 and -0.5: no drive, no membrane, and yet something came."""
    graph, x = dense(), np.zeros((T, 1, 4))
    x[2, 0, :2] = 1
    probes = [Probe(("q.v", "x"), "touched", through=("w",), skip_zeros=skips) for skips in (False, True)]
    counts = Interpreter().count(graph, {"x": x}, probes)
    drive = Interpreter().run(graph, {"x": x}, keep=["w"])["w"]
    assert drive[2, 0].tolist() == [1.0, 0.0, 0.0]
    # Of all connections all three neurons at one step; without those of weight zero the first and the last.
    assert [counts.of(probe).item() for probe in probes] == [3, 2]


def test_a_membrane_that_is_left_over_touches_its_neuron_until_it_is_gone() -> None:
    """1 is halved and cut to 0 behind the spike: what it was before the step decides, not what it became."""
    builder = GraphBuilder(T)
    drive = builder.add(Linear(), builder.input("x", TensorType((1,), SPIKE)), scope="w", weights={"weight": np.eye(1)})
    leaks = LIF(decay_input=False, rounding="toward_zero")
    graph = builder.graph(builder.add(leaks, drive, scope="q", weights={"beta": 0.5, "v_threshold": 9.0}))
    x = np.zeros((T, 1, 1))
    x[1] = 1
    probe = Probe(("q.v", "x"), "touched", keep=frozenset({"step"}), through=("w",))
    found = Interpreter().count(graph, {"x": x}, [probe]).of(probe)
    assert Interpreter().run(graph, {"x": x}, keep=["q.v"])["q.v"].flatten().tolist() == [0, 1, 0, 0, 0, 0]
    assert found.flatten().tolist() == [0, 1, 1, 0, 0, 0]


def test_of_a_convolution_behind_a_transpose() -> None:
    builder = GraphBuilder(T)
    x = builder.input("x", TensorType((2, 4, 4), SPIKE))
    weight = np.random.default_rng(1).normal(0, 0.4, (3, 2, 3, 3))
    conv = builder.add(Conv2d(), x, scope="w", weights={"weight": weight})
    rows = builder.add(Transpose((1, 0)), builder.add(Reshape((3, 4)), conv, scope="rows"), scope="turned")
    graph = builder.graph(builder.add(LIF(), rows, scope="q", weights={"tau": 2.0, "v_threshold": 1.0}))
    data = (np.random.default_rng(2).random((T, B, 2, 4, 4)) < 0.04).astype(np.float64)
    probe = Probe(("q.v", "x"), "touched", through=("w", "rows", "turned"))
    found = Interpreter().count(graph, {"x": data}, [probe]).of(probe)
    membrane = Interpreter().run(graph, {"x": data}, keep=["q.v"])["q.v"].numpy()
    reached = np.zeros((T, B, 2, 2), dtype=bool)
    for row in range(2):
        for column in range(2):
            reached[..., row, column] = data[..., row : row + 3, column : column + 3].any((2, 3, 4))
    places = np.broadcast_to(reached.reshape(T, B, 4, 1), (T, B, 4, 3))
    expected = walked(membrane, places, np.zeros(3, dtype=bool))
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(found[:, 0], expected.sum((0, 2, 3)))


def test_of_a_sum_of_all_that_drives_a_neuron() -> None:
    """Two layers and a skip: what comes by any of them touches, also where their sum is zero."""
    builder = GraphBuilder(T)
    x, y = (builder.input(name, TensorType((4,), SPIKE)) for name in "xy")
    parts = [builder.add(Linear(), v, scope=f"w{v}", weights={"weight": s * np.eye(4)}) for v, s in ((x, 1), (y, -1))]
    skip = builder.add(Add(), builder.add(Add(), *parts, scope="sum"), y, scope="skip")
    graph = builder.graph(builder.add(IF(), skip, scope="q", weights={"v_threshold": 0.9}))
    data = {"x": spikes(0.3), "y": np.roll(spikes(0.3), 1, axis=0)}
    data["x"][:3], data["y"][1] = 0, 0
    probe = Probe(("q.v", "x", "y"), "touched", through=("wx", "wy", "sum", "skip"), skip_zeros=True)
    found = Interpreter().count(graph, data, [probe]).of(probe)
    membrane = Interpreter().run(graph, data, keep=["q.v"])["q.v"].numpy()
    expected = walked(membrane, (data["x"] + data["y"]) > 0, np.zeros(4, dtype=bool))
    assert ((data["y"] > 0) & (expected > 0) & (data["x"] == 0)).any()
    np.testing.assert_array_equal(found[:, 0], expected.sum((0, 2)))


def test_the_key_says_the_whole_question() -> None:
    asked = [
        Probe(("q.v", "x"), "touched", through=("w",)),
        Probe(("q.v", "x"), "touched", through=("w", "rows")),
        Probe(("q.v", "x"), "touched", through=("w",), skip_zeros=True),
    ]
    assert len({probe.key for probe in asked}) == 3
