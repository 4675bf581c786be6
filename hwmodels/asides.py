"""What a node counts by spikec's own rules: its synaptic operations, and what `ASIDES` says stands beside them."""

from __future__ import annotations

import numpy as np

from hwmodels.counting import ASIDES, MACS, NEURONS, WEIGHTED, PerSample, SynapticTally, is_left_out
from hwmodels.dense import dense_macs
from spikec.cost import Activity, Counts, Policy, Probe
from spikec.ir.graph import Graph, Node


def with_asides(
    graph: Graph, node: Node, tally: SynapticTally, activity: Activity, policy: Policy
) -> dict[str, PerSample]:
    """Every kind of count that a node has, [samples] each; a kind of which it can have none is absent."""
    counted: dict[str, PerSample] = {}
    billed = tally.synaptic(node, activity)
    if billed is not None:
        kind, per_sample = billed
        counted[kind] = per_sample
    if type(node.op) in MACS:
        macs = MACS[type(node.op)] * node.type.elements * tally.times(node, activity.steps)
        counted["mac"] = np.full(activity.samples, macs, dtype=np.int64)
    asides = asides_of(graph, node, policy)
    times = tally.times(node, activity.steps) if asides else 0
    for name, number in asides.items():
        counted[name] = np.full(activity.samples, number * times, dtype=np.int64)
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


def spikes_of(node: Node, tally: SynapticTally) -> Probe:
    """The probe that sums a neuron's spikes: the only one that a tally asks about a neuron."""
    (probe,) = tally.probes(node)
    return probe
