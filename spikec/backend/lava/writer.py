"""Writes a Graph as a folder that runs in Lava by itself: `python run.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikec.backend.arrays import write_arrays
from spikec.backend.lava.environment import LAVA_VERSION
from spikec.backend.lava.program import put
from spikec.backend.plain import op_fields, weight_facts
from spikec.backend.protocol import Peeled, peel
from spikec.errors import Offender, UnsupportedOp
from spikec.files import write_json
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Delay
from spikec.ir.types import TensorType

TARGET = "lava"
FORMAT = {"format": "spikec-lava", "version": 1}

CARRIED: tuple[type[Op], ...] = (
    Add, AvgPool, BatchNorm, Conv1d, Conv2d, Delay, IF, LIF, Linear, MatMul, MaxPool, Mean, Mul, Reshape,
    Scale, Sum, SumPool, Threshold, Transpose,
)  # fmt: skip


def write(graph: Graph, folder: Path) -> None:
    """Writes `graph` into `folder`.

    Args:
        graph: verified.
        folder: empty, and made where it is missing; whoever gives it sees to it that an export is whole.

    Raises:
        UnsupportedOp: nodes that have no process, each with op, module path and reason; nothing is written.
        OSError, OutputError: the disk refuses.
    """
    peeled = peel(graph, TARGET)
    check_carried(peeled)
    put(folder)
    write_json(folder / "network.json", describe(peeled))
    weights = {name: weight.values.astype(np.float64) for name, weight in graph.weights.items()}
    write_arrays(folder / "weights.npz", weights)


def check_carried(peeled: Peeled) -> None:
    """Refuses what has no process.

    Raises:
        UnsupportedOp: lists every such node.
    """
    graph = peeled.graph
    offenders = [
        Offender(node.op.mnemonic, graph.path_of(node), reason)
        for node in graph.nodes
        if node.name not in peeled.host and (reason := objection(graph, node))
    ]
    if offenders:
        raise UnsupportedOp(TARGET, offenders, nodes=len(graph.nodes))


def objection(graph: Graph, node: Node) -> str:
    """Why a node cannot become a process; empty if it can."""
    if not isinstance(node.op, CARRIED):
        return "no process computes it"
    if any(not kind.shape for kind in (*node.types, *(graph.types[value] for value in node.inputs))):
        return "a port needs at least one axis"
    return ""


def describe(peeled: Peeled) -> dict[str, object]:
    """What network.json holds: everything but the weights' numbers."""
    graph = peeled.graph
    return {
        **FORMAT,
        "lava_nc": LAVA_VERSION,
        "graph_sha256": graph.sha256,
        "steps": graph.steps,
        "inputs": [{"name": name, "timing": kind.timing.value, **typed(kind)} for name, kind in graph.inputs.items()],
        "nodes": [described(node, node.name in peeled.host) for node in graph.nodes],
        "outputs": list(graph.outputs),
        "weights": {name: weight_facts(weight) for name, weight in graph.weights.items()},
    }


def described(node: Node, host: bool) -> dict[str, object]:
    """One node, every field of its op stated whether default or not."""
    return {
        "name": node.name,
        "op": node.op.mnemonic,
        "fields": op_fields(node.op),
        "inputs": list(node.inputs),
        "weights": dict(node.weights),
        "results": [{"name": name, **typed(kind)} for name, kind in node.results.items()],
        "scope": node.scope,
        "runs_on": "host" if host else "lava",
    }


def typed(kind: TensorType) -> dict[str, object]:
    """A value's type, and its shape apart for the runtime."""
    return {"type": str(kind), "shape": list(kind.shape)}
