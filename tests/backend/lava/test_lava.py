"""The exported folder in Lava's own runtime, against the interpreter."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from passes.time_reductions_last import TimeReductionsLast
from spikec.backend.lava.environment import LavaPython
from spikec.backend.lava.execute import execute
from spikec.backend.lava.writer import write
from spikec.errors import VerificationFailed
from spikec.ir.graph import Graph
from spikec.ir.neurons import IF, LIF
from spikec.ir.text import parse
from spikec.ir.types import constant, weight_of
from spikec.run.interp import Interpreter

pytestmark = pytest.mark.full
Drive = Callable[[Graph, int], dict[str, np.ndarray]]


def assert_lava_is_the_interpreter(graph: Graph, folder: Path, data: dict, lava: LavaPython) -> None:
    written = TimeReductionsLast()(graph)
    write(written, folder)
    ran = execute(folder, data, graph.steps, python=lava, timeout_s=120)
    neurons = [node.name for node in written.nodes_of(LIF, IF)]
    keep = [*neurons, *(f"{name}.v" for name in neurons), *written.outputs]
    expected = {name: value.numpy() for name, value in Interpreter().run(written, data, keep=keep).items()}
    assert set(ran.membranes) == set(neurons) <= set(ran.spikes)
    for name in neurons:
        rate = expected[name].mean()
        assert 0.01 < rate < 0.99, f"{name} is dead: equality would prove nothing"
        np.testing.assert_array_equal(ran.spikes[name], expected[name], err_msg=name)
        np.testing.assert_allclose(ran.membranes[name], expected[f"{name}.v"], atol=1e-12, err_msg=name)
    for name in written.outputs:
        np.testing.assert_allclose(ran.outputs[name], expected[name], atol=1e-12, err_msg=name)


def test_every_op(every_op: Graph, drive: Drive, tmp_path: Path, lava: LavaPython) -> None:
    assert_lava_is_the_interpreter(every_op, tmp_path / "out", drive(every_op, 4), lava)


def test_every_convention(every_convention: Graph, drive: Drive, tmp_path: Path, lava: LavaPython) -> None:
    assert_lava_is_the_interpreter(every_convention, tmp_path / "out", drive(every_convention, 4), lava)


def test_weights_in_fixed_point(fixed_point: Graph, drive: Drive, tmp_path: Path, lava: LavaPython) -> None:
    assert_lava_is_the_interpreter(fixed_point, tmp_path / "out", drive(fixed_point, 4), lava)


def test_a_cycle_through_a_delay(tmp_path: Path, lava: LavaPython) -> None:
    weights = {
        "d": weight_of(np.array([1.0, 2.0])), "w": weight_of(np.array([[0.0, 2.0], [-1.0, 0.5]])),
        "tau": constant(2.0), "vth": constant(1.0),
    }  # fmt: skip
    graph = parse(
        """
        graph(%x: real step [2]) steps 8
        %past = delay(%q; steps=d) : spike step [2]
        %fed = linear(%past; weight=w)
        %drive = add(%x, %fed)
        %q = lif(%drive; tau=tau, v_threshold=vth)
        return %q
        """,
        weights,
    )
    write(graph, tmp_path / "out")
    x = np.random.default_rng(0).normal(1.5, 1.0, size=(8, 3, 2))
    ran = execute(tmp_path / "out", {"x": x}, 8, python=lava, timeout_s=120)
    q, v = np.zeros((8, 3, 2)), np.zeros((3, 2))
    for t in range(8):
        past = np.stack([q[t - d, :, i] if t >= d else np.zeros(3) for i, d in enumerate((1, 2))], axis=1)
        v = v + (x[t] + past @ weights["w"].array.T - v) / 2
        q[t] = v >= 1
        v = np.where(q[t], 0, v)
    assert 0.1 < q.mean() < 0.9
    np.testing.assert_array_equal(ran.outputs["q"], q)


def test_the_steps_of_a_run_may_differ_from_the_graphs(
    every_op: Graph, drive: Drive, tmp_path: Path, lava: LavaPython
) -> None:
    write(every_op, tmp_path / "out")
    data = drive(every_op, 2)
    short = execute(tmp_path / "out", {**data, "events": data["events"][:2]}, 2, python=lava, timeout_s=120)
    full = execute(tmp_path / "out", data, 3, python=lava, timeout_s=120)
    np.testing.assert_array_equal(short.spikes["l4"], full.spikes["l4"][:2])


def test_a_process_that_fails_ends_the_run_soon_with_its_traceback(
    every_op: Graph, drive: Drive, tmp_path: Path, lava: LavaPython
) -> None:
    write(every_op, tmp_path / "out")
    path = tmp_path / "out" / "network.json"
    description = json.loads(path.read_text())
    next(node for node in description["nodes"] if node["op"] == "reshape")["fields"]["shape"] = [3, 3]
    path.write_text(json.dumps(description))
    begun = time.monotonic()
    with pytest.raises(VerificationFailed, match=r"process 'reshape' \(reshape\) failed(.|\n)*cannot reshape"):
        execute(tmp_path / "out", drive(every_op, 2), 3, python=lava, timeout_s=120)
    assert time.monotonic() - begun < 60


def test_a_run_that_takes_too_long_is_ended(every_op: Graph, drive: Drive, tmp_path: Path, lava: LavaPython) -> None:
    write(every_op, tmp_path / "out")
    with pytest.raises(VerificationFailed, match=r"did not end within 0\.1 s"):
        execute(tmp_path / "out", drive(every_op, 2), 3, python=lava, timeout_s=0.1)


def test_inputs_of_another_shape_are_refused(every_op: Graph, drive: Drive, tmp_path: Path, lava: LavaPython) -> None:
    write(every_op, tmp_path / "out")
    data = drive(every_op, 2)
    with pytest.raises(VerificationFailed, match=r"'events' is \[3, 2, 4, 6\], expected \[5, samples, 4, 6\]"):
        execute(tmp_path / "out", data, 5, python=lava, timeout_s=120)
