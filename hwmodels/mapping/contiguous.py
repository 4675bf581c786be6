"""Layers in boxes of neurons, cores filled one after the other: the fewest boxes that keep every limit.

A box is a range of channels, rows and columns (or of places and channels). All limits are exact for it: neurons,
distinct input axons, and words of synapses, of which a convolution stores one set a core for all its places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwmodels.cores_schema import CoresTable, EncodingTable, LimitTable
from hwmodels.mapping.layers import ConvLayer, DenseLayer, InputLayer, Layer
from hwmodels.mapping.loads import Held, Misfit, Resource, Use
from hwmodels.mapping.paths import path_behind
from hwmodels.mapping.reach import axes_of
from hwmodels.mapping.splits import Split, View, chunked, view_of, view_of_input
from hwmodels.mapping.wiring import WiredLayer, summed
from spikec.ir.graph import Graph, Node

Needs = NDArray[np.int64]


def boxes_of(graph: Graph, wired: WiredLayer, table: CoresTable, most_neurons: int | None = None) -> Held | Misfit:
    """The layer in as few equal boxes as its limits allow.

    Args:
        graph: of the layer.
        wired: the layer.
        table: the chip's cores.
        most_neurons: neurons a core, where fewer than the chip's limit are wanted.
    """
    view = view_behind(graph, wired)
    sizes = [_sizes(n) for n in view.shape]
    held = limits_of(table)
    limits = held if most_neurons is None else {**held, "neurons": min(held["neurons"], most_neurons)}
    needs = _needs(graph, wired, view, sizes, table)
    fits = np.ones(tuple(len(s) for s in sizes), dtype=np.bool_)
    for resource, limit in limits.items():
        if resource in needs:
            fits &= np.broadcast_to(needs[resource] <= limit, fits.shape)
    if not fits.any():
        return _misfit(needs, limits, fits.shape)
    cores = prod_of([-(-n // s) for n, s in zip(view.shape, sizes, strict=True)])
    # Of the fewest cores the box with the most channels: its weights are stored by the fewest.
    channels = np.broadcast_to(_along(sizes, view.channels), fits.shape)
    best = np.lexsort((-channels.reshape(-1), np.where(fits, cores, np.iinfo(np.int64).max).reshape(-1)))[0]
    at = np.unravel_index(best, fits.shape)
    chosen = tuple(int(s[i]) for s, i in zip(sizes, at, strict=True))
    uses = {
        resource: Use(int(np.broadcast_to(found, fits.shape)[at]), held[resource])
        for resource, found in needs.items()
        if resource in held
    }
    split = chunked(view, chosen)
    return Held(split, split.cores, binding_of(uses) if split.cores > 1 else (), uses)


def bank_of(neurons: int, table: CoresTable) -> Held:
    """Neurons of which nothing but their number is known, as many a core as it holds."""
    limit = table.limits.neurons.value
    cores = -(-neurons // limit)
    return Held(None, cores, ("neurons",) if cores > 1 else (), {"neurons": Use(min(neurons, limit), limit)})


def view_behind(graph: Graph, wired: WiredLayer) -> View:
    """The view of a layer: of what drives it, or of the neurons of an input layer."""
    if wired.weighted is None:
        return view_of_input(graph.node(wired.node).type.shape)
    return view_of(graph.node(wired.weighted))


def limits_of(table: CoresTable) -> dict[Resource, int]:
    """The limits that a core of the chip is known to have."""
    found: dict[Resource, LimitTable | None] = {
        "neurons": table.limits.neurons,
        "axons_in": table.limits.axons_in,
        "axons_out": table.limits.axons_out,
        "synapse_words": table.limits.synapse_words,
    }
    return {resource: limit.value for resource, limit in found.items() if limit is not None}


def binding_of(uses: Mapping[Resource, Use]) -> tuple[Resource, ...]:
    """The resource of which the fullest core takes the greatest share."""
    return (max(uses, key=lambda resource: uses[resource].share),)


def _sizes(size: int) -> NDArray[np.int64]:
    """The sizes of equal parts of an axis, the whole first."""
    return np.array(sorted({-(-size // parts) for parts in range(1, size + 1)}, reverse=True), dtype=np.int64)


def _along(sizes: Sequence[NDArray[np.int64]], axis: int) -> NDArray[np.int64]:
    shape = [1] * len(sizes)
    shape[axis] = -1
    return sizes[axis].reshape(shape)


def prod_of(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The outer product of arrays of one axis each."""
    found = np.ones((1,) * len(parts), dtype=np.int64)
    for axis in range(len(parts)):
        found = found * _along(parts, axis)
    return found


def _needs(
    graph: Graph, wired: WiredLayer, view: View, sizes: Sequence[NDArray[np.int64]], table: CoresTable
) -> dict[Resource, Needs]:
    """What a core takes of each resource, for boxes of every combination of sizes."""
    found: dict[Resource, Needs] = {"neurons": prod_of(sizes)}
    if not wired.sources or wired.weighted is None:  # nothing is sent to it
        return found
    found["axons_in"] = _axons(graph, wired, view, sizes)
    if table.encoding is not None:
        found["synapse_words"] = box_words(wired.layer, _along(sizes, view.channels), table)
    return found


def _axons(graph: Graph, wired: WiredLayer, view: View, sizes: Sequence[NDArray[np.int64]]) -> Needs:
    """Distinct elements that reach a box: over an operand's axes, the product of those that reach the box's range.

    Behind pools whose windows overlap it is a bound: an element of two windows is counted with both.
    """
    driver = graph.node(wired.weighted or "")
    total = np.zeros((1,) * len(sizes), dtype=np.int64)
    for operand, value in enumerate(driver.inputs):
        reached = np.full((1,) * len(sizes), values_together(graph, wired, value), dtype=np.int64)
        whole = tuple(view.shape)
        for place, reach in enumerate(axes_of(graph, driver, operand, chunked(view, whole))):
            if reach.axis is None:
                reached = reached * reach.pattern.size
                continue
            axis = reach.axis
            counts = np.array(
                [
                    _heard(graph, driver, operand, place, chunked(view, (*whole[:axis], int(size), *whole[axis + 1 :])))
                    for size in sizes[axis]
                ],
                dtype=np.int64,
            )
            shape = [1] * len(sizes)
            shape[axis] = -1
            reached = reached * counts.reshape(shape)
        total = total + reached
    return total


def values_together(graph: Graph, wired: WiredLayer, value: str) -> int:
    """How many values that are sent come together in an element of an operand of what drives a layer."""
    path = path_behind(graph, value)
    if not set(path.ends) <= set(wired.sources):  # a pool that is no layer
        path = path_behind(graph, value, across_pools=True)
    return summed(graph, path)


def _heard(graph: Graph, driver: Node, operand: int, place: int, split: Split) -> int:
    """The most coordinates of an operand's axis that reach one part of the result's."""
    reach = axes_of(graph, driver, operand, split)[place]
    heard: NDArray[np.int64] = (reach.synapses > 0).T @ np.bincount(reach.pattern, minlength=len(reach.synapses))
    return int(heard.max())


def box_words(layer: Layer, channels: NDArray[np.int64], table: CoresTable) -> Needs:
    """Words of synapses of boxes with so many channels.

    For each input axon, or each tap and input channel of a convolution, a run of its weights.
    """
    encoding = table.encoding
    assert encoding is not None
    if isinstance(layer, InputLayer):
        return np.zeros_like(channels)
    if isinstance(layer, DenseLayer):
        bits = channels * (layer.weight_bits + encoding.index_bits_dense) + encoding.header_bits
        return np.asarray(layer.inputs * -(-bits // encoding.word_bits), dtype=np.int64)
    assert isinstance(layer, ConvLayer)
    found = [_kernel_words(layer, int(size), encoding) for size in channels.reshape(-1)]
    return np.array(found, dtype=np.int64).reshape(channels.shape)


def _kernel_words(layer: ConvLayer, size: int, encoding: EncodingTable) -> int:
    """The most words of a convolution's kernel that a box of `size` channels holds.

    An input channel's run is as long as the channels of its group in the box, which may cut groups.
    """
    channel = np.arange(layer.channels)
    box, group = channel // size, channel * layer.groups // layer.channels
    runs, lengths = np.unique(box * layer.groups + group, return_counts=True)
    bits = lengths * (layer.weight_bits + encoding.index_bits_conv) + encoding.header_bits
    words = np.zeros(int(box[-1]) + 1, dtype=np.int64)
    np.add.at(words, runs // layer.groups, -(-bits // encoding.word_bits))
    return int(words.max()) * prod(layer.kernel) * (layer.inputs // layer.groups)


def _misfit(needs: Mapping[Resource, Needs], limits: Mapping[Resource, int], shape: tuple[int, ...]) -> Misfit:
    """The limit that the smallest box breaks by the greatest factor."""
    smallest = {
        resource: int(np.broadcast_to(found, shape)[tuple(-1 for _ in shape)])
        for resource, found in needs.items()
        if resource in limits
    }
    worst = max(smallest, key=lambda resource: smallest[resource] / limits[resource])
    return Misfit(worst, smallest[worst], limits[worst])
