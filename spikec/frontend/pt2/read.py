"""The reader of .pt2 files."""

from __future__ import annotations

from pathlib import Path

from spikec.errors import ModelFileError, TraceError
from spikec.frontend.foreign import Reading, Taken
from spikec.frontend.onnx.naming import cleaned
from spikec.frontend.pt2.archive import Archive, opened
from spikec.frontend.pt2.network import Network
from spikec.frontend.pt2.plan import planned
from spikec.frontend.pt2.program import Source
from spikec.frontend.pt2.schema import source_of
from spikec.frontend.pt2.taking import check_rewritten, taken
from spikec.frontend.pt2.unrolled import LEAKY
from spikec.frontend.pt2.ways import ways_of
from spikec.frontend.pt2.weights import FORMATS, Loader


def read(path: Path, reading: Reading) -> Taken:
    """The network in a .pt2 file, recorded from its program and replayed against that in fp64.

    Raises:
        ModelFileError: it cannot be read, or declares more than it holds or may take.
        UnsupportedOp: operators that have no form, all of them by name.
        TraceError: its inputs, its time or its batch are none that a graph has.
    """
    archive = opened(path, reading)
    try:
        source = source_of(archive)
        _check_ends(source)
        steps = planned(source)
        tensors = Loader(archive).all(source.facts["program"])
        network = Network(source, steps, tensors)
        ways = ways_of(source, steps, reading)
        name = cleaned(source.signature.given[0]) or "input"
        way, found = taken(network, ways, reading, name)
        if any(step.call.target == LEAKY for step in steps):
            check_rewritten(network, Network(source, planned(source, written=True), tensors), way, reading)
    except ModelFileError as error:
        raise _placed(error, archive) from error
    return Taken(
        found.graph,
        "direct" if way.layout == "BX" else "frames",
        found.remarks,
        facts={**source.facts, "layout": way.layout, "steps": way.steps, "outputs": list(network.outputs)},
    )


def _placed(error: ModelFileError, archive: Archive) -> ModelFileError:
    """The error with the file's name, where it has none."""
    if not error.where:
        error.where = str(archive.path)
    return error


def _check_ends(source: Source) -> None:
    """Raises TraceError unless the program takes one tensor of real numbers, and gives tensors."""
    given, outputs = source.signature.given, source.signature.outputs
    if len(given) != 1:
        raise TraceError(f"a program of {len(given)} inputs: {', '.join(given) or 'none'}", expected="one")
    meta = source.metas.get(given[0])
    if meta is None or meta.format not in FORMATS or not FORMATS[meta.format].is_floating_point:
        raise TraceError(f"an input of {meta.format if meta else 'no tensor'}", expected="real numbers")
    if "" in outputs:
        raise TraceError("an output that is no tensor", expected="tensors")
