"""The Target protocol: a pipeline that makes a graph legal, a writer, a reader, a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikec.errors import UsageError
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


class Inspector(Protocol):
    """Gives a line for all that an export holds beside data and that is not what the Writer puts there."""

    def __call__(self, folder: Path) -> tuple[str, ...]: ...


class Runtime(Protocol):
    """Finds what runs an export, where that is nothing of spikec's own, and gives the executor that uses it.

    Raises:
        ToolchainError: there is none, or the one that `path` names does not work.
    """

    def __call__(self, path: str | None) -> Executor: ...


@dataclass(frozen=True)
class Target:
    """Where a graph is exported to.

    Args:
        name: as `--target` spells it.
        pipeline: the passes, by name, that make a graph legal here.
        writer, reader, execute: see the protocols.
        runtime: finds what `execute` needs beside spikec; None where it needs nothing.
        inspect: looks at a program that the export carries, which `execute` leaves alone; None where it is data.
    """

    name: str
    pipeline: tuple[str, ...]
    writer: Writer
    reader: Reader
    execute: Executor
    runtime: Runtime | None = None
    inspect: Inspector | None = None


def with_runtime(target: Target, path: str | None = None) -> Target:
    """The target with its runtime found, so that a verification cannot fail for the lack of it.

    Args:
        target: any.
        path: names the runtime; looked for unless given.

    Raises:
        ToolchainError: the runtime is missing, or the one named does not work.
        UsageError: a path is given, and the target runs without one.
    """
    if target.runtime is not None:
        return replace(target, execute=target.runtime(path))
    if path is not None:
        raise UsageError(f"--lava-python beside the target {target.name}, which runs without it", mend="leave it out")
    return target
