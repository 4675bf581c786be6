"""syops as a way of counting: version 0.0.5, the counter of several papers on spiking networks.

It hooks torch's layers: the operations of a layer, dense, are ACs times the firing rate of its input where that input
has at most two values, all within 0..1, else MACs. The products of attention, residual sums, means and everything else
that is no module of torch is not seen. A bias is added to the operations of a convolution once an output, to those of
a Linear once a call, and billed at the rate as they are. Source: syops 0.0.5, ops.py.

Not told apart here: real values that are two and not 0 and 1 (syops takes {0, 0.5} for spikes of rate 0.25), which
count as MACs; and integers of which no element is 0, which syops takes for spikes where they have two values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from hwmodels.calls import Seen, Site, always_binary, nonzero, outside
from hwmodels.counting import NEURONS, PerSample
from hwmodels.dense import dense_macs
from hwmodels.events import events_only, mean_rate, rated_values, total_of
from spikec.cost import Activity, Policy, Probe
from spikec.errors import UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, SumPool
from spikec.ir.shapes import Upsample
from spikec.ir.types import Int


class SyopsTally:
    """Counts what syops does on the network that a graph was traced from."""

    def __init__(self, graph: Graph, policy: Policy) -> None:
        check_taken(graph)
        self._graph = graph
        self._policy = policy

    def probes(self, node: Node) -> Iterable[Probe]:
        """See `Tally`."""
        if type(node.op) in OPERATIONS:
            yield from _asked(Site(self._graph, node))
        yield from map(total_of, rated_values(self._graph, node, self._policy))

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """See `Tally`."""
        seen = Seen(Site(self._graph, node), events_only(activity))
        found: dict[str, PerSample] = {}
        if type(node.op) in OPERATIONS:
            operations, rate = OPERATIONS[type(node.op)](seen), _rate(seen)
            found = {"mac": operations} if rate is None else {"ac": operations * rate}
        if type(node.op) in UPDATES:
            found["ac"] = seen.alike(node.type.elements * seen.times)
        if type(node.op) in NEURONS:
            found["spike"] = seen.counts.of(total_of(node.name)).sum(-1)
        return found

    def rate(self, node: Node, activity: Activity) -> float | None:
        """See `Tally`."""
        return mean_rate(self._graph, rated_values(self._graph, node, self._policy), events_only(activity))


def check_taken(graph: Graph) -> None:
    """Checks that syops counts every node, or does not see it, by a rule that is known here.

    Raises:
        UnsupportedOp: lists every Upsample.
    """
    why = "syops looks at the first sample of an Upsample alone"
    offenders = [(node.op.mnemonic, graph.path_of(node), why) for node in graph.nodes_of(Upsample)]
    if offenders:
        raise UnsupportedOp("counting = syops", offenders, "another policy", nodes=len(graph.nodes))


def _of_conv(seen: Seen) -> NDArray[np.int64]:
    """Dense operations, and a bias once an output."""
    biases = seen.site.node.type.elements if "bias" in seen.site.node.weights else 0
    return seen.alike((dense_macs(seen.site.graph, seen.site.node) + biases) * seen.times)


def _of_linear(seen: Seen) -> NDArray[np.int64]:
    """Dense operations, and a bias once a call."""
    outputs = seen.site.node.type.shape[-1] if "bias" in seen.site.node.weights else 0
    return seen.alike(dense_macs(seen.site.graph, seen.site.node) * seen.times) + seen.once_a_call(outputs)


def _of_norm(seen: Seen) -> NDArray[np.int64]:
    """The elements, twice where it has weights."""
    return seen.alike(seen.site.node.type.elements * (2 if "weight" in seen.site.node.weights else 1) * seen.times)


def _of_pool(seen: Seen) -> NDArray[np.int64]:
    """The elements of its input."""
    return seen.alike(seen.site.operands[0].elements * seen.times)


OPERATIONS: dict[type[Op], Callable[[Seen], NDArray[np.int64]]] = {
    Conv1d: _of_conv,
    Conv2d: _of_conv,
    Linear: _of_linear,
    BatchNorm: _of_norm,
    **dict.fromkeys((MaxPool, AvgPool, SumPool), _of_pool),
}
"""Dense operations of the layers that are billed by the rate of their input, [samples]; other layers are not seen."""

UPDATES: tuple[type[Op], ...] = (LIF, IF, PLIF)
"""The neurons that syops knows: an AC an update."""


def _asked(site: Site) -> tuple[Probe, ...]:
    """What tells whether a layer's input is spikes to syops, and their rate."""
    (value,), (kind,) = site.node.inputs, site.operands
    if always_binary(kind) or not isinstance(kind.domain, Int):
        return (*site.binary_probes(), nonzero(value))
    return (total_of(value), nonzero(value), outside(value), _greatest(value))


def _rate(seen: Seen) -> NDArray[np.float64] | None:
    """[samples]: the mean of the input, whose mean over the samples is syops' rate; None where it sees no spikes."""
    (value,), (kind,) = seen.site.node.inputs, seen.site.operands
    places = kind.elements * seen.times
    if not isinstance(kind.domain, Int) or seen.is_binary(value):
        return seen.nonzero(value) / places if seen.is_binary(value) else None
    codes, most = seen.counts.of(total_of(value)).sum(-1), int(seen.counts.of(_greatest(value)).max())
    # No code above the greatest, so that their sum is it times their number only where all are it.
    two_values = int(codes.sum()) == most * int(seen.nonzero(value).sum())
    if kind.domain.lo < 0 or most * kind.domain.scale > 1 or not two_values:
        return None
    return np.asarray(codes * kind.domain.scale / places)


def _greatest(value: str) -> Probe:
    return Probe((value,), "max", keep=frozenset())
