"""Files and folders that stand whole under their final name, or not at all.

What is written stands under another name beside the final one first, and takes that name in one step at the end.
Whatever stops it on the way, a full disk or Ctrl-C, leaves under the final name what was there before, and nothing
under the other one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spikec.errors import OutputError

_STAGE = re.compile(r"\.[0-9a-f]{8}")


def check_output(path: Path, *, force: bool = False) -> None:
    """Does nothing where a file can be written at `path`; asked before the work whose result goes there.

    Raises:
        OutputError: it exists and `force` is not given, it is a folder, a device or a pipe, or its folder is missing or
            read-only.
    """
    if path.is_dir():
        raise OutputError("this is a folder", where=str(path), expected="the name of a file")
    if path.exists() and not path.is_file():  # which --force would replace by a file
        raise OutputError("this is a device, pipe or socket", where=str(path), expected="the name of a file")
    if path.exists() and not force:
        raise OutputError("the file exists already", where=str(path), mend="another name, or --force to replace it")
    if not path.parent.is_dir():
        raise OutputError("its folder does not exist", where=str(path), mend=f"mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputError("its folder cannot be written", where=str(path))


def write_file(path: Path, content: Callable[[BinaryIO], object]) -> None:
    """Writes a file in one step, its bytes on the disk before its name; what stood under `path` stays until then.

    Args:
        path: in a folder that exists.
        content: is called with the open file, and writes into it.

    Raises:
        OutputError: it cannot be written, or the disk is full.
    """
    stage = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        with stage.open("xb") as file:
            content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(stage, path)
    except (OSError, RuntimeError) as error:  # torch turns what the disk says into a RuntimeError
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            stage.unlink()


def sweep(folder: Path, names: Collection[str]) -> None:
    """Removes what a kill left of writing these files: their unfinished copies under other names.

    Only to be called where nobody else writes them.
    """
    for name in names:
        for stage in folder.glob(f".{name}.*"):
            if _STAGE.fullmatch(stage.name.removeprefix(f".{name}")):
                with suppress(OSError):
                    stage.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes; see `write_file`."""
    write_file(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 with the line ends that `text` has; see `write_file`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:  # Any: JSON
    """Writes sorted, indented JSON; see `write_file`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


@contextmanager
def new_folder(folder: Path, *, replace: bool = False, mend: str = "another name") -> Iterator[Path]:
    """A scratch folder that takes the name `folder` when the block ends well, and is removed when it does not.

    Args:
        folder: the final name; its parents are made.
        replace: whether a folder that stands there gives way; it stays until the new one is whole.
        mend: what to do where something stands there and is not replaced.

    Raises:
        OutputError: something stands there, or the folder or anything in it cannot be written.
    """
    if os.path.lexists(folder) and not replace:
        raise OutputError("exists already", where=str(folder), expected="a new folder", mend=mend)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise cannot_write(folder, error) from error
    part = scratch / "new"
    try:
        part.mkdir()  # by itself, since mkdtemp's own folder is closed to others
        yield part
        _take_place(part, folder, scratch / "old")
    except OutputError as error:
        error.where = error.where.replace(str(part), str(folder), 1)  # the scratch folder's name helps nobody
        raise
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take_place(part: Path, folder: Path, aside: Path) -> None:
    """Renames `part` to `folder`; what stood there goes to `aside`, and back where the rename fails."""
    if not os.path.lexists(folder):
        part.rename(folder)
        return
    folder.rename(aside)
    try:
        part.rename(folder)
    except OSError:
        aside.rename(folder)
        raise


def cannot_write(path: Path, error: OSError | RuntimeError) -> OutputError:
    """What the system said about writing at `path`."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("cannot be written (the disk is full)", where=str(path), mend="free some space")
    return OutputError(f"cannot be written ({getattr(error, 'strerror', None) or error})", where=str(path))
