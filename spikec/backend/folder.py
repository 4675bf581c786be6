"""Output folders and files that appear whole under their final name, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikec.errors import OutputError

MANIFEST = "manifest.json"
"""What makes a folder an export: only such a folder, or an empty one, is replaced by force."""


@contextmanager
def new_folder(folder: Path, force: bool = False) -> Iterator[Path]:
    """A scratch folder that takes the name `folder` when the block ends well, and is removed when it does not.

    Args:
        folder: the final name.
        force: replace an export that stands there; it stays until the new one is whole.

    Raises:
        OutputError: something stands there, its parent cannot be written, or the disk refuses.
    """
    _check_free(folder, force)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise cannot_write(folder, error) from error
    part = scratch / "new"
    try:
        part.mkdir()
        yield part
        _take_place(part, folder, scratch / "old")
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_free(folder: Path, force: bool) -> None:
    if not os.path.lexists(folder):
        return
    if not force:
        raise OutputError("it exists already", where=str(folder), mend="another -o, or --force")
    ours = folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))
    if not ours:
        raise OutputError("it exists already and is no export of spikec", where=str(folder), mend="another -o")


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


def write_whole(path: Path, text: str) -> None:
    """Writes a text file in one step; what stood under `path` stays until then.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # the rename must not reach the disk before the bytes
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError | RuntimeError) -> OutputError:
    """What the disk said of `path`."""
    return OutputError(f"cannot write: {getattr(error, 'strerror', None) or error}", where=str(path))
