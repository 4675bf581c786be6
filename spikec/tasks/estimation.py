"""estimate: a model on chips, as reports with every assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.model import HardwareModel, Pipeline
from hwmodels.rates import RateTally
from hwmodels.registry import load as load_hardware
from hwmodels.totals import left_out, not_counted, standard_error_pj, total_bounds_pj, total_counts, weakest_evidence
from spikec.cost import SCHEMA_VERSION, Cost, Counts, Policy, Report
from spikec.data import digits, source
from spikec.errors import DataError, StateOverflow, UnsupportedOp, UsageError
from spikec.ir.graph import Graph
from spikec.ir.types import TensorType, Timing
from spikec.model import Model, StoredCounts
from spikec.report.view import Refusal
from spikec.run.inputs import only_input
from spikec.tasks.opening import load, remarks_of
from spikec.tasks.pricing import EVALUATION, Priced, Where, price, price_counts, price_rates
from spikec.tasks.rates import read_rates
from spikec.tasks.unpriced import ALONE, mapped_alone, maps_alone, notes_of_mapping, without_energies
from spikec.tasks.unrolled import ann_of, written_out

MAX_SAMPLES = 1024


@dataclass(frozen=True, eq=False)
class Question:
    """What a network is estimated with; every field that is left out has a stated default.

    Args:
        policy: how operations are counted.
        pipeline: in place of each chip's own, where a named policy says so.
        policy_name: of that named policy, or ''.
        data: a data specification; else the model's calibration batch is used.
        samples: how many of them, from the first on; all (at most 1,024) unless given.
        rates: a file of published rates, in place of data.
        steps: T; the model's own unless given.
        where: that the network is mapped to the chip's cores.

    Raises:
        UsageError: samples or steps below 1.
    """

    policy: Policy = field(default_factory=Policy)
    pipeline: Pipeline | None = None
    policy_name: str = ""
    data: str | None = None
    samples: int | None = None
    rates: Path | None = None
    steps: int | None = None
    where: Where | None = None

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("steps", self.steps)):
            if value is not None and value < 1:
                raise UsageError(f"--{name} {value}", expected="1 or more")


def estimate(
    model: Model | Path, hardware: Sequence[str] = ("45nm",), question: Question | None = None
) -> list[Report | Refusal]:
    """What each node of `model` costs on each chip, in the order given.

    Each chip answers by itself: of several, one that refuses the network, the policy or the rates leaves a Refusal.

    Args:
        model: loaded, or its file.
        hardware: chips by name or TOML file.
        question: how to count and on what.

    Raises:
        ModelFileError, HardwareFileError, UnknownName, DataError, UsageError: something is unreadable or contradicts.
    """
    question = question or Question()
    if question.rates is not None and question.data is not None:
        raise UsageError("--rates and --data contradict each other", mend="give one of them")
    chips = [load_hardware(name) for name in hardware]
    loaded = load(model) if isinstance(model, Path) else model
    alone = question.data is None and question.rates is None and maps_alone(loaded, chips, question.where)
    samples = samples_of(loaded, question) if needs_samples(loaded, question) and not alone else None
    if samples is None and question.samples is not None:
        others = "--map without data" if alone else "the counts in the model's file"
        instead = "rates" if question.rates is not None else others
        raise UsageError(f"--samples {question.samples} beside {instead}: no sample is run", mend="leave it out")
    answers: list[Report | Refusal] = []
    faults: list[DataError | UsageError] = []
    for chip in chips:
        try:
            answers.append(_report(loaded, chip, question, samples))
        except (UnsupportedOp, StateOverflow) as error:
            answers.append(Refusal(chip.name, str(error), chip.file))
        except (DataError, UsageError) as error:
            faults.append(error)
            answers.append(Refusal(chip.name, str(error), chip.file))
    if len(faults) == len(chips):  # what no chip takes is wrong by itself
        raise faults[0]
    return answers


def needs_samples(model: Model, question: Question) -> bool:
    """Whether to run the network: not with rates, nor where the file has counts and nothing to count on."""
    if question.rates is not None:
        return False
    return question.data is not None or model.calibration is not None or model.counts is None


def with_counts(model: Model, hardware: str, question: Question) -> Model:
    """The model with counts in the place of its calibration batch: it is then estimated without data.

    The counts serve this hardware's probes under this policy, and every other that asks the same questions; where a
    mapping is asked for, also those of the chip's cores.

    Raises:
        DataError: there is nothing to count on.
    """
    chip, samples = load_hardware(hardware), samples_of(model, question)
    steps = _steps(model.graph, question, samples)
    priced = price(model.graph, samples.inputs, steps, chip, question.policy, question.pipeline, question.where)
    assert isinstance(priced.activity, Counts)
    return replace(model, calibration=None, counts=StoredCounts(priced.activity, dict(samples.facts)))


@dataclass(frozen=True, eq=False)
class Batch:
    """The samples of an estimate and what the report says of them."""

    inputs: NDArray[np.float32]
    facts: Mapping[str, Any]  # Any: JSON


def samples_of(model: Model, question: Question) -> Batch:
    """The samples to count on: those of --data, else the calibration batch in the model's file.

    Raises:
        DataError: there are none, they do not fit, or the model has several inputs; names the ways out.
    """
    only_input(model.graph)
    if question.data is not None:
        found = source.load(question.data).take(question.samples or MAX_SAMPLES)
        facts = {"spec": found.spec, "samples": len(found.ids), "seed": None, "source": "--data"}
        return Batch(_fitting(model, found.inputs, found.spec), facts)
    batch = model.calibration
    if batch is None or len(batch.ids) == 0:
        raise DataError(
            "the model's file holds no calibration batch",
            expected="samples to count events on",
            mend=f"{_data_for(model)}; spikec estimate also takes published rates, --rates FILE, and with --map "
            "gives what a chip with cores needs of them, without energies",
        )
    count = question.samples or len(batch.ids)
    facts = {
        "spec": batch.spec,
        "samples": min(count, len(batch.ids)),
        "seed": batch.seed,
        "source": "the calibration batch in the model's file",
    }
    return Batch(_fitting(model, batch.inputs[:count], batch.spec), facts)


def _data_for(model: Model) -> str:
    """The data that would fit, as the words of a hint."""
    _, kind = only_input(model.graph)
    if (kind.timing, kind.shape) == (Timing.ONCE, digits.IMAGE):
        return "--data digits or --data npz:FILE"
    return f"--data npz:FILE with an array 'inputs' of {_axes(kind)}"


def _axes(kind: TensorType) -> str:
    lead = "samples, " if kind.timing is Timing.ONCE else "samples, T, "
    return f"[{lead}{', '.join(map(str, kind.shape))}]"


def _fitting(model: Model, inputs: NDArray[np.float32], spec: str) -> NDArray[np.float32]:
    _, kind = only_input(model.graph)
    lead = 1 if kind.timing is Timing.ONCE else 2
    if inputs.ndim != lead + len(kind.shape) or tuple(inputs.shape[lead:]) != kind.shape:
        raise DataError(
            f"samples of shape {list(inputs.shape)}", where=f"--data {spec}", expected=f"{_axes(kind)} for this model"
        )
    return inputs


def _report(model: Model, chip: HardwareModel, question: Question, samples: Batch | None) -> Report:
    graph, steps = model.graph, _steps(model.graph, question, samples)
    facts: dict[str, Any]  # Any: JSON
    if samples is not None:
        priced = price(graph, samples.inputs, steps, chip, question.policy, question.pipeline, question.where)
        facts = {**samples.facts, "least": float(samples.inputs.min()), "greatest": float(samples.inputs.max())}
    elif question.rates is not None:
        found = read_rates(question.rates, graph, steps)
        priced = price_rates(graph, found.rates, chip, question.policy, question.pipeline, question.where)
        facts = {"spec": f"rates:{question.rates.name}", "samples": 0, "seed": None, "source": "--rates"}
        tally = RateTally(priced.graph, question.policy)
        asked = [ref for node in priced.graph.nodes for ref in tally.refs(node)]
        facts["unused_rates"] = list(found.unused(asked))
        facts["overridden_rates"] = list(found.overridden(asked))
    elif model.counts is None:
        assert question.where is not None
        alone = mapped_alone(graph, steps, chip, question.policy, question.pipeline, question.where)
        return without_energies(report_of(model, chip, question, alone, ALONE), alone.graph)
    else:
        if question.steps not in (None, model.counts.counts.steps):
            raise DataError(f"--steps {question.steps}", expected=f"{model.counts.counts.steps}, as it was counted")
        counts = model.counts.counts
        priced = price_counts(graph, counts, chip, question.policy, question.pipeline, question.where)
        facts = {**model.counts.facts, "source": "the counts in the model's file"}
    return report_of(model, chip, question, priced, facts)


def _steps(graph: Graph, question: Question, samples: Batch | None) -> int:
    own = graph.steps
    if not graph.timed:
        return own
    if samples is not None and only_input(graph)[1].timing is Timing.STEP:
        own = int(samples.inputs.shape[1])
        if question.steps not in (None, own):
            raise DataError(f"--steps {question.steps} on frames of {own} steps", mend=f"--steps {own}, or other data")
    return question.steps or own


def report_of(
    model: Model, chip: HardwareModel, question: Question, priced: Priced, data: Mapping[str, Any]
) -> Report:  # Any: JSON
    """The report of a priced graph."""
    low, high = total_bounds_pj(priced.costs, priced.samples)
    terms = chip.prices(priced.graph, question.policy)
    return Report(
        schema_version=SCHEMA_VERSION,
        model={"name": model.name, "parameters": model.graph.parameters, "graph_sha256": model.graph.sha256},
        priced_graph_sha256=priced.graph.sha256,
        passes=priced.passes,
        steps=priced.steps,
        hardware={
            "name": chip.name,
            "file": chip.file or None,
            "node": chip.node,
            "sha256": chip.sha256,
            "evidence": weakest_evidence(priced.costs).label,
            "terms": [{**asdict(term), "evidence": term.evidence.label} for term in terms],
        },
        policy={**asdict(question.policy), "name": question.policy_name},
        data=data,
        nodes=tuple(_row(cost, priced.samples) for cost in priced.costs),
        totals={
            "energy_pj": priced.energy_pj,
            "energy_pj_se": standard_error_pj(priced.costs),
            "energy_pj_low": low,
            "energy_pj_high": high,
            "counts": total_counts(priced.costs, priced.samples),
            "latency_ns": latency_of(priced.mapping),
        },
        ann=ann_of(model.graph, priced, chip, question.policy),
        left_out=left_out(priced.costs, terms, priced.samples),
        assumptions=_assumptions(model, chip, question, priced, data),
        mapping=priced.mapping,
    )


def latency_of(mapping: Mapping[str, Any] | None) -> float | None:  # Any: JSON
    """ns an inference, of the mapping of a run on a chip that knows times; else None."""
    latency = (mapping or {}).get("latency")
    return None if latency is None else float(latency["inference_ns"])


def _silent(priced: Priced, model: Model) -> list[str]:
    """What must be known of an energy that silent layers make small."""
    spikes = {cost.node: cost.counts["spike"] for cost in priced.costs if "spike" in cost.counts}
    silent = [name for name, count in spikes.items() if not count]
    if not silent:
        return []
    named = ", ".join(silent[:3]) + (", ..." if len(silent) > 3 else "")
    why = "the network is untrained, and " if model.provenance.get("made") == "untrained" else ""
    return [
        f"{why}{len(silent)} of {len(spikes)} neuron layers never fire on these samples ({named}), so that what "
        "follows them costs nothing here"
    ]


def _row(cost: Cost, samples: int) -> dict[str, Any]:  # Any: JSON
    return {
        "name": cost.node,
        "scope": cost.scope,
        "op": cost.op,
        "rate": cost.rate,
        "counts": {kind: count / samples for kind, count in cost.counts.items()},
        "energy_pj": {term: energy / samples for term, energy in cost.energy_pj.items()},
        "energy_pj_low": None if cost.low_pj is None else cost.low_pj / samples,
        "energy_pj_high": None if cost.high_pj is None else cost.high_pj / samples,
        "latency_ns": cost.latency_ns,
    }


def _assumptions(
    model: Model, chip: HardwareModel, question: Question, priced: Priced, data: Mapping[str, Any]
) -> tuple[str, ...]:  # Any: JSON
    said = [f"counts are of {priced.samples} sample(s), {priced.steps} step(s) each"]
    if data == ALONE:
        said = ["nothing was counted: neither data nor counts were given, and the model holds none"]
    elif question.rates is None:
        said.append(f"evaluated by the {EVALUATION}")
    else:
        said = [f"rates are those of {data['spec']}, at {priced.steps} step(s)"]
    said += [f"of the model's file: {remark}" for remark in remarks_of(model)]
    if question.steps is not None and not model.graph.timed:
        said.append(f"--steps {question.steps} is not used: the model has no time of its own, its nodes run once")
    if priced.steps != model.graph.steps:
        said.append(
            f"the network was made for T = {model.graph.steps}; its BatchNorm statistics are not those of "
            f"T = {priced.steps}"
        )
    if "least" in data:
        said.append(
            f"the samples hold values from {data['least']:g} to {data['greatest']:g}; of its input the model says: "
            f"{model.input.preprocessing}"
        )
    said += _silent(priced, model)
    said += written_out(priced)
    if data.get("unused_rates"):
        said.append(
            f"these rates feed no product that asks for one and count nothing: {', '.join(data['unused_rates'])}"
        )
    if data.get("overridden_rates"):
        said.append(f"the operands that these rates would feed have their own: {', '.join(data['overridden_rates'])}")
    said += chip.assumptions(priced.graph, question.policy)
    unmapped = not_counted(priced.costs, chip.prices(priced.graph, question.policy))
    if unmapped and data != ALONE:
        takes = "a mapping to cores" if priced.mapping is None else "a run on cores that hold it"
        said.append(f"not counted, since it takes {takes}: {', '.join(unmapped)}")
    said += notes_of_mapping(chip, question.where, priced)
    return tuple(said)
