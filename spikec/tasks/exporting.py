"""export: a model as a target's files, with a report of exactly that graph, run and compared where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwmodels.registry import load as load_hardware
from passes.manager import run as run_passes
from spikec.backend import registry
from spikec.backend.export import check_folder, verify_export, write_export
from spikec.backend.verdict import Verdict
from spikec.backend.verify import LEAST_SAMPLES
from spikec.cost import Policy
from spikec.errors import DataError, UsageError
from spikec.ir.graph import Graph
from spikec.model import Model
from spikec.target import Target
from spikec.tasks.estimation import Question, report_of, samples_of
from spikec.tasks.opening import load
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
    force: bool = False,
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
        force: replace an export that stands there.

    Raises:
        UnknownName, UsageError, ModelFileError, DataError, OutputError: nothing is written.
        UnsupportedOp: the target has no form for some nodes; all are listed, nothing is written.
        VerificationFailed: the export differs from its graph; it stays, with verdict.json, to be looked at.
        ToolchainError: the target's runtime is missing; the export stays, unverified.
    """
    if samples < LEAST_SAMPLES:
        raise UsageError(f"--samples {samples}", expected=f"at least {LEAST_SAMPLES}, since few inputs see few faults")
    loaded = load(model) if isinstance(model, Path) else model
    taken = registry.load(target, dialect)
    check_folder(out, force=force)
    passed = run_passes(loaded.graph, taken.pipeline)
    legal = replace(loaded, graph=passed.graph)
    question = Question(policy=EXPORT_POLICY, pipeline=(), data=data, samples=samples)
    batch = samples_of(legal, question)
    if len(batch.inputs) < LEAST_SAMPLES:
        raise DataError(f"{len(batch.inputs)} samples", expected=f"at least {LEAST_SAMPLES}", mend="--data with more")
    chip = load_hardware(hardware)
    priced = price(legal.graph, batch.inputs, legal.graph.steps, chip, question.policy, question.pipeline)
    report = report_of(legal, chip, question, priced, batch.facts)
    applied = tuple(map(str, passed.applied))
    write_export(
        taken,
        legal.graph,
        out,
        data=feed(legal.graph, batch.inputs.astype(np.float64)),
        dialect=dialect,
        passes=applied,
        manifest={
            "model": loaded.name,
            "traced_graph_sha256": loaded.graph.sha256,
            "class_names": list(loaded.class_names),
        },
        report_json=report.to_json(),
        force=force,
    )
    return Export(
        folder=out,
        target=_spelled(taken, dialect),
        passes=applied,
        graph=legal.graph,
        energy_pj=priced.energy_pj,
        verdict=verify_export(out) if verify else None,
    )


def verify_folder(folder: Path) -> Verdict:
    """Runs the export in `folder` and compares it with its graph; see `spikec.backend.export.verify_export`."""
    return verify_export(folder)


def _spelled(target: Target, dialect: str | None) -> str:
    words: Sequence[str] = (target.name, dialect) if dialect else (target.name,)
    return " ".join(words)
