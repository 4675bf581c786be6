"""A .pt2 file as a zip archive: its parts by name, every declared size held against what may be taken.

Nothing of torch reads it: `torch.export.load` unpickles sample inputs, custom objects and some weights. What is in the
archive: torch/export/pt2_archive/constants.py of torch 2.13.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spikec import archive as archives
from spikec.errors import InputError, ModelFileError
from spikec.frontend.foreign import Reading

ARCHIVE_VERSION = "0"
EXPANSION = 32
"""Memory of one byte of JSON, at most: a '[],' is a list of 56 bytes and a place in another of 8."""
MOST_LETTERS = 200
MEND = "torch.export.save(exported, 'net.pt2') of torch 2.13 writes one"


@dataclass(frozen=True, eq=False)
class Archive:
    """A .pt2 file.

    Args:
        path: of the file.
        sizes: of its parts, declared, by their names without the folder that all are in.
        folder: that all parts are in.
        most: bytes that arrays may take.
    """

    path: Path
    sizes: Mapping[str, int]
    folder: str
    most: int

    def bytes_of(self, name: str) -> bytes:
        """What a part holds.

        Raises:
            ModelFileError: it is missing or damaged.
        """
        if name not in self.sizes:
            raise self.bad(f"it has no part '{name}'")
        try:
            with archives.opened(self.path, packed=False) as archive:
                return archive.read(f"{self.folder}/{name}")  # its checksum compared
        except InputError as error:
            raise self.bad(f"its part '{name}' is damaged: {error.found:.{MOST_LETTERS}}") from error

    def json_of(self, name: str) -> object:
        """What a part of JSON holds, as lists, dicts, texts and numbers.

        Raises:
            ModelFileError: it is missing, no JSON, nested without end, or would take more memory than allowed.
        """
        if self.sizes.get(name, 0) * EXPANSION > self.most:
            raise self.bad(f"its part '{name}' has {self.sizes[name]} bytes of JSON", "--max-bytes")
        try:
            found: object = json.loads(self.bytes_of(name).decode("utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise self.bad(f"its part '{name}' is no JSON that can be read: {error!s:.{MOST_LETTERS}}") from error
        return found

    def bad(self, found: str, mend: str = "export and save it again") -> ModelFileError:
        """The error of a file that is not what it says."""
        return ModelFileError(found, where=str(self.path), expected="a .pt2 file of torch.export.save", mend=mend)


def opened(path: Path, reading: Reading) -> Archive:
    """The archive in a file.

    Raises:
        ModelFileError: it is none, of another version, or declares more than `reading.max_bytes`.
    """
    nothing = Archive(path, {}, "", reading.max_bytes)
    try:
        with archives.opened(path, packed=False) as archive:
            sizes = archives.sizes(archive)
    except InputError as error:
        raise nothing.bad(f"{error.found:.{MOST_LETTERS}}", MEND) from error
    folder = next(iter(sizes), "").partition("/")[0]
    if not folder or not all(name.startswith(f"{folder}/") for name in sizes):
        raise nothing.bad("its parts are not in one folder", MEND)
    if sum(sizes.values()) > reading.max_bytes:
        raise nothing.bad(f"it declares {sum(sizes.values())} bytes, of {reading.max_bytes} at most", "--max-bytes")
    found = Archive(path, {n[len(folder) + 1 :]: size for n, size in sizes.items()}, folder, reading.max_bytes)
    _check_kind(found)
    return found


def _check_kind(archive: Archive) -> None:
    """Raises ModelFileError unless the archive is a .pt2 of the version that is known, with little-endian numbers."""
    said = {
        name: archive.bytes_of(name).decode("ascii", "replace").strip() if archive.sizes.get(name, 99) < 64 else ""
        for name in ("archive_format", "archive_version", "byteorder")
    }
    if said["archive_format"] != "pt2":
        raise archive.bad("it is a zip archive, and no .pt2", MEND)
    if said["archive_version"] != ARCHIVE_VERSION:
        raise archive.bad(f"version '{said['archive_version']}' of the archive; {ARCHIVE_VERSION} is known", MEND)
    if said["byteorder"] != "little":
        raise archive.bad(f"numbers in the byte order '{said['byteorder']}'; 'little' is read", MEND)
