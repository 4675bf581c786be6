"""What a report says of a mapping: where nothing was counted, that it has no energies; where there is none, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hwmodels.cores_model import Cored
from hwmodels.model import HardwareModel, Pipeline
from spikec.cost import Counts, Policy, Report
from spikec.ir.graph import Graph
from spikec.model import Model
from spikec.tasks.pricing import Priced, Where, mapped

ALONE = {"spec": "none", "samples": 0, "seed": None, "source": "none: the mapping alone was asked for"}


def maps_alone(model: Model, chips: Sequence[HardwareModel], where: Where | None) -> bool:
    """Whether a mapping is asked for of a model that has neither samples nor counts, on a chip that has cores."""
    nothing = model.counts is None and (model.calibration is None or len(model.calibration.ids) == 0)
    return where is not None and nothing and any(isinstance(chip, Cored) for chip in chips)


def mapped_alone(
    graph: Graph, steps: int, chip: HardwareModel, policy: Policy, pipeline: Pipeline | None, where: Where
) -> Priced:
    """The graph as the chip would run it, of which nothing was counted, with its mapping."""
    priced, passes, facts = mapped(graph, chip, policy, pipeline, where)
    return Priced(priced, passes, (), Counts({}, 1, steps), {}, facts)


def without_energies(report: Report, graph: Graph) -> Report:
    """The report of `mapped_alone`, its energies and counts none and not nought."""
    rows: tuple[dict[str, Any], ...] = tuple(  # Any: JSON
        {
            "name": node.name,
            "scope": node.scope,
            "op": node.op.mnemonic,
            "rate": None,
            "counts": {},
            "energy_pj": None,
            "energy_pj_low": None,
            "energy_pj_high": None,
            "latency_ns": None,
        }
        for node in graph.nodes
    )
    return replace(
        report,
        nodes=rows,
        totals={**dict.fromkeys(report.totals), "counts": {}},
        hardware={**report.hardware, "evidence": None},
    )


def notes_of_mapping(chip: HardwareModel, where: Where | None, priced: Priced) -> list[str]:
    """What must be known of a mapping, or of there being none, where one was asked for."""
    if where is None:
        return []
    facts = priced.mapping
    if facts is None:
        return [f"a mapping was asked for: {chip.name} has no cores, so there is none"]
    if facts.get("misfits"):
        return ["the network does not fit the cores: what is sent between them is not counted, nor is time"]
    if "links" not in facts:
        return [
            "the mapping is without a run: nothing here says what each core does; samples do (--data), and counts that "
            "were saved with --map --keep-counts"
        ]
    if not facts.get("latency"):
        return [f"no latency: {chip.name}'s file gives no time of what is counted under this policy"]
    return list(facts["latency"].get("assumed", ()))
