"""The nodes and edges of a .nir file: subgraphs inlined, the wiring checked, the numbers not looked at yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import networkx as nx
import numpy as np

from spikec.errors import Offender, TraceError, UnsupportedOp
from spikec.frontend.hdf5 import Group

MOST_TERMS = 1000
"""Edges into one node; a sum of more is no network, and would take long to write down."""

Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Item:
    """A node of the file that holds no graph.

    Args:
        name: with those of the subgraphs around it, joined by '.'.
        scope: the same with characters that the text form of a graph takes, and no other item's.
        kind: NIR's type.
        group: its fields.
        inner: whether it is the Input or Output of a subgraph, which only passes on.
    """

    name: str
    scope: str
    kind: str
    group: Group
    inner: bool

    def offends(self, reason: str) -> Offender:
        """This node with the reason why it cannot be taken."""
        return Offender(self.kind, self.name, reason)


@dataclass(frozen=True, eq=False)
class Network:
    """What the file says, in the order of the file.

    Args:
        items: by their path, which is unique where a name need not be.
        edges: between items; those into and out of a subgraph lead to its Input and from its Output.
        metadata: what was written beside each graph and node, for readers who know it, by the path of its node.
    """

    items: Mapping[str, Item]
    edges: Sequence[Edge]
    metadata: Mapping[str, Group]

    def ends(self, kind: Literal["Input", "Output"]) -> list[str]:
        """Where the network is entered, or left."""
        return [key for key, item in self.items.items() if item.kind == kind and not item.inner]


def network_of(file: Group) -> Network:
    """The graph in the file.

    Raises:
        ModelFileError: the layout is not that of `nir.write`, or an edge leads to no node.
        TraceError: the file holds a lone node, or no Input or Output.
        UnsupportedOp: lists what hangs loose, and every edge that says nothing.
    """
    root = file.group("node")
    kind = root.text("type")
    if kind != "NIRGraph":
        raise TraceError(f"holds a {kind}, no graph", where=file.file, mend="write nir.NIRGraph.from_list(node)")
    reading = _Reading()
    reading.graph(root, "", "")
    network = Network(reading.items, tuple(reading.edges), reading.metadata)
    # A subgraph that cannot be entered leaves its neighbours loose, which would be said of them in vain.
    faults = reading.faults or [*_ends(network, file), *_loose(network)]
    if faults:
        raise UnsupportedOp("spikec", faults, nodes=len(reading.items))
    return network


@dataclass
class _Reading:
    items: dict[str, Item] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    metadata: dict[str, Group] = field(default_factory=dict)
    faults: list[Offender] = field(default_factory=list)
    scopes: set[str] = field(default_factory=set)

    def graph(self, node: Group, path: str, name: str) -> None:
        """Adds a graph whose nodes' paths and names begin with `path` and `name`."""
        self.describe(node, path or "/")
        nodes = node.group("nodes")
        entries, exits = ({inner: f"{path}/{inner}" for inner in nodes} for _ in range(2))
        for inner in nodes:
            group, whole = nodes.group(inner), f"{name}.{inner}" if name else inner
            if group.text("type") == "NIRGraph":
                entries[inner], exits[inner] = self.subgraph(group, f"{path}/{inner}", whole)
            else:
                self.item(group, f"{path}/{inner}", whole, bool(name))
        pairs = _pairs(node)
        for a, b in pairs:
            if a not in nodes or b not in nodes:
                raise node.bad("edges", f"lead from '{a}' to '{b}'", f"names of nodes in {node.path}/nodes")
        for a, b in dict.fromkeys(pairs):
            self.edges.append((exits[a], entries[b]))
        for (a, b), count in Counter(pairs).items():
            if count > 1:
                self.faults.append(_double(nodes, a, b, name, count))

    def subgraph(self, group: Group, path: str, name: str) -> Edge:
        """Adds a graph within the graph, and gives the paths of its Input and its Output."""
        self.graph(group, path, name)
        nodes = group.group("nodes")
        kinds = {inner: nodes.group(inner).text("type") for inner in nodes}
        found = [[inner for inner in nodes if kinds[inner] == kind] for kind in ("Input", "Output")]
        if any(len(ends) != 1 for ends in found):
            said = f"has {len(found[0])} Inputs and {len(found[1])} Outputs"
            self.faults.append(Offender("NIRGraph", name, f"{said}; an edge to a subgraph does not say which it means"))
            return path, path
        return f"{path}/{found[0][0]}", f"{path}/{found[1][0]}"

    def item(self, group: Group, path: str, name: str, within: bool) -> None:
        kind = group.text("type")
        self.describe(group, path)
        self.items[path] = Item(name, self.scope(name), kind, group, within and kind in ("Input", "Output"))

    def describe(self, group: Group, path: str) -> None:
        if "metadata" in group:
            self.metadata[path] = group.group("metadata")

    def scope(self, name: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
        stem = stem if stem[0] not in ".-" else f"_{stem}"
        free, number = stem, 1
        while free in self.scopes:
            free, number = f"{stem}_{number}", number + 1
        self.scopes.add(free)
        return free


def _pairs(node: Group) -> list[Edge]:
    if isinstance(node.get("edges"), np.ndarray) and node["edges"].size == 0:
        return []  # which HDF5 keeps as numbers
    edges = node.texts("edges")
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise node.bad("edges", f"holds texts {list(edges.shape)}", "pairs of names")
    return [(str(a), str(b)) for a, b in edges]


def _double(nodes: Group, a: str, b: str, prefix: str, count: int) -> Offender:
    name = f"{prefix}.{b}" if prefix else b
    reason = f"{count} edges from '{a}'; NIR has no double edge, x + x is a Scale by 2"
    return Offender(nodes.group(b).text("type"), name, reason)


def _ends(network: Network, file: Group) -> Iterable[Offender]:
    """What is wrong with where the network is entered and left."""
    inputs, outputs = network.ends("Input"), network.ends("Output")
    for kind, found in (("Input", inputs), ("Output", outputs)):
        if not found:
            raise TraceError(f"the graph has no {kind}", where=file.file, mend=f"nir.{kind}, with the shape of a step")
    for source, target in network.edges:
        if target in inputs:
            yield network.items[target].offends(f"an edge from '{network.items[source].name}' leads into it")
        if source in outputs:
            yield network.items[source].offends(f"an edge leads from it to '{network.items[target].name}'")


def _loose(network: Network) -> Iterable[Offender]:
    """What no data reach, or what reaches no output: nir.read invents an Input or an Output for some of them."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(network.items)
    graph.add_edges_from(network.edges)
    fed = _reached(graph, network.ends("Input"))
    heard = _reached(graph.reverse(copy=False), network.ends("Output"))
    terms = Counter(target for _, target in network.edges)
    for key, item in network.items.items():
        if key not in fed:
            yield item.offends("no way leads from an Input to it")
        elif key not in heard:
            yield item.offends("no way leads from it to an Output")
        elif terms[key] > MOST_TERMS:
            yield item.offends(f"{terms[key]} edges lead into it; at most {MOST_TERMS} are taken")


def _reached(graph: nx.DiGraph[str], sources: Iterable[str]) -> set[str]:
    return {key for layer in nx.bfs_layers(graph, list(sources)) for key in layer}
