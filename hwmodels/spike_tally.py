"""What a graph counts on a chip whose synapses take spikes: a tally of events or rates, seen from such a chip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from hwmodels.coincidence import Coincidence, coincidences
from hwmodels.counting import NEURONS, PRODUCTS, SYNAPTIC, Operand, PerSample, Tally, operand_of
from hwmodels.deliveries import Delivery, deliveries
from hwmodels.event_kinds import WHOLE
from hwmodels.host import INTEGRATORS, host_values, read_out
from hwmodels.tally import tally_of
from spikec.cost import Activity, Counts, Policy, Probe
from spikec.ir.graph import Graph, Node

UPDATE = "neuron_update"
ACTIVE, INACTIVE = WHOLE[UPDATE]
UPDATED = (*NEURONS, *INTEGRATORS)
BY_SYNAPSES = ("pool", "residual_add", "scale", "mean")
"""What such a chip does by synapses, whose events are counted where they arrive."""


class SpikeTally:
    """Counts a graph under a policy as a chip does that takes spikes.

    What differs from the policy's own tally: multiplications of what is no spikes are the host's (`host_mac`); spikes
    that reach a neuron past no weight are synaptic operations too (under `events`), which is all that pools and sums
    cost; products of activations may be coincidence neurons; updates are active or inactive.

    Args:
        graph: one that the chip has forms for.
        policy: under which it is counted.
        whole_updates: whether updates are counted together.
    """

    def __init__(self, graph: Graph, policy: Policy, *, whole_updates: bool = False) -> None:
        self._graph = graph
        self._policy = policy
        self._whole_updates = whole_updates
        self._tally = tally_of(graph, policy)
        self._exact = policy.counting == "events"
        self._taken: dict[str, tuple[Delivery, ...]] = {}

    @cached_property
    def _host(self) -> frozenset[str]:
        return host_values(self._graph)

    @cached_property
    def _hosts(self) -> Tally:
        """Counts what the host does, which multiplies what is not zero, whatever its value."""
        if not any(operand_of(self._graph.types[value]) is Operand.MULTIBIT for value in self._host):
            return self._tally
        return tally_of(self._graph, replace(self._policy, multibit="mac"))

    @cached_property
    def _outside(self) -> frozenset[str]:
        return self._host | read_out(self._graph)

    def probes(self, node: Node) -> Iterable[Probe]:
        """What must be asked of a runner for this node."""
        yield from self._of(node).probes(node)
        if not self._exact:
            return
        product = self.product(node)
        if product is not None:
            yield from product.probes
        yield from (delivery.probe for delivery in self.deliveries(node))
        if self._splits(node):
            yield _driven(node)

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """Every kind of count that the node has, [samples] each."""
        counted = self._of(node).counts(node, activity)
        for kind in SYNAPTIC if node.name in self._host else ():
            if kind in counted:
                counted["host_mac"] = counted.pop(kind)
        if isinstance(activity, Counts):
            self._add_neurons(counted, node, activity)
        if self._exact and not counted.keys().isdisjoint(BY_SYNAPSES) and node.name not in self._outside:
            counted = {kind: number for kind, number in counted.items() if kind not in BY_SYNAPSES}
        if self._splits(node):
            counted |= self._split(node, counted.pop(UPDATE), activity)
        return counted

    def rate(self, node: Node, activity: Activity) -> float | None:
        """As the policy's own tally has it."""
        return self._of(node).rate(node, activity)

    def _of(self, node: Node) -> Tally:
        return self._hosts if node.name in self._host else self._tally

    def product(self, node: Node) -> Coincidence | None:
        """The coincidence neurons of a product; None where it is none, or not counted so."""
        return coincidences(self._graph, node, self._policy, self._host)

    def deliveries(self, node: Node) -> tuple[Delivery, ...]:
        """What a neuron takes past no weight, as far as the policy counts it."""
        if not self._exact:
            return ()
        if node.name not in self._taken:
            found = deliveries(self._graph, node, self._host, self._policy.multibit)
            self._taken[node.name] = tuple(delivery for delivery in found if self._is_sent(delivery.value))
        return self._taken[node.name]

    def is_assumed(self, node: Node) -> bool:
        """Whether the node is a product of activations on the chip, of which nothing was ever measured."""
        left_out = self._policy.attention == "skip"
        return type(node.op) in PRODUCTS and node.name not in self._host and not left_out

    def _is_sent(self, value: str) -> bool:
        """Whether a value is sent as spikes; a programmable neuron's product is not, nor one that is left out."""
        source = self._graph.producers.get(value)
        return source is None or type(source.op) not in PRODUCTS or self._policy.attention == "coincidence"

    def _splits(self, node: Node) -> bool:
        return type(node.op) in UPDATED and not self._whole_updates

    def _add_neurons(self, counted: dict[str, PerSample], node: Node, activity: Counts) -> None:
        """Adds what coincidence neurons do in the place of a product, and what a neuron takes past no weight."""
        product = self.product(node) if type(node.op) in PRODUCTS else None
        if product is not None:
            counted |= product.counts(activity)
            if self._whole_updates:
                counted[UPDATE] = counted.pop(ACTIVE) + counted.pop(INACTIVE)
        for delivery in self.deliveries(node):
            counted["ac"] = counted.get("ac", np.zeros(activity.samples, dtype=np.int64)) + delivery.events(activity)

    def _split(self, node: Node, updates: PerSample, activity: Activity) -> dict[str, PerSample]:
        """Active and inactive; of rates, which say no drive, all are taken as active."""
        if not self._exact or not isinstance(activity, Counts):
            return {ACTIVE: updates, INACTIVE: np.zeros(activity.samples, dtype=np.int64)}
        active = activity.of(_driven(node)).sum(-1)
        return {ACTIVE: active, INACTIVE: updates - active}


def _driven(node: Node) -> Probe:
    """The probe that counts the neurons whose drive is not zero."""
    return _not_zero(node.inputs[0])


@lru_cache(maxsize=4096)  # whose key is made once
def _not_zero(value: str) -> Probe:
    return Probe((value,), "nonzero")
