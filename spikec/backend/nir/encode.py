"""A graph as the tree of groups and numbers that a .nir file holds, in one of the two dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from spikec.backend.nir.dialect import DT, FORMAT, METADATA, OPERAND, RESULT, ROOT, Dialect
from spikec.backend.nir.forms import standard
from spikec.backend.nir.neurons import steps_of_leak
from spikec.backend.nir.numbers import LEAKS, full
from spikec.backend.nir.site import Described, Fields, Site
from spikec.backend.nir.wiring import Wiring, wire
from spikec.backend.plain import op_fields, weight_facts
from spikec.backend.protocol import Peeled
from spikec.errors import Offender, UnsupportedOp
from spikec.ir.arithmetic import Add
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, Threshold
from spikec.ir.op import Op
from spikec.ir.time import Delay

BROADCAST: tuple[type[Op], ...] = (Alpha, CubaLIF, Delay, I, IF, LI, LIF, PLIF, Threshold)
"""The ops whose weights broadcast to their operand; written with one number an element, as NIR's are."""

MENDS = {
    "strict": "--dialect extended (every op, for spikec's own reader), or --target lava (carries attention)",
    "extended": "--target lava",
}


@dataclass
class Draft:
    """A NIR graph that is being written."""

    nodes: dict[str, Fields] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def node(self, name: str, kind: str, values: Fields, said: Fields) -> None:
        """Adds a node with our metadata."""
        self.nodes[name] = {"type": kind, **values, "metadata": {METADATA: plain(said)}}


def encode(peeled: Peeled, dialect: Dialect) -> Fields:
    """Type, nodes, edges and metadata of the file's root.

    Raises:
        UnsupportedOp: lists every node that the dialect has no form for.
    """
    graph, draft = peeled.graph, Draft()
    check(peeled, dialect)
    wiring = wire(graph, peeled.host)
    for value, name in wiring.feeds.items():
        shape = np.array(graph.types[value].shape)
        draft.node(wiring.nodes[value], "Input", {"shape": shape}, {"value": value, "input": name})
    for order, node in enumerate(graph.nodes):
        if node.name not in peeled.host and node.name not in wiring.melted:
            _node(draft, Site(graph, node, DT[dialect]), order, wiring, dialect)
    for index, value in enumerate(graph.outputs):
        _output(draft, peeled, wiring, index, value)
    return {
        "type": ROOT[dialect],
        "nodes": draft.nodes,
        "edges": draft.edges,
        "metadata": {METADATA: plain(_root(peeled, wiring, dialect))},
    }


def check(peeled: Peeled, dialect: Dialect) -> None:
    """Refuses what the dialect has no form for.

    Raises:
        UnsupportedOp: lists every such node.
    """
    graph = peeled.graph
    offenders = [
        Offender(node.op.mnemonic, graph.path_of(node), reason)
        for node in graph.nodes
        if node.name not in peeled.host and (reason := objection(graph, node, dialect))
    ]
    if offenders:
        raise UnsupportedOp(f"nir, dialect {dialect},", offenders, mend=MENDS[dialect], nodes=len(graph.nodes))


def objection(graph: Graph, node: Node, dialect: Dialect) -> str:
    """Why a node cannot be written, empty if it can."""
    if dialect == "extended":
        return ""
    if not any(graph.users(value) or value in graph.outputs for value in node.results):
        return "nothing takes its result, and nir would invent an output for it; the pass remove-dead removes it"
    found = standard(Site(graph, node, DT[dialect]))
    return found if isinstance(found, str) else ""


def _node(draft: Draft, site: Site, order: int, wiring: Wiring, dialect: Dialect) -> None:
    """One node of the graph, its in-edges, and what stands between."""
    node, name = site.node, wiring.nodes[site.node.name]
    found: Described = standard(site)
    labelled = isinstance(found, str)
    kind, values = _label(site) if isinstance(found, str) else found
    said: Fields = {"value": node.name, "scope": node.scope, "order": order, "weights": dict(_weights(site))}
    if not labelled:
        said |= {"op": node.op.mnemonic, "fields": op_fields(node.op)}
    if isinstance(node.op, Add):
        said["inputs"] = list(node.inputs)
    if isinstance(node.op, Delay):
        said["type"] = str(node.type)
    draft.node(name, kind, values, said)
    _state_steps(draft.nodes[name], site)
    _edges(draft, site, wiring, labelled)
    for index, value in enumerate(list(node.results)[1:], start=1):
        if value in wiring.nodes:
            draft.node(wiring.nodes[value], RESULT, {"index": index}, {"value": value})
            draft.edges.append((name, wiring.nodes[value]))


def _label(site: Site) -> tuple[str, Fields]:
    """The labelled form: the op's fields as JSON, and every weight by slot."""
    values: Fields = {"fields": plain(op_fields(site.op))}
    for slot in site.node.weights:
        array = site.array(slot)
        assert array is not None
        values[slot] = full(array, site.shape) if isinstance(site.op, BROADCAST) else np.atleast_1d(array)
    return f"Spikec{type(site.op).__name__}", values


def _state_steps(values: Fields, site: Site) -> None:
    """States the shares that are left after a step, and steps where seconds do not give them back to the last bit."""
    metadata = values["metadata"]
    assert isinstance(metadata, dict)
    leaks = LEAKS.get(str(values["type"]), {})
    metadata.update({leak.share: site.full(leak.share) for leak in leaks.values() if leak.share in site.node.weights})
    stated = {leak.steps: steps_of_leak(site, leak) for leak in leaks.values()}
    if values["type"] == "Delay":
        stated = {"steps": site.full("steps")}
    metadata.update({key: n for key, n in stated.items() if not np.array_equal(n * site.dt / site.dt, n)})


def _edges(draft: Draft, site: Site, wiring: Wiring, labelled: bool) -> None:
    """Edges into a node; through a node of its own for each operand where a plain sum would be wrong or refused."""
    name = wiring.nodes[site.node.name]
    sources = [wiring.sources(value) for value in site.node.inputs]
    every = [source for operand in sources for source in operand]
    ordered = labelled and len(sources) > 1
    if not ordered and len(set(every)) == len(every):
        draft.edges += [(source, name) for source in every]
        return
    for index, (value, operand) in enumerate(zip(site.node.inputs, sources, strict=True)):
        port = wiring.free_name(f"{name}.operand{index}")
        one = np.ones(site.graph.types[value].shape)
        kind, values = (OPERAND, {"index": index}) if ordered else ("Scale", {"scale": one})
        draft.node(port, kind, dict(values), {"operand": index, "of": site.node.name})
        draft.edges += [*((source, port) for source in operand), (port, name)]


def _output(draft: Draft, peeled: Peeled, wiring: Wiring, index: int, value: str) -> None:
    graph = peeled.graph
    inner = graph.node(value).inputs[0] if value in peeled.host else value
    said: Fields = {"output": index, "gives": value, "host": value in peeled.host}
    stem = value if value in peeled.host else f"{value}.output"
    name, number = wiring.free_name(stem), 1
    while name in draft.nodes:
        name, number = wiring.free_name(f"{stem}_{number}"), number + 1
    draft.node(name, "Output", {"shape": np.array(graph.types[inner].shape)}, said)
    draft.edges += [(source, name) for source in wiring.sources(inner)]


def _root(peeled: Peeled, wiring: Wiring, dialect: Dialect) -> Fields:
    """What NIR cannot say of the whole: the caller's protocol, melted Adds, dt."""
    graph = peeled.graph
    host = [(i, node) for i, node in enumerate(graph.nodes) if node.name in peeled.host]
    sums = [(i, node) for i, node in enumerate(graph.nodes) if node.name in wiring.melted]
    return {
        **FORMAT,
        "dialect": dialect,
        "dt": DT[dialect],
        "steps": graph.steps,
        "graph_sha256": graph.sha256,
        "inputs": {name: str(kind) for name, kind in graph.inputs.items()},
        "input_order": list(graph.inputs),  # which the sorted keys of the JSON text lose
        "host": [{"value": n.name, "op": n.op.mnemonic, "scope": n.scope, "order": i} for i, n in host],
        "sums": [{"value": n.name, "inputs": list(n.inputs), "scope": n.scope, "order": i} for i, n in sums],
    }


def _weights(site: Site) -> Iterator[tuple[str, Fields]]:
    for slot, name in site.node.weights.items():
        yield slot, {"name": name, **weight_facts(site.graph.weights[name])}


def plain(said: Fields) -> str:
    """Metadata as one JSON text, always the same."""
    return json.dumps(said, sort_keys=True)
