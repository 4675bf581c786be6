"""Reads an exported folder back: the very files that run.py runs, as a Graph to compare by value."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.lava.writer import FORMAT
from spikec.errors import GraphError, ModelFileError
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.ops import OPS
from spikec.ir.text import parse_type
from spikec.ir.types import FLOAT32, FLOAT64, IntFormat, Role, Weight

FLOATS = {str(kind): kind for kind in (FLOAT32, FLOAT64)}
Described = Mapping[str, Any]  # Any: JSON, checked as it is taken apart


def read(folder: Path) -> Graph:
    """The graph in `folder`: every node, edge, convention and weight, verified.

    Raises:
        ModelFileError: a file is missing, cannot be read or says something impossible.
    """
    description = read_json(folder / "network.json")
    try:
        arrays = read_arrays(folder / "weights.npz")
        weights = {name: weight_from(said, arrays[name]) for name, said in description["weights"].items()}
        unknown = sorted(set(arrays) - set(weights))
        if unknown:
            raise ModelFileError(
                f"arrays that network.json does not name: {unknown}", where=str(folder / "weights.npz")
            )
        nodes = tuple(node_from(said) for said in description["nodes"])
        inputs = {said["name"]: parse_type(said["type"]) for said in description["inputs"]}
        outputs = tuple(str(value) for value in description["outputs"])
        graph = Graph(inputs, nodes, outputs, weights, int(description["steps"]))
        graph.verify()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"cannot be read: {error!r}", where=str(folder / "network.json")) from error
    except GraphError as error:
        raise ModelFileError(f"holds no valid graph: {error}", where=str(folder / "network.json")) from error
    return graph


def read_json(path: Path) -> Described:
    """network.json, checked to be one.

    Raises:
        ModelFileError: it is missing, no JSON, or of another format or version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in FORMAT.items()):
        raise ModelFileError("no network of this format and version", where=str(path), expected=str(FORMAT))
    return found


def read_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Every array of weights.npz.

    Raises:
        ModelFileError: it is missing, truncated, or holds pickles.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"cannot be read: {error}", where=str(path)) from error


def weight_from(said: Described, stored: NDArray[np.float64]) -> Weight:
    """A weight in the dtype that it was written from.

    A number that this dtype cannot hold was changed since: then the array stays in float64, so that a
    comparison sees it.
    """
    cast = stored.astype(np.dtype(said["dtype"]))
    array = cast if np.array_equal(cast.astype(np.float64), stored) else stored
    kind = said["format"]
    return Weight(array, Role(said["role"]), IntFormat(**kind) if isinstance(kind, dict) else FLOATS[kind])


def node_from(said: Described) -> Node:
    """One node with the types that the file states; verify compares them with those that its op infers."""
    types = tuple(parse_type(result["type"]) for result in said["results"])
    if [list(kind.shape) for kind in types] != [result["shape"] for result in said["results"]]:
        raise ValueError(f"node '{said['name']}': a result's shape and type differ")
    op = op_from(said["op"], said["fields"])
    node = Node(said["name"], op, tuple(said["inputs"]), dict(said["weights"]), types, said["scope"])
    if list(node.results) != [result["name"] for result in said["results"]]:
        raise ValueError(f"node '{said['name']}': results {list(node.results)} expected")
    return node


def op_from(mnemonic: str, values: Described) -> Op:
    """The op with its fields; JSON has no tuples, so lists become what the field's default is."""
    kind = OPS[mnemonic]
    known = {field.name: field.default for field in fields(kind)}
    if set(values) != set(known):
        raise ValueError(f"{mnemonic} has the fields {sorted(known)}, found {sorted(values)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
