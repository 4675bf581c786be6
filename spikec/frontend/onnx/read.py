"""The reader of .onnx files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import onnx

from spikec.errors import SpikecError, TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading, Taken
from spikec.frontend.onnx.ends import PAIRS, Batching, Ends, batchings, ends_of, is_open
from spikec.frontend.onnx.network import Drawn, drawn
from spikec.frontend.onnx.source import Source, opened


def read(path: Path, reading: Reading) -> Taken:
    """The network in an .onnx file.

    A network without states is taken once an inference, one with states once a step.

    Raises:
        ModelFileError: it cannot be read, or declares more than it holds or may take.
        UnsupportedOp: operators or tensors that have no form, all of them by name.
        TraceError: its inputs, its batch or its states are none that a graph has.
    """
    source = opened(path, reading)
    ends = ends_of(source)
    if len(ends.data) != 1:
        raise _inputs(source, ends)
    found = network(source, ends, (reading.steps if ends.states else None) or 1)
    return Taken(
        found.graph,
        "frames" if ends.states else "direct",
        (*_remarks(ends, reading), *found.remarks),
        facts={
            **source.facts,
            "onnx": str(onnx.__version__),
            "opset": source.opset,
            "outputs": {name: view.value for name, view in found.outputs.items()},
            "states": {state.port.name: state.output for state in ends.states},
        },
    )


def network(source: Source, ends: Ends, steps: int = 1) -> Drawn:
    """The graph of a file, by the first way to see samples in it that gives one, or by all that must agree.

    Raises:
        UnsupportedOp: operators or tensors that have no form.
        TraceError: shapes that hold for one batch only, or a graph that breaks a rule.
    """
    ways = batchings(source)
    first, *others = ways
    if is_open(ways):
        found = drawn(source, ends, first, steps)
        _check_alike(source, ends, found, others, steps)
        return found
    refused: list[TraceError | UnsupportedOp] = []
    for way in ways:
        try:
            found = drawn(source, ends, way, steps)
            return replace(found, remarks=(*_of_batch(source, way), *found.remarks))
        except (TraceError, UnsupportedOp) as error:
            refused.append(error)
    raise refused[0]  # what keeps samples from being apart says more than what is in the way of a single one


def _of_batch(source: Source, way: Batching) -> list[str]:
    """What was assumed of the samples in a file's inputs."""
    whole = [port for port in source.inputs if port.name not in way.places]
    remarks = [f"'{port.name}' has no batch: a sample is the whole {list(way.sample(port))}" for port in whole]
    if way.places:
        remarks.append(f"the file's batch is fixed at {way.samples or 1}; the graph takes any")
    return remarks


def _check_alike(source: Source, ends: Ends, first: Drawn, others: Iterable[Batching], steps: int) -> None:
    """Raises TraceError unless the other ways give the same graph as the first did."""
    for way in others:
        try:
            other = drawn(source, ends, way, steps)
        except SpikecError as error:
            raise _baked(source, f"at batch {way.samples} {error}") from error
        if other.graph.sha256 != first.graph.sha256:
            pairs = zip(first.graph.text().splitlines(), other.graph.text().splitlines(), strict=False)
            line = next((f"'{a}' and '{b}'" for a, b in pairs if a != b), "other constants")
            raise _baked(source, f"at other batches it is another network: {line}")


def _remarks(ends: Ends, reading: Reading) -> list[str]:
    remarks = [
        f"'{state.output}' is '{state.port.name}' a step later, which is 0 at the first step" for state in ends.states
    ]
    if ends.states and reading.steps is None:
        remarks.append("the file does not say how many steps it is meant for: 1 unless --steps")
    if not ends.states and reading.steps is not None:
        remarks.append("--steps is not used: the network has no state between calls, any time in it is unrolled")
    return remarks


def _inputs(source: Source, ends: Ends) -> TraceError:
    if not source.inputs:
        found = "the network has no input: the exporter computed it all while it recorded it"
        return TraceError(found, where=str(source.path), mend="export anew, with dynamo=True where torch wrote it")
    names = ", ".join(f"'{port.name}'" for port in ends.data) or "none"
    ways = ", ".join(f"'{went.format('v')}' with '{comes.format('v')}'" for went, comes in PAIRS)
    return TraceError(
        f"{len(ends.data)} inputs that are no state: {names}",
        where=str(source.path),
        expected="one",
        mend=f"name states as pairs: an input and an output such as {ways}",
    )


def _baked(source: Source, found: str) -> TraceError:
    return TraceError(
        found,
        where=str(source.path),
        expected="one network for every batch",
        mend="take sizes from the input as x.shape[0] (of len(x) torch's older exporter makes a number), or export "
        "with a fixed batch",
    )
