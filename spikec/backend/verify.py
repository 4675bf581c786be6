"""Verifies an export: reads its files back by value, runs it, and compares it with the interpreter in fp64.

Equal spikes on one input prove little (a weight that is off by one part in 128 was seen by 1 input in 7.5 % of
cases), and equality of silent layers nothing. So every parameter and edge is compared by value, at least 16 inputs
are run, membranes are compared beside spikes, and every neuron layer must fire, but not always; a read-out that is
silent is judged by its membrane, where that is an output and moves.

`verify_export` needs nothing but the folder, and compares the target's files with the graph in source.pt. It
sees every change to one of the two, and a change to both as long as manifest.json (the graph's hash) or golden.npz
(what the graph did when it was exported) is not changed to match. Who rewrites all of them has made another export
that is right by itself; only a hash or a model kept elsewhere can tell it apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikec.backend.compare import Comparison, compare
from spikec.backend.golden import golden_run
from spikec.backend.verdict import FILE, Layer, Verdict
from spikec.backend.versions import versions
from spikec.errors import DataError, GraphError, InputError, VerificationFailed
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import Neuron
from spikec.ir.types import Timing
from spikec.target import Arrays, Target, Traces

LEAST_SAMPLES = 16
TOLERANCE = 1e-9

DEAD, SATURATED = "it never fires on these inputs", "it fires at every step"
BY_MEMBRANE = "it never fires on these inputs and is judged by its membrane, which is an output"
UNPROVEN = {
    DEAD: "never firing on these inputs: {layers}; export again with --data of inputs that drive them, or look at "
    "their thresholds and their BatchNorm's statistics",
    SATURATED: "firing at every step: {layers}; export again with --data of inputs that leave them silent at times, or "
    "look at their thresholds",
}
"""Of which layers nothing is proven although nothing differs, and what to do: one sentence for all of a kind."""
NAMED = 40
"""Layers that a sentence names; verdict.json has every one's fault."""


def settle(verdict: Verdict, folder: Path) -> Verdict:
    """Writes the verdict, then raises where it failed.

    Raises:
        VerificationFailed: the verdict is 'failed'.
        OutputError: it cannot be written.
    """
    verdict.write(folder)
    if not verdict.passed:
        few = "\n  ".join(verdict.reasons[:20])
        more = f"\n  and {len(verdict.reasons) - 20} more, in {FILE}" if len(verdict.reasons) > 20 else ""
        found = f"the export differs from its graph, or is not proven:\n  {few}{more}"
        raise VerificationFailed(found, where=str(folder))
    return verdict


def judge(
    target: Target,
    folder: Path,
    graph: Graph,
    data: Arrays,
    steps: int | None = None,
    doubts: tuple[str, ...] = (),
) -> Verdict:
    """Whether the export in `folder` is `graph`, file and function.

    Args:
        target: reads and runs the files.
        folder: the export.
        graph: what was exported, or should have been.
        data: at least 16 samples of every input, [samples, *shape], or [T, samples, *shape] where it is per step.
        steps: T; the graph's default unless given.
        doubts: reasons that are known already; any of them fails the verdict.

    Raises:
        DataError: fewer samples, or of a shape that does not fit.
        ToolchainError: the target's runtime is missing.
    """
    steps = steps or graph.steps
    samples = samples_of(graph, data)
    expected = golden_run(graph, data, steps)
    comparison, reasons = _read_back(target, folder, graph)
    reasons += target.inspect(folder) if target.inspect else ()
    found, fault = _run(target, folder, data, steps)
    layers = tuple(_layer(graph, graph.node(name), expected, found) for name in expected.spikes) if found else ()
    outputs = _outputs(expected.outputs, found.outputs) if found else {}
    reasons = [*doubts, *reasons, *([fault] if fault else _faults(layers, outputs))]
    return Verdict(
        passed=not reasons,
        reasons=tuple(reasons),
        target=target.name,
        graph_sha256=graph.sha256,
        samples=samples,
        steps=steps,
        tolerance=TOLERANCE,
        comparison=comparison,
        layers=layers,
        outputs={name: float(min(off, np.finfo(np.float64).max)) for name, off in outputs.items()},
        versions=versions(),
    )


def _faults(layers: Sequence[Layer], outputs: Mapping[str, float]) -> list[str]:
    """What a run gives against the export."""
    if not layers:
        return ["the graph has no neuron layer, so no spikes were compared"]
    faults = [f"layer '{layer.name}': {layer.fault}" for layer in layers if layer.fault and layer.fault not in UNPROVEN]
    for fault, words in UNPROVEN.items():
        if names := [layer.name for layer in layers if layer.fault == fault]:
            listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            said = words.format(layers=listed)
            faults.append(f"nothing is proven of {len(names)} of {len(layers)} neuron layers, {said}")
    return faults + [f"output '{name}' differs, by at most {off:.3g}" for name, off in outputs.items() if _is_off(off)]


def samples_of(graph: Graph, data: Arrays) -> int:
    """How many samples every input has.

    Raises:
        DataError: fewer than 16, an input is missing, or the inputs disagree.
    """
    missing = [name for name in graph.inputs if name not in data]
    if missing:
        raise DataError(f"no data for the inputs {missing}", expected="an array for each input of the graph")
    counts = {
        name: data[name].shape[0 if kind.timing is Timing.ONCE else 1] if data[name].ndim > 1 else 0
        for name, kind in graph.inputs.items()
    }
    if len(set(counts.values())) != 1 or min(counts.values()) < LEAST_SAMPLES:
        raise DataError(f"a verification on {counts} samples", expected=f"at least {LEAST_SAMPLES}, the same of each")
    return min(counts.values())


def _read_back(target: Target, folder: Path, graph: Graph) -> tuple[Comparison | None, list[str]]:
    # Files that cannot be read are an answer about the export, not about what the user typed.
    try:
        comparison = compare(graph, target.reader(folder))
    except (InputError, GraphError) as error:
        return None, [f"the files cannot be read back: {error}"]
    return comparison, list(comparison.differences)


def _run(target: Target, folder: Path, data: Arrays, steps: int) -> tuple[Traces | None, str]:
    try:
        return target.execute(folder, data, steps), ""
    except (VerificationFailed, InputError, GraphError) as error:
        return None, f"the export did not run: {error}"


def _layer(graph: Graph, node: Node, expected: Traces, found: Traces) -> Layer:
    """One layer's spikes and membranes; every further fault gives way to the first."""
    name, spikes = node.name, expected.spikes[node.name]
    rate = float(np.count_nonzero(spikes)) / max(spikes.size, 1)
    got = found.spikes.get(name)
    if got is None or got.shape != spikes.shape:
        shape = "none" if got is None else f"spikes of shape {list(got.shape)}, not {list(spikes.shape)}"
        return Layer(name, node.scope, 0, 0, rate, None, f"the run gave {shape}")
    differing = int(np.count_nonzero(got != spikes))
    off = _membranes(name, expected.membranes, found.membranes)
    read = not spikes.any() and _is_readout(graph, node, expected.membranes)
    faults = [
        f"{differing} of {spikes.size} spikes differ" if differing else "",
        f"membranes differ, by at most {off:.3g}" if off is not None and _is_off(off) else "",
        "" if read else _life(node, spikes),
    ]
    finite = None if off is None else float(min(off, np.finfo(np.float64).max))
    fault = next((fault for fault in faults if fault), "")
    return Layer(name, node.scope, spikes.size, differing, rate, finite, fault, BY_MEMBRANE if read else "")


def _is_readout(graph: Graph, node: Node, membranes: Arrays) -> bool:
    """Whether a layer's membrane is an output and moves, while no node takes its spikes: then those prove no more."""
    membrane = membranes.get(node.name)
    if membrane is None or f"{node.name}.v" not in graph.outputs or graph.users(node.name):
        return False
    return bool((membrane != membrane[:1, :1]).any())


def _life(node: Node, spikes: NDArray[np.generic]) -> str:
    """Why the layer's equality proves nothing; empty where it proves something, and for a memoryless threshold."""
    if not isinstance(node.op, Neuron):
        return ""
    return DEAD if not spikes.any() else SATURATED if spikes.all() else ""


def _membranes(name: str, expected: Arrays, found: Arrays) -> float | None:
    if name not in expected:
        return None
    if name not in found or found[name].shape != expected[name].shape:
        return float("inf")
    return _difference(expected[name], found[name])


def _outputs(expected: Arrays, found: Arrays) -> dict[str, float]:
    return {
        name: _difference(value, found[name]) if name in found and found[name].shape == value.shape else float("inf")
        for name, value in expected.items()
    }


def _difference(expected: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """The greatest |found - expected| / max(1, |expected|); infinite where one is no number."""
    a, b = np.asarray(expected, dtype=np.float64), np.asarray(found, dtype=np.float64)
    if not a.size:
        return 0.0
    worst = float(np.max(np.abs(b - a) / np.maximum(1.0, np.abs(a))))
    return worst if np.isfinite(worst) else float("inf")


def _is_off(difference: float) -> bool:
    return difference > TOLERANCE
