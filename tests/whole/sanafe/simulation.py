"""A network as plain arrays of neurons and edges, run in numpy, and what its cores do: nothing of spikec's counting.

What SANA-FE 2.2.9 does, found by running it: at each step every neuron takes what reached it at the step before, so
that each layer lags one step behind its source; then all packets of the spikes of this step are delivered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sanafe_networks import INPUT, MESH, Case, Layer

from hwmodels.mapping.core_activity import SYNAPSE_KINDS, CoreActivity
from hwmodels.mapping.mesh import Distances, distances, places_of

Array = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flat:
    """A network of N neurons, the inputs first, and E edges.

    Args:
        inputs: how many of the neurons are inputs.
        source, target, weight, kind: [E] of an edge; kinds by their place in SYNAPSE_KINDS.
        threshold, decay, soft, core: [N] of a neuron; of inputs only the core is read.
    """

    inputs: int
    source: Array
    target: Array
    weight: Array
    kind: Array
    threshold: Array
    decay: NDArray[np.float64]
    soft: NDArray[np.bool_]
    core: Array

    @property
    def neurons(self) -> int:
        return len(self.core)


@dataclass(frozen=True, eq=False)
class Run:
    """What a network did: spikes and updates of each neuron [T, N], inputs among the spikes."""

    spikes: NDArray[np.bool_]
    updated: NDArray[np.bool_]


def offsets(case: Case) -> dict[str, int]:
    """Where the neurons of the inputs and of each layer begin."""
    sizes = [int(np.prod(case.spikes.shape[1:])), *(layer.size for layer in case.layers)]
    return dict(zip((INPUT, *(layer.name for layer in case.layers)), np.cumsum([0, *sizes]).tolist(), strict=False))


def flat(case: Case) -> Flat:
    """The network as arrays."""
    at, inputs = offsets(case), int(np.prod(case.spikes.shape[1:]))
    edges = []
    for layer in case.layers:
        source, target, weight = (
            convolved(layer, case.shape_of(layer.source)) if layer.kind == "conv" else listed(layer)
        )
        kind = np.full(source.size, SYNAPSE_KINDS.index(layer.kind))
        edges.append((source + at[layer.source], target + at[layer.name], weight, kind))

    def each(values: list[float], first: float) -> NDArray[np.generic]:
        return np.repeat([first, *values], [inputs, *(layer.size for layer in case.layers)])

    return Flat(
        inputs,
        *(np.concatenate(part) for part in zip(*edges, strict=True)),
        threshold=each([layer.threshold for layer in case.layers], 0),
        decay=each([layer.decay for layer in case.layers], 0.0),
        soft=each([layer.reset == "soft" for layer in case.layers], False),
        core=np.concatenate([case.input_cores, *(layer.cores for layer in case.layers)]),
    )


def listed(layer: Layer) -> tuple[Array, Array, Array]:
    """Source, target and weight of the edges of a matrix [O, I]."""
    stored = np.ones_like(layer.weights) if layer.kind == "dense" else layer.weights
    target, source = np.nonzero(stored)
    return source, target, layer.weights[target, source]


def convolved(layer: Layer, given: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """The same of a kernel [O, C, KH, KW] on [C, H, W], one edge for each tap and place of an output."""
    _, height, width = given
    _, rows, columns = layer.shape
    o, y, x, c, j, i = (part.ravel() for part in np.indices((*layer.shape, *layer.weights.shape[1:])))
    source = (c * height + y * layer.stride + j) * width + x * layer.stride + i
    return source, (o * rows + y) * columns + x, layer.weights[o, c, j, i]


def simulate(case: Case) -> Run:
    """The network, step by step. A neuron is updated where its membrane is not zero or something reaches it."""
    net = flat(case)
    spikes = np.zeros((case.steps, net.neurons), bool)
    updated = np.zeros_like(spikes)
    v = np.zeros(net.neurons)
    drive, reached = np.zeros(net.neurons), np.zeros(net.neurons, bool)
    for t in range(case.steps):
        updated[t] = (v != 0) | reached
        v = np.trunc(v * net.decay) + drive
        fired = v > net.threshold
        v = np.where(fired, np.where(net.soft, v - net.threshold, 0), v)
        spikes[t] = fired
        spikes[t, : net.inputs] = case.spikes[t].ravel()
        updated[t, : net.inputs] = False
        sends = spikes[t, net.source]
        drive = np.bincount(net.target[sends], net.weight[sends], net.neurons)
        reached = np.bincount(net.target[sends], minlength=net.neurons) > 0
    return Run(spikes, updated)


def activity(case: Case, run: Run) -> tuple[CoreActivity, Distances]:
    """What each core that holds something did, counted edge by edge, and the hops of each pair of cores."""
    net = flat(case)
    numbers, core = np.unique(net.core, return_inverse=True)
    by_core = [np.bincount(core[net.inputs :], each, len(numbers)) for each in (None, *run.updated[:, net.inputs :])]
    axons = np.unique(np.stack([net.source, core[net.target]], axis=1), axis=0)  # one a neuron and core it reaches
    pairs, pair = np.unique(np.stack([core[axons[:, 0]], axons[:, 1]], axis=1), axis=0, return_inverse=True)
    kinds, cells = len(SYNAPSE_KINDS), len(numbers) * len(SYNAPSE_KINDS)
    events = [np.bincount((core[net.target] * kinds + net.kind)[q[net.source]], minlength=cells) for q in run.spikes]
    found = CoreActivity(
        events=np.array(events).reshape(1, case.steps, len(numbers), kinds),
        neurons=by_core[0],
        updated=np.array(by_core[1:], np.int64)[None],
        spikes=np.array([np.bincount(core[net.inputs :], q[net.inputs :], len(numbers)) for q in run.spikes], int)[
            None
        ],
        pairs=pairs,
        packets=np.array([np.bincount(pair.ravel(), q[axons[:, 0]], len(pairs)) for q in run.spikes], int)[None],
        places=places_of(MESH, numbers),
    )
    return found, distances(MESH, numbers[pairs[:, 0]], numbers[pairs[:, 1]])
