"""Export folders: whole or not there, never over something else, and verified from the folder alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from passes.manager import run
from spikec.backend import export
from spikec.backend.export import read_export, verify_export, write_export
from spikec.backend.golden import golden_run, read_golden, write_golden
from spikec.backend.nir.dialect import FILE
from spikec.backend.registry import load
from spikec.errors import (
    DataError,
    GraphError,
    ModelFileError,
    OutputError,
    ToolchainError,
    UnsupportedOp,
    VerificationFailed,
)
from spikec.ir.graph import Graph
from spikec.model import load as load_model
from spikec.model import save
from spikec.target import Target


@pytest.fixture
def target() -> Target:
    return load("nir", "extended")


@pytest.fixture
def exported(target, spikformer, tmp_path, data_for) -> Path:
    return write(target, spikformer, tmp_path / "out", data_for)


def write(target: Target, graph: Graph, folder: Path, data_for: object, **options: object) -> Path:
    report = json.dumps({"priced_graph_sha256": graph.sha256, "totals": {"energy_pj": 1.0}})
    return write_export(
        target,
        graph,
        folder,
        data=data_for(graph),
        dialect="extended" if target.name == "nir" else None,
        passes=("fold-batchnorm",),
        manifest={"traced_graph_sha256": "abc"},
        report_json=report,
        **options,
    )


def test_the_folder_holds_what_was_exported(exported, spikformer, data_for):
    names = {"manifest.json", "report.json", "golden.npz", "inputs.npz", "source.pt", FILE}
    assert {path.name for path in exported.iterdir()} == names
    said = json.loads((exported / "manifest.json").read_text())
    assert (said["target"], said["dialect"], said["passes"]) == ("nir", "extended", ["fold-batchnorm"])
    assert said["graph_sha256"] == spikformer.sha256
    assert said["traced_graph_sha256"] == "abc"
    assert said["files"] == [FILE]
    assert [(item["op"], item["of"]) for item in said["protocol"]] == [("repeat", "input"), ("time_mean", "head")]
    assert json.loads((exported / "report.json").read_text())["priced_graph_sha256"] == spikformer.sha256
    assert load_model(exported / "source.pt").graph.sha256 == spikformer.sha256
    inputs, traces = read_golden(exported / "golden.npz")
    assert np.array_equal(inputs["input"], data_for(spikformer)["input"])
    expected = golden_run(spikformer, data_for(spikformer), 3)
    assert all(np.array_equal(traces.spikes[name], spikes) for name, spikes in expected.spikes.items())
    assert set(traces.membranes) == set(expected.membranes)
    with np.load(exported / "inputs.npz") as stored:
        assert np.array_equal(stored["input"], inputs["input"])


def test_it_is_verified_from_the_folder_alone(exported, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.move(exported, moved)
    assert verify_export(moved).passed
    assert json.loads((moved / "verdict.json").read_text())["passed"] is True


def test_a_verdict_of_before_does_not_outlive_a_missing_runtime(target, exported, monkeypatch):
    def missing(*_: object) -> None:
        raise ToolchainError("no runtime here")

    verify_export(exported)
    monkeypatch.setattr(export, "load", lambda *_: replace(target, execute=missing))
    with pytest.raises(ToolchainError):
        verify_export(exported)
    assert not (exported / "verdict.json").exists()


def test_a_weight_changed_by_one_part_in_a_thousand_fails(exported):
    with h5py.File(exported / FILE, "r+") as file:
        file["node/nodes/stem.conv1/weight"][0, 0, 0, 0] *= 1.001
    with pytest.raises(VerificationFailed, match=r"weight 'stem\.conv1\.weight': 1 of .* numbers differ"):
        verify_export(exported)
    assert json.loads((exported / "verdict.json").read_text())["comparison"]["parameters_differing"] == 1


def changed_source(exported: Path) -> None:
    model = load_model(exported / "source.pt")
    weight = model.graph.weights["head.weight"]
    weights = {**model.graph.weights, "head.weight": replace(weight, array=weight.array * 1.001)}
    save(replace(model, graph=replace(model.graph, weights=weights)), exported / "source.pt", force=True)


def changed_golden(exported: Path) -> None:
    inputs, traces = read_golden(exported / "golden.npz")
    flipped = {name: 1 - spikes for name, spikes in traces.spikes.items()}
    write_golden(exported / "golden.npz", inputs, replace(traces, spikes=flipped))


def changed_both(exported: Path) -> None:
    changed_source(exported)
    load("nir", "extended").writer(load_model(exported / "source.pt").graph, exported)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_source, "source.pt holds another graph"),
        (changed_golden, "golden.npz is not what"),
        (changed_both, "source.pt holds another graph"),
    ],
)
def test_a_change_to_what_is_compared_with_is_seen(exported, change, said):
    change(exported)
    with pytest.raises(VerificationFailed, match=said):
        verify_export(exported)


@pytest.mark.parametrize("name", ["manifest.json", "golden.npz", "source.pt"])
def test_a_folder_that_lacks_a_part_is_no_export(exported, name):
    (exported / name).write_bytes((exported / name).read_bytes()[:-30])
    with pytest.raises(ModelFileError, match=name):
        read_export(exported)
    (exported / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        read_export(exported)


def test_other_json_is_no_manifest(tmp_path):
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ModelFileError, match="no export of this format"):
        verify_export(tmp_path)


def test_an_existing_folder_is_refused(target, spikformer, tmp_path, data_for):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match=r"exists already.*--force") as caught:
        write(target, spikformer, tmp_path / "out", data_for)
    assert caught.value.exit_code == 2
    assert list((tmp_path / "out").iterdir()) == []


def test_force_replaces_an_export_and_nothing_else(target, spikformer, exported, data_for):
    (exported / "left.txt").write_text("of the old one")
    write(target, spikformer, exported, data_for, force=True)
    assert not (exported / "left.txt").exists()
    assert [path.name for path in exported.parent.iterdir()] == ["out"]
    mine = exported.parent / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="no export of spikec"):
        write(target, spikformer, mine, data_for, force=True)
    assert (mine / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("there", [False, True])
def test_nothing_half_written_is_left_when_the_writer_raises(target, spikformer, tmp_path, data_for, there):
    if there:
        write(target, spikformer, tmp_path / "out", data_for)

    def failing(graph: Graph, folder: Path) -> None:
        (folder / FILE).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(OutputError, match=r"out: cannot be written \(the disk is full"):
        write(replace(target, writer=failing), spikformer, tmp_path / "out", data_for, force=there)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}.keys() == before.keys()


def test_nothing_is_left_when_a_later_part_fails(target, spikformer, tmp_path, data_for, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_golden", full)
    with pytest.raises(OutputError, match=r"out: cannot be written \(the disk is full"):
        write(target, spikformer, tmp_path / "out", data_for)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_graph_leaves_nothing(spikformer, tmp_path, data_for):
    with pytest.raises(UnsupportedOp, match="matmul"):
        write(load("nir"), spikformer, tmp_path / "out", data_for)
    with pytest.raises(DataError):
        write_export(load("nir", "extended"), spikformer, tmp_path / "out", data={"input": np.zeros((1, 2, 3))})
    assert list(tmp_path.iterdir()) == []


def test_nodes_of_one_module_path_are_refused_each_by_its_name(traced_spikformer, tmp_path, data_for):
    with pytest.raises(UnsupportedOp, match=r"of .* nodes have no form there") as caught:
        write(load("nir"), run(traced_spikformer, load("nir").pipeline).graph, tmp_path / "out", data_for)
    paths = [offender.path for offender in caught.value.offenders]
    assert len(set(paths)) == len(paths) > 9
    assert sum("blocks.0.attn" in path for path in paths) > 5
    assert all(f"  {path} " in str(caught.value) for path in paths)


def test_a_parent_that_is_a_file_is_refused(target, spikformer, tmp_path, data_for):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write(target, spikformer, tmp_path / "file" / "out", data_for)


def test_a_report_for_another_graph_is_refused(target, spikformer, tmp_path, data_for):
    with pytest.raises(GraphError, match="another graph"):
        write_export(
            target, spikformer, tmp_path / "out", data=data_for(spikformer), report_json='{"priced_graph_sha256": "0"}'
        )
    assert list(tmp_path.iterdir()) == []


def test_too_few_samples_are_no_golden_run_to_verify_on(target, spikformer, tmp_path, data_for):
    write_export(target, spikformer, tmp_path / "out", data=data_for(spikformer, samples=2), dialect="extended")
    with pytest.raises(DataError, match="at least 16"):
        verify_export(tmp_path / "out")


def test_the_source_is_plain_data(exported):
    torch.load(exported / "source.pt", weights_only=True)
