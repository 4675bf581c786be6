"""HDF5 files read whole into plain numbers and text, though they may be damaged or made to harm.

`read_tree` gives the file as groups of arrays, text and groups; readers never see h5py. Nothing is allocated before its
declared size was checked, against the caller's budget and against what the file can hold. Only hard links, data in the
file itself and the filters that h5py brings are followed, so that no other file is opened and no plugin loaded.

    tree = read_tree(path, max_bytes=2**31, kind="a .net file of lava-dl")
    layer = tree.group("layer").group("0")
    layer.array("weight"), layer.text("type"), "bias" in layer, list(layer)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikec.errors import ModelFileError
from spikec.frontend.hdf5_heaps import fault_in_heaps
from spikec.frontend.hdf5_parts import fault_in_parts

FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
MOST_DEPTH = 64
MOST_OBJECTS = 200_000
# deflate makes at most 1032 of 1; what a dataset declares far beyond was never written. Small ones may be.
MOST_EXPANSION = 1100
UNWRITTEN = 2**20
ROWS = 4096
_FAULTS = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Strange:
    """A member that is neither numbers nor text, such as a table of several columns: an error where it is asked for."""

    what: str


@dataclass(frozen=True, eq=False)
class Group(Mapping[str, Any]):  # Any: Group, array, str, array of str or Strange, told apart by the methods below
    """A group of the file: its members by name, in the order of their names.

    Args:
        file: as errors name it.
        path: of the group in the file, '/' for the root.
        held: the members.
    """

    file: str
    path: str
    held: Mapping[str, Any] = field(default_factory=dict)  # Any: as above

    def __getitem__(self, name: str) -> Any:  # Any: as above
        return self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def group(self, name: str) -> Group:
        """The subgroup of that name.

        Raises:
            ModelFileError: there is none, or it is a dataset.
        """
        found = self._member(name, "a group")
        if not isinstance(found, Group):
            raise self.bad(name, "is a dataset", "a group")
        return found

    def array(self, name: str) -> NDArray[Any]:  # Any: integers, floats or booleans
        """The numbers of that name, with the shape that they have in the file.

        Raises:
            ModelFileError: there are none, or it is something else.
        """
        found = self._member(name, "numbers")
        if not isinstance(found, np.ndarray) or found.dtype.kind == "O":
            raise self.bad(name, _said(found), "numbers")
        return found

    def text(self, name: str) -> str:
        """The text of that name, which may stand in an array of one element.

        Raises:
            ModelFileError: there is none, or it is something else.
        """
        found = self._member(name, "text")
        if isinstance(found, np.ndarray) and found.dtype.kind == "O" and found.size == 1:
            found = found.item()
        if not isinstance(found, str):
            raise self.bad(name, _said(found), "text")
        return found

    def texts(self, name: str) -> NDArray[np.object_]:
        """The texts of that name, in an array of the shape that they have in the file.

        Raises:
            ModelFileError: there are none, or it is something else.
        """
        found = self._member(name, "texts")
        if isinstance(found, str):
            found = np.array(found, dtype=object)
        if not isinstance(found, np.ndarray) or found.dtype.kind != "O":
            raise self.bad(name, _said(found), "texts")
        return found

    def bad(self, name: str, found: str, expected: str = "") -> ModelFileError:
        """An error about a member, to be raised."""
        where = f"{self.path.rstrip('/')}/{name}"
        return ModelFileError(f"{where} {found}", where=self.file, expected=expected)

    def _member(self, name: str, expected: str) -> Any:  # Any: as above
        if name not in self.held:
            raise self.bad(name, "is missing", expected)
        return self.held[name]


def _said(found: object) -> str:
    if isinstance(found, Strange):
        return f"is {found.what}"
    if isinstance(found, np.ndarray):
        return f"holds {'text' if found.dtype.kind == 'O' else found.dtype} {list(found.shape)}"
    return "is a group" if isinstance(found, Group) else "is text"


def read_tree(path: Path, max_bytes: int, kind: str = "an HDF5 file") -> Group:
    """The root group of the file, with all that it holds.

    Args:
        path: of the file.
        max_bytes: that all its arrays and texts together may take in memory.
        kind: of file, as errors name it.

    Raises:
        ModelFileError: the file is missing, empty, truncated or no HDF5; it declares more than `max_bytes` or than it
            can hold; it is too deep or holds too many objects; a link leads elsewhere, or data lie elsewhere.
    """
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise ModelFileError(what, where=str(path), expected=kind)
    try:
        size = path.stat().st_size
        with h5py.File(path, "r") as file:
            return _Reading(path, size, max_bytes).group(file, "/", 0)
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"cannot be read as HDF5: {reason}", where=str(path), expected=kind) from error


@dataclass
class _Reading:
    """One reading: what was allocated and met so far."""

    path: Path
    size: int
    max_bytes: int
    spent: int = 0
    objects: int = 0
    groups: set[object] = field(default_factory=set)
    heaps_are_sound: bool = False

    def group(self, group: h5py.Group, path: str, depth: int) -> Group:
        identity = h5py.h5o.get_info(group.id)
        if (identity.fileno, identity.addr) in self.groups:
            raise self.bad(f"{path} is reached on two ways", "a tree of groups")
        if depth > MOST_DEPTH:
            raise self.bad(f"{path} lies too deep", f"at most {MOST_DEPTH} groups in each other")
        self.groups.add((identity.fileno, identity.addr))
        names = list(islice(group, MOST_OBJECTS + 1 - self.objects))
        self.objects += len(names)
        if self.objects > MOST_OBJECTS:
            raise self.bad(f"more than {MOST_OBJECTS} groups and datasets", "a network")
        return Group(str(self.path), path, {name: self.member(group, name, path, depth) for name in names})

    def member(self, group: h5py.Group, name: str, path: str, depth: int) -> Any:  # Any: see Group
        where = f"{path.rstrip('/')}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise self.bad(f"{where} is a link that leads elsewhere", "data in the file itself")
        found = group[name]
        if isinstance(found, h5py.Group):
            return self.group(found, where, depth + 1)
        return self.value(found, where) if isinstance(found, h5py.Dataset) else Strange("a stored type")

    def value(self, data: h5py.Dataset, where: str) -> Any:  # Any: see Group
        if data.is_virtual or data.external:
            raise self.bad(f"the data of {where} lie elsewhere", "data in the file itself")
        layout = data.id.get_create_plist()
        unknown = {layout.get_filter(n)[0] for n in range(layout.get_nfilters())} - FILTERS
        if unknown:
            raise self.bad(f"{where} is stored through filter {min(unknown)}", "deflate, lzf, shuffle, fletcher32")
        if data.shape is None:
            return Strange("empty")
        text = h5py.check_string_dtype(data.dtype)
        if text is None and data.dtype.kind not in "fiub":
            return Strange(f"of type {data.dtype}")
        self.spend(data, where)
        fault = fault_in_parts(data, self.path)
        if fault:
            raise self.bad(f"{where} has {fault}", "an undamaged file")
        if text is None:
            return np.asarray(data[()])
        return self.text(data, where)

    def spend(self, data: h5py.Dataset, where: str) -> None:
        """Counts what a dataset declares, or its one chunk where that is larger, before it is allocated."""
        chunk = prod(data.chunks) if data.chunks else 0
        declared = max(prod(data.shape), chunk) * data.dtype.itemsize
        stored = data.id.get_storage_size()
        if declared > stored * MOST_EXPANSION + UNWRITTEN:
            raise self.bad(f"{where} declares {declared} bytes and stores {stored}", "data that were written")
        self.take(declared)

    def take(self, count: int) -> None:
        self.spent += count
        if self.spent > self.max_bytes:
            raise self.bad(f"declares more than {self.max_bytes} bytes", "no more, or a higher --max-bytes")

    def text(self, data: h5py.Dataset, where: str) -> str | NDArray[np.object_]:
        """Text of any shape, some rows at a time: all elements of an array may point to one long text."""
        self.check_heaps(data)
        if data.shape == ():
            whole = _decoded(data[()])
            self.take(len(whole))
            return whole
        each = prod(data.shape[1:]) * self.size  # no text is longer than the file
        rows = min(ROWS, max(1, (self.max_bytes - self.spent) // max(each, 1)))
        found: list[NDArray[np.object_]] = [np.empty((0, *data.shape[1:]), dtype=object)]
        for start in range(0, data.shape[0], rows):
            block = np.asarray(data[start : start + rows], dtype=object)
            texts = [_decoded(element) for element in block.reshape(-1)]
            self.take(sum(map(len, texts)))
            part = np.empty(len(texts), dtype=object)
            part[:] = texts
            found.append(part.reshape(block.shape))
        return np.concatenate(found)

    def check_heaps(self, data: h5py.Dataset) -> None:
        """Checks once what the library walks for text of varying length."""
        varies = h5py.check_string_dtype(data.dtype).length is None
        if not varies or self.heaps_are_sound:
            return
        sizes = data.file.id.get_create_plist().get_sizes()
        if sizes != (8, 8):
            raise self.bad(f"addresses and sizes of {sizes} bytes", "8 bytes each")
        fault = fault_in_heaps(self.path)
        if fault:
            raise self.bad(f"cannot be read as HDF5: {fault}", "an undamaged file")
        self.heaps_are_sound = True

    def bad(self, found: str, expected: str) -> ModelFileError:
        return ModelFileError(found, where=str(self.path), expected=expected)


def _decoded(text: object) -> str:
    assert isinstance(text, (bytes, str))
    return text.decode("utf-8") if isinstance(text, bytes) else text
