"""Who sends to which cores: the elements of a value in groups that stand on one core and reach the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hwmodels.mapping.links import NOBODY, ids_of
from hwmodels.mapping.reach import Reach, reach_of
from hwmodels.mapping.splits import Cut
from hwmodels.mapping.wiring import WiredLayer
from spikec.ir.graph import Graph

Labels = NDArray[np.int64]
HOST = -1
"""The place of what comes from outside."""


@dataclass(frozen=True, eq=False)
class PlacedLayer:
    """A layer on cores of the chip.

    Args:
        wired: the layer.
        split: how what drives it is cut.
        core_of: [elements] the core of each of its neurons, in the order of its own result.
        numbers: [cores of the split] the number of each of its cores; layers may share one.
        skip_zeros: whether a weight of zero is no synapse.
    """

    wired: WiredLayer
    split: Cut
    core_of: Labels
    numbers: Labels
    skip_zeros: bool = False


@dataclass(frozen=True, eq=False)
class Sender:
    """The elements of a value as groups.

    Args:
        value: its name.
        groups: [*shape] the group of each element.
        own: [groups] the core that a group stands on; HOST outside.
        sizes: [groups] elements.
        synapses: by layer, [groups, cores] the synapses that one element has on each core.
        cores: how many there are.
    """

    value: str
    groups: Labels
    own: Labels
    sizes: Labels
    synapses: Mapping[str, sparse.csr_array]
    cores: int

    @cached_property
    def reaches(self) -> sparse.csr_array:
        """[groups, cores]: 1 where an element of the group reaches a core, by whatever layer."""
        found = sparse.csr_array((len(self.own), self.cores), dtype=np.int64)
        for synapses in self.synapses.values():
            found = found + synapses
        found.data = np.ones_like(found.data)
        return found


def senders_of(
    graph: Graph, layers: Sequence[PlacedLayer], cores: int, inputs: Mapping[str, Labels] = MappingProxyType({})
) -> tuple[Sender, ...]:
    """Every value that is sent to a layer.

    Args:
        graph: of the layers.
        layers: on their cores.
        cores: how many there are.
        inputs: [elements] the core of each element, of inputs of the graph that stand on cores.
    """
    placed = {**inputs, **{layer.wired.node: layer.core_of for layer in layers}}
    own = frozenset(layer.wired.node for layer in layers)
    values = dict.fromkeys(source for layer in layers if layer.wired.weighted for source in layer.wired.sources)
    # A neuron that nobody hears is there, too: it fires.
    values |= dict.fromkeys(placed)
    return tuple(_sender(graph, value, placed.get(value), layers, cores, own) for value in values)


def _sender(
    graph: Graph,
    value: str,
    own: Labels | None,
    layers: Sequence[PlacedLayer],
    cores: int,
    nodes: Set[str],
) -> Sender:
    kind = graph.types[value]
    codes, _ = _compressed(np.zeros(kind.elements, dtype=np.int64) if own is None else own)
    heard: list[tuple[PlacedLayer, Labels, NDArray[np.int64]]] = []
    for layer in layers:
        if layer.wired.weighted is None or value not in layer.wired.sources:
            continue
        sort, synapses = _reached(graph, value, layer, nodes)
        heard.append((layer, sort, synapses))
        codes, _ = _compressed(codes * len(synapses) + sort)
    groups = int(codes.max(initial=-1)) + 1
    first = _first_of(codes, groups)
    reached = {
        layer.wired.node: _spread(synapses[sort[first]], layer.numbers, cores) for layer, sort, synapses in heard
    }
    own_cores = np.full(groups, HOST) if own is None else own[first]
    return Sender(value, codes.reshape(kind.shape), own_cores, np.bincount(codes, minlength=groups), reached, cores)


def _compressed(codes: Labels) -> tuple[Labels, int]:
    """The same partition with labels 0, 1, ..., and how many there are."""
    highest = int(codes.max(initial=0)) + 1
    if highest <= 4 * codes.size + 1024:
        used = np.zeros(highest, dtype=np.bool_)
        used[codes] = True
        ranks = np.cumsum(used) - 1
        return ranks[codes], int(used.sum())
    unique, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), unique.size


def _reached(graph: Graph, value: str, layer: PlacedLayer, nodes: Set[str]) -> tuple[Labels, NDArray[np.int64]]:
    """[elements] the sort of each element, and [sorts, cores of the layer] the synapses of each sort."""
    driver = graph.node(layer.wired.weighted or "")
    elements = graph.types[value].elements
    sorts, tables = np.zeros(elements, dtype=np.int64), np.zeros((1, layer.split.cores), dtype=np.int64)
    for operand, name in enumerate(driver.inputs):
        ids = ids_of(graph, value, name, nodes)
        if ids is None:
            continue
        before = sorts
        reach = reach_of(graph, driver, operand, layer.split, skip_zeros=layer.skip_zeros)
        more, synapses = _by_element(ids.reshape(ids.shape[0], -1), reach, elements)
        sorts, kinds = _compressed(before * len(synapses) + more)
        first = _first_of(sorts, kinds)
        tables = tables[before[first]] + synapses[more[first]]
    return sorts, tables


def _first_of(labels: Labels, kinds: int) -> Labels:
    """[kinds]: the first element of each label."""
    first = np.zeros(kinds, dtype=np.int64)
    first[labels[::-1]] = np.arange(labels.size)[::-1]
    return first


def _by_element(ids: NDArray[np.int32], reach: Reach, elements: int) -> tuple[Labels, NDArray[np.int64]]:
    """The sort of each element by all places at which it stands, and what each sort reaches."""
    patterns = np.broadcast_to(reach.pattern, ids.shape).reshape(-1)
    at = ids.reshape(-1)
    present = at != NOBODY
    at, patterns = at[present], patterns[present]
    nothing = np.zeros((1, reach.synapses.shape[1]), dtype=np.int64)
    times = np.bincount(at, minlength=elements)
    if times.max(initial=0) <= 1:
        sorts = np.zeros(elements, dtype=np.int64)
        sorts[at] = patterns + 1
        return sorts, np.concatenate([nothing, reach.synapses])
    # Elements at several places: their patterns, sorted, are what they have in common with others.
    order = np.lexsort((patterns, at))
    at, patterns = at[order], patterns[order]
    starts = np.cumsum(times) - times
    rows = np.zeros((elements, int(times.max())), dtype=np.int64)
    rows[at, np.arange(at.size) - starts[at]] = patterns + 1
    unique, sorts = np.unique(rows, axis=0, return_inverse=True)
    table = np.concatenate([nothing, reach.synapses])
    return sorts.reshape(-1).astype(np.int64), table[unique].sum(1)


def _spread(synapses: NDArray[np.int64], numbers: Labels, cores: int) -> sparse.csr_array:
    """[groups, cores of a layer] as a sparse matrix over all cores."""
    found = sparse.coo_array(synapses)
    return sparse.csr_array((found.data, (found.row, numbers[found.col])), shape=(synapses.shape[0], cores))
