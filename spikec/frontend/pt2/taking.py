"""A .pt2 file's program recorded, as a network is that the tracer is given, and replayed against it."""

from __future__ import annotations

import re
from math import prod

import torch

from spikec.errors import ModelFileError, SpikecError, TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading
from spikec.frontend.preconditions import copied
from spikec.frontend.pt2.network import Network
from spikec.frontend.pt2.ways import MEND, Way
from spikec.frontend.recorder import Recorder
from spikec.frontend.recording import Asked, finished, format_of, record
from spikec.frontend.replay import replay
from spikec.frontend.tracer import Traced
from spikec.ir.graph import Graph
from spikec.ir.types import REAL, TensorType, Timing

LISTED = 6
SCALES = (1.0, 4.0, 32.0)
"""Of inputs, so that some drive neurons over and some under their thresholds."""
OF_LAYOUT = re.compile(r"\b(?:batch|samples?|time|steps?|T|B)\b")
"""In a refusal: words for the axes that a layout says where they are."""
HALVES = (torch.float16, torch.bfloat16)


def check_rewritten(network: Network, written: Network, way: Way, reading: Reading) -> None:
    """Compares a program whose neurons were put together again with the one that was written, in fp64.

    Raises:
        TraceError: they differ.
    """
    ours, theirs = (_doubled(each) for each in (network, written))
    _check_sizes(theirs, way, reading)  # in fp64, the format that truths become numbers of
    generator = torch.Generator().manual_seed(1)
    for sizes in way.replayed:
        for scale in SCALES:
            x = torch.rand(_shape(way, sizes), generator=generator, dtype=torch.float64) * scale - scale / 4
            with torch.no_grad():
                pairs = zip(*(y if isinstance(y, tuple) else (y,) for y in (ours(x), theirs(x))), strict=True)
                if not all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in pairs):
                    found = "the program computes something else than the neurons that its comparisons look like"
                    raise TraceError(found, mend="spikec trace --arch takes the module itself")


def taken(network: Network, ways: tuple[Way, ...], reading: Reading, name: str) -> tuple[Way, Traced]:
    """The way that gives a graph, and that graph.

    Raises:
        UnsupportedOp: operators that have no form.
        TraceError: no way gives a graph, or several do.
    """
    good: list[tuple[Way, Traced]] = []
    refused: list[tuple[Way, TraceError | UnsupportedOp]] = []
    for way in ways:
        try:
            good.append((way, _traced(network, way, reading, name)))
        except (TraceError, UnsupportedOp) as error:
            refused.append((way, error))
    if len(good) > 1:
        layouts = " and ".join(way.layout for way, _ in good)
        raise TraceError(f"the file can be seen in several ways: {layouts}", mend=MEND)
    if not good:
        raise _with_layout(*refused[0])
    return good[0]


def _with_layout(way: Way, error: TraceError | UnsupportedOp) -> TraceError | UnsupportedOp:
    """The error, with how the input was seen where that may be why."""
    if isinstance(error, TraceError) and OF_LAYOUT.search(error.found):
        if way.others:
            others = f"spikec trace --layout {' or '.join(way.others)}"
            mend = f"{others} in the place of {way.seen}, as which the input was read"
            error.mend = f"{error.mend}; or {mend}" if error.mend else mend
        else:
            error.found += f"; the input was read as {way.seen}, the only --layout that fits"
    return error


def _traced(network: Network, way: Way, reading: Reading, name: str) -> Traced:
    timing = Timing.ONCE if way.layout == "BX" else Timing.STEP
    asked = Asked(TensorType(way.shape, REAL, timing), way.layout, reading.steps or way.steps, name)
    _check_sizes(network, way, reading)
    recorder = record(network, asked, way.recorded[0])
    graph = finished(recorder)
    for sizes in way.recorded[1:]:
        _check_alike(network, asked, way, graph, sizes)
    if recorder.own.computed:
        recorder = _in_double(network, asked, way.recorded[0]) or recorder
        graph = finished(recorder)
    _, remarks = replay(network, graph, recorder, way.layout, way.replayed)
    return Traced(graph, (*way.remarks, *_steps_asked(way, reading), *_unused(recorder), *remarks))


def _check_sizes(network: Network, way: Way, reading: Reading) -> None:
    """Raises ModelFileError where a run would take too much, UnsupportedOp where one does not compute."""
    for sizes in dict.fromkeys((*way.recorded, *way.replayed)):
        shape = _shape(way, sizes)
        if prod(shape) * 8 > reading.max_bytes:
            raise ModelFileError(f"an input of {list(shape)}", expected="what --max-bytes allows", mend="--max-bytes")
        network.check(torch.empty(shape, dtype=format_of(network), device="meta"), reading.max_bytes)


def _shape(way: Way, sizes: tuple[int, int]) -> tuple[int, ...]:
    steps, batch = sizes
    lead = {"TBX": (steps, batch), "BTX": (batch, steps), "BX": (batch,)}[way.layout]
    return (*lead, *way.shape)


def _doubled(network: Network) -> Network:
    """A copy of the network that computes in fp64."""
    found = copied(network).double()
    assert isinstance(found, Network)
    return found


def _in_double(network: Network, asked: Asked, sizes: tuple[int, int]) -> Recorder | None:
    """A recording in fp64, for the weights that the program computes; None where it does not run so."""
    formats = {path: tensor.dtype for path, tensor in network.state_dict(keep_vars=True).items()}
    try:
        return record(_doubled(network), asked, sizes, formats)
    except TraceError:
        return None


def _check_alike(network: Network, asked: Asked, way: Way, graph: Graph, sizes: tuple[int, int]) -> None:
    """Raises TraceError unless other sizes, where the file leaves them open, give the same graph."""
    first, other = (f"{steps} steps of {batch} samples" for steps, batch in (way.recorded[0], sizes))
    mend = "take sizes from the input (x.shape) in the network, or export with fixed sizes"
    try:
        again = finished(record(network, asked, sizes))
    except SpikecError as error:
        raise TraceError(f"{error.found} (on {other}, not on {first})", where=error.where, mend=mend) from error
    if graph.sha256 != again.sha256:
        pairs = zip(graph.text().splitlines(), again.text().splitlines(), strict=False)
        line = next((f"'{a}' and '{b}'" for a, b in pairs if a != b), "other constants")
        raise TraceError(f"on {other} it is another network than on {first}: {line}", mend=mend)


def _steps_asked(way: Way, reading: Reading) -> list[str]:
    if reading.steps in (None, way.steps):
        return []
    return [f"T is {reading.steps} as asked; the file was exported with {way.steps} steps, and was replayed so"]


def _unused(recorder: Recorder) -> list[str]:
    names = recorder.own.unused()
    remarks = []
    if names:
        said = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
        remarks.append(f"{len(names)} of the network's parameters are never used, and not in the graph: {said}")
    if recorder.dtype in HALVES:
        remarks.append(f"the network computes in {recorder.dtype}; the graph has its weights as float32")
    return remarks
