"""export: a model as a target's files, with a report of exactly that graph, run and compared where asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from hwmodels.model import HardwareModel
from hwmodels.registry import load as load_hardware
from passes.manager import run as run_passes
from spikec.backend import registry
from spikec.backend.export import check_folder, verify_export, write_export
from spikec.backend.verdict import Verdict
from spikec.backend.verify import LEAST_SAMPLES
from spikec.cost import Policy, Report
from spikec.errors import DataError, OutputError, ToolchainError, UsageError
from spikec.ir.graph import Graph
from spikec.model import Model
from spikec.target import Target, with_runtime
from spikec.tasks.estimation import Batch, Question, report_of, samples_of
from spikec.tasks.opening import load, remarks_of
from spikec.tasks.pricing import feed, price

GOLDEN_SAMPLES = 32
EXPORT_POLICY = Policy(first_layer="per-step")
"""The exported graph is priced as it stands: nothing is hoisted, since the target repeats the image itself."""


@dataclass(frozen=True, eq=False)
class Export:
    """What was written.

    Args:
        folder: the export.
        target: its name, with the dialect.
        passes: those that changed the traced graph.
        graph: what was written.
        energy_pj: of that graph, pJ per inference, as report.json holds it.
        verdict: of the verification, where one was asked for.
    """

    folder: Path
    target: str
    passes: tuple[str, ...]
    graph: Graph
    energy_pj: float
    verdict: Verdict | None = None


def export(
    model: Model | Path,
    target: str,
    out: Path,
    *,
    dialect: str | None = None,
    data: str | None = None,
    samples: int = GOLDEN_SAMPLES,
    hardware: str = "45nm",
    verify: bool = False,
    runtime: str | None = None,
    force: bool = False,
    written: Callable[[Path], None] | None = None,
) -> Export:
    """Writes `model` for a target into the folder `out`.

    Args:
        model: loaded, or its file.
        target: 'nir' or 'lava', or one that another package adds.
        out: must not exist.
        dialect: of the target, where it has several.
        data: samples for the golden run and the report; the model's calibration batch unless given.
        samples: how many of them, at least 16.
        hardware: the chip of report.json.
        verify: whether to run the export and compare it; `verify_folder` does so later.
        runtime: what runs it, where `verify` is asked for (lava: an interpreter); looked for unless given.
        force: replace an export that stands there.
        written: told the folder as soon as it is whole, before it is run.

    Raises:
        UnknownName, UsageError, ModelFileError, DataError, OutputError: nothing is written.
        ToolchainError: the runtime is missing, found before anything is written; or it went away since: then the
            export stays, unverified, and the message says so.
        UnsupportedOp: the target has no form for some nodes; all are listed, nothing is written.
        VerificationFailed: the export differs from its graph; it stays, with verdict.json, to be looked at.
    """
    if runtime is not None and not verify:
        raise UsageError("--lava-python without --verify: nothing is run", mend="--verify, or leave it out")
    question = _question(data, samples)
    loaded = load(model) if isinstance(model, Path) else model
    taken = registry.load(target, dialect)
    check_folder(out, force=force)
    if verify:
        taken = with_runtime(taken, runtime)
    passed = run_passes(loaded.graph, taken.pipeline)
    legal = replace(loaded, graph=passed.graph)
    batch = _batch(legal, question)
    chip = load_hardware(hardware)
    applied = tuple(map(str, passed.applied))
    report = _report(loaded, legal.graph, applied, chip, question, batch)
    write_export(
        taken,
        legal.graph,
        out,
        data=feed(legal.graph, batch.inputs.astype(np.float64)),
        dialect=dialect,
        passes=applied,
        manifest=_origin(loaded),
        report_json=report.to_json(),
        force=force,
    )
    if written is not None:
        written(out)
    verdict = _verified(out, taken) if verify else None
    return Export(out, _spelled(taken, dialect), applied, legal.graph, report.totals["energy_pj"], verdict)


def _report(
    loaded: Model, graph: Graph, applied: tuple[str, ...], chip: HardwareModel, question: Question, batch: Batch
) -> Report:
    """The report of the graph that is written; its `model` is the traced one, its passes all that lie between."""
    priced = price(graph, batch.inputs, graph.steps, chip, question.policy, question.pipeline)
    return report_of(loaded, chip, question, replace(priced, passes=(*applied, *priced.passes)), batch.facts)


def verify_folder(folder: Path, runtime: str | None = None) -> Verdict:
    """Runs the export in `folder` and compares it with its graph; see `spikec.backend.export.verify_export`.

    Args:
        folder: the export.
        runtime: what runs it (lava: an interpreter); looked for unless given.
    """
    return verify_export(folder, partial(with_runtime, path=runtime))


def _question(data: str | None, samples: int) -> Question:
    if samples < LEAST_SAMPLES:
        raise UsageError(f"--samples {samples}", expected=f"at least {LEAST_SAMPLES}, since few inputs see few faults")
    return Question(policy=EXPORT_POLICY, pipeline=(), data=data, samples=samples)


def _batch(model: Model, question: Question) -> Batch:
    """The samples of the golden run and of the report; DataError where they are too few."""
    batch = samples_of(model, question)
    if len(batch.inputs) < LEAST_SAMPLES:
        raise DataError(f"{len(batch.inputs)} samples", expected=f"at least {LEAST_SAMPLES}", mend="--data with more")
    return batch


def _origin(model: Model) -> dict[str, object]:
    return {
        "model": model.name,
        "traced_graph_sha256": model.graph.sha256,
        "class_names": list(model.class_names),
        "remarks": list(remarks_of(model)),
    }


def _verified(folder: Path, target: Target) -> Verdict:
    """The verdict on what was just written.

    Raises:
        VerificationFailed: as `verify_export`.
        ToolchainError, OutputError: it could not be had; that the export stays is added to what went wrong.
    """
    try:
        return verify_export(folder, lambda _: target)
    except (ToolchainError, OutputError) as error:
        again = f"spikec verify {shlex.quote(str(folder))}, since the export is there, not verified"
        error.mend = f"{error.mend}, then {again}" if error.mend else again
        raise


def _spelled(target: Target, dialect: str | None) -> str:
    words: Sequence[str] = (target.name, dialect) if dialect else (target.name,)
    return " ".join(words)
