"""Exact events: |n| of every operand value times the outputs that it really reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hwmodels.asides import with_asides
from hwmodels.counting import (
    ASIDES,
    ASKS,
    NEURONS,
    PRODUCTS,
    WEIGHTED,
    Operand,
    PerSample,
    Synaptic,
    is_left_out,
    operand_of,
    operand_of_node,
    row_of,
    times_of,
)
from hwmodels.fanout import FanOut, fan_out
from spikec.cost import Activity, Counts, Policy, Probe, ProbeKind, Rates
from spikec.errors import UsageError
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node

_ONE = np.ones(1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Question:
    """What a node's events are: the answer to `probe` times `reach`, billed as `bills`.

    Args:
        probe: answers [samples, groups].
        reach: [groups], operations for one count of each group.
        bills: ac or mac.
        others: with domain='observed', probes of which any answer above 0 turns every event into a MAC.
    """

    probe: Probe
    reach: NDArray[np.int64]
    bills: Synaptic
    others: tuple[Probe, ...] = ()


class EventTally:
    """Counts events of a graph under a policy."""

    def __init__(self, graph: Graph, policy: Policy) -> None:
        self._graph = graph
        self._policy = policy
        found = {node.name: _question(graph, node, policy) for node in graph.nodes}
        self._questions = {name: question for name, question in found.items() if question is not None}
        self._rated = {node.name: rated_values(graph, node, policy) for node in graph.nodes}
        self._totals = self._known_totals()

    def probes(self, node: Node) -> Iterable[Probe]:
        """See `Tally`."""
        question = self._questions.get(node.name)
        if question is not None:
            yield question.probe
            yield from question.others
        yield from map(self._total, self._rated[node.name])

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """See `Tally`."""
        return with_asides(self._graph, node, self, activity, self._policy)

    def synaptic(self, node: Node, activity: Activity) -> tuple[Synaptic, PerSample] | None:
        """See `SynapticTally`."""
        question = self._questions.get(node.name)
        if question is None:
            return None
        counts = events_only(activity)
        per_sample = counts.of(question.probe) @ question.reach
        if self._policy.bias == "in-ops" and type(node.op) in WEIGHTED:
            beside = ASIDES[type(node.op)]
            assert beside is not None
            per_sample = per_sample + beside.number(self._graph, node) * self.times(node, counts.steps)
        return _observed(question, counts), per_sample

    def rate(self, node: Node, activity: Activity) -> float | None:
        """See `Tally`."""
        return mean_rate(self._graph, self._rated[node.name], events_only(activity), self._total)

    def times(self, node: Node, steps: int) -> int:
        """See `SynapticTally`."""
        return times_of(self._graph, node, steps)

    def _total(self, value: str) -> Probe:
        return self._totals.get(value) or total_of(value)

    def _known_totals(self) -> dict[str, Probe]:
        """Probes that are asked anyway and whose answers, over all groups, sum |n| of a value."""
        known: dict[str, Probe] = {}
        for question in self._questions.values():
            value, *pair = question.probe.values
            unary = operand_of(self._graph.types[value]) is Operand.UNARY
            if not pair and (question.probe.kind == "sum" or unary):
                known.setdefault(value, question.probe)
        return known


def rated_values(graph: Graph, node: Node, policy: Policy) -> tuple[str, ...]:
    """The values whose mean |n| is a node's rate: a neuron's spikes, a layer's input, a product's spike operands."""
    if type(node.op) in NEURONS:
        return (node.name,)
    if type(node.op) not in ASKS or is_left_out(node, policy.attention):
        return ()
    classes = {value: operand_of(graph.types[value]) for value in node.inputs}
    least = min(classes.values())
    return tuple(value for value, operand in classes.items() if operand is least and operand is not Operand.REAL)


@lru_cache(maxsize=4096)  # whose key is made once
def total_of(value: str) -> Probe:
    """The probe that sums |n| of a value."""
    return Probe((value,), "sum")


def mean_rate(
    graph: Graph, values: tuple[str, ...], counts: Counts, total: Callable[[str], Probe] = total_of
) -> float | None:
    """Mean |n| an element and step of these values together, from the probes of their totals; None without values."""
    if not values:
        return None
    events = sum(int(counts.of(total(value)).sum()) for value in values)
    return events / (sum(places_of(graph, value, counts.steps) for value in values) * counts.samples)


def places_of(graph: Graph, value: str, steps: int) -> int:
    """Elements of one sample over all steps."""
    kind = graph.types[value]
    return kind.elements * (steps if kind.timing.value == "step" else 1)


def events_only(activity: Activity) -> Counts:
    """The activity, which must be counts.

    Raises:
        UsageError: published rates, of which no event can be counted.
    """
    if isinstance(activity, Rates):
        raise UsageError(found="published rates tell no events", expected="counts of a run", mend="--counting rate")
    return activity


def _question(graph: Graph, node: Node, policy: Policy) -> Question | None:
    if type(node.op) not in ASKS or is_left_out(node, policy.attention):
        return None
    observed = policy.domain == "observed"
    operand = Operand.UNARY if observed else operand_of_node(graph, node)
    row = row_of(operand, policy.multibit)
    kind = ASKS[type(node.op)][row.size]
    others = tuple(_other(value) for value in dict.fromkeys(node.inputs)) if observed else ()
    if type(node.op) in PRODUCTS:
        turned = (node.op.transpose_a, node.op.transpose_b) if isinstance(node.op, MatMul) else (False, False)
        return Question(Probe(node.inputs, kind, transposed=turned), _ONE, row.bills, others)
    fan = fan_out(graph, node, skip_zeros=policy.zero_weights == "skip")
    return Question(grouped(node.inputs[0], kind, fan), fan.reach, row.bills, others)


# Probes hash their groups once; candidates of a search share fan-outs (by identity) and so the probes.
@lru_cache(maxsize=4096)
def grouped(value: str, kind: ProbeKind, fan: FanOut) -> Probe:
    """A question about a value for each group of equal fan-out."""
    return Probe((value,), kind, groups=fan.groups)


def _other(value: str) -> Probe:
    return Probe((value,), "other", keep=frozenset())


def _observed(question: Question, counts: Counts) -> Synaptic:
    """NeuroBench's rule: one value outside -1, 0, 1 in the whole run makes a MAC of every event of the node."""
    if not question.others:
        return question.bills
    seen = any(counts.of(probe).any() for probe in question.others)
    return row_of(Operand.REAL if seen else Operand.UNARY, "unit").bills
