"""Layers of .net files on planes [C, H, W]: convolutions and pools.

Shapes and weights stand in the file as (C, H, W) and (O, I, y, x), so do they here; Lava's own arrays are (W, H, C).
"""

from __future__ import annotations

from math import prod

import numpy as np

from spikec.frontend.netx import neuron as neurons
from spikec.frontend.netx import synapses
from spikec.frontend.netx.building import Building, fire
from spikec.frontend.netx.fields import MOST_AXIS, Layer, check_stated, contradiction, pair, whole
from spikec.ir.linear import Conv2d
from spikec.ir.types import Shape, Weight


def add_conv(building: Building, layer: Layer) -> None:
    """A convolution and its neurons."""
    fields, stated = layer.fields, _planes(layer)
    shape = _kernel_shape(layer, stated[0])
    groups = whole(fields, "groups", 1, stated[0]) if "groups" in fields else 1
    stride, padding, dilation = (pair(fields, name) for name in ("stride", "padding", "dilation"))
    op = Conv2d(stride=stride, padding=padding, dilation=dilation, groups=groups)
    channels = shape[1] * groups
    check_stated(layer, "inChannels", channels)
    check_stated(layer, "outChannels", stated[0])
    if not building.last:
        building.start((channels, *_seen(layer, op, shape[2:], stated[1:])))
    neuron = neurons.neuron_of(layer, stated[0])
    weights = {"weight": synapses.weight(layer, "weight", shape, neuron.exponent), **synapses.bias(layer, stated[0])}
    drive = building.builder.add(op, building.last, scope=f"{layer.scope}.conv", weights=weights)
    found = building.builder.type(drive).shape
    if found != stated:
        raise fields.bad("shape", f"is {list(stated)}", f"{list(found)}, as its input and weights give")
    fire(building, layer, neuron, drive)


def add_pool(building: Building, layer: Layer) -> None:
    """A pool, which lava-dl writes and does not read: one small kernel for each channel, and neurons.

    In training its windows run over channels and rows as one axis (slayer/synapse/layer.py), so it is the pool that
    its name says only where they tile the plane.
    """
    fields, (channels, height, width) = layer.fields, _planes(layer)
    kernel, stride, padding, dilation = (pair(fields, n) for n in ("kernelSize", "stride", "padding", "dilation"))
    if not building.last:
        raise layer.refused("pool", "the first layer: nothing says what it sees")
    tiles = building.shape == (channels, height * kernel[0], width * kernel[1])
    if stride != kernel or padding != (0, 0) or dilation != (1, 1) or not tiles:
        raise layer.refused("pool", "windows that do not tile what it sees, which run into each other in training")
    if channels * prod(kernel) > building.max_bytes:
        raise contradiction(layer, f"{channels} channels of kernel {list(kernel)}", "what fits into --max-bytes")
    neuron = neurons.neuron_of(layer, channels)
    one = synapses.weight(layer, "weight", (1, 1, *kernel), neuron.exponent)
    each = Weight(np.repeat(one.array, channels, axis=0), one.role, one.format)
    op = Conv2d(stride=stride, groups=channels)
    drive = building.builder.add(op, building.last, scope=f"{layer.scope}.pool", weights={"weight": each})
    fire(building, layer, neuron, drive)


def _planes(layer: Layer) -> tuple[int, int, int]:
    if len(layer.shape) != 3:
        raise layer.fields.bad("shape", f"is {list(layer.shape)}", "three sizes: C, H, W")
    channels, height, width = layer.shape
    return channels, height, width


def _kernel_shape(layer: Layer, outputs: int) -> tuple[int, int, int, int]:
    """The shape [O, I, y, x] of the weights, which SLAYER writes with an axis of size 1 at the end."""
    fields, found = layer.fields, tuple(layer.fields.array("weight").shape)
    shape: Shape = found[:4] if found[4:] == (1,) else found
    if len(shape) != 4 or shape[0] != outputs:
        raise fields.bad("weight", f"has shape {list(found)}", f"[{outputs}, I, y, x]")
    if "kernelSize" in fields and pair(fields, "kernelSize") != shape[2:]:
        raise fields.bad("kernelSize", "contradicts the layer's weights", str(list(shape[2:])))
    return shape[0], shape[1], shape[2], shape[3]


def _seen(layer: Layer, op: Conv2d, kernel: Shape, spatial: Shape) -> Shape:
    """The plane that a convolution sees, from the one that it gives.

    Raises:
        UnsupportedOp: its stride leaves that open.
    """
    if op.stride != (1, 1):
        raise layer.refused("conv", "the first layer, with a stride: nothing says how large a plane it sees")
    places = zip(spatial, kernel, op.padding, op.dilation, strict=True)
    plane = tuple(size + dilation * (taps - 1) - 2 * padding for size, taps, padding, dilation in places)
    if min(plane) < 1 or max(plane) > MOST_AXIS:
        raise layer.fields.bad("padding", f"leaves a plane of {list(plane)}", "at least 1 along each axis")
    return plane
