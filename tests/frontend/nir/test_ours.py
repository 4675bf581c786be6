"""Files that spikec wrote come back as exactly the graph that was written, in either dialect."""

import json
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from spikec.backend.compare import compare
from spikec.backend.nir.dialect import FILE, METADATA
from spikec.backend.nir.writer import write
from spikec.errors import ModelFileError, UsageError
from spikec.frontend.foreign import Reading, read
from spikec.ir.arithmetic import Add, MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, TensorType, Timing


def network(timing: Timing = Timing.STEP, tau: float = 1.7) -> Graph:
    build = GraphBuilder(steps=6)
    random = np.random.default_rng(4)
    x = build.input("x", TensorType((5,), REAL, timing))
    x = build.add(Repeat(), x, scope="repeat") if timing is Timing.ONCE else x
    numbers = {"tau": tau, "v_threshold": np.float32(0.3)}
    a = build.add(LIF(), x, scope="net.a", weights=numbers)
    fc = build.add(Linear(), a, scope="net.fc", weights={"weight": random.normal(size=(5, 5)).astype(np.float32)})
    b = build.add(LIF(decay_input=False), fc, scope="net.b", weights={"beta": 0.9, "v_threshold": 0.4})
    total = build.add(Add(), a, b, scope="net.join")
    head = build.add(Linear(), total, scope="head", weights={"weight": random.normal(size=(3, 5)).astype(np.float32)})
    return build.graph(build.add(TimeMean(), head, scope="mean") if timing is Timing.ONCE else head)


def written(graph: Graph, folder: Path, dialect: str) -> Path:
    write(graph, folder, dialect)
    return folder / FILE


@pytest.mark.parametrize("dialect", ["strict", "extended"])
@pytest.mark.parametrize("timing", list(Timing))
def test_it_is_the_graph_that_was_written(tmp_path, dialect, timing):
    graph = network(timing)
    found = read(written(graph, tmp_path, dialect))
    assert compare(graph, found.graph).differences == ()
    assert found.graph.sha256 == graph.sha256
    assert found.graph.text() == graph.text()
    assert found.graph.steps == 6
    assert found.encoder == ("direct" if timing is Timing.ONCE else "frames")
    assert found.remarks == (f"written by spikec, dialect {dialect}: it comes back as the graph that was written",)


def test_read_as_a_foreign_file_it_has_the_same_spikes(tmp_path, values, alive):
    graph = network()
    path = written(graph, tmp_path, "strict")
    bare = nir.read(path)
    bare.metadata = {}
    for node in bare.nodes.values():
        node.metadata = {}
    nir.write(tmp_path / "bare.nir", bare)
    found = read(tmp_path / "bare.nir")
    assert found.graph.sha256 != graph.sha256
    x = np.random.default_rng(1).uniform(0, 1, size=(30, 8, 5))
    expected, seen = values(graph, x, ["net.a", "net.b"]), values(found.graph, x, ["net.a", "net.b"])
    for name, spikes in expected.items():
        alive(spikes)
        assert np.array_equal(seen[name], spikes)


def test_through_nirs_own_reader_and_writer_it_stays_what_it_was(tmp_path):
    graph = network()
    nir.write(tmp_path / "again.nir", nir.read(written(graph, tmp_path, "strict")))
    assert read(tmp_path / "again.nir").graph.sha256 == graph.sha256


def test_its_steps_are_those_asked_for(tmp_path):
    path = written(network(), tmp_path, "strict")
    assert read(path, Reading(steps=9)).graph.steps == 9


def test_what_was_changed_since_is_taken_from_the_file_and_said(tmp_path):
    graph = network()
    path = written(graph, tmp_path, "strict")
    with h5py.File(path, "r+") as file:
        file["node/nodes/net.fc/weight"][0, 0] = 7.0
    found = read(path)
    assert found.graph.weights["net.fc.weight"].array[0, 0] == 7.0
    assert found.remarks == ("written by spikec, dialect strict, and changed since: the file's own numbers are taken",)


def test_metadata_that_the_file_contradicts_are_refused(tmp_path):
    path = written(network(), tmp_path, "strict")
    with h5py.File(path, "r+") as file:
        edges = file["node/edges"][()].tolist()
        del file["node/edges"]
        file["node"].create_dataset("edges", data=edges[:-1], dtype=h5py.string_dtype())
    with pytest.raises(ModelFileError, match=r"contradicts itself|cannot be read"):
        read(path)


@pytest.mark.parametrize("reading", [{"dt": 1e-3}, {"integrator": "exponential"}])
def test_what_it_states_itself_is_not_asked_for(tmp_path, reading):
    path = written(network(), tmp_path, "strict")
    with pytest.raises(UsageError, match=f"--{next(iter(reading))}"):
        read(path, Reading(**reading))
    assert read(path, Reading(dt=1e-4, integrator="euler")).graph.sha256 == network().sha256


def test_several_inputs_come_back(tmp_path):
    build = GraphBuilder(steps=2)
    b, a = (build.input(name, TensorType((3, 3))) for name in "ba")
    graph = build.graph(build.add(MatMul(), a, b))
    found = read(written(graph, tmp_path, "extended"))
    assert (found.graph.sha256, found.encoder) == (graph.sha256, "several")
    assert list(found.graph.inputs) == ["b", "a"], "in their order, not in that of the alphabet"


@pytest.mark.parametrize("order", [["a"], ["a", "b", "c"], ["a", "a"], 3])
def test_an_order_of_other_inputs_is_refused(tmp_path, order):
    build = GraphBuilder(steps=2)
    a, b = (build.input(name, TensorType((3, 3))) for name in "ab")
    path = written(build.graph(build.add(MatMul(), a, b)), tmp_path, "extended")
    with h5py.File(path, "r+") as file:
        said = json.loads(file["node/metadata"][METADATA][()])
        del file["node/metadata"][METADATA]
        file["node/metadata"][METADATA] = json.dumps({**said, "input_order": order})
    with pytest.raises(ModelFileError, match="cannot be read"):
        read(path)


def test_the_budget_is_kept(tmp_path):
    path = written(network(), tmp_path, "strict")
    with pytest.raises(ModelFileError, match="declares more than 100 bytes"):
        read(path, Reading(max_bytes=100))
