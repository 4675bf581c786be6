"""What the writer writes, and that the reader reads exactly that."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from passes.time_reductions_last import TimeReductionsLast
from spikec.backend.arrays import write_arrays
from spikec.backend.export import write_export
from spikec.backend.lava.program import SHIPPED
from spikec.backend.lava.reader import read
from spikec.backend.lava.writer import CARRIED, write
from spikec.backend.nir.writer import peeled
from spikec.backend.protocol import peel
from spikec.backend.registry import load
from spikec.errors import ModelFileError, OutputError, UnsupportedOp
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF, Threshold
from spikec.ir.op import Inputs, Op, WeightTypes
from spikec.ir.shapes import Concat
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, TensorType, Timing


def small(*, hidden_once: bool = False) -> Graph:
    build = GraphBuilder(steps=2)
    x = build.input("x", TensorType((4,), REAL, Timing.ONCE))
    weight = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4)
    if hidden_once:
        x = build.add(Linear(), x, scope="stem", weights={"weight": weight})
    x = build.add(Repeat(), x)
    x = build.add(LIF(), x, scope="net.lif", weights={"tau": 2.0, "v_threshold": 0.5})
    x = build.add(Linear(), build.add(TimeMean(), x), scope="net.head", weights={"weight": weight.T.copy()})
    return build.graph(x)


def test_reads_back_every_convention_and_weight(
    tmp_path: Path, every_op: Graph, every_convention: Graph, fixed_point: Graph
) -> None:
    for name, graph in {"ops": every_op, "conventions": every_convention, "integers": fixed_point}.items():
        written = TimeReductionsLast()(graph)
        write(written, tmp_path / name)
        back = read(tmp_path / name)
        assert back.text() == written.text()
        assert back.sha256 == written.sha256
        assert all(back.weights[key].same_as(weight) for key, weight in written.weights.items())


def test_one_set_of_ops_in_writer_and_runtime() -> None:
    source = (SHIPPED / "spikec_lava" / "network.py").read_text()
    table = source[source.index("PROCESSES = {") : source.index("\n}\n")]
    assert sorted(re.findall(r'^    "(\w+)":', table, re.MULTILINE)) == sorted(op.mnemonic for op in CARRIED)


def test_a_linear_after_the_mean_is_refused_with_the_mend() -> None:
    with pytest.raises(UnsupportedOp, match="time-reductions-last"):
        peel(small(), "lava")


def test_what_is_once_inside_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedOp, match=r"lava.*\n  stem +linear +is computed once") as caught:
        peel(TimeReductionsLast()(small(hidden_once=True)), "lava")
    assert {offender.path for offender in caught.value.offenders} == {"stem", "repeat"}


@pytest.mark.parametrize(
    ("target", "refuse"), [("lava", lambda graph: peel(graph, "lava")), ("nir", lambda graph: peeled(graph, "strict"))]
)
def test_a_network_without_time_is_refused_once_and_told_how_to_have_one(
    target: str, refuse: Callable[[Graph], object]
) -> None:
    builder = GraphBuilder(1)
    value = builder.input("x", TensorType((3,), REAL, Timing.ONCE))
    for _ in range(40):
        value = builder.add(Threshold(), value, weights={"v_threshold": 1.0})
    graph = builder.graph(builder.add(Concat(0), value, value))
    with pytest.raises(UnsupportedOp) as caught:
        refuse(graph)
    assert str(caught.value).splitlines()[:2] == [
        f"{target} cannot take this graph: 41 of 41 nodes have no form there",
        "    every node  is computed once for the inference: the network has no time (x 41)",
    ]
    assert "one step with its states" in caught.value.mend
    assert "repeat-first" not in caught.value.mend


class Softened(Op):
    mnemonic = "softened"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        return (inputs[0],)


def test_an_op_without_a_process_is_refused_with_its_module_path(tmp_path: Path) -> None:
    build = GraphBuilder()
    x = build.add(Softened(), build.input("x", TensorType((4,))), scope="blocks.0.soft")
    with pytest.raises(UnsupportedOp, match=r"lava.*\n  blocks\.0\.soft +softened"):
        write(build.graph(x), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def export(folder: Path) -> None:
    """As the exporter calls the writer: the folder is whole or not there."""
    write_export(load("lava"), TimeReductionsLast()(small()), folder, data={"x": np.ones((1, 4))})


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spikec.backend.lava.writer.write_arrays", full)
    with pytest.raises(OutputError, match=r"out: cannot be written \(the disk is full"):
        export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_two_writes_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write(TimeReductionsLast()(small()), tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_weight_changed_in_the_file_is_read_as_changed(tmp_path: Path) -> None:
    graph = TimeReductionsLast()(small())
    write(graph, tmp_path / "out")
    with np.load(tmp_path / "out" / "weights.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    # Less than float32 can tell apart: rounding to the declared dtype must not mend it.
    arrays["net.head.weight"][0, 0] *= 1 + 1e-9
    write_arrays(tmp_path / "out" / "weights.npz", arrays)
    back = read(tmp_path / "out")
    assert not back.weights["net.head.weight"].same_as(graph.weights["net.head.weight"])
    assert back.sha256 != graph.sha256


def test_an_edge_changed_in_the_file_is_read_as_changed(tmp_path: Path) -> None:
    build = GraphBuilder()
    x, y = (build.input(name, TensorType((4,))) for name in "xy")
    graph = build.graph(build.add(Add(), x, y))
    write(graph, tmp_path / "out")
    edit(tmp_path / "out", lambda description: description["nodes"][0].update(inputs=["x", "x"]))
    assert read(tmp_path / "out").text() != graph.text()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(version=99),
        lambda d: d["nodes"][1]["fields"].pop("reset"),
        lambda d: d["nodes"][1].update(op="glif"),
        lambda d: d["nodes"][1].update(inputs=["nothing"]),
        lambda d: d["nodes"][1]["results"][0].update(shape=[5]),
        lambda d: d["weights"].pop("net.head.weight"),
        lambda d: d.update(nodes=None),
    ],
)
def test_a_file_that_says_the_impossible_is_refused(tmp_path: Path, change: object) -> None:
    write(TimeReductionsLast()(small()), tmp_path / "out")
    edit(tmp_path / "out", change)
    with pytest.raises(ModelFileError, match="out"):
        read(tmp_path / "out")


@pytest.mark.parametrize("name", ["network.json", "weights.npz"])
def test_a_missing_or_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    write(TimeReductionsLast()(small()), tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelFileError, match=re.escape(name)):
        read(tmp_path / "out")
    path.unlink()
    with pytest.raises(ModelFileError, match=re.escape(name)):
        read(tmp_path / "out")


def edit(folder: Path, change: object) -> None:
    path = folder / "network.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
