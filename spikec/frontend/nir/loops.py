"""Cycles: which edges of a network take what their source gave a step ago.

NIR's edges take no time, and neither does its equation of a network that is stepped: a cycle must say where a step
passes. A Delay of at least a step on it says so. Where there is none, what leads back is heard one step later: an edge
into a neuron that is as near to the Input as what it comes from, or nearer, counted in neurons on the shortest way. The
neuron's spikes are delayed, not what is made of them on the way back, so that the bias of an Affine there acts at the
first step, as in snnTorch's RLeaky. What leads forward, or out of the cycle, is not delayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx

from spikec.errors import Offender
from spikec.frontend.nir.network import Edge, Network

Graph = nx.DiGraph  # of the paths of items


@dataclass(frozen=True)
class Loops:
    """How time passes in cycles.

    Args:
        cuts: edges that take what their source gave a step ago, in the order of the file.
        closing: the Delays that lie on a cycle.
        faults: nodes of cycles in which no time passes.
    """

    cuts: tuple[Edge, ...]
    closing: tuple[str, ...]
    faults: tuple[Offender, ...]


def loops_of(network: Network, neurons: Iterable[str], delays: Mapping[str, float]) -> Loops:
    """The cycles of a network.

    Args:
        network: its wiring.
        neurons: what has a membrane, by path.
        delays: the least steps of every Delay, by path.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(network.items)  # in the file's order, so that what is found does not depend on chance
    graph.add_edges_from(network.edges)
    closing = [key for names in _cyclic(graph) for key in names if key in delays]
    faults = [_instant(network, key, delays[key]) for key in closing if delays[key] < 1]
    known = set(neurons)
    ranks = _ranks(graph, network.ends("Input"), known)
    rest = graph.subgraph([key for key in network.items if key not in closing])
    cuts: set[Edge] = set()
    for names in _cyclic(rest):
        cycle = rest.subgraph(names)
        silent = [key for group in _cyclic(cycle.subgraph(set(names) - known)) for key in group]
        if silent:
            reason = "on a cycle without a neuron or a Delay: nothing says what comes first"
            faults += [network.items[key].offends(reason) for key in sorted(silent)]
        else:
            cuts |= _cuts(graph, cycle, ranks, known)
    ordered = tuple(edge for edge in network.edges if edge in cuts)
    return Loops(ordered, tuple(sorted(closing)), tuple(faults))


def _instant(network: Network, key: str, steps: float) -> Offender:
    return network.items[key].offends(f"a Delay of {steps:g} steps on a cycle, where at least 1 must pass")


def _cyclic(graph: Graph[str]) -> list[list[str]]:
    """The nodes that lie on cycles, those of the same cycles together."""
    found = nx.strongly_connected_components(graph)
    return [sorted(names) for names in found if len(names) > 1 or graph.has_edge(*(min(names),) * 2)]


def _ranks(graph: Graph[str], sources: Iterable[str], neurons: set[str]) -> dict[str, int]:
    """How many neurons lie on the shortest way from a source to each node, itself among them."""
    ranks = dict.fromkeys(sources, 0)
    waiting = deque(ranks)
    while waiting:
        key = waiting.popleft()
        for other in graph.successors(key):
            rank = ranks[key] + (other in neurons)
            if rank < ranks.get(other, rank + 1):
                ranks[other] = rank
                # The nearest first, so that each is met but a few times.
                waiting.append(other) if other in neurons else waiting.appendleft(other)
    return ranks


def _cuts(graph: Graph[str], cycle: Graph[str], ranks: Mapping[str, int], neurons: set[str]) -> set[Edge]:
    """Edges without which `cycle` is none.

    Round a cycle, ranks grow at each neuron, and fall nowhere but along the edges that lead back; so there are some.
    """
    back = {(a, b) for a, b in cycle.edges if ranks[b] < ranks[a] + (b in neurons)}
    cuts: set[Edge] = set()
    for source, target in back:
        behind = _behind(cycle, source, neurons)
        onward = {(a, b) for a in behind for b in graph.successors(a) if b not in behind}
        if behind and onward <= back:
            cuts |= {(a, b) for b in behind for a in cycle.predecessors(b) if a in neurons}
        else:  # a neuron itself, or what is heard elsewhere as well, and there without delay
            cuts.add((source, target))
    return cuts


def _behind(cycle: Graph[str], source: str, neurons: set[str]) -> set[str]:
    """The nodes of the cycle that lead to `source` without a neuron between, itself among them unless it is one."""
    found: set[str] = set()
    waiting = [] if source in neurons else [source]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [other for other in cycle.predecessors(key) if other not in neurons]
    return found
