"""All that a graph's nodes count, synaptic or not, under a policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwmodels.counting import ASIDES, MACS, NEURONS, WEIGHTED, PerSample, Tally, is_left_out
from hwmodels.dense import dense_macs
from hwmodels.events import EventTally
from hwmodels.rates import RateTally
from spikec.cost import Activity, Counting, Counts, Policy, Probe
from spikec.ir.graph import Graph, Node

TALLIES: dict[Counting, Callable[[Graph, Policy], Tally]] = {"events": EventTally, "rate": RateTally}


def tally_of(graph: Graph, policy: Policy) -> Tally:
    """The way of counting that the policy names."""
    return TALLIES[policy.counting](graph, policy)


def probes_of(graph: Graph, policy: Policy) -> tuple[Probe, ...]:
    """What must be asked of a runner, each question once, in the order of the nodes."""
    tally = tally_of(graph, policy)
    found = {probe.key: probe for node in graph.nodes for probe in tally.probes(node)}
    return tuple(found.values())


def counts_of(graph: Graph, node: Node, tally: Tally, activity: Activity, policy: Policy) -> dict[str, PerSample]:
    """Every kind of count that a node has, [samples] each; a kind of which it can have none is absent."""
    counted: dict[str, PerSample] = {}
    billed = tally.synaptic(node, activity)
    if billed is not None:
        kind, per_sample = billed
        counted[kind] = per_sample
    if type(node.op) in MACS:
        macs = MACS[type(node.op)] * node.type.elements * tally.times(node, activity.steps)
        counted["mac"] = np.full(activity.samples, macs, dtype=np.int64)
    for name, number in asides_of(graph, node, policy).items():
        total = number * tally.times(node, activity.steps)
        counted[name] = np.full(activity.samples, total, dtype=np.int64)
    if type(node.op) in NEURONS and isinstance(activity, Counts):
        counted["spike"] = activity.of(spikes_of(node, tally)).sum(-1)
    return counted


def asides_of(graph: Graph, node: Node, policy: Policy) -> dict[str, int]:
    """What a node does beside synaptic operations, a sample and a run of it."""
    found: dict[str, int] = {}
    beside = ASIDES[type(node.op)]
    number = beside.number(graph, node) if beside else 0
    billed_in_ops = policy.bias == "in-ops" and type(node.op) in WEIGHTED
    if beside and number and not billed_in_ops:
        found[beside.kind] = number
    if is_left_out(node, policy.attention):
        found["product_left_out"] = dense_macs(graph, node)
    return found


def spikes_of(node: Node, tally: Tally) -> Probe:
    """The probe that sums a neuron's spikes: the only one that a tally asks about a neuron."""
    (probe,) = tally.probes(node)
    return probe
