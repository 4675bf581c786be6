"""Dense and block-diagonal layers on cores: the most neurons a core is lowered until the synapses fit.

Source: derived, from the core tables of PilotNet, Oxford, MNIST and S4D and the partition logs beside them.
"""

from __future__ import annotations

from hwmodels.mapping.layers import BlockDiagonalLayer, DenseLayer
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.loads import Attempt, CoreLoad, LayerCores, Misfit, Resource, Tile
from hwmodels.mapping.words import block_diagonal_words, dense_words

Listed = DenseLayer | BlockDiagonalLayer


def capped(layer: Listed, limits: CoreLimits) -> LayerCores | Misfit:
    """The layer in cores of at most `cap` neurons, full ones first, then the remainder.

    The cap begins at what the slots hold. While the words of a full core and its input axons, one word an input of
    the whole layer whatever the cap, exceed the limit, the cap is divided by ceil(words / limit), at least 2.
    """
    if layer.slots > limits.neuron_slots:
        return Misfit("neuron_slots", layer.slots, limits.neuron_slots)
    cap = limits.neuron_slots // layer.slots
    binding: Resource | None = "neuron_slots" if cap < layer.outputs else None
    log = [_attempt(layer, cap, limits)]
    while (words := log[-1].synapse_words) + layer.inputs > limits.synapse_words:
        binding = "synapse_words" if words > limits.synapse_words else "axon_words"
        if cap == 1:
            return Misfit(binding, words + layer.inputs, limits.synapse_words)
        cap = max(1, cap // max(2, -(-words // limits.synapse_words)))
        log.append(_attempt(layer, cap, limits))
    return LayerCores(
        loads=_loads(layer, cap, limits),
        padded_slots=layer.outputs * layer.slots,
        part=Tile(1, min(layer.outputs, cap)),
        binding=() if binding is None else (binding,),
        log=tuple(log),
        extrapolated=_outside(layer, binding),
    )


def _attempt(layer: Listed, cap: int, limits: CoreLimits) -> Attempt:
    return Attempt(cap, _words(layer, min(layer.outputs, cap), limits))


def _loads(layer: Listed, cap: int, limits: CoreLimits) -> tuple[CoreLoad, ...]:
    full = min(layer.outputs, cap)
    kinds = ((layer.outputs // full, full), (1, layer.outputs % full))
    return tuple(
        CoreLoad(times, neurons, neurons * layer.slots, _words(layer, neurons, limits), layer.inputs)
        for times, neurons in kinds
        if neurons
    )


def _words(layer: Listed, outputs: int, limits: CoreLimits) -> int:
    if isinstance(layer, DenseLayer):
        return dense_words(layer, outputs, limits)
    return block_diagonal_words(layer, outputs)


def _outside(layer: Listed, binding: Resource | None) -> tuple[str, ...]:
    """What no printed table shows: of layers that their input axons split, there is one, and it is contracting."""
    if binding == "axon_words" and not (isinstance(layer, BlockDiagonalLayer) and layer.inputs > layer.outputs):
        return ("a layer that its input axons split",)
    return ()
