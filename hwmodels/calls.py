"""What a call of torch is given, as the counters of other libraries look at it: all samples and steps in one tensor.

They judge a whole tensor: binary where every element is 0 or 1, in any sample at any step. A graph does not say how
its layers were called, so each is taken as called once with everything, as multi-step networks are; neurons, which
step through time by themselves, as called once a step with all samples. So one sample more can change what all count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.counting import PerSample, times_of
from spikec.cost import Counts, Probe
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Int, TensorType

BINARY = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Site:
    """A node and its graph, without counts.

    Args:
        graph: verified.
        node: one of its nodes.
    """

    graph: Graph
    node: Node

    @property
    def operands(self) -> tuple[TensorType, ...]:
        """The types of the node's operands."""
        return tuple(self.graph.types[value] for value in self.node.inputs)

    def values_of(self, slot: str) -> NDArray[np.generic]:
        """The weight in a slot, as numbers."""
        return np.asarray(self.graph.weights[self.node.weights[slot]].values)

    @cached_property
    def has_binary_weight(self) -> bool:
        """Whether its weight holds nothing but 0 and 1, so that it is taken for spikes."""
        return bool(np.isin(self.values_of("weight"), BINARY).all())

    def binary_probes(self) -> tuple[Probe, ...]:
        """What must be asked to know which operands are binary."""
        return tuple(outside(value) for value in self.node.inputs if not always_binary(self.graph.types[value]))


@dataclass(frozen=True, eq=False)
class Seen:
    """A node with the counts of a run.

    Args:
        site: the node.
        counts: that answer the probes of its rule.
    """

    site: Site
    counts: Counts

    @property
    def times(self) -> int:
        """How often an inference runs the node."""
        return times_of(self.site.graph, self.site.node, self.counts.steps)

    def is_binary(self, value: str) -> bool:
        """Whether a value was 0 or 1 everywhere in the whole run."""
        return always_binary(self.site.graph.types[value]) or not self.counts.of(outside(value)).any()

    def nonzero(self, value: str) -> NDArray[np.int64]:
        """[samples]: elements that are not zero, all steps together."""
        return np.asarray(self.counts.of(nonzero(value)).sum(-1), dtype=np.int64)

    def alike(self, number: int) -> NDArray[np.int64]:
        """[samples]: the same number for each."""
        return np.full(self.counts.samples, number, dtype=np.int64)

    def once_a_call(self, number: int) -> NDArray[np.int64]:
        """[samples]: what a call counts once, spread over its samples in whole numbers."""
        each, rest = divmod(number, self.counts.samples)
        return each + (np.arange(self.counts.samples) < rest).astype(np.int64)


class Rule(Protocol):
    """What a library counts at an op."""

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """What must be asked of a runner."""
        ...

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """Counts by kind, [samples] each."""
        ...


def always_binary(kind: TensorType) -> bool:
    """Whether a type holds nothing but 0 and 1."""
    return isinstance(kind.domain, Int) and kind.domain.scale == 1.0 and kind.domain.lo >= 0 and kind.domain.hi <= 1


def outside(value: str, levels: tuple[float, ...] = BINARY, *, each_step: bool = False) -> Probe:
    """Asks how many elements are none of `levels`, of all samples together."""
    return Probe((value,), "outside", keep=frozenset({"step"} if each_step else ()), levels=levels)


def nonzero(value: str, *, each_step: bool = False) -> Probe:
    """Asks how many elements are not zero, of each sample."""
    return Probe((value,), "nonzero", keep=frozenset({"sample", "step"} if each_step else {"sample"}))
