"""The cases as graphs: what SANA-FE runs, a step's delay before each layer; or the same without its delays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sanafe_networks import INPUT, Case, Layer

from spikec.ir.arithmetic import Add, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import IF, LIF
from spikec.ir.shapes import Reshape
from spikec.ir.time import Delay
from spikec.ir.types import SPIKE, IntFormat, Role, TensorType, Timing, Weight


def graph_of(case: Case, *, delayed: bool = True, tracked: bool = False) -> Graph:
    """The network, every layer's neuron called by the layer's name; its outputs are the spikes that no layer reads.

    Args:
        case: weights and thresholds become integers.
        delayed: with the step that SANA-FE takes from a spike to what it does; without, each layer is ahead of
            SANA-FE's by its depth.
        tracked: besides, for each layer a value `NAME.touched`, an output, that is not zero where a neuron is updated.
    """
    build = GraphBuilder(case.steps)
    build.input(INPUT, TensorType(case.spikes.shape[1:], SPIKE, Timing.STEP))
    values, outputs = {INPUT: INPUT}, []
    for layer in case.layers:
        x = values[layer.source]
        if delayed:
            x = build.add(Delay(), x, scope=f"{layer.name}.delay", weights={"steps": 1.0})
        if layer.kind != "conv" and len(build.type(x).shape) > 1:
            x = build.add(Reshape((layer.weights.shape[1],)), x, scope=f"{layer.name}.flatten")
        values[layer.name] = neuron(build, layer, synapses(build, layer, x, layer.weights, "synapses"))
        if tracked:
            outputs.append(touched(build, layer, x, values[layer.name]))
    read = {layer.source for layer in case.layers}
    return build.graph(*(values[layer.name] for layer in case.layers if layer.name not in read), *outputs)


def core_of(case: Case) -> dict[str, NDArray[np.int64]]:
    """The core of every neuron, a number on MESH, in the order of the elements of the inputs and of each layer."""
    return {INPUT: case.input_cores, **{layer.name: layer.cores for layer in case.layers}}


def data_of(case: Case) -> dict[str, NDArray[np.float64]]:
    """One sample for the graph, [T, 1, *shape]."""
    return {INPUT: case.spikes[:, None].astype(np.float64)}


def synapses(build: GraphBuilder, layer: Layer, x: str, weights: NDArray[np.int64], scope: str) -> str:
    op = Conv2d(stride=(layer.stride, layer.stride)) if layer.kind == "conv" else Linear()
    weight = Weight(weights.astype(np.int8), Role.PARAMETER, IntFormat(8))
    return build.add(op, x, scope=f"{layer.name}.{scope}", weights={"weight": weight})


def neuron(build: GraphBuilder, layer: Layer, drive: str) -> str:
    numbers = {"v_threshold": float(layer.threshold)}
    if layer.decay == 1.0:
        return build.add(IF(reset=layer.reset, fires_at=">"), drive, scope=layer.name, weights=numbers)
    op = LIF(reset=layer.reset, fires_at=">", decay_input=False, rounding="toward_zero")
    return build.add(op, drive, scope=layer.name, weights={**numbers, "beta": layer.decay})


def touched(build: GraphBuilder, layer: Layer, x: str, fired: str) -> str:
    """Not zero where the membrane of the step before is not, or where a spike comes, by a weight of zero too.

    A drive of zero will not do: weights cancel. So spikes are counted by a copy of the synapses whose weights are 1.
    """
    before = build.add(Delay(), f"{fired}.v", scope=f"{layer.name}.before", weights={"steps": 1.0})
    square = build.add(Mul(), before, before, scope=f"{layer.name}.square")
    ones = (layer.weights != 0).astype(np.int64) if layer.kind == "sparse" else np.ones_like(layer.weights)
    return build.add(Add(), square, synapses(build, layer, x, ones, "reached"), scope=f"{layer.name}.touched")
