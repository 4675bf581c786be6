"""Studies out of disk, in folders that cannot be written, that exist, that are none, or that another holds."""

import contextlib
import functools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from spikec.errors import OutputError, StudyError
from spikec.search import record, study
from spikec.search.sampler import SAMPLERS

NAMES = sorted(SAMPLERS)


def full_disk(opened, spare_pages):
    """The database may grow by so many pages: SQLite answers as it does on a full disk."""
    connection = opened._store.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + spare_pages}")


@pytest.mark.parametrize("method", NAMES)
def test_a_full_disk_loses_nothing_and_the_search_goes_on(tmp_path, digits, synthetic, method):
    # Long enough for a tell to need a page of its own about as often as an ask does.
    extra = {f"layer{layer}_rate": 0.123456789 for layer in range(30)}
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, method, extra=extra)
    failures = {"ask": 0, "tell": 0}
    config = synthetic.config(method)
    with study.create(tmp_path / "full", digits, config, synthetic.FINGERPRINTS) as opened:
        for number in range(synthetic.TRIALS):
            full_disk(opened, 0)
            trial = retried(opened, opened.ask, failures, "ask", full_disk)
            full_disk(opened, 0)
            values = {**synthetic.evaluate(trial.genome), **extra}
            tell = functools.partial(opened.tell, trial, values)
            retried(opened, tell, failures, "tell", full_disk)
            assert len(record.read(opened.folder).trials) == number + 1
        assert opened.trials == whole
    assert failures["tell"] >= 1
    assert failures["ask"] + failures["tell"] >= 4
    assert synthetic.finish(tmp_path / "full") == whole


def retried(opened, call, failures, kind, make_room):
    before = opened.trials
    try:
        return call()
    except OutputError as error:
        failures[kind] += "study.db: the disk is full" in str(error)
        assert opened.trials == before == record.read(opened.folder).trials
        make_room(opened, 100)
        return call()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size on this system")
@pytest.mark.parametrize("room", range(0, 9000, 700))
def test_a_write_that_the_system_cuts_short_loses_nothing(tmp_path, digits, synthetic, room):
    """A real failed write, at any place of the log: a limit on the size of this process's files."""
    import resource

    whole = synthetic.uninterrupted(tmp_path / "whole", digits, "nsga2")
    opened = study.create(tmp_path / "cut", digits, synthetic.config("nsga2"), synthetic.FINGERPRINTS)
    told = []
    for _ in range(5):
        told.append(opened.ask())
        told[-1] = opened.tell(told[-1], synthetic.evaluate(told[-1].genome))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (tmp_path / "cut" / "study.db-wal").stat().st_size + room
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OutputError, match=r"study\.db"):  # noqa: PT012 - wherever it strikes
            for _ in range(synthetic.TRIALS):
                trial = opened.ask()
                told.append(opened.tell(trial, synthetic.evaluate(trial.genome)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    seen = record.read(tmp_path / "cut").trials
    assert [trial for trial in seen if trial.state == "told"] == told == list(whole[: len(told)])
    opened.close()
    assert synthetic.finish(tmp_path / "cut") == whole


@pytest.mark.parametrize("method", NAMES)
def test_an_ask_that_found_the_disk_full_is_asked_again(tmp_path, digits, synthetic, method):
    def asked(name, disturb):
        config = synthetic.config(method)
        with study.create(tmp_path / name, digits, config, synthetic.FINGERPRINTS) as opened:
            failures = 0
            for _ in range(60):
                if disturb:
                    full_disk(opened, 0)
                try:
                    opened.ask()
                except OutputError:
                    failures += 1
                    full_disk(opened, 100)
                    opened.ask()
            assert (failures > 0) == disturb
            return opened.trials

    assert asked("full", True) == asked("whole", False)


def test_a_full_disk_ends_a_process_and_the_next_goes_on(tmp_path, digits, synthetic):
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, "nsga2")
    opened = study.create(tmp_path / "full", digits, synthetic.config("nsga2"), synthetic.FINGERPRINTS)
    full_disk(opened, 0)
    with pytest.raises(OutputError, match=r"free some space, then --resume"):  # noqa: PT012 - wherever it strikes
        for _ in range(synthetic.TRIALS):
            trial = opened.ask()
            opened.tell(trial, synthetic.evaluate(trial.genome))
    opened.close()
    assert 0 < len(record.read(tmp_path / "full").trials) < synthetic.TRIALS
    assert synthetic.finish(tmp_path / "full") == whole


def test_a_full_disk_leaves_no_half_made_study(tmp_path, digits, synthetic, monkeypatch):
    def full(path, files):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("spikec.search.store.Store.create", full)
    with pytest.raises(OutputError, match=r"run: cannot be written \(the disk is full\)"):
        study.create(tmp_path / "run", digits, synthetic.config("nsga2"), {})
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def nobody():
    """Without the power to write everywhere that tests may run with."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_tmp(tmp_path_factory):
    """A folder that others may read: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no file permissions of this kind on this system")
def test_a_folder_that_cannot_be_written(open_tmp, digits, synthetic):
    config = synthetic.config("nsga2")
    with study.create(open_tmp / "run", digits, config, synthetic.FINGERPRINTS) as opened:
        trial = opened.ask()
        told = opened.tell(trial, synthetic.evaluate(trial.genome))
    for path in (*(open_tmp / "run").iterdir(), open_tmp / "run", open_tmp):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with nobody():
        with pytest.raises(OutputError, match=r"new: cannot be written \(Permission denied\)"):
            study.create(open_tmp / "new", digits, config, {})
        with pytest.raises(OutputError, match=r"run.study.db: cannot be written"):
            study.resume(open_tmp / "run", synthetic.FINGERPRINTS)
        assert record.read(open_tmp / "run").trials == (told,)
    assert [path.name for path in open_tmp.iterdir()] == ["run"]


def test_a_folder_that_exists_is_never_touched(tmp_path, digits, synthetic):
    config = synthetic.config("nsga2")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="mine: exists already; expected a new folder"):
        study.create(tmp_path / "mine", digits, config, {})
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    with study.create(tmp_path / "run", digits, config, {}) as opened:
        opened.ask()
    with pytest.raises(OutputError, match=r"run: exists already.*--resume"):
        study.create(tmp_path / "run", digits, config, {})
    assert len(record.read(tmp_path / "run").trials) == 1
    with pytest.raises(OutputError, match=r"txt.run: cannot be written"):
        study.create(tmp_path / "mine" / "thesis.txt" / "run", digits, config, {})


def test_what_is_no_study_is_said_to_be_none(tmp_path, synthetic):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "study.db").write_bytes(b"not a database at all, whatever its name" * 99)
    (tmp_path / "older").mkdir()
    with sqlite3.connect(tmp_path / "older" / "study.db") as other:
        other.execute("CREATE TABLE trials (number INTEGER)")
    for name, message in (
        ("none", "no such folder"),
        ("empty", "a folder without study.db"),
        ("file", "file: a file"),
        ("foreign", "study.db: damaged, or no study"),
        ("older", "format 0; expected a study of format 1"),
    ):
        for look in (lambda path: study.resume(path, synthetic.FINGERPRINTS), record.read):
            with pytest.raises(StudyError, match=message):
                look(tmp_path / name)


def test_one_process_at_a_time_while_others_look(tmp_path, digits, synthetic):
    program = (
        "import sys; from pathlib import Path; from spikec.search import record, study\n"
        "from spikec.errors import StudyError\n"
        "print(len(record.read(Path(sys.argv[1])).trials))\n"
        "try: study.resume(Path(sys.argv[1]), {})\n"
        "except StudyError as error: print(error)\n"
    )
    with study.create(tmp_path / "run", digits, synthetic.config("random"), {}) as opened:
        for _ in range(3):
            trial = opened.ask()
            opened.tell(trial, synthetic.evaluate(trial.genome))
        with pytest.raises(StudyError, match="run: in use by another process"):
            study.resume(tmp_path / "run", {})
        command = [sys.executable, "-c", program, str(tmp_path / "run")]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        assert out.splitlines()[0] == "3"
        assert "in use by another process" in out
        opened.tell(opened.ask(), {"accuracy": 0.5, "energy_pj": 1.0})
    study.resume(tmp_path / "run", {}).close()
