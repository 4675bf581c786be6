"""The golden run: what a graph does in the interpreter in fp64, kept beside the export."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikec.backend.arrays import read_arrays, write_arrays
from spikec.errors import ModelFileError
from spikec.ir.graph import Graph
from spikec.ir.neurons import Neuron, Threshold
from spikec.run.interp import Interpreter
from spikec.target import Arrays, Traces

LAYERS = (Neuron, Threshold)
"""The ops that give spikes. The Neurons among them have membranes as well."""


def golden_run(graph: Graph, data: Arrays, steps: int) -> Traces:
    """Spikes (uint8) and membranes of every neuron layer and the outputs, from the interpreter in fp64.

    Args:
        graph: verified.
        data: an array for each input, [samples, *shape], or [T, samples, *shape] where it is per step.
        steps: T.

    Raises:
        DataError: an input is missing, or its shape does not fit.
    """
    layers = list(graph.nodes_of(*LAYERS))
    membranes = {node.name: f"{node.name}.v" for node in layers if isinstance(node.op, Neuron)}
    keep = [*(node.name for node in layers), *membranes.values(), *graph.outputs]
    values = Interpreter().run(graph, data, steps, keep=list(dict.fromkeys(keep)))
    return Traces(
        spikes={node.name: values[node.name].numpy().astype(np.uint8) for node in layers},
        membranes={name: values[value].numpy() for name, value in membranes.items()},
        outputs={value: values[value].numpy() for value in graph.outputs},
    )


def write_golden(path: Path, data: Arrays, traces: Traces) -> None:
    """Writes inputs/NAME, spikes/NODE, membranes/NODE and outputs/VALUE."""
    parts = {"inputs": data, "spikes": traces.spikes, "membranes": traces.membranes, "outputs": traces.outputs}
    write_arrays(path, {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()})


def read_golden(path: Path) -> tuple[Arrays, Traces]:
    """The inputs and the traces that `write_golden` wrote.

    Raises:
        ModelFileError: the file cannot be read, or holds something else.
    """
    parts: dict[str, dict[str, np.ndarray]] = {"inputs": {}, "spikes": {}, "membranes": {}, "outputs": {}}
    for key, array in read_arrays(path).items():
        part, _, name = key.partition("/")
        if part not in parts:
            raise ModelFileError(f"holds '{key}'", where=str(path), expected=f"PART/NAME of {sorted(parts)}")
        parts[part][name] = array
    inputs = parts.pop("inputs")
    return inputs, Traces(**parts)


def same_traces(a: Traces, b: Traces, tolerance: float) -> bool:
    """Whether two runs agree: spikes exactly, membranes and outputs within the tolerance."""
    if any(set(x) != set(y) for x, y in ((a.spikes, b.spikes), (a.membranes, b.membranes), (a.outputs, b.outputs))):
        return False
    spikes = all(np.array_equal(a.spikes[name], b.spikes[name]) for name in a.spikes)
    real = [(a.membranes[n], b.membranes[n]) for n in a.membranes] + [(a.outputs[n], b.outputs[n]) for n in a.outputs]
    return spikes and all(x.shape == y.shape and np.allclose(y, x, rtol=tolerance, atol=tolerance) for x, y in real)
