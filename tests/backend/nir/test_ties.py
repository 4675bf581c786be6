"""A membrane exactly at its threshold: '>=' fires, '>' does not, and NIR has '>' only."""

from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from spikec.backend.golden import golden_run
from spikec.backend.nir.dialect import DT, FILE
from spikec.backend.nir.execute import execute
from spikec.backend.nir.numbers import reduced, stated_threshold, steps_of, written_threshold
from spikec.backend.nir.reader import read
from spikec.backend.nir.writer import write
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.types import TensorType

OPS = {"lif": LIF, "undecayed": lambda **f: LIF(decay_input=False, **f), "if": IF, "threshold": Threshold}


def on_the_tie(make: object, fires_at: str, v_threshold: float) -> tuple[Graph, dict[str, np.ndarray]]:
    """A neuron of tau 2 whose first membrane is the threshold, the next number below, and the next above."""
    build = GraphBuilder(steps=1)
    op = make(fires_at=fires_at)
    weights = {"v_threshold": v_threshold, **({"tau": 2.0} if isinstance(op, LIF) else {})}
    graph = build.graph(build.add(op, build.input("x", TensorType((3,))), scope="n", weights=weights))
    gain = 2.0 if getattr(op, "decay_input", False) else 1.0
    at = np.array([np.nextafter(v_threshold, -9), v_threshold, np.nextafter(v_threshold, 9)])
    return graph, {"x": gain * at.reshape(1, 1, 3)}


@pytest.mark.parametrize("dialect", ["strict", "extended"])
@pytest.mark.parametrize("v_threshold", [1.0, 0.5, 0.3, 1e-3, -0.25])
@pytest.mark.parametrize("make", OPS.values(), ids=OPS)
@pytest.mark.parametrize(("fires_at", "expected"), [(">=", [0, 1, 1]), (">", [0, 0, 1])])
def test_a_tie_fires_as_the_op_says(tmp_path, dialect, v_threshold, make, fires_at, expected):
    graph, data = on_the_tie(make, fires_at, v_threshold)
    assert golden_run(graph, data, 1).spikes["n"].ravel().tolist() == expected
    write(graph, tmp_path, dialect)
    assert execute(tmp_path, data, 1).spikes["n"].ravel().tolist() == expected
    back = read(tmp_path)
    assert golden_run(back, data, 1).spikes["n"].ravel().tolist() == expected
    assert back.weights["n.v_threshold"].same_as(graph.weights["n.v_threshold"])
    assert back.node("n").op == graph.node("n").op


def test_the_file_holds_the_next_number_below_for_at_least(tmp_path):
    for name, make, fires_at in (("ge", LIF, ">="), ("gt", LIF, ">")):
        (tmp_path / name).mkdir()
        write(on_the_tie(make, fires_at, 1.0)[0], tmp_path / name)
    assert set(nir.read(tmp_path / "ge" / FILE).nodes["n"].v_threshold) == {np.nextafter(1.0, 0)}
    assert set(nir.read(tmp_path / "gt" / FILE).nodes["n"].v_threshold) == {1.0}


def file_of(folder: Path) -> h5py.File:
    return h5py.File(folder / FILE, "r+")


def test_a_threshold_of_one_not_moved_below_is_read_as_changed(tmp_path):
    graph, _ = on_the_tie(LIF, ">=", 1.0)
    write(graph, tmp_path)
    with file_of(tmp_path) as file:
        file["node/nodes/n/v_threshold"][...] = 1.0
    assert read(tmp_path).weights["n.v_threshold"].array == np.nextafter(1.0, 2)


def test_the_next_below_has_an_inverse():
    values = np.array([1.0, 0.3, 1e-300, 5e-324, 0.0, -1.5, 2.0**60])
    there = written_threshold(values, ">=")
    assert (there < values).all()
    assert np.array_equal(stated_threshold(there, ">="), values)
    assert np.array_equal(stated_threshold(written_threshold(values, ">"), ">"), values)


def test_steps_are_taken_from_the_file_where_metadata_disagree():
    dt = DT["strict"]
    stated = np.array([1.1, 1.7, 123.456])
    assert np.array_equal(steps_of(stated * dt, dt, stated), stated)
    assert np.allclose(steps_of(stated * dt * 1.001, dt, stated), stated * 1.001)
    assert np.array_equal(steps_of(stated * DT["extended"], DT["extended"], None), stated)


def test_only_what_was_broadcast_is_reduced():
    full = np.broadcast_to(np.arange(3.0), (2, 3)).copy()
    assert reduced(full, (3,)).tolist() == [0, 1, 2]
    assert reduced(full, ()).shape == (2, 3), "not constant"
    full[1, 2] += 1e-12
    assert reduced(full, (3,)).shape == (2, 3)
