"""What is saved comes back bit for bit, and a write is whole or leaves nothing."""

import io
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikec.errors import ModelFileError, OutputError
from spikec.ir.text import parse
from spikec.ir.types import Role, weight_of
from spikec.model import Calibration, Model, load, save


def test_all_comes_back(model, saved):
    again = load(saved)
    assert again.graph.sha256 == model.graph.sha256
    assert again.graph.text() == model.graph.text()
    assert again.graph.steps == 3
    for name, weight in model.graph.weights.items():
        assert again.graph.weights[name].same_as(weight)
    for field in ("name", "input", "class_names", "architecture", "provenance"):
        assert getattr(again, field) == getattr(model, field)
    assert again.calibration.inputs.tobytes() == model.calibration.inputs.tobytes()
    assert again.calibration.inputs.dtype == np.float32
    assert again.calibration.ids.tolist() == [0, 7, 14, 21, 28]
    assert (again.calibration.spec, again.calibration.seed) == ("digits:0", 3)


def test_without_the_optional_parts(model, tmp_path):
    bare = Model("bare", model.graph, model.input)
    save(bare, tmp_path / "bare.pt")
    again = load(tmp_path / "bare.pt")
    assert (again.calibration, again.architecture, dict(again.provenance), again.class_names) == (None, None, {}, ())


def test_saved_twice_is_the_same_model(model, saved, tmp_path):
    save(load(saved), tmp_path / "again.pt")
    assert load(tmp_path / "again.pt").graph.sha256 == model.graph.sha256


def test_the_file_is_readable_by_others_and_alone_in_its_folder(saved):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o644
    assert os.listdir(saved.parent) == ["model.pt"]


def test_calibration_that_is_too_large(model, text, weights):
    def batch(samples, side):
        inputs = np.zeros((samples, 1, side, side), np.float32)
        graph = parse(text.replace("[1,2,2]", f"[1,{side},{side}]").replace("(4,)", f"({side * side},)"), fitting(side))
        return Model("m", graph, model.input, calibration=Calibration(inputs, np.arange(samples), "x"))

    def fitting(side):
        return {**weights, "fc.weight": weight_of(np.ones((3, side * side)))}

    batch(256, 2)
    with pytest.raises(ModelFileError, match="1 to 256 samples"):
        batch(257, 2)
    with pytest.raises(ModelFileError, match=r"16\.\d MB.*at most 16 MB"):
        batch(256, 129)


def test_an_existing_file_is_kept_unless_forced(model, saved):
    before = saved.read_bytes()
    with pytest.raises(OutputError, match=r"exists already.*--force"):
        save(replace(model, name="other"), saved)
    assert saved.read_bytes() == before
    save(replace(model, name="other"), saved, force=True)
    assert load(saved).name == "other"


def test_folders_that_are_no_place_for_a_file(model, tmp_path):
    with pytest.raises(OutputError):
        save(model, tmp_path / "missing" / "model.pt")
    for force in (False, True):
        with pytest.raises(OutputError):
            save(model, tmp_path, force=force)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")])
@pytest.mark.parametrize("at", ["save", "fsync", "replace"])
def test_a_write_that_fails_midway_leaves_nothing(at, error, existing, model, tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    if existing:
        path.write_bytes(b"before")

    def half(content, file):
        file.write(b"half")
        raise error

    def fails(*arguments):
        raise error

    monkeypatch.setattr(*{"save": (torch, "save", half), "fsync": (os, "fsync", fails)}.get(at, (os, "replace", fails)))
    with pytest.raises(OutputError, match=r"model\.pt.*cannot be written"):
        save(model, path, force=existing)
    assert os.listdir(tmp_path) == (["model.pt"] if existing else [])
    assert not existing or path.read_bytes() == b"before"


def test_the_temporary_file_is_on_the_same_disk(model, tmp_path, monkeypatch):
    moves, replace_file = [], os.replace

    def seen(source, target):
        moves.append((os.path.dirname(source), target))
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", seen)
    save(model, tmp_path / "model.pt")
    assert moves == [(str(tmp_path), tmp_path / "model.pt")]


def test_an_interrupted_write_leaves_nothing(model, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(model, tmp_path / "model.pt")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [np.float64(1.0), np.arange(3), {"set"}, object(), io.BytesIO(), Role.CONSTANT])
def test_what_could_not_be_read_back_is_not_written(value, model, tmp_path):
    for field in ("provenance", "architecture"):
        with pytest.raises(ModelFileError, match=rf"{field}.*deep.*plain data"):
            save(replace(model, **{field: {"deep": [value]}}), tmp_path / "model.pt")
    assert os.listdir(tmp_path) == []
