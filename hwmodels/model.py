"""HardwareModel, what every chip answers, and the arithmetic model, which prices operations and knows no cores."""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hwmodels.counting import PerSample, check_countable
from hwmodels.prices import bounds, charge, evidence
from hwmodels.rates import check_complete, check_known
from hwmodels.tally import probes_of, tally_of, words_of
from spikec.cost import Activity, Cost, Counts, Mapping, Partition, Policy, Probe, Rates, Terms
from spikec.errors import DataError
from spikec.ir.graph import Graph, Node

PassSpec = str | MappingOf[str, Any]  # Any: a pass's parameters; a name, or {"pass": name, parameter: value}
Pipeline = tuple[PassSpec, ...]


class HardwareModel(Protocol):
    """What a chip costs. The order of calls: plan, probes, (a runner counts), place, price.

    `name`, which two chips may share; `file` that it came from, '' for a chip that `--hw` takes by name; `sha256` of
    its file; `node`, the process; `pipeline`, the passes that make a graph legal here (see
    `hwmodels.policies.pipeline_for`).
    """

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def pipeline(self) -> Pipeline: ...

    def assumptions(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """What its prices and counts of a graph take for granted, as sentences for a report."""
        ...

    def plan(self, graph: Graph, policy: Policy) -> Partition | None:
        """Neurons on cores; None for a chip without cores.

        Raises:
            UnsupportedOp: lists every node that the chip cannot take.
        """
        ...

    def probes(self, graph: Graph, policy: Policy, partition: Partition | None = None) -> tuple[Probe, ...]:
        """What a runner must count for `price`, each question once."""
        ...

    def place(self, partition: Partition | None, counts: Counts) -> Mapping | None:
        """Cores at coordinates, chosen for the traffic counted; None where there are none."""
        ...

    def prices(self, graph: Graph, policy: Policy) -> Terms:
        """The prices, in the order in which terms are summed."""
        ...

    def price(
        self, graph: Graph, activity: Activity, policy: Policy, mapping: Mapping | None = None
    ) -> tuple[Cost, ...]:
        """The cost of every node, in order.

        Raises:
            DataError: counts that answer other questions, or rates that are missing or impossible.
            UsageError: published rates under a policy that counts events.
        """
        ...


@dataclass(frozen=True)
class ArithmeticModel:
    """A chip file that prices operations alone: no memory, no network, no cores, no time.

    Energy of a node is the sum over terms of count times price, as in the literature's 4.6 pJ a MAC and 0.9 pJ an
    AC; kinds of count that no term prices are in `Cost.counts` and cost nothing (`hwmodels.totals.left_out`).
    """

    name: str
    node: str
    sha256: str
    pipeline: Pipeline
    terms: Terms
    file: str = ""

    def plan(self, graph: Graph, policy: Policy) -> Partition | None:
        """See `HardwareModel`."""
        check_countable(graph, self.name)
        return None

    def assumptions(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """See `HardwareModel`."""
        return (
            *words_of(policy, self.prices(graph, policy)),
            *(f"of the price '{term.name}': {term.note}" for term in self.prices(graph, policy) if term.note),
        )

    def probes(self, graph: Graph, policy: Policy, partition: Partition | None = None) -> tuple[Probe, ...]:
        """See `HardwareModel`."""
        check_countable(graph, self.name)
        return probes_of(graph, policy)

    def place(self, partition: Partition | None, counts: Counts) -> Mapping | None:
        """See `HardwareModel`."""
        return None

    def prices(self, graph: Graph, policy: Policy) -> Terms:
        """See `HardwareModel`."""
        return self.terms

    def price(
        self, graph: Graph, activity: Activity, policy: Policy, mapping: Mapping | None = None
    ) -> tuple[Cost, ...]:
        """See `HardwareModel`."""
        check_countable(graph, self.name)
        tally, terms = tally_of(graph, policy), self.prices(graph, policy)
        if isinstance(activity, Counts):
            check_answers(activity, probes_of(graph, policy))
        else:
            check_rates(graph, activity, policy)
        return tuple(
            cost_of(node, tally.counts(node, activity), terms, tally.rate(node, activity), activity.samples)
            for node in graph.nodes
        )


def check_rates(graph: Graph, rates: Rates, policy: Policy) -> None:
    """Checks that rates are of this graph, and all that the policy's formula asks for.

    Raises:
        DataError: a rate names no operand, or one is missing.
    """
    check_known(graph, rates)
    if policy.counting == "rate":
        check_complete(graph, policy, rates)


def check_answers(counts: Counts, probes: tuple[Probe, ...]) -> None:
    """Checks that counts answer every question.

    Raises:
        DataError: they do not.
    """
    if not counts.answers_all(probes):
        raise DataError(
            "the counts answer other questions than this graph and policy ask",
            expected="counts of the probes of this graph, hardware and policy",
            mend="count again on data, or keep the policy that they were counted under",
        )


def cost_of(node: Node, counted: MappingOf[str, PerSample], terms: Terms, rate: float | None, samples: int) -> Cost:
    """What a node costs at these counts, [samples] by kind, under these prices."""
    if not counted:  # most nodes move values and count nothing
        return Cost(node.name, node.scope, node.op.mnemonic, rate, {}, {}, np.zeros(samples))
    totals = {kind: total_of(per_sample) for kind, per_sample in counted.items()}
    per_sample = np.zeros(samples)
    for term in terms:
        if term.count in counted:
            per_sample = per_sample + counted[term.count] * term.energy_pj
    low_pj, high_pj = bounds(totals, terms)
    return Cost(
        node=node.name,
        scope=node.scope,
        op=node.op.mnemonic,
        rate=rate,
        counts=totals,
        energy_pj=charge(totals, terms),
        per_sample_pj=per_sample,
        low_pj=low_pj,
        high_pj=high_pj,
        evidence=evidence(totals, terms),
    )


def total_of(per_sample: PerSample) -> int | float:
    """All samples together: exact for events; correctly rounded, whatever the order, for rates."""
    return int(per_sample.sum()) if per_sample.dtype == np.int64 else math.fsum(per_sample)
