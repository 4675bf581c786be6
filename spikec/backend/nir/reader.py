"""Reads network.nir of either dialect back as a graph: what nir.read, with its registry of types, cannot do.

Weights come from the nodes' fields and operands from the edges. The graph is then encoded again and must give every
field and edge of the file, so nothing in it goes unread. Written by spikec only: a foreign NIR file lacks our
metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.dialect import FILE, FORMAT, LABELS, METADATA, OPERAND, ROOT
from spikec.backend.nir.encode import encode
from spikec.backend.nir.hdf5 import Tree, read_tree
from spikec.backend.nir.numbers import reduced
from spikec.backend.nir.restore import stored_weights
from spikec.backend.plain import Said, op_from, weight_from
from spikec.backend.protocol import peel
from spikec.errors import GraphError, ModelFileError, UnsupportedOp
from spikec.ir.arithmetic import Add
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.ops import OPS
from spikec.ir.text import parse_type
from spikec.ir.types import Weight


def read(folder: Path) -> Graph:
    """The graph in network.nir of `folder`, verified.

    Raises:
        ModelFileError: the file cannot be read, was not written by spikec, or contradicts itself.
    """
    path = folder / FILE
    return graph_of(read_tree(path), path)


def graph_of(tree: Tree, path: Path) -> Graph:
    """The graph in what `read_tree` gave, verified; `path` is for errors.

    Raises:
        ModelFileError: it was not written by spikec, or contradicts itself.
    """
    try:
        said = metadata_of(tree)
        graph = _Restoring(tree, said).graph()
        again = encode(peel(graph, "nir"), said["dialect"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration, RecursionError) as error:
        raise ModelFileError(f"cannot be read: {error!r}", where=str(path)) from error
    except (GraphError, UnsupportedOp) as error:
        raise ModelFileError(f"holds no valid graph: {error}", where=str(path)) from error
    contradiction = disagreement(again, tree)
    if contradiction:
        raise ModelFileError(f"contradicts itself: {contradiction}", where=str(path))
    return graph


def metadata_of(tree: Tree) -> Said:
    """The root's metadata.

    Raises:
        ValueError: there are none of this format and version.
    """
    said: Said = json.loads(tree["metadata"][METADATA])
    wrong = [key for key, value in FORMAT.items() if said[key] != value]
    if wrong or tree["type"] != ROOT.get(said["dialect"]):
        raise ValueError(f"expected {FORMAT} and a root of type {ROOT}, found {tree['type']}")
    return said


def disagreement(expected: Tree, found: Tree) -> str:
    """The first difference between two trees, metadata aside; empty where there is none."""
    for name in sorted({*expected["nodes"], *found["nodes"]}):
        if name not in expected["nodes"] or name not in found["nodes"]:
            return f"node '{name}' is {'not' if name in found['nodes'] else 'one'} that its metadata give"
        a, b = expected["nodes"][name], found["nodes"][name]
        for key in sorted({*a, *b} - {"metadata"}):
            if key not in a or key not in b or not np.array_equal(a[key], b[key]):
                return f"'{key}' of node '{name}' is not what its metadata give"
    edges, others = set(expected["edges"]), set(found["edges"])
    if edges != others or len(found["edges"]) != len(others):
        return f"edges {sorted(edges ^ others)[:4]} are not what its nodes take"
    return ""


class _Restoring:
    """A graph taken from a tree, node by node."""

    def __init__(self, tree: Tree, said: Said) -> None:
        self.tree, self.said = tree, said
        self.own = {name: json.loads(node["metadata"][METADATA]) for name, node in tree["nodes"].items()}
        self.weights: dict[str, Weight] = {}
        # What one node gives, then what several edges sum to.
        self.values = {frozenset([name]): own["value"] for name, own in self.own.items() if "value" in own}
        by_value = {own["value"]: (name,) for name, own in self.own.items() if "value" in own}
        for total in said["sums"]:
            terms = tuple(term for value in total["inputs"] for term in by_value[value])
            by_value[total["value"]] = terms
            self.values[frozenset(terms)] = total["value"]

    def graph(self) -> Graph:
        found: list[tuple[int, Node]] = []
        for name, node in self.tree["nodes"].items():
            if "order" in self.own[name]:
                found.append((self.own[name]["order"], self.node(name, node)))
        for total in self.said["sums"]:
            found.append((total["order"], Node(total["value"], Add(), tuple(total["inputs"]), scope=total["scope"])))
        found += [(host["order"], self.host(host)) for host in self.said["host"]]
        kinds = self.said["inputs"]
        order = self.said.get("input_order", list(kinds))
        if sorted(order) != sorted(kinds):
            raise ValueError(f"the inputs {sorted(kinds)}, in the order {order}")
        inputs = {name: parse_type(kinds[name]) for name in order}
        nodes = [node for _, node in sorted(found, key=lambda pair: pair[0])]
        return assemble(inputs, nodes, self.outputs(), self.weights, int(self.said["steps"]))

    def node(self, name: str, node: Tree) -> Node:
        own, label = self.own[name], LABELS.get(node["type"])
        kind = label or OPS[own["op"]]
        op = op_from(kind, json.loads(node["fields"]) if label else own["fields"])
        stored = node if label else stored_weights(op, node, self.said["dt"])
        for slot, said in own["weights"].items():
            self.weight(said, np.asarray(stored[slot]))
        inputs = tuple(own["inputs"]) if isinstance(op, Add) else self.operands(name) if op.arity else ()
        names = {slot: str(said["name"]) for slot, said in own["weights"].items()}
        types = (parse_type(own["type"]),) if "type" in own else ()
        return Node(own["value"], op, inputs, names, types, own["scope"])

    def weight(self, said: Said, stored: NDArray[Any]) -> None:  # Any: float or integer
        weight = weight_from(said, reduced(stored, tuple(said["shape"])))
        known = self.weights.setdefault(said["name"], weight)
        if not known.same_as(weight):
            raise ValueError(f"weight '{said['name']}' stands in several nodes with different numbers")

    def operands(self, name: str) -> tuple[str, ...]:
        """A node's operands, from its in-edges: those of its ports in order, or one sum."""
        sources = self.into(name)
        ports = {self.tree["nodes"][source]["index"]: source for source in sources if self.is_port(source)}
        if not ports:
            return (self.values[sources],)
        return tuple(self.values[self.into(ports[index])] for index in range(len(sources)))

    def into(self, name: str) -> frozenset[str]:
        return frozenset(a for a, b in self.tree["edges"] if b == name)

    def is_port(self, name: str) -> bool:
        return bool(self.tree["nodes"][name]["type"] == OPERAND)

    def host(self, said: Said) -> Node:
        """What the caller computes: a Repeat feeds an Input, anything else takes what an Output gives."""
        value = said["value"]
        if said["op"] == "repeat":
            fed = next(own["input"] for own in self.own.values() if own.get("value") == value)
        else:
            name = next(name for name, own in self.own.items() if own.get("gives") == value)
            fed = self.values[self.into(name)]
        return Node(value, OPS[said["op"]](), (fed,), scope=said["scope"])

    def outputs(self) -> tuple[str, ...]:
        ends = {own["output"]: name for name, own in self.own.items() if "output" in own}
        found = [(ends[i], self.own[ends[i]]) for i in range(len(ends))]
        return tuple(own["gives"] if own["host"] else self.values[self.into(name)] for name, own in found)
