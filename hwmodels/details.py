"""Counts of a chip that prices synapses by how they are stored, and of a neuron being looked at, updated and firing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hwmodels.counting import PerSample
from hwmodels.event_kinds import BY_SOMA, BY_SYNAPSE
from hwmodels.spike_tally import ACTIVE, INACTIVE, UPDATED
from hwmodels.touching import touched
from spikec.cost import Activity, Counts, Policy, Probe, Terms
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Linear

DENSE, SPARSE, CONV = BY_SYNAPSE
ACCESS, UPDATE, SPIKE = BY_SOMA


def is_detailed(terms: Terms) -> bool:
    """Whether any price is of such a count."""
    return any(term.count in (*BY_SYNAPSE, *BY_SOMA) for term in terms)


def probes_of(graph: Graph, policy: Policy) -> Iterator[Probe]:
    """What must be asked beside what the chip asks: which neurons are updated."""
    for node in graph.nodes:
        if type(node.op) in UPDATED and (probe := touched(graph, node, skip_zeros=policy.zero_weights == "skip")):
            yield probe


def counts_of(
    graph: Graph, node: Node, counted: Mapping[str, PerSample], activity: Activity, policy: Policy
) -> dict[str, PerSample]:
    """The counts of a node in detail, [samples] each, in the place of those that they part.

    Of rates no membrane is known: every neuron is then taken as updated. Coincidence neurons keep none: those that a
    spike reaches are.
    """
    found = dict(counted)
    if "ac" in found:
        found[synapse_kind(graph, node, policy)] = found.pop("ac")
    if ACTIVE in found:
        active = found.pop(ACTIVE)
        everyone = active + found.pop(INACTIVE)
        found |= {ACCESS: everyone, UPDATE: everyone if type(node.op) in UPDATED else active}
    if type(node.op) in UPDATED:
        probe = touched(graph, node, skip_zeros=policy.zero_weights == "skip")
        if probe is not None and isinstance(activity, Counts) and policy.counting == "events":
            found[UPDATE] = activity.of(probe).sum(-1)
    if ACCESS in found and "spike" in found:
        found[SPIKE] = found.pop("spike")
    return found


def synapse_kind(graph: Graph, node: Node, policy: Policy) -> str:
    """How the synapses are stored whose events a node has; those of a pool as a convolution's."""
    if not isinstance(node.op, Linear):
        return CONV
    zeros = not graph.weights[node.weights["weight"]].array.all()
    return SPARSE if zeros and policy.zero_weights == "skip" else DENSE
