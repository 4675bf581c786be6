"""A file or folder stands whole under its name, or what was there before does; nothing is left beside it."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from spikec import files
from spikec.errors import GraphError, OutputError

FAILURES = {
    "the disk is full": OSError(errno.ENOSPC, "No space left on device"),
    "Permission denied": OSError(errno.EACCES, "Permission denied"),
    "PytorchStreamWriter failed": RuntimeError("PytorchStreamWriter failed"),
}


@pytest.fixture(params=[False, True], ids=["new", "existing"])
def before(request, tmp_path):
    """What the folder held before: nothing, or a file of the name that is written."""
    if request.param:
        (tmp_path / "out").write_bytes(b"before")
    return {"out": b"before"} if request.param else {}


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def raising(error):
    def fails(*_):
        raise error

    return fails


def test_what_is_written_stands_there(before, tmp_path):
    files.write_file(tmp_path / "out", lambda file: [file.write(part) for part in (b"a", b"\nb")])
    assert held(tmp_path) == {"out": b"a\nb"}


def test_text_and_json_are_the_same_bytes_everywhere(tmp_path):
    files.write_text(tmp_path / "text", "µ\nx\r\n")
    files.write_json(tmp_path / "json", {"b": 1, "a": [0.1]})
    assert (tmp_path / "text").read_bytes() == b"\xc2\xb5\nx\r\n"
    assert list(json.loads((tmp_path / "json").read_bytes())) == ["a", "b"]
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "json", float("nan"))


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_others_may_read_what_the_umask_lets_them(mask, mode, tmp_path):
    old = os.umask(mask)
    try:
        files.write_bytes(tmp_path / "out", b"")
        with files.new_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("said", FAILURES)
@pytest.mark.parametrize("at", ["content", "fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(said, at, before, tmp_path, monkeypatch):
    def half(file):
        file.write(b"half")
        if at == "content":
            raise FAILURES[said]

    if at != "content":
        monkeypatch.setattr(os, at, raising(FAILURES[said]))
    with pytest.raises(OutputError, match=rf"out: cannot be written \({said}"):
        files.write_file(tmp_path / "out", half)
    assert held(tmp_path) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here that is always full")
def test_what_a_full_disk_says_is_not_lost_in_torch(tmp_path, monkeypatch):
    import torch

    opened = type(tmp_path).open
    monkeypatch.setattr(type(tmp_path), "open", lambda path, mode: opened(type(path)("/dev/full"), "wb"))
    with pytest.raises(OutputError, match=r"out: cannot be written \(the disk is full.*free some space"):
        files.write_file(tmp_path / "out", lambda file: torch.save({"weight": torch.zeros(9999)}, file))


def test_an_interrupted_write_leaves_what_was_there(before, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        files.write_file(tmp_path / "out", raising(KeyboardInterrupt()))
    assert held(tmp_path) == before


def test_the_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    steps, sync, replace = [], os.fsync, os.replace

    def synced(number):
        steps.append(("fsync", os.fstat(number).st_size))
        sync(number)

    def moved(source, target):
        steps.append(("replace", os.path.dirname(source), target))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    files.write_bytes(tmp_path / "out", b"four")
    assert steps == [("fsync", 4), ("replace", str(tmp_path), tmp_path / "out")]


@pytest.mark.parametrize("name", ["missing/out", "file/out", "folder"])
def test_a_place_where_no_file_can_be_is_named(name, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=rf"{name}: cannot be written"):
        files.write_bytes(tmp_path / name, b"")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_an_output_is_checked_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "there").write_text("mine")
    files.check_output(tmp_path / "new")
    files.check_output(tmp_path / "there", force=True)
    for path, said in {
        tmp_path / "there": "exists already.*--force",
        tmp_path: "this is a folder",
        tmp_path / "none" / "out": "its folder does not exist.*mkdir -p",
    }.items():
        with pytest.raises(OutputError, match=said):
            files.check_output(path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="its folder cannot be written"):
        files.check_output(tmp_path / "new")
    assert held(tmp_path) == {"there": b"mine"}


def test_what_is_no_file_is_never_replaced_by_one(tmp_path):
    """`-o /dev/null --force` as root would put a file in the place of the device."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        for force in (False, True):
            with pytest.raises(OutputError, match="a device, pipe or socket"):
                files.check_output(path, force=force)


def test_a_folder_stands_there_once_its_block_has_ended(tmp_path):
    with files.new_folder(tmp_path / "a" / "out") as part:
        (part / "x").write_text("x")
        assert not (tmp_path / "a" / "out").exists()
    assert held(tmp_path / "a" / "out") == {"x": b"x"}
    assert os.listdir(tmp_path / "a") == ["out"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (OSError(errno.ENOSPC, "No space left"), OutputError, r"out: cannot be written \(the disk is full\)"),
        (GraphError("no such node"), GraphError, "no such node"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
    ],
)
def test_a_folder_whose_block_fails_leaves_what_was_there(force, error, raised, said, tmp_path):
    if force:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "old").write_text("old")

    def make():
        with files.new_folder(tmp_path / "out", replace=force) as part:
            (part / "x").write_text("x")
            raise error

    with pytest.raises(raised, match=said):
        make()
    assert os.listdir(tmp_path) == (["out"] if force else [])
    assert not force or held(tmp_path / "out") == {"old": b"old"}


def test_a_folder_gives_way_only_where_it_is_asked_to(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with (
        pytest.raises(OutputError, match=r"exists already.*Try: a mend"),
        files.new_folder(tmp_path / "out", mend="a mend"),
    ):
        pass
    with files.new_folder(tmp_path / "out", replace=True) as part:
        (part / "x").write_text("x")
    assert held(tmp_path / "out") == {"x": b"x"}
    assert os.listdir(tmp_path) == ["out"]


def test_what_stood_there_comes_back_where_the_rename_fails(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    kind, rename = type(tmp_path), type(tmp_path).rename

    def once(path, target):
        if path.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(kind, "rename", once)
    with (
        pytest.raises(OutputError, match=r"out: cannot be written \(Input"),
        files.new_folder(tmp_path / "out", replace=True),
    ):
        pass
    assert held(tmp_path / "out") == {"old": b"old"}
    assert os.listdir(tmp_path) == ["out"]


def test_an_error_inside_names_the_folder_that_was_asked_for(tmp_path):
    with pytest.raises(OutputError) as caught, files.new_folder(tmp_path / "out") as part:
        files.write_bytes(part / "none" / "x", b"")
    assert caught.value.where == str(tmp_path / "out" / "none" / "x")
