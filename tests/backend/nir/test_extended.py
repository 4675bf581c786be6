"""The extended dialect: everything goes out and comes back, and no foreign reader takes it for NIR."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import h5py
import nir
import numpy as np
import pytest

from passes.manager import run
from spikec.backend.compare import compare
from spikec.backend.golden import golden_run
from spikec.backend.nir.dialect import FILE, LABELS
from spikec.backend.nir.execute import execute
from spikec.backend.nir.reader import read
from spikec.backend.nir.writer import write
from spikec.backend.registry import load
from spikec.errors import ModelFileError
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.neurons import LIF
from spikec.ir.ops import OPS
from spikec.ir.types import TensorType


@pytest.fixture(scope="module")
def lava_graphs() -> ModuleType:
    """The graphs of every op and of every neuron's convention, which the tests of Lava run as well."""
    path = Path(__file__).parents[1] / "lava" / "conftest.py"
    spec = importlib.util.spec_from_file_location("graphs_of_every_op", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_round_trip(graph: Graph, folder: Path, data: dict[str, np.ndarray]) -> None:
    write(graph, folder, "extended")
    back = read(folder)
    assert compare(graph, back).differences == ()
    assert back.text() == graph.text()
    assert back.sha256 == graph.sha256
    expected, found = golden_run(graph, data, graph.steps), execute(folder, data, graph.steps)
    assert expected.spikes
    for name, spikes in expected.spikes.items():
        assert np.array_equal(found.spikes[name], spikes), name
    for kind in ("membranes", "outputs"):
        assert set(getattr(found, kind)) == set(getattr(expected, kind))
        for name, value in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(found, kind)[name], value, rtol=1e-9, atol=1e-9)


def test_a_spikformer_goes_out_and_comes_back(spikformer, tmp_path, data_for):
    assert_round_trip(spikformer, tmp_path, data_for(spikformer))


@pytest.mark.parametrize("make", ["graph_of_every_op", "graph_of_every_convention", "graph_of_fixed_point"])
def test_every_op_and_convention_goes_out_and_comes_back(lava_graphs, make, tmp_path, data_for):
    graph = run(getattr(lava_graphs, make)(), ["time-reductions-last"]).graph
    assert_round_trip(graph, tmp_path, data_for(graph))


def test_every_op_has_one_label():
    assert sorted(LABELS.values(), key=str) == sorted(OPS.values(), key=str)


@pytest.mark.parametrize("which", ["attention", "standard nodes only"])
def test_no_foreign_reader_takes_it(which, spikformer, conv_net, tmp_path):
    graph = spikformer if which == "attention" else conv_net()
    write(graph, tmp_path, "extended")
    for check in (True, False):
        with pytest.raises(AssertionError):
            nir.read(tmp_path / FILE, type_check=check)
    with h5py.File(tmp_path / FILE) as file:
        assert file["node/type"][()] == b"SpikecGraph"
        assert json.loads(file["node/metadata/spikec"][()])["version"] == 1


def ordered(op: MatMul | Mul, first: str, second: str) -> Graph:
    build = GraphBuilder(steps=2)
    weights = {"tau": 2.0, "v_threshold": 0.3}
    a = build.add(LIF(), build.input("a", TensorType((3, 3))), scope="a_lif", weights=weights)
    b = build.add(LIF(), build.input("b", TensorType((3, 3))), scope="b_lif", weights=weights)
    return build.graph(build.add(op, {"a": a, "b": b}[first], {"a": a, "b": b}[second], scope="product"))


@pytest.mark.parametrize("op", [MatMul(), MatMul(transpose_b=True), Mul()])
@pytest.mark.parametrize("operands", ["ab", "ba", "aa"])
def test_operands_keep_their_order_and_are_never_summed(op, operands, tmp_path, data_for):
    graph = ordered(op, *operands)
    assert_round_trip(graph, tmp_path, data_for(graph))
    with h5py.File(tmp_path / FILE) as file:
        into = [a for a, b in file["node/edges"].asstr()[()] if b == "product"]
        kinds = {file[f"node/nodes/{name}/type"].asstr()[()] for name in into}
    assert sorted(into) == ["product.operand0", "product.operand1"]
    assert kinds == {"SpikecOperand"}


def test_swapped_operands_are_another_graph(tmp_path):
    graph = ordered(MatMul(), "a", "b")
    write(graph, tmp_path, "extended")
    with h5py.File(tmp_path / FILE, "r+") as file:
        for index in (0, 1):
            file[f"node/nodes/product.operand{index}/index"][()] = 1 - index
    with pytest.raises(ModelFileError, match="contradicts itself: 'index'"):
        read(tmp_path)


def test_two_writes_give_the_same_graph(spikformer, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        write(spikformer, tmp_path / name, "extended")
    assert read(tmp_path / "a").sha256 == read(tmp_path / "b").sha256


def test_its_pipeline_leaves_no_batch_norm(traced_spikformer):
    graph = run(traced_spikformer, load("nir", "extended").pipeline).graph
    assert "batch_norm" not in {node.op.mnemonic for node in graph.nodes}
