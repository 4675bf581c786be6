"""A product of two activations as coincidence neurons, which fire where a spike of one meets a spike of the other.

For a [.., n, k] b [.., k, m] there is a neuron for each of n k m pairs; for a product element by element, one for each
element. A stream of L levels is L lines of spikes, so that pairs of streams take L_a L_b as many. Each neuron takes one
synapse of each factor. An assumption throughout: no chip's measurement of attention is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwmodels.counting import PRODUCTS, times_of
from hwmodels.events import total_of
from spikec.cost import Counts, Policy, Probe, ProbeKind
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Int


def coincidences(graph: Graph, node: Node, policy: Policy, host: frozenset[str]) -> Coincidence | None:
    """The neurons that a node takes as coincidences; None where it is no such product, or not counted so."""
    if type(node.op) not in PRODUCTS or policy.attention != "coincidence" or node.name in host:
        return None
    return Coincidence(graph, node)


@dataclass(frozen=True)
class Coincidence:
    """A product of spikes, or of sums of them, as neurons.

    Args:
        graph: the graph of `node`.
        node: a MatMul or Mul of integers.
    """

    graph: Graph
    node: Node

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Leading axes together, n, k and m; an element-wise product has elements, 1, 1 and 1."""
        a, b = (self.graph.types[value] for value in self.node.inputs)
        if not isinstance(self.node.op, MatMul):
            return a.elements, 1, 1, 1
        (n, k), (_, m) = self.node.op.planes(a, b)
        return prod(a.shape[:-2]), n, k, m

    @property
    def levels(self) -> tuple[int, int]:
        """Lines of spikes that carry an element of each factor: its greatest |n|."""
        a, b = (self.graph.types[value].domain for value in self.node.inputs)
        assert isinstance(a, Int)
        assert isinstance(b, Int)
        return max(abs(a.lo), abs(a.hi)), max(abs(b.lo), abs(b.hi))

    @property
    def neurons(self) -> int:
        """How many there are."""
        return prod(self.sizes) * prod(self.levels)

    @cached_property
    def probes(self) -> tuple[Probe, Probe, Probe]:
        """Spikes of each factor, and coincidences."""
        a, b = self.node.inputs
        turned = (False, False)
        if isinstance(self.node.op, MatMul):
            turned = (self.node.op.transpose_a, self.node.op.transpose_b)
        pairs: ProbeKind = "coincidence" if isinstance(self.node.op, MatMul) else "overlap"
        return total_of(a), total_of(b), Probe((a, b), pairs, transposed=turned)

    def counts(self, counts: Counts) -> dict[str, NDArray[np.int64]]:
        """[samples] of each kind: deliveries in, updates, and coincidences as spikes.

        A neuron is active at a step where a line of either factor is: deliveries, less those that meet.
        """
        spikes_a, spikes_b, meeting = (counts.of(probe).reshape(counts.samples, -1).sum(1) for probe in self.probes)
        _, n, _, m = self.sizes
        levels_a, levels_b = self.levels
        delivered = spikes_a * m * levels_b + spikes_b * n * levels_a
        active = delivered - meeting
        updates = self.neurons * times_of(self.graph, self.node, counts.steps)
        return {
            "ac": delivered,
            "neuron_update_active": active,
            "neuron_update_inactive": updates - active,
            "spike": meeting,
        }
