"""SpikingJelly's `estimate_simple_energy` as a way of counting: version 2.0.0, its torch backend.

It watches every operator that torch runs: accumulates (AC) and MACs by the operator and by whether each operand is
binary, memory by module. An operand is binary where its whole tensor holds nothing but 0 and 1, weights too, so that a
layer whose weights are all 0 or 1 accumulates whatever it is given, and a residual stream that reaches 2 once is MACs,
zeros included. `RULES` says for each of our ops which operators it is there and what they count; what a neuron runs is
in `hwmodels.spikingjelly_neurons`.

Sources: spikingjelly 2.0.0, `activation_based/op_counter`: ac.py, mac.py, neuromorphic_memory_access.py,
simple_energy.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwmodels.calls import Rule, Seen, Site, nonzero
from hwmodels.counting import NEURONS, PerSample
from hwmodels.dense import dense_macs
from hwmodels.events import events_only, grouped, mean_rate, rated_values, total_of
from hwmodels.fanout import FanOut, fan_out
from hwmodels.spikingjelly_neurons import NeuronRule, why_not
from spikec.cost import Activity, Policy, Probe
from spikec.errors import UnsupportedOp
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Pool, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum


class SpikingJellyTally:
    """Counts what SpikingJelly's counters do on the network that a graph was traced from."""

    def __init__(self, graph: Graph, policy: Policy) -> None:
        check_taken(graph)
        self._graph = graph
        self._policy = policy

    def probes(self, node: Node) -> Iterable[Probe]:
        """See `Tally`."""
        rule = RULES[type(node.op)]
        if rule is not None:
            yield from rule.probes(Site(self._graph, node))
        yield from map(total_of, rated_values(self._graph, node, self._policy))

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """See `Tally`."""
        rule, counts = RULES[type(node.op)], events_only(activity)
        found = {} if rule is None else rule.counts(Seen(Site(self._graph, node), counts))
        if type(node.op) in NEURONS:
            found["spike"] = counts.of(total_of(node.name)).sum(-1)
        return found

    def rate(self, node: Node, activity: Activity) -> float | None:
        """See `Tally`."""
        return mean_rate(self._graph, rated_values(self._graph, node, self._policy), events_only(activity))


def check_taken(graph: Graph) -> None:
    """Checks that it is known what SpikingJelly counts at every node.

    Raises:
        UnsupportedOp: lists every node of which it is not.
    """
    reasons = [(node, _why_not(graph, node)) for node in graph.nodes]
    offenders = [(node.op.mnemonic, graph.path_of(node), why) for node, why in reasons if why]
    if offenders:
        raise UnsupportedOp("counting = spikingjelly", offenders, "another policy", nodes=len(graph.nodes))


def _why_not(graph: Graph, node: Node) -> str:
    if type(node.op) not in RULES:
        return "SpikingJelly has no such neuron"
    return why_not(graph, node) if isinstance(RULES[type(node.op)], NeuronRule) else ""


@dataclass(frozen=True)
class Layer:
    """A Conv or Linear: events where its input is binary, else dense MACs, or dense ACs where its weight is binary.

    Events are the outputs that the input's spikes really reach; of two binary operands those through weights of 1.
    A bias counts no operation; weights are read once an operation, a bias once an output. Where the input of a Conv
    is binary, the counter counts an addition of its own beside: its sum over the places of the output, a group each.
    """

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        (value,) = site.node.inputs
        fans = [_fan(site)] + ([_fan(site, skip_zeros=True)] if site.has_binary_weight else [])
        return (*site.binary_probes(), *(grouped(value, "nonzero", fan) for fan in fans))

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        site, binary = seen.site, seen.is_binary(seen.site.node.inputs[0])
        reads = self._events(seen) if binary else seen.alike(self._dense(seen))
        found: dict[str, PerSample] = {"read_weight": reads}
        if "bias" in site.node.weights:
            found["read_bias"] = seen.alike(site.node.type.elements * seen.times)
        if binary:
            events = self._events(seen, skip_zeros=site.has_binary_weight)
            return {"ac": events + _own_sum(seen), **found}
        if site.has_binary_weight:
            return {"ac": seen.alike(self._dense(seen, skip_zeros=True)), **found}
        return {"mac": reads, **found}

    def _events(self, seen: Seen, *, skip_zeros: bool = False) -> NDArray[np.int64]:
        fan = _fan(seen.site, skip_zeros=skip_zeros)
        return np.asarray(seen.counts.of(grouped(seen.site.node.inputs[0], "nonzero", fan)) @ fan.reach)

    def _dense(self, seen: Seen, *, skip_zeros: bool = False) -> int:
        return dense_macs(seen.site.graph, seen.site.node, skip_zeros=skip_zeros) * seen.times


@dataclass(frozen=True)
class Product:
    """A MatMul: coincidences of two binary operands, else every partner of a binary one's spikes, else dense MACs."""

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        return (*site.binary_probes(), *map(nonzero, dict.fromkeys(site.node.inputs)), _pairs(site))

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        site, (a, b) = seen.site, seen.site.node.inputs
        assert isinstance(site.node.op, MatMul)
        (rows, _), (_, columns) = site.node.op.planes(*site.operands)
        if seen.is_binary(a):
            return {"ac": seen.counts.of(_pairs(site)).sum(-1) if seen.is_binary(b) else seen.nonzero(a) * columns}
        if seen.is_binary(b):
            return {"ac": seen.nonzero(b) * rows}
        return {"mac": seen.alike(dense_macs(site.graph, site.node) * seen.times)}


@dataclass(frozen=True)
class Sums:
    """An Add: the spikes of both operands where both are binary, else every element."""

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        return (*site.binary_probes(), *map(nonzero, dict.fromkeys(site.node.inputs)))

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        a, b = seen.site.node.inputs
        if seen.is_binary(a) and seen.is_binary(b):
            return {"ac": seen.nonzero(a) + seen.nonzero(b)}
        return {"ac": seen.alike(seen.site.node.type.elements * seen.times)}


@dataclass(frozen=True)
class Norm:
    """A BatchNorm in evaluation: an AC an element and, once a call, one a channel; MACs where it has weights."""

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        return ()

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        elements = seen.alike(seen.site.node.type.elements * seen.times)
        found: dict[str, PerSample] = {"ac": elements + seen.once_a_call(seen.site.values_of("mean").size)}
        return {**found, "mac": elements} if "weight" in seen.site.node.weights else found


@dataclass(frozen=True)
class Reduction:
    """A mean or a sum: an accumulate for each value but one of each result; of windows, for each place of a window."""

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        return ()

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        node, (operand,) = seen.site.node, seen.site.operands
        if isinstance(node.op, Pool):
            return {"ac": seen.alike(node.type.elements * (prod(node.op.kernel) - 1) * seen.times)}
        results = node.type.elements * (1 if isinstance(node.op, TimeMean | TimeSum) else seen.times)
        return {"ac": seen.alike(operand.elements * seen.times - results)}


# None: it moves values, or runs operators of which nothing is counted (multiplications, maxima, comparisons).
RULES: dict[type[Op], Rule | None] = {
    **dict.fromkeys((Conv1d, Conv2d, Linear), Layer()),
    MatMul: Product(),
    Add: Sums(),
    BatchNorm: Norm(),
    **dict.fromkeys((AvgPool, SumPool, Sum, Mean, TimeMean, TimeSum), Reduction()),
    **dict.fromkeys((LIF, IF, PLIF), NeuronRule()),
    **dict.fromkeys((Mul, Scale, MaxPool, LayerNorm, Softmax, Gelu, Exp)),
    **dict.fromkeys((Repeat, TimeLast, Delay)),
    **dict.fromkeys((Reshape, Transpose, Expand, Concat, Slice, Pad, Upsample, Constant)),
}


def _own_sum(seen: Seen) -> NDArray[np.int64]:
    """The additions of the memory counter, which sums up where a binary Conv is active while the AC counter listens."""
    op = seen.site.node.op
    if not isinstance(op, Conv1d | Conv2d):
        return seen.alike(0)
    return seen.alike(op.groups * prod(seen.site.node.type.shape[1:]) * seen.times) + seen.once_a_call(-1)


def _fan(site: Site, *, skip_zeros: bool = False) -> FanOut:
    return fan_out(site.graph, site.node, skip_zeros=skip_zeros)


def _pairs(site: Site) -> Probe:
    assert isinstance(site.node.op, MatMul)
    turned = (site.node.op.transpose_a, site.node.op.transpose_b)
    return Probe(site.node.inputs, "coincidence-nonzero", transposed=turned)
