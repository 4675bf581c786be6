"""Writes a Graph as a folder that runs in Lava by itself: `python run.py`."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikec.backend.lava.environment import LAVA_VERSION
from spikec.backend.protocol import Peeled, peel
from spikec.errors import Offender, OutputError, UnsupportedOp
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Delay
from spikec.ir.types import IntFormat, TensorType, Weight

TARGET = "lava"
FORMAT = {"format": "spikec-lava", "version": 1}
RUNTIME = Path(__file__).parent / "runtime"

CARRIED: tuple[type[Op], ...] = (
    Add, AvgPool, BatchNorm, Conv1d, Conv2d, Delay, IF, LIF, Linear, MatMul, MaxPool, Mean, Mul, Reshape,
    Scale, Sum, SumPool, Threshold, Transpose,
)  # fmt: skip


def write(graph: Graph, folder: Path, inputs: Mapping[str, NDArray[np.generic]] | None = None) -> None:
    """Writes `graph` into `folder`, all of it or nothing.

    Args:
        graph: verified.
        folder: made here; must not exist, or be empty.
        inputs: samples for `python run.py` without options, [samples, *shape] or [T, samples, *shape].

    Raises:
        UnsupportedOp: nodes that have no process, each with op, module path and reason.
        OutputError: the folder holds something already, or cannot be written.
    """
    peeled = peel(graph, TARGET)
    check_carried(peeled)
    with new_folder(folder) as part:
        shutil.copytree(RUNTIME, part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        text = json.dumps(describe(peeled), indent=1, sort_keys=True)
        (part / "network.json").write_text(text + "\n", encoding="utf-8")
        weights = {name: weight.array.astype(np.float64) for name, weight in peeled.graph.weights.items()}
        write_npz(part / "weights.npz", weights)
        if inputs is not None:
            write_npz(part / "inputs.npz", {name: np.asarray(inputs[name], np.float64) for name in graph.inputs})


def check_carried(peeled: Peeled) -> None:
    """Refuses what has no process.

    Raises:
        UnsupportedOp: lists every such node.
    """
    graph = peeled.graph
    offenders = [
        Offender(node.op.mnemonic, node.scope or node.name, reason)
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
    for slot, name in node.weights.items():
        kind = graph.weights[name].format
        if isinstance(kind, IntFormat) and kind.scale != 1.0:
            return f"{slot} is fixed point of scale {kind.scale!r}; the processes compute in float64"
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
        "weights": {name: weighed(weight) for name, weight in graph.weights.items()},
    }


def described(node: Node, host: bool) -> dict[str, object]:
    """One node, every field of its op stated whether default or not."""
    return {
        "name": node.name,
        "op": node.op.mnemonic,
        "fields": {field.name: getattr(node.op, field.name) for field in fields(node.op)},
        "inputs": list(node.inputs),
        "weights": dict(node.weights),
        "results": [{"name": name, **typed(kind)} for name, kind in node.results.items()],
        "scope": node.scope,
        "runs_on": "host" if host else "lava",
    }


def typed(kind: TensorType) -> dict[str, object]:
    """A value's type, and its shape apart for the runtime."""
    return {"type": str(kind), "shape": list(kind.shape)}


def weighed(weight: Weight) -> dict[str, object]:
    """What weights.npz does not say of a weight, since every array there is float64."""
    kind = weight.format
    integer = {"bits": kind.bits, "signed": kind.signed} if isinstance(kind, IntFormat) else None
    return {
        "role": weight.role.value,
        "format": integer or str(kind),
        "dtype": weight.array.dtype.name,
        "shape": list(weight.array.shape),
    }


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A scratch folder that takes the name `folder` when the block ends well, and is removed when not.

    Raises:
        OutputError: the folder holds something already, or the disk refuses.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(found="it exists already", where=str(folder), mend="another -o, or --force")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(found=f"cannot write: {error.strerror}", where=str(folder)) from error
    try:
        yield part
        part.chmod(0o755)
        part.replace(folder)
    except OSError as error:
        raise OutputError(found=f"cannot write: {error.strerror}", where=str(folder)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_npz(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Writes arrays by name, whatever the names (np.savez keeps 'file' for itself); always the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in sorted(arrays.items()):
            big = math.prod(array.shape) * array.itemsize > 2**30
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=big) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
