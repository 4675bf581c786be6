"""Reads a .nir file: one that spikec wrote as exactly the graph that was written, any other by NIR's equations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import spikec.frontend.hdf5 as hdf5
from spikec.backend.nir.dialect import METADATA
from spikec.backend.nir.hdf5 import KIND, tree_of
from spikec.backend.nir.reader import graph_of as written_graph
from spikec.backend.nir.reader import metadata_of
from spikec.errors import ModelFileError, UsageError
from spikec.frontend.foreign import Encoder, Reading, Taken
from spikec.frontend.hdf5 import Group
from spikec.frontend.nir.clock import clock_for, span
from spikec.frontend.nir.compose import graph_of
from spikec.frontend.nir.network import Network, network_of
from spikec.frontend.nir.notes import Notes
from spikec.frontend.nir.plan import plan_of
from spikec.ir.graph import Graph
from spikec.ir.types import Timing

DEFAULT_STEPS = 16


def read(path: Path, reading: Reading) -> Taken:
    """The network in a .nir file.

    Raises:
        ModelFileError: the file cannot be read, or contradicts itself.
        UnsupportedOp: lists every node that cannot be taken.
        TraceError: the network as a whole cannot be taken.
        UsageError: a dt or an integrator for a file that states its own.
    """
    file = hdf5.read_tree(path, reading.max_bytes, KIND)
    return _ours(file, path, reading) if _is_ours(file) else _foreign(file, path, reading)


def _is_ours(file: Group) -> bool:
    root = file.group("node")
    return "metadata" in root and METADATA in root.group("metadata")


def _ours(file: Group, path: Path, reading: Reading) -> Taken:
    tree = tree_of(file)
    graph = written_graph(tree, path)
    said = metadata_of(tree)
    if reading.dt not in (None, said["dt"]) or reading.integrator not in (None, "euler"):
        found = f"--dt {reading.dt:g}" if reading.dt not in (None, said["dt"]) else f"--integrator {reading.integrator}"
        expected = f"nothing, or {said['dt']:g} s and euler, by which it was written from a graph in steps"
        raise UsageError(found, where=str(path), expected=expected)
    remarks = [f"written by spikec, dialect {said['dialect']}: it comes back as the graph that was written"]
    if said.get("graph_sha256") != graph.sha256:
        remarks = [f"written by spikec, dialect {said['dialect']}, and changed since: the file's own numbers are taken"]
    if reading.steps is not None:
        graph = replace(graph, steps=reading.steps)
    facts = {"dialect": said["dialect"], "dt": said["dt"], "nir": _version(file)}
    return Taken(graph, _encoder(graph), tuple(remarks), facts=facts)


def _encoder(graph: Graph) -> Encoder:
    if len(graph.inputs) > 1:
        return "several"
    (kind,) = graph.inputs.values()
    return "direct" if kind.timing is Timing.ONCE else "frames"


def _foreign(file: Group, path: Path, reading: Reading) -> Taken:
    network, notes = network_of(file), Notes()
    clock = clock_for(network, reading, notes)
    plan = plan_of(network, clock, notes)
    if clock is not None:
        notes.add(span(network, clock))
    steps = reading.steps or DEFAULT_STEPS
    notes.add(f"NIR states neither the kind nor the number of steps of its input: real numbers{_asked(reading, steps)}")
    graph, outputs = graph_of(plan, steps)
    _check_sizes(graph, path, reading)
    _note_names(network, notes)
    facts = {
        "dt": clock.dt if clock else None,
        "integrator": clock.integrator if clock else None,
        "nir": _version(file),
        "nodes": dict(Counter(item.kind for item in network.items.values() if not item.inner)),
        "renamed": {item.name: item.scope for item in network.items.values() if item.scope != item.name},
        "inputs": {network.items[key].name: network.items[key].scope for key in plan.shapes},
        "outputs": outputs,
    }
    return Taken(graph, _encoder(graph), tuple(filter(None, notes.remarks())), facts=facts)


def _asked(reading: Reading, steps: int) -> str:
    return "" if reading.steps else f", {steps} steps (--steps)"


def _check_sizes(graph: Graph, path: Path, reading: Reading) -> None:
    """Raises ModelFileError where a sample of a value takes more than a file may: a shape is a few bytes there."""
    for value, kind in graph.types.items():
        if 8 * kind.elements > reading.max_bytes:
            found = f"%{value} has {kind.elements} elements, {list(kind.shape)}"
            raise ModelFileError(found, where=str(path), expected=f"--max-bytes, {reading.max_bytes}, or less a sample")


def _note_names(network: Network, notes: Notes) -> None:
    for item in network.items.values():
        if item.scope != item.name:
            notes.add("renamed, since a name has letters, digits, _ . - only", f"'{item.name}' is {item.scope}")
    known = sorted({key for group in network.metadata.values() for key in group} - {"dt"})
    if known:
        notes.add(f"metadata that are not read: {', '.join(known[:4])}{', ...' if len(known) > 4 else ''}")
    terms = Counter(target for _, target in network.edges)
    for key in [key for key in network.ends("Output") if terms[key] > 1]:
        sentence = "several edges into an Output are summed, as into any node; nirtorch gives each by itself"
        notes.add(sentence, network.items[key].name)


def _version(file: Group) -> str:
    return file.text("version") if isinstance(file.get("version"), str) else "not stated"
