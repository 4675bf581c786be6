"""CoresModel: a chip with cores. What its operations cost, and beside it what mapping adds: messages, hops, time."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hwmodels.cores_schema import CoresTable
from hwmodels.counting import PerSample
from hwmodels.mapping.activity import questions_of
from hwmodels.mapping.facts import layer_energy_pj, place_facts, plan_facts, run_facts
from hwmodels.mapping.layers import Form
from hwmodels.mapping.partition import Method, partitioned
from hwmodels.mapping.placed import Placed, placed_for, read_places
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.mapping.runs import CoreRun
from hwmodels.model import HardwareModel, Pipeline, total_of
from hwmodels.prices import bounds, charge, evidence
from spikec.cost import Activity, Cost, Counts, Mapping, Partition, Policy, Probe, Terms
from spikec.errors import UsageError
from spikec.ir.graph import Graph

STATIC = "chip_ns"


def form_of(table: CoresTable, real_input: str, attention: str) -> Form:
    """What the cores of a chip take.

    Args:
        table: its cores.
        real_input: `host` or `refuse`, as in a chip file.
        attention: `unsupported` or `programmable`, as in a chip file; programmable neurons also send numbers.
    """
    widths = table.encoding.weight_bits if table.encoding else ()
    programmable = attention == "programmable"
    return Form(widths, programmable, "programmable" if programmable else "refused", host=real_input == "host")


@runtime_checkable
class Cored(Protocol):
    """What a chip with cores answers beside `hwmodels.model.HardwareModel`."""

    def partitioned(self, method: Method) -> HardwareModel:
        """The same chip, whose plans have the neurons of dense layers regrouped by this method."""
        ...

    def read_mapping(self, partition: Partition, path: Path) -> Mapping | None:
        """The partition at the places that a file gives; None where a layer does not fit.

        Raises:
            DataError: the file cannot be read, or its places do not fit.
        """
        ...

    def describe(
        self,
        partition: Partition,
        policy: Policy,
        mapping: Mapping | None = None,
        activity: Activity | None = None,
        costs: tuple[Cost, ...] = (),
    ) -> dict[str, Any]:  # Any: JSON
        """The key `mapping` of a report: without counts what the partition says, with them the run as well."""
        ...


@dataclass(frozen=True)
class CoresModel:
    """A chip whose file has a table [cores].

    Args:
        chip: what its operations cost.
        table: its cores.
        form: what they take.
        method: how neurons of dense layers are put on cores: by the chip's rule, or regrouped.
    """

    chip: HardwareModel
    table: CoresTable
    form: Form
    method: Method = "rule"

    @property
    def name(self) -> str:
        """See `HardwareModel`."""
        return self.chip.name

    @property
    def file(self) -> str:
        """See `HardwareModel`."""
        return self.chip.file

    @property
    def node(self) -> str:
        """See `HardwareModel`."""
        return self.chip.node

    @property
    def sha256(self) -> str:
        """See `HardwareModel`."""
        return self.chip.sha256

    @property
    def pipeline(self) -> Pipeline:
        """See `HardwareModel`."""
        return self.chip.pipeline

    def assumptions(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """See `HardwareModel`."""
        return self.chip.assumptions(graph, policy)

    def partitioned(self, method: Method) -> CoresModel:
        """See `Cored`."""
        return replace(self, method=method)

    def plan(self, graph: Graph, policy: Policy) -> Partition | None:
        """See `HardwareModel`.

        Raises:
            UsageError: neurons are to be regrouped, and a weight of zero is a synapse.
        """
        if self.method != "rule" and policy.zero_weights != "skip":
            raise UsageError(
                f"--partition {self.method} beside --zero-weights {policy.zero_weights}: a weight of zero is a synapse "
                "then, and each source reaches every core of a dense layer, whichever neurons stand there",
                mend="--zero-weights skip",
            )
        self.chip.plan(graph, policy)
        form = replace(self.form, products="coincidence") if policy.attention == "coincidence" else self.form
        found = plan_of(graph, self.table, form, self.name, skip_zeros=policy.zero_weights == "skip")
        return partitioned(found, self.method)

    def probes(self, graph: Graph, policy: Policy, partition: Partition | None = None) -> tuple[Probe, ...]:
        """See `HardwareModel`."""
        asked = self.chip.probes(graph, policy)
        if partition is None:
            return asked
        found = {probe.key: probe for probe in (*asked, *questions_of(_plan(partition)).probes)}
        return tuple(found.values())

    def place(self, partition: Partition | None, counts: Counts) -> Mapping | None:
        """See `HardwareModel`; None where a layer does not fit."""
        if partition is None or _plan(partition).misfits:
            return None
        return placed_for(_plan(partition), counts, self.chip.prices(_plan(partition).graph, Policy()))

    def read_mapping(self, partition: Partition, path: Path) -> Mapping | None:
        """See `Cored`."""
        plan = _plan(partition)
        return None if plan.misfits else read_places(path, plan)

    def prices(self, graph: Graph, policy: Policy) -> Terms:
        """See `HardwareModel`."""
        return self.chip.prices(graph, policy)

    def price(
        self, graph: Graph, activity: Activity, policy: Policy, mapping: Mapping | None = None
    ) -> tuple[Cost, ...]:
        """See `HardwareModel`; with a mapping also what is sent, and a last row for static power over the time."""
        costs = self.chip.price(graph, activity, policy)
        if mapping is None or not isinstance(activity, Counts):
            return costs
        terms = self.prices(graph, policy)
        run = _placed(mapping).run(activity, terms)
        nodes = {cost.node for cost in costs}
        rows = [*costs, *(_row(value, "input", activity.samples) for value in run.sent if value not in nodes)]
        found = [_sending(cost, run, terms) for cost in rows]
        return (*found, *_static(run, _placed(mapping).plan, terms, activity.samples))

    def describe(
        self,
        partition: Partition,
        policy: Policy,
        mapping: Mapping | None = None,
        activity: Activity | None = None,
        costs: tuple[Cost, ...] = (),
    ) -> dict[str, Any]:  # Any: JSON
        """See `Cored`."""
        plan, terms = _plan(partition), self.prices(_plan(partition).graph, policy)
        facts = plan_facts(plan)
        if plan.misfits:
            return facts
        placed = placed_for(plan, None, terms) if mapping is None else _placed(mapping)
        facts = {**facts, "placement": placed.how, **place_facts(plan, placed.on)}
        if mapping is None or not isinstance(activity, Counts):
            return facts
        run = placed.run(activity, terms)
        by_layer = layer_energy_pj(plan, costs)
        for row, energy_pj in zip(facts["layers"], by_layer, strict=True):
            row["energy_pj"] = energy_pj / activity.samples
        return {**facts, **run_facts(plan, placed.on, run, costs, terms, activity.samples)}


def _plan(partition: Partition) -> Plan:
    """The partition, which must be one of ours.

    Raises:
        UsageError: it is another model's.
    """
    if not isinstance(partition, Plan):
        raise UsageError(f"a partition of type {type(partition).__name__}", expected="one that this chip planned")
    return partition


def _placed(mapping: Mapping) -> Placed:
    if not isinstance(mapping, Placed):
        raise UsageError(f"a mapping of type {type(mapping).__name__}", expected="one that this chip placed")
    return mapping


def _sending(cost: Cost, run: CoreRun, terms: Terms) -> Cost:
    """The cost of a node with what its neurons send."""
    sent = run.sent.get(cost.node)
    if sent is None:
        return cost
    more = {"message": sent.message, "hop_ew": sent.hop_ew, "hop_ns": sent.hop_ns}
    if sent.chip_crossing.any():
        more["chip_crossing"] = sent.chip_crossing
    if any(term.count == "message_in" for term in terms):
        more["message_in"] = sent.message  # what is sent is received
    return _with(cost, more, terms)


def _with(cost: Cost, more: MappingOf[str, PerSample], terms: Terms) -> Cost:
    """A cost with further counts, [samples] each."""
    totals = {kind: total_of(counted) for kind, counted in more.items()}
    per_sample = cost.per_sample_pj
    for term in terms:
        if term.count in more:
            per_sample = per_sample + more[term.count] * term.energy_pj
    counts = {**cost.counts, **totals}
    low_pj, high_pj = bounds(counts, terms)
    return replace(
        cost,
        counts=counts,
        energy_pj={**cost.energy_pj, **charge(totals, terms)},
        per_sample_pj=per_sample,
        low_pj=low_pj,
        high_pj=high_pj,
        evidence=min(cost.evidence, evidence(totals, terms)),
    )


def _static(run: CoreRun, plan: Plan, terms: Terms, samples: int) -> tuple[Cost, ...]:
    """Static power over the run's time, on all its chips, as a row that is no node; none where either is not known."""
    if run.step_ns is None or all(term.count != STATIC for term in terms):
        return ()
    # A row is called by its scope: without one it would be %static power.
    row = replace(_row("static power", "static", samples), scope="static power")
    cost = _with(row, {STATIC: run.step_ns.sum(1) * plan.chips}, terms)
    if run.low_ns is None and run.high_ns is None:
        return (cost,)
    # Times that are maxima bound what is paid by the nanosecond from above alone: it may be next to nothing.
    price = sum(term.energy_pj for term in terms if term.count == STATIC) * plan.chips
    least = 0.0 if run.low_ns is None else float(run.low_ns.sum()) * price
    more = run.high_ns is not None and run.high_ns.sum() > run.step_ns.sum()
    most = float(run.high_ns.sum()) * price if more and run.high_ns is not None else None
    return (replace(cost, low_pj=least, high_pj=most),)


def _row(name: str, op: str, samples: int) -> Cost:
    """A row that is no node of the graph, and has no costs yet."""
    return Cost(name, "", op, None, {}, {}, np.zeros(samples))
