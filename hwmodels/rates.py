"""The literature's formula: dense operations times steps times the firing rate of the input."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.asides import with_asides
from hwmodels.attention import Product, Ref, as_traced, reordered
from hwmodels.counting import (
    ASIDES,
    ASKS,
    WEIGHTED,
    Operand,
    PerSample,
    Synaptic,
    is_left_out,
    operand_of,
    row_of,
    times_of,
)
from hwmodels.dense import dense_macs
from hwmodels.events import mean_rate, places_of, rated_values, total_of
from spikec.cost import Activity, Policy, Probe, ProbeKind, Rates
from spikec.errors import DataError, UsageError
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import Integrator
from spikec.ir.neurons import Neuron
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Domain, Int

EACH_STEP: frozenset[Literal["sample", "step"]] = frozenset({"sample", "step"})
_TOUCHES_TIME = (Neuron, Integrator, Delay, TimeLast, TimeMean, TimeSum)


class RateTally:
    """Counts SOP = rate * T * dense operations of a graph under a policy.

    The rate is the operand's mean |n| (or its nonzero fraction, `rate_of`) over elements and samples, and over all
    steps or each by itself (`rate_over`, which matters where the smaller of two rates is another at another step); of
    two spike operands the smaller one, of one spike operand its own; a Real operand is always active. Sources: eq. 3 of
    Auto-Spikformer; for attention in K^T V order, T H N d^2 (min(fr_k, fr_v) + fr_q), Spikingformer's script.
    """

    def __init__(self, graph: Graph, policy: Policy) -> None:
        if policy.domain == "observed":
            raise UsageError(
                "domain 'observed' asks for events, not rates",
                expected="a chip of memories, such as --hw 45nm-memory, for both together",
                mend="--counting events",
            )
        self._graph = graph
        self._policy = policy
        self._reordered = reordered(graph, policy.ssa)
        self._static = static_values(graph) if policy.first_layer == "once" else frozenset()

    def probes(self, node: Node) -> Iterable[Probe]:
        """See `Tally`."""
        yield from map(self._probe, self.refs(node))
        for value in rated_values(self._graph, node, self._policy):
            yield total_of(value)

    def refs(self, node: Node) -> tuple[Ref, ...]:
        """The operands whose rates decide how many operations a node has."""
        product = self._product(node)
        return tuple(product.operands) if product else ()

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """See `Tally`."""
        return with_asides(self._graph, node, self, activity, self._policy)

    def synaptic(self, node: Node, activity: Activity) -> tuple[Synaptic, PerSample] | None:
        """See `SynapticTally`."""
        product = self._product(node)
        if product is None:
            return None
        operations = product.macs
        if self._policy.bias == "in-ops" and type(node.op) in WEIGHTED:
            beside = ASIDES[type(node.op)]
            assert beside is not None
            operations += beside.number(self._graph, node)
        rate = self._smaller([self._rates(ref, activity) for ref in product.operands], activity.samples)
        per_sample = operations * self.times(node, activity.steps) * rate
        return row_of(product.operand, self._policy.multibit).bills, per_sample

    def rate(self, node: Node, activity: Activity) -> float | None:
        """See `Tally`; a published rate is given back as it was published, a neuron then has none."""
        values = rated_values(self._graph, node, self._policy)
        if isinstance(activity, Rates):
            found = [activity.rates.get((node.name, node.inputs.index(v))) for v in values if v in node.inputs]
            known = [rate for rate in found if rate is not None]
            return math.fsum(known) / len(known) if known else None
        return mean_rate(self._graph, values, activity)

    def times(self, node: Node, steps: int) -> int:
        """See `SynapticTally`; with first_layer='once', a node that sees the same input at every step runs once."""
        if node.name in self._static:
            return 1
        return times_of(self._graph, node, steps)

    def _product(self, node: Node) -> Product | None:
        if type(node.op) not in ASKS or is_left_out(node, self._policy.attention):
            return None
        if node.name in self._reordered:
            return self._reordered[node.name]
        product = as_traced(self._graph, node)
        if self._policy.zero_weights == "skip":
            return Product(dense_macs(self._graph, node, skip_zeros=True), product.operands, product.operand)
        return product

    def _probe(self, ref: Ref) -> Probe:
        name, index = ref
        kind: ProbeKind = "sum" if self._policy.rate_of == "mean" else "nonzero"
        value = (self._graph.node(name).inputs[index],)
        return Probe(value, kind, keep=EACH_STEP) if self._policy.rate_over == "step" else Probe(value, kind)

    def _rates(self, ref: Ref, activity: Activity) -> NDArray[np.float64]:
        """[samples, 1 or steps]: the rate of an operand, over all steps or of each."""
        name, index = ref
        node = self._graph.node(name)
        if isinstance(activity, Rates):
            if self._policy.rate_over == "step":
                raise UsageError("--rate-over step beside published rates, which are over all", mend="leave it out")
            return np.full((activity.samples, 1), published(self._graph, node, index, activity))
        events: NDArray[np.int64] = activity.of(self._probe(ref)).sum(-1)
        if self._policy.rate_over == "step":
            return events.astype(np.float64) / self._graph.types[node.inputs[index]].elements
        return events.astype(np.float64)[:, None] / places_of(self._graph, node.inputs[index], activity.steps)

    def _smaller(self, rates: list[NDArray[np.float64]], samples: int) -> NDArray[np.float64]:
        """[samples]: the mean over steps of the operand's rate that is smaller there; 1 where there is no operand.

        Which it is is chosen on all samples together, as the formula's sources do.
        """
        if not rates:
            return np.ones(samples)
        stacked = np.stack(rates)  # [operands, samples, steps]
        chosen = stacked.mean(1).argmin(0)
        return np.asarray(np.take_along_axis(stacked, chosen[None, None], axis=0)[0].mean(-1))


def published(graph: Graph, node: Node, index: int, rates: Rates) -> float:
    """The rate that was published for a node's operand.

    Raises:
        DataError: there is none, or it is NaN, infinite, negative, or above what its operand can be.
    """
    value = node.inputs[index]
    where = f"{node.place}, operand {index} (%{value})"
    rate = rates.rates.get((node.name, index))
    if rate is None:
        raise DataError("no rate", where=where, expected="one for each operand that is not Real")
    spikes = operand_of(graph.types[value]) is Operand.UNARY
    most = _greatest(graph.types[value].domain)
    if not 0 <= rate <= most or math.isinf(rate):
        expected = "a fraction between 0 and 1" if spikes else "a finite mean of at least 0"
        if not spikes and math.isfinite(most):
            expected = f"a mean of 0 to {most:g}, since the operand is {graph.types[value].domain}"
        raise DataError(f"a rate of {rate}", where=where, expected=expected)
    return rate


def _greatest(domain: Domain) -> float:
    """The greatest mean |n| that codes of a domain can have."""
    return float(max(abs(domain.lo), abs(domain.hi))) if isinstance(domain, Int) else math.inf


def check_complete(graph: Graph, policy: Policy, rates: Rates) -> None:
    """Checks that there is a rate for each operand that the formula asks for.

    Raises:
        DataError: lists every operand that has none; or the rates cannot be used with this policy.
    """
    tally = RateTally(graph, policy)
    asked = dict.fromkeys(ref for node in graph.nodes for ref in tally.refs(node))
    missing = [ref for ref in asked if ref not in rates.rates]
    if missing:
        nodes = ((graph.node(name), index) for name, index in missing)
        listed = "; ".join(f"{node.place}, operand {index} (%{node.inputs[index]})" for node, index in nodes)
        raise DataError(
            f"no rate for {len(missing)} of {len(asked)} operands: {listed}",
            expected="one for each operand that is not Real",
            mend="a line for each, or for the neuron that feeds it: scope,operand,rate",
        )


def check_known(graph: Graph, rates: Rates) -> None:
    """Checks that every published rate names an operand of the graph.

    Raises:
        DataError: one does not.
    """
    for name, index in rates.rates:
        node = graph.producers.get(name)
        if node is None or node.name != name or not 0 <= index < len(node.inputs):
            raise DataError(f"a rate for operand {index} of '{name}'", expected="an operand of a node of the graph")


def static_values(graph: Graph) -> frozenset[str]:
    """The values that are the same at every step: a Repeat's, and what ops without state make of such."""
    static: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, Repeat) or (
            not isinstance(node.op, _TOUCHES_TIME) and node.inputs and all(v in static for v in node.inputs)
        ):
            static.update(node.results)
    return frozenset(static)
