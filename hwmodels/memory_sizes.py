"""How many values each memory of a layer holds, by the kind of access that goes to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hwmodels.accesses import Layer
from hwmodels.sram import Memory


def _queue(layer: Layer, memory: Memory) -> int:
    """Words of the memory from which a layer reads its input: the queue of spikes, or all values of a step."""
    if layer.formal:
        return layer.graph.types[layer.node.inputs[0]].elements
    return memory.fifo_words[layer.policy.memory]


def _words(layer: Layer, *slots: str) -> int:
    weights = layer.graph.weights
    return sum(weights[layer.node.weights[slot]].array.size for slot in slots if slot in layer.node.weights)


def _weights(layer: Layer, memory: Memory) -> int:
    return _words(layer, "weight", "bias") if layer.reading.one_memory else _words(layer, "weight")


def _biases(layer: Layer, memory: Memory) -> int:
    return _words(layer, "weight", "bias") if layer.reading.one_memory else _words(layer, "bias")


def _results(layer: Layer, memory: Memory) -> int:
    return layer.node.type.elements


SIZES: Mapping[str, Callable[[Layer, Memory], int]] = {
    "read_input": _queue,
    "read_weight": _weights,
    "read_bias": _biases,
    "read_potential": _results,
    "write_potential": _results,
    "write_output": _results,
}
"""Words of the memory that each kind of access goes to."""
NAMES: Mapping[str, str] = {"spike": "write_output"}
"""Terms that are not named as what they count."""
