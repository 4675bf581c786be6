"""Files of other tools as models: which reader takes which, and what every reader is asked and gives.

A reader is a function `read(path, reading) -> Taken`. It executes nothing of the file, checks every declared size
against `Reading.max_bytes` before it allocates, and either gives the whole network as a verified graph or raises:
ModelFileError where the file cannot be read, UnsupportedOp (all offenders at once) or TraceError where it is read
and holds what the IR does not take. Nothing is guessed without a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast, get_args

from spikec.errors import ModelFileError, UnknownName, UsageError
from spikec.ir.graph import Graph

MAX_BYTES = 2**31
"""Bytes that the arrays of one file may take in memory, unless --max-bytes says otherwise."""

Encoder = Literal["direct", "frames", "several"]
Integrator = Literal["euler", "exponential"]
Layout = Literal["TBX", "BTX", "BX"]


@dataclass(frozen=True)
class Reading:
    """What a foreign file may leave open, as the user answers it.

    Args:
        steps: T that the model is for; the file's own, or the reader's default, unless given.
        dt: seconds a step (NIR); the reader's default, said in a remark, unless given.
        max_bytes: that all arrays together may take in memory.
        integrator: how a differential equation becomes a step (NIR); 'euler', said in a remark, unless given.
        layout: where the input has time and batch (.pt2), BX without time; found, and said in a remark, unless given.

    Raises:
        UsageError: a value out of its range.
    """

    steps: int | None = None
    dt: float | None = None
    max_bytes: int = MAX_BYTES
    integrator: Integrator | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"--steps {self.steps}", expected="1 or more")
        if self.dt is not None and not 0 < self.dt < float("inf"):
            raise UsageError(f"--dt {self.dt}", expected="seconds a step, above 0")
        if self.max_bytes < 1:
            raise UsageError(f"--max-bytes {self.max_bytes}", expected="1 or more")
        if self.integrator not in (None, *get_args(Integrator)):
            raise UsageError(f"--integrator {self.integrator}", expected=" or ".join(get_args(Integrator)))
        if self.layout not in (None, *get_args(Layout)):
            raise UsageError(f"--layout {self.layout}", expected=" or ".join(get_args(Layout)))


@dataclass(frozen=True, eq=False)
class Taken:
    """A network as a reader gives it.

    Args:
        graph: verified.
        encoder: 'direct' where the input is Once, 'frames' where it is per step, 'several' where there are several.
        remarks: what was assumed or left away, a sentence each, for the user to read.
        preprocessing: of the input, in words.
        facts: of the file, for the record; plain data.
    """

    graph: Graph
    encoder: Encoder
    remarks: tuple[str, ...] = ()
    preprocessing: str = "none stated"
    facts: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data


Reader = Callable[[Path, Reading], Taken]

READERS: dict[str, str] = {
    ".net": "spikec.frontend.netx.read",
    ".nir": "spikec.frontend.nir.read",
    ".onnx": "spikec.frontend.onnx.read",
    ".pt2": "spikec.frontend.pt2.read",
}
"""By the file's ending, in small letters: the module whose function `read` is the reader."""


def ending(path: Path) -> str:
    """How the file's name ends, in small letters: `net.NIR` is a .nir."""
    return path.suffix.lower()


def read(path: Path, reading: Reading | None = None) -> Taken:
    """The network in a file of another tool.

    Raises:
        UnknownName: an ending that no reader takes.
        ModelFileError: the file is missing, or cannot be read.
        UnsupportedOp, TraceError: it is read, and holds what the IR does not take.
    """
    kind = ending(path)
    if kind not in READERS:
        raise UnknownName(path.suffix or path.name, "kind of model file", (".pt", *READERS))
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise ModelFileError(what, where=str(path), expected=f"a {kind} file")
    reader = cast(Reader, import_module(READERS[kind]).read)
    return reader(path, reading or Reading())
