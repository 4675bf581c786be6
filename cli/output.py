"""Where a command writes its file, checked before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from spikec.errors import OutputError


def check_output(path: Path, *, force: bool) -> None:
    """Does nothing where a file can be written at `path`.

    Raises:
        OutputError: it exists and `force` is not given, it is a folder, or its folder is missing or read-only.
    """
    if path.is_dir():
        raise OutputError("this is a folder", where=str(path), expected="a file name such as model.pt")
    if path.exists() and not force:
        raise OutputError("the file exists already", where=str(path), mend="another name, or --force to replace it")
    if not path.parent.is_dir():
        raise OutputError("its folder does not exist", where=str(path), mend=f"mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputError("its folder cannot be written", where=str(path))
