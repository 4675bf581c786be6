"""Runs network.nir from disk: what its nodes and edges say, and the caller's protocol around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikec.backend.golden import LAYERS as SPIKING
from spikec.backend.nir.dialect import FILE, METADATA
from spikec.backend.nir.hdf5 import Tree, read_tree
from spikec.backend.nir.reader import metadata_of
from spikec.backend.nir.simulate import simulate
from spikec.backend.nir.stepping import Results
from spikec.backend.plain import Said
from spikec.errors import DataError, ModelFileError
from spikec.ir.ops import OPS
from spikec.ir.text import parse_type
from spikec.ir.types import Timing
from spikec.target import Arrays, Traces

LAYERS = {op.__name__ for op in OPS.values() if issubclass(op, SPIKING)}
LAYERS |= {f"Spikec{name}" for name in LAYERS}

REDUCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "time_mean": lambda x: x.mean(0),
    "time_sum": lambda x: x.sum(0),
    "time_last": lambda x: x[-1],
}


def execute(folder: Path, inputs: Arrays, steps: int) -> Traces:
    """What the network in `folder` does: spikes and membranes of its neuron layers, and its outputs.

    Args:
        folder: holds network.nir.
        inputs: an array for each input, [samples, *shape] where it is once, [T, samples, *shape] per step.
        steps: T.

    Raises:
        ModelFileError: the file cannot be read, or is no network of ours.
        DataError: an input is missing.
    """
    path = folder / FILE
    tree = read_tree(path)
    missing = [name for name in _said_inputs(tree, path) if name not in inputs]
    if missing:
        raise DataError(f"no data for the inputs {missing}", where=str(path))
    try:
        said = metadata_of(tree)
        own = {name: json.loads(node["metadata"][METADATA]) for name, node in tree["nodes"].items()}
        fed = {
            name: _fed(said, own[name], inputs, steps) for name, node in tree["nodes"].items() if "input" in own[name]
        }
        found = simulate(tree, fed, float(said["dt"]))
        layers = [name for name, node in tree["nodes"].items() if node["type"] in LAYERS]
        return _traces(said, own, found, layers)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise ModelFileError(f"cannot be run: {error!r}", where=str(path)) from error


def _said_inputs(tree: Tree, path: Path) -> list[str]:
    try:
        return list(metadata_of(tree)["inputs"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"is no network written by spikec: {error!r}", where=str(path)) from error


def _fed(said: Said, own: Said, inputs: Arrays, steps: int) -> Tensor:
    """What an Input holds: the caller repeats an input that is once."""
    x = torch.as_tensor(np.array(inputs[own["input"]], dtype=np.float64))
    once = parse_type(said["inputs"][own["input"]]).timing is Timing.ONCE
    return x.unsqueeze(0).expand(steps, *x.shape) if once else x


def _traces(said: Said, own: Mapping[str, Said], found: Mapping[str, Results], layers: Sequence[str]) -> Traces:
    """What the nodes gave, by the names of the graph's values; outputs as the caller makes them of what leaves."""
    reductions = {host["value"]: REDUCTIONS[host["op"]] for host in said["host"] if host["op"] != "repeat"}
    ends = {said_of["gives"]: found[name][0] for name, said_of in own.items() if "output" in said_of}
    return Traces(
        spikes={own[name]["value"]: found[name][0].numpy().astype(np.uint8) for name in layers},
        membranes={own[name]["value"]: found[name][1].numpy() for name in layers if len(found[name]) > 1},
        outputs={value: reductions.get(value, torch.clone)(x).numpy() for value, x in ends.items()},
    )
