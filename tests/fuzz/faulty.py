"""Readers that do what none may, one a format, run as the worker runs the true ones: each must be told of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import worker
from bytes_mutants import BYTES
from originals import FORMATS, Format

from spikec.errors import DataError, ModelFileError


def write(folder: Path) -> None:
    (folder / "one").mkdir()
    (folder / "one" / "file.npz").write_text("whole")


def reader(harm: Callable[[Path], object]) -> Callable[[Path], str]:
    """A reader that does harm with everything but the original; a text is what it reads then."""

    def read(folder: Path) -> str:
        found = harm(folder) if (folder / "file.npz").read_bytes() != b"whole" else None
        return found if isinstance(found, str) else "whole"

    return read


def fail(folder: Path) -> None:
    raise KeyError("x")


def refuse(folder: Path) -> None:
    raise ModelFileError("it cannot be read")


def mistake(folder: Path) -> None:
    raise DataError("of another kind of file")


def swallow(folder: Path) -> None:
    try:
        np.ones(2**50)
    except MemoryError as error:
        raise ModelFileError("it cannot be read") from error


def hang(folder: Path) -> None:
    while True:
        pass


HARMS: dict[str, Callable[[Path], object]] = {
    "sound": refuse,
    "another content": lambda folder: "another",
    "traceback": fail,
    "another error": mistake,
    "long error": lambda folder: refuse_with("x" * 10**6),
    "command": lambda folder: os.system("true"),
    "process": lambda folder: subprocess.run(["true"], check=True),
    "socket": lambda folder: socket.socket().close(),
    "code": lambda folder: exec("1 + 1"),
    "another file": lambda folder: Path("/etc/hosts").read_bytes(),
    "written elsewhere": lambda folder: (folder.parent / "x").write_text("x"),
    "memory": lambda folder: np.ones(5 * 2**24).sum(),
    "too much memory": swallow,
    "warning": lambda folder: warnings.warn("x", stacklevel=1),
    "crash": lambda folder: os.abort(),
    "hang": hang,
}


class Long(ModelFileError):
    """An error whose text nothing cuts."""

    def __str__(self) -> str:
        return self.found


def refuse_with(text: str) -> None:
    raise Long(text)


if __name__ == "__main__":
    worker.LONGEST = 4.0
    FORMATS.clear()
    FORMATS.update(
        {name: Format(write, reader(harm), (ModelFileError,), {".npz": BYTES}) for name, harm in HARMS.items()}
    )
    worker.main(sys.argv[1].split(","), None)
