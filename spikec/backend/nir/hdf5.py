"""Reads the tree of groups and numbers of a .nir file, which may be damaged or hostile.

Nothing is allocated before its declared size was checked, against a limit and against what the file can hold;
only hard links and contiguous, chunked or compact data in the file itself are followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikec.backend.arrays import MOST_BYTES
from spikec.errors import ModelFileError

Tree = dict[str, Any]  # Any: numbers, strings, arrays and trees, checked as they are taken apart

# deflate makes at most 1032 of 1; what a file declares beyond was never written.
MOST_EXPANSION = 1100
MOST_TEXT = 2**26
ROWS = 64


def read_tree(path: Path) -> Tree:
    """The root node of the file: type, nodes, edges, metadata.

    Raises:
        ModelFileError: the file is missing, truncated, no HDF5, no NIR, or declares more than it can hold.
    """
    if not path.is_file():
        raise ModelFileError("there is no such file", where=str(path), expected="a .nir file")
    try:
        with h5py.File(path, "r") as file:
            return _Reading(path).root(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise ModelFileError(f"cannot be read as NIR: {error}", where=str(path), expected="an HDF5 file") from error


@dataclass
class _Reading:
    """One reading, with what was allocated so far."""

    path: Path
    spent: int = 0

    def root(self, file: h5py.File) -> Tree:
        node = self.child(file, "node")
        tree = self.leaves(node)
        nodes = self.child(node, "nodes")
        tree["nodes"] = {str(name): self.leaves(self.child(nodes, name)) for name in nodes}
        tree["edges"] = self.edges(self.child(node, "edges"))
        return tree

    def leaves(self, group: h5py.Group) -> Tree:
        """The datasets of a node, and those of its metadata."""
        tree: Tree = {}
        for name in group:
            if name in ("nodes", "edges"):
                continue
            item = self.child(group, name)
            if isinstance(item, h5py.Dataset):
                tree[str(name)] = self.value(item)
            elif name == "metadata":
                tree["metadata"] = {str(key): self.value(self.child(item, key)) for key in item}
            else:
                raise self.bad(f"{item.name} is a group", "numbers or text")
        return tree

    def child(self, group: h5py.Group, name: str) -> Any:  # Any: a group or a dataset
        if not isinstance(group, h5py.Group) or name not in group:
            raise self.bad(f"there is no '{name}' in {getattr(group, 'name', group)}", "the layout of nir.write")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise self.bad(f"{group.name}/{name} is a link that leads elsewhere", "data in the file itself")
        return group[name]

    def value(self, data: Any) -> Any:  # Any: a dataset; a number, text or array
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
            raise self.bad(f"{data.name} is no dataset of the file itself", "numbers or text")
        if h5py.check_string_dtype(data.dtype) is not None and data.shape == ():
            return data[()].decode()
        if data.dtype.kind not in "fiub":
            raise self.bad(f"{data.name} holds {data.dtype}", "numbers or text")
        self.spend(data)
        value = data[()]
        return value.item() if np.ndim(value) == 0 else value

    def spend(self, data: h5py.Dataset) -> None:
        """Counts what a dataset declares before it is allocated."""
        declared = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
        stored = data.id.get_storage_size()
        if declared > stored * MOST_EXPANSION + 4096:
            raise self.bad(f"{data.name} declares {declared} bytes and stores {stored}", "data that were written")
        self.spent += declared
        if self.spent > MOST_BYTES:
            raise self.bad(f"declares more than {MOST_BYTES} bytes", "a network that fits into memory")

    def edges(self, data: Any) -> list[tuple[str, str]]:  # Any: a dataset
        if not isinstance(data, h5py.Dataset) or data.ndim != 2 or data.shape[1] != 2 or data.is_virtual:
            raise self.bad("its edges are no list of pairs", "[edges, 2] names")
        found: list[tuple[str, str]] = []
        length = 0
        # Rows may all point to one long text, so a text's length says nothing of the file's size.
        for start in range(0, data.shape[0], ROWS):
            rows = [(bytes(a).decode(), bytes(b).decode()) for a, b in data[start : start + ROWS]]
            length += sum(len(a) + len(b) for a, b in rows)
            if length > MOST_TEXT:
                raise self.bad("its edges have endless names", "names of nodes")
            found += rows
        return found

    def bad(self, found: str, expected: str) -> ModelFileError:
        return ModelFileError(found, where=str(self.path), expected=expected)
