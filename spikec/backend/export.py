"""Writes an export folder, whole or not at all, and verifies one from its folder alone.

What a folder holds::

    manifest.json    target, dialect, passes, the caller's protocol, versions, the graph's hash
    report.json      what the graph costs, where a report was given
    golden.npz       inputs, and spikes, membranes and outputs of the interpreter in fp64
    inputs.npz       the same inputs by name, as a target's own runner takes them
    source.pt        the graph that was written, as a model that every command opens
    verdict.json     after a verification
    the rest         the target's own files
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikec.backend.arrays import write_arrays
from spikec.backend.golden import golden_run, read_golden, same_traces, write_golden
from spikec.backend.protocol import peel
from spikec.backend.registry import load
from spikec.backend.verdict import FILE as VERDICT
from spikec.backend.verdict import Verdict
from spikec.backend.verify import TOLERANCE, judge, settle
from spikec.backend.versions import versions
from spikec.errors import GraphError, ModelFileError, OutputError, why_unread
from spikec.files import new_folder, write_json, write_text
from spikec.ir.graph import Graph
from spikec.model import Model, input_spec, save
from spikec.model import load as load_model
from spikec.target import Arrays, Target, with_runtime

FORMAT = {"format": "spikec-export", "version": 1}
SOURCE = "source.pt"
MANIFEST = "manifest.json"
"""What makes a folder an export: only such a folder, or an empty one, is replaced by force."""


@dataclass(frozen=True)
class Exported:
    """What an export folder says of itself, besides the target's own files.

    Args:
        target: its reader and runtime.
        graph: what was exported.
        inputs, steps: of the golden run.
        doubts: where manifest, source and golden run disagree; empty where they do not.
    """

    target: Target
    graph: Graph
    inputs: Arrays
    steps: int
    doubts: tuple[str, ...]


def write_export(
    target: Target,
    graph: Graph,
    folder: Path,
    *,
    data: Arrays,
    steps: int | None = None,
    dialect: str | None = None,
    passes: Sequence[str] = (),
    manifest: Mapping[str, object] | None = None,
    report_json: str | None = None,
    force: bool = False,
) -> Path:
    """Writes `graph` for `target` into `folder` and gives the folder.

    Args:
        target: its pipeline has been run.
        graph: legal for the target.
        folder: must not exist; its parents are made.
        data: samples for the golden run, by input: [samples, *shape], or [T, samples, *shape] where it is per step.
        steps: T; the graph's default unless given.
        dialect: of the target, for the manifest.
        passes: those that changed the graph, in order, with their parameters.
        manifest: what else manifest.json should say (what was folded, lowered, renamed; the traced graph's hash).
        report_json: the text of report.json, for exactly this graph.
        force: replace an export that stands there.

    Raises:
        UnsupportedOp: the target has no form for some nodes; all are listed.
        OutputError: the folder exists, or cannot be written; nothing is left under its name.
        GraphError: the report is for another graph.
        DataError: the data do not fit.
    """
    steps = steps or graph.steps
    _check_report(report_json, graph)
    check_folder(folder, force=force)
    with new_folder(folder, replace=force) as part:
        target.writer(graph, part)
        described = _manifest(target, graph, part, steps, dialect, passes, manifest or {})
        if report_json is not None:
            write_text(part / "report.json", report_json)
        inputs = {name: data[name] for name in graph.inputs if name in data}
        write_golden(part / "golden.npz", inputs, golden_run(graph, data, steps))
        write_arrays(part / "inputs.npz", inputs)
        save(source_model(graph, folder.name, steps), part / SOURCE)
        write_json(part / MANIFEST, described)
    return folder


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Does nothing where an export may be written at `folder`; asked before the work whose result goes there.

    Raises:
        OutputError: something stands there; with `force`, something that is neither an export nor an empty folder.
    """
    if not os.path.lexists(folder):
        return
    if not force:
        raise OutputError("exists already", where=str(folder), mend="another -o, or --force to replace an export")
    if not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise OutputError("exists already and is no export of spikec", where=str(folder), mend="another -o")


def verify_export(folder: Path, ready: Callable[[Target], Target] = with_runtime) -> Verdict:
    """Verifies an export from its folder alone (see `spikec.backend.verify`) and writes verdict.json there.

    Args:
        folder: what `write_export` made.
        ready: gives the folder's target with its runtime.

    Raises:
        ModelFileError: the folder is no export, or cannot be read.
        VerificationFailed: the verdict is 'failed'; it stands in verdict.json.
        DataError: the golden run has too few samples for a verdict.
        ToolchainError: the target's runtime is missing.
    """
    exported = read_export(folder)
    (folder / VERDICT).unlink(missing_ok=True)  # an earlier one says nothing of what stands there now
    target = ready(exported.target)
    return settle(judge(target, folder, exported.graph, exported.inputs, exported.steps, exported.doubts), folder)


def read_export(folder: Path) -> Exported:
    """What the folder holds, and whether its parts agree with each other.

    Raises:
        ModelFileError: it is no export, or a part cannot be read.
        UnknownName: its target is not known here.
    """
    manifest = _read_manifest(folder / MANIFEST)
    graph = load_model(folder / SOURCE).graph
    inputs, traces = read_golden(folder / "golden.npz")
    steps = int(manifest["steps"])
    doubts = []
    if graph.sha256 != manifest["graph_sha256"]:
        doubts.append(f"{SOURCE} holds another graph than manifest.json names")
    if not same_traces(golden_run(graph, inputs, steps), traces, TOLERANCE):
        doubts.append(f"golden.npz is not what the graph in {SOURCE} does")
    target = load(manifest["target"], manifest["dialect"])
    return Exported(target, graph, inputs, steps, tuple(doubts))


def source_model(graph: Graph, name: str, steps: int) -> Model:
    """The exported graph as a model."""
    return Model(name, graph, input_spec(graph, steps), provenance={"made_by": "spikec export"})


def _check_report(report_json: str | None, graph: Graph) -> None:
    priced = json.loads(report_json).get("priced_graph_sha256") if report_json is not None else None
    if priced is not None and priced != graph.sha256:
        raise GraphError("the report is for another graph than the one to be exported")


def _manifest(
    target: Target,
    graph: Graph,
    part: Path,
    steps: int,
    dialect: str | None,
    passes: Sequence[str],
    more: Mapping[str, object],
) -> dict[str, object]:
    host = peel(graph, target.name).host
    protocol = [
        {"op": node.op.mnemonic, "value": node.name, "of": node.inputs[0]} for node in graph.nodes if node.name in host
    ]
    return {
        **more,
        **FORMAT,
        "target": target.name,
        "dialect": dialect,
        "pipeline": list(target.pipeline),
        "passes": list(passes),
        "protocol": protocol,
        "steps": steps,
        "graph_sha256": graph.sha256,
        "files": sorted(str(p.relative_to(part)) for p in part.rglob("*") if p.is_file()),
        "versions": versions(),
    }


def _read_manifest(path: Path) -> Mapping[str, Any]:  # Any: JSON, its keys checked
    mend = "the folder of an export, which holds a manifest.json"
    if not path.parent.is_dir():
        found = "a file" if path.parent.exists() else "there is no such folder"
        raise ModelFileError(found, where=str(path.parent), mend=mend)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(why_unread(error), where=str(path), mend=mend) from error
    kinds = {"target": str, "dialect": str | None, "steps": int, "graph_sha256": str}
    ours = isinstance(found, dict) and all(found.get(key) == value for key, value in FORMAT.items())
    if not ours or not all(isinstance(found.get(key), kind) for key, kind in kinds.items()) or found["steps"] < 1:
        raise ModelFileError("no export of this format and version", where=str(path), expected=str(FORMAT))
    checked: dict[str, Any] = found  # Any: as above
    return checked
