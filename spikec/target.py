"""The Target protocol: a pipeline that makes a graph legal, a writer, a reader, a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikec.ir.graph import Graph

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Traces:
    """What a run of an exported network gave: by neuron layer, [T, samples, *shape]; outputs by value."""

    spikes: Arrays
    membranes: Arrays
    outputs: Arrays


class Writer(Protocol):
    """Writes a legal graph into a folder."""

    def __call__(self, graph: Graph, folder: Path) -> None: ...


class Reader(Protocol):
    """Reads every parameter and edge back from what a Writer wrote."""

    def __call__(self, folder: Path) -> Graph: ...


class Executor(Protocol):
    """Runs an export on its own runtime on [samples, *shape] or [T, samples, *shape] inputs."""

    def __call__(self, folder: Path, inputs: Arrays, steps: int) -> Traces: ...


@dataclass(frozen=True)
class Target:
    """Where a graph is exported to.

    Args:
        name: as `--target` spells it.
        pipeline: the passes, by name, that make a graph legal here.
        writer, reader, execute: see the protocols.
    """

    name: str
    pipeline: tuple[str, ...]
    writer: Writer
    reader: Reader
    execute: Executor
