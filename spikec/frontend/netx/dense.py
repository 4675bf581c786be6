"""Dense layers of .net files: weights on one axis, delays, and spikes that come back."""

from __future__ import annotations

from math import prod

import numpy as np

from spikec.frontend.netx import neuron as neurons
from spikec.frontend.netx import synapses
from spikec.frontend.netx.building import Building, fire
from spikec.frontend.netx.fields import Layer, check_stated, contradiction
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.integrators import I
from spikec.ir.linear import Linear
from spikec.ir.shapes import Constant, Reshape
from spikec.ir.time import Delay, Repeat
from spikec.ir.types import SPIKE, TensorType, Weight


def add_dense(building: Building, layer: Layer) -> None:
    """A dense layer and its neurons; without any, lava-dl's integrator that never fires."""
    if "neuron" in layer.fields:
        neuron = neurons.neuron_of(layer, prod(layer.shape))
        fire(building, layer, neuron, _drive(building, layer, neuron.exponent))
        return
    if "bias" in layer.fields and layer.fields.array("bias").any():
        raise layer.refused("bias", "of a layer without neurons, which integrates")
    building.give(building.builder.add(I(), _drive(building, layer), scope=f"{layer.scope}.integrator"))
    said = f"{layer.scope} states no neuron: it is an integrator that does not fire, as for lava-dl's loader"
    building.remarks.append(said)


def add_recurrent(building: Building, layer: Layer) -> None:
    """A dense layer whose spikes come back one step later, through weights of their own."""
    if "neuron" not in layer.fields:
        raise layer.refused("dense_rec", "no neuron, so nothing comes back")
    builder, outputs = building.builder, prod(layer.shape)
    neuron = neurons.neuron_of(layer, outputs)
    weight = synapses.weight(layer, "weight_rec", (outputs, outputs), neuron.exponent)
    fed = _drive(building, layer, neuron.exponent)
    one_step = neurons.fixed(np.array(1))
    before = builder.feedback(TensorType((outputs,), SPIKE), one_step, f"{layer.scope}.delay_rec")
    back = builder.add(Linear(), before, scope=f"{layer.scope}.dense_rec", weights={"weight": weight})
    fire(building, layer, neuron, builder.add(Add(), fed, back, scope=layer.scope, inner=True))
    builder.close(before, building.last)


def _drive(building: Building, layer: Layer, exponent: int = 0) -> str:
    """What the weights, delays and biases of a layer make of what the layer before it gives."""
    builder, outputs = building.builder, prod(layer.shape)
    inputs, rest = divmod(layer.fields.array("weight").size, outputs)
    if rest or not inputs:
        raise layer.fields.bad("weight", "does not divide among the outputs", f"{outputs} rows")
    check_stated(layer, "inFeatures", inputs)
    check_stated(layer, "outFeatures", outputs)
    weights = {"weight": synapses.weight(layer, "weight", (outputs, inputs), exponent)}
    bias, delays = synapses.bias(layer, outputs), synapses.delays(layer, outputs, inputs)
    if not building.last:
        building.start((inputs,))
    x, scope = _flat(building, layer, inputs), f"{layer.scope}.dense"
    if delays is None:
        return builder.add(Linear(), x, scope=scope, weights={**weights, **bias})
    steps = {"steps": neurons.fixed(delays.steps)}
    if delays.of == "inputs":
        x = builder.add(Delay(), x, scope=f"{layer.scope}.delay", weights=steps)
        return builder.add(Linear(), x, scope=scope, weights={**weights, **bias})
    y = builder.add(Linear(), x, scope=scope, weights=weights)
    y = builder.add(Delay(), y, scope=f"{layer.scope}.delay", weights=steps)
    return _shifted(builder, y, bias["bias"], layer.scope) if bias else y


def _shifted(builder: GraphBuilder, y: str, bias: Weight, scope: str) -> str:
    """y and a bias at every step, where a delay stands between a Linear and its bias."""
    value = builder.add(Constant(), scope=f"{scope}.bias", weights={"value": bias})
    every = builder.add(Repeat(), value, scope=f"{scope}.bias", inner=True)
    return builder.add(Add(), y, every, scope=scope, inner=True)


def _flat(building: Building, layer: Layer, inputs: int) -> str:
    """What the last layer gave on one axis, if that leaves no order open."""
    found = building.shape
    if prod(found) != inputs:
        raise contradiction(layer, f"{inputs} inputs", f"{prod(found)}, as the layer before it gives")
    if sum(size > 1 for size in found) > 1:
        raise layer.refused(layer.kind, f"takes {list(found)}; a flatten before it would say in which order")
    if found == (inputs,):
        return building.last
    return building.builder.add(Reshape((inputs,)), building.last, scope=layer.scope, inner=True)
