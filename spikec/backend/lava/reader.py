"""Reads an exported folder back: the very files that run.py runs, as a Graph to compare by value."""

from __future__ import annotations

import json
from pathlib import Path

from spikec.backend.arrays import read_arrays
from spikec.backend.lava.writer import FORMAT
from spikec.backend.plain import Said, op_from, weight_from
from spikec.errors import GraphError, ModelFileError, why_unread
from spikec.ir.graph import Graph, Node
from spikec.ir.ops import OPS
from spikec.ir.text import parse_type


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


def read_json(path: Path) -> Said:
    """network.json, checked to be one.

    Raises:
        ModelFileError: it is missing, no JSON, or of another format or version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(why_unread(error), where=str(path)) from error
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in FORMAT.items()):
        raise ModelFileError("no network of this format and version", where=str(path), expected=str(FORMAT))
    return found


def node_from(said: Said) -> Node:
    """One node with the types that the file states; verify compares them with those that its op infers."""
    types = tuple(parse_type(result["type"]) for result in said["results"])
    if [list(kind.shape) for kind in types] != [result["shape"] for result in said["results"]]:
        raise ValueError(f"node '{said['name']}': a result's shape and type differ")
    op = op_from(OPS[said["op"]], said["fields"])
    node = Node(said["name"], op, tuple(said["inputs"]), dict(said["weights"]), types, said["scope"])
    if list(node.results) != [result["name"] for result in said["results"]]:
        raise ValueError(f"node '{said['name']}': results {list(node.results)} expected")
    return node
