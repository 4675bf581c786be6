"""Zip archives whose directory is checked before anything in them is read: .pt, .npz.

A few bytes of a directory may declare terabytes, the same bytes may be declared by many members, and two members of
one name are told apart by no two readers alike.
"""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.errors import InputError, why_unread

MOST_BYTES = 2**31
MOST_RATIO = 16
"""A compressed archive may declare the greater of MOST_BYTES and MOST_RATIO times its size; an array of zeros is
packed a thousand to one, so that a file of 16 MB could fill any memory."""
HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# What a damaged archive makes zipfile and numpy's reader of headers raise.
READ_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def opened(path: Path, *, packed: bool = True) -> Iterator[zipfile.ZipFile]:
    """The archive, its directory found sound; what reading it raises becomes an InputError.

    Args:
        path: of the file.
        packed: whether its members may be compressed; without, they declare no more than the file has.

    Raises:
        InputError: it cannot be read, holds two members of one name, or declares too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path, packed)
            yield archive
    except READ_FAULTS as error:
        reason = " ".join(why_unread(error).split()) if str(error) else f"cannot be read: {type(error).__name__}"
        raise InputError(reason, where=str(path)) from error


def _check(archive: zipfile.ZipFile, path: Path, packed: bool) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise InputError("two of its parts have one name", where=str(path), expected="each name once")
    for entry in entries:
        if not packed and entry.compress_type != zipfile.ZIP_STORED:
            raise InputError(f"its part '{entry.filename}' is compressed", where=str(path), expected="plain parts")
    declared, stored = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    size = path.stat().st_size
    if stored > size or (not packed and declared > size):
        raise InputError(f"declares {max(stored, declared)} bytes and has {size}", where=str(path))
    if declared > (most := max(MOST_BYTES, MOST_RATIO * size)) and declared > stored:
        raise InputError(f"declares {declared} bytes", where=str(path), expected=f"at most {most} where compressed")


def read_npz(path: Path) -> dict[str, NDArray[Any]]:  # Any: numbers or text of fixed length
    """Every array of an .npz file, as numpy.savez wrote it. Nothing is unpickled.

    Raises:
        InputError: it cannot be read, holds what is no array or Python objects, or declares too much.
    """
    with opened(path) as archive:
        found = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or name in found:
                raise InputError(f"its part '{entry.filename}' is no array", where=str(path), expected="arrays (.npy)")
            with archive.open(entry) as file:
                found[name] = _array(file, entry.file_size, f"{path}, array '{name}'")
        return found


def _array(file: Any, size: int, where: str) -> NDArray[Any]:  # Any: a member of an archive; see read_npz
    """One array, its declared shape held against the member's size before it is allocated."""
    header = HEADER.get(np.lib.format.read_magic(file))
    if header is None:
        raise InputError("another version of numpy's format", where=where, expected="1.0 or 2.0")
    shape, columns, dtype = header(file)
    if dtype.hasobject:
        raise InputError("an array of Python objects, which is not unpickled", where=where, expected="numbers")
    if dtype.kind not in "biufcSU":
        raise InputError(f"an array of {dtype}", where=where, expected="numbers or text")
    held, declared = size - file.tell(), prod(shape) * dtype.itemsize
    if held != declared or min(shape, default=0) < 0:
        raise InputError(f"declares {list(shape)[:8]} of {dtype} and has {held} bytes", where=where)
    numbers = np.frombuffer(file.read(), dtype) if declared else np.empty(0, dtype)
    return numbers.reshape(shape, order="F" if columns else "C").copy()


def sizes(archive: zipfile.ZipFile) -> Mapping[str, int]:
    """Bytes by the member's name."""
    return {entry.filename: entry.file_size for entry in archive.infolist()}
