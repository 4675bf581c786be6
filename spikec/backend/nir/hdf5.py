"""A .nir file as the tree of plain numbers and text that the readers of this package take apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spikec.backend.arrays import MOST_BYTES
from spikec.frontend import hdf5
from spikec.frontend.hdf5 import Group

Tree = dict[str, Any]  # Any: numbers, strings, arrays and trees, checked as they are taken apart

KIND = "a .nir file"


def read_tree(path: Path) -> Tree:
    """The root node of the file: type, nodes, edges, metadata.

    Raises:
        ModelFileError: the file is missing, truncated, no HDF5, no NIR, or declares more than it can hold.
    """
    return tree_of(hdf5.read_tree(path, MOST_BYTES, KIND))


def tree_of(file: Group) -> Tree:
    """The root node in a file that was read.

    Raises:
        ModelFileError: it is no NIR, or has graphs within the graph.
    """
    node = file.group("node")
    tree = _leaves(node)
    tree["nodes"] = {name: _leaves(node.group("nodes").group(name)) for name in node.group("nodes")}
    edges = node.texts("edges")
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise node.bad("edges", f"holds texts {list(edges.shape)}", "pairs of names")
    tree["edges"] = [(str(a), str(b)) for a, b in edges]
    return tree


def _leaves(node: Group) -> Tree:
    """The datasets of a node, and those of its metadata."""
    tree: Tree = {}
    for name, held in node.items():
        if name in ("nodes", "edges"):
            continue
        if name == "metadata":
            metadata = node.group(name)
            tree[name] = {key: _value(metadata, key) for key in metadata}
        elif isinstance(held, Group):
            raise node.bad(name, "is a group", "numbers or text")
        else:
            tree[name] = _value(node, name)
    return tree


def _value(node: Group, name: str) -> Any:  # Any: text, a number or an array
    if isinstance(node[name], str):
        return node.text(name)
    value = node.array(name)
    return value.item() if np.ndim(value) == 0 else value
