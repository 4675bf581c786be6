"""EventsModel: a chip whose synapses take spikes, and whose real inputs are multiplied by a host."""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from hwmodels import details
from hwmodels.counting import check_countable
from hwmodels.deliveries import check_drives
from hwmodels.event_notes import notes_of
from hwmodels.host import check_forms, host_values
from hwmodels.model import Pipeline, check_answers, check_rates, cost_of
from hwmodels.prices import bounds, charge
from hwmodels.spike_tally import ACTIVE, INACTIVE, UPDATE, SpikeTally
from hwmodels.tally import Same
from spikec.cost import Activity, Cost, Counts, Evidence, Mapping, Partition, Policy, Probe, Term, Terms
from spikec.errors import UsageError
from spikec.ir.graph import Graph


@dataclass(frozen=True)
class PolicyTerm:
    """A price that holds under these values of fields of the policy; under every policy where there are none."""

    term: Term
    when: MappingOf[str, str]

    def holds(self, policy: Policy) -> bool:
        """Whether it is part of the sum."""
        return all(getattr(policy, field) == value for field, value in self.when.items())


@dataclass(frozen=True)
class EventsModel:
    """A chip file that prices events: synaptic operations, updates of neurons, and with cores what is sent.

    Every spike that reaches a neuron is a synaptic operation (`ac`), of a stream of integers each of the spikes that
    it stands for. Multiplications of real inputs before the first neuron are the host's (`host_mac`); everywhere
    else operands must be integers. An update is active where the neuron's drive is not zero at that step, else
    inactive. What cores alone count (`hwmodels.event_kinds.OnCores`) is not counted here.

    Args:
        real_input: whether a host multiplies real inputs, or they are refused.
        attention: whether a product of two activations, which no stored weight multiplies, has no form, or is one
            of a programmable neuron.
        policy_terms: the prices, in the file's order.
    """

    name: str
    node: str
    sha256: str
    pipeline: Pipeline
    real_input: Literal["host", "refuse"]
    attention: Literal["unsupported", "programmable"]
    policy_terms: tuple[PolicyTerm, ...]
    file: str = ""

    @property
    def terms(self) -> Terms:
        """Every price of the file, whatever the policy."""
        return tuple(part.term for part in self.policy_terms)

    def plan(self, graph: Graph, policy: Policy) -> Partition | None:
        """See `HardwareModel`.

        Raises:
            UsageError: the policy bills what such a chip does not have.
        """
        check_countable(graph, self.name)
        check_policy(policy, self.name)
        real_input, products = self.real_input == "host", self.attention == "programmable"
        check_forms(graph, policy, self.name, real_input=real_input, products=products)
        check_drives(graph, host_values(graph), self.name)
        return None

    def probes(self, graph: Graph, policy: Policy, partition: Partition | None = None) -> tuple[Probe, ...]:
        """See `HardwareModel`."""
        return _asked(Same(self), Same(graph), policy)[1]

    def place(self, partition: Partition | None, counts: Counts) -> Mapping | None:
        """See `HardwareModel`."""
        return None

    def prices(self, graph: Graph, policy: Policy) -> Terms:
        """See `HardwareModel`: those that hold under the policy."""
        return tuple(part.term for part in self.policy_terms if part.holds(policy))

    def price(
        self, graph: Graph, activity: Activity, policy: Policy, mapping: Mapping | None = None
    ) -> tuple[Cost, ...]:
        """See `HardwareModel`."""
        (tally, asked), terms = _asked(Same(self), Same(graph), policy), self.prices(graph, policy)
        if isinstance(activity, Counts):
            check_answers(activity, asked)
        else:
            check_rates(graph, activity, policy)
        costs, in_detail = [], details.is_detailed(terms)
        for node in graph.nodes:
            counted = tally.counts(node, activity)
            if in_detail:
                counted = details.counts_of(graph, node, counted, activity, policy)
            cost = cost_of(node, counted, terms, tally.rate(node, activity), activity.samples)
            cost = _with_any_activity(cost, terms) if policy.counting == "rate" else cost
            costs.append(replace(cost, evidence=Evidence.ASSUMED) if tally.is_assumed(node) else cost)
        return tuple(costs)

    def assumptions(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """See `HardwareModel`."""
        return notes_of(graph, policy, self.prices(graph, policy), self.tally(graph, policy))

    def tally(self, graph: Graph, policy: Policy) -> SpikeTally:
        """What the chip counts of a graph."""
        return SpikeTally(graph, policy, whole_updates=any(term.count == UPDATE for term in self.terms))


@lru_cache(maxsize=4)
def _asked(model: Same[EventsModel], graph: Same[Graph], policy: Policy) -> tuple[SpikeTally, tuple[Probe, ...]]:
    """A chip's tally of a graph that it has forms for, and what it asks; of the last few they are remembered."""
    model.thing.plan(graph.thing, policy)
    tally = model.thing.tally(graph.thing, policy)
    asked = [probe for node in graph.thing.nodes for probe in tally.probes(node)]
    if details.is_detailed(model.thing.prices(graph.thing, policy)) and policy.counting == "events":
        asked += details.probes_of(graph.thing, policy)
    return tally, tuple({probe.key: probe for probe in asked}.values())


REFUSED: MappingOf[tuple[str, str], str] = {
    ("multibit", "mac"): "--multibit unit, where a value n is n spikes",
    ("domain", "observed"): "--domain inferred",
    ("counting", "spikingjelly"): "--counting events",
    ("counting", "syops"): "--counting events",
}
"""Values of the policy that bill multiplications of sums of spikes, or what another library's counter bills."""


def check_policy(policy: Policy, chip: str) -> None:
    """Checks that a policy counts what a chip does whose synapses take spikes.

    Raises:
        UsageError: it does not.
    """
    for (field, value), mend in REFUSED.items():
        if getattr(policy, field) == value:
            option = f"--{field.replace('_', '-')} {value}"
            raise UsageError(f"{option} beside {chip}, whose synapses take spikes and multiply nothing", mend=mend)
    if policy.attention == "coincidence" and policy.counting == "rate":
        raise UsageError(
            "--attention coincidence beside --counting rate: rates tell no pairs", mend="--counting events"
        )


def _with_any_activity(cost: Cost, terms: Terms) -> Cost:
    """A cost of rates, with bounds that hold whichever of the neuron's updates are active."""
    if ACTIVE in cost.counts:
        calm = {**cost.counts, ACTIVE: 0, INACTIVE: cost.counts[ACTIVE]}
    elif details.UPDATE in cost.counts:
        calm = {**cost.counts, details.UPDATE: cost.counts.get(details.SPIKE, 0)}
    else:
        return cost
    point, other = (math.fsum(charge(counts, terms).values()) for counts in (cost.counts, calm))
    low, high = bounds(calm, terms)
    least = min(other if low is None else low, point if cost.low_pj is None else cost.low_pj)
    most = max(other if high is None else high, point if cost.high_pj is None else cost.high_pj)
    return replace(
        cost,
        low_pj=least if least < point else cost.low_pj,
        high_pj=most if most > point else cost.high_pj,
    )
