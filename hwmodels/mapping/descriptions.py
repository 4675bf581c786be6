"""An op of the graph as a layer: its sizes along (W, H), where the graph has (H, W), and the width of its weights."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from hwmodels.mapping.layers import ConvLayer, DenseLayer, InputLayer, Layer
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.op import Op
from spikec.ir.pools import Pool
from spikec.ir.types import Shape

Described = tuple[Layer, tuple[str, ...]]
"""A layer, and what of it no printed table shows."""


def input_layer(shape: Shape) -> Described:
    """Neurons on the input [C, H, W]; of other axes the last are the channels."""
    if len(shape) == 3:
        channels, height, width = shape
        return InputLayer(width, height, channels), ()
    *places, channels = (1, *shape)
    return InputLayer(prod(places), 1, channels), (f"an input layer of shape {list(shape)}",)


def weighted_layer(op: Op, shape: Shape, weight: Shape, bits: int, sources: int) -> Described:
    """The neurons that a weighted op drives.

    Args:
        op: a Conv1d, Conv2d or Linear.
        shape: of its result.
        weight: shape of its weight.
        bits: width of its weights.
        sources: how many values are summed in its operand, each with axons of its own; in a dense layer with synapses
            of its own, too, while a convolution's are shared, as they are among its places.
    """
    return DESCRIBED[type(op)](op, shape, weight, bits, sources)


def pool_layer(graph: Graph, node: Node) -> Described:
    """What a pool gives: a depthwise convolution of ones, as lava-dl writes it; a Sum or Mean is one over all."""
    reason = f"a {node.op.mnemonic}, taken as a convolution of 1-bit weights"
    if isinstance(node.op, Pool):
        channels, height, width = node.type.shape
        kernel = (node.op.kernel[1], node.op.kernel[0])
        return ConvLayer(width, height, channels, kernel, channels, weight_bits=1, groups=channels), (reason,)
    elements = node.type.elements
    taps = graph.types[node.inputs[0]].elements // elements
    return ConvLayer(1, 1, elements, (taps, 1), elements, weight_bits=1, groups=elements), (reason,)


def product_layer(graph: Graph, node: Node) -> Described:
    """What a product of two activations gives: programmable neurons that take both operands. An assumption.

    A row of a MatMul is a place, and hears its own row of the first operand and all of the second, as if by 1-bit
    weights of a convolution of kernel 1 x 1; an element of a Mul hears one of each.
    """
    *places, channels = (1, *node.type.shape)
    reason = f"a {node.op.mnemonic} of two activations, assumed to be done by programmable neurons of one slot"
    if isinstance(node.op, MatMul):
        (_, contracted), _ = node.op.planes(*(graph.types[value] for value in node.inputs))
        return ConvLayer(prod(places), 1, channels, (1, 1), 2 * contracted, weight_bits=1), (reason,)
    return ConvLayer(prod(places), 1, channels, (1, 1), 2 * channels, weight_bits=1, groups=channels), (reason,)


def _of_conv2d(op: Conv2d, shape: Shape, weight: Shape, bits: int, sources: int) -> Described:
    channels, height, width = shape
    _, inputs, rows, columns = weight
    kernel, dilation = (columns, rows), (op.dilation[1], op.dilation[0])
    layer = ConvLayer(width, height, channels, kernel, inputs * op.groups, bits, op.groups, dilation)
    return layer, ()


def _of_conv1d(op: Conv1d, shape: Shape, weight: Shape, bits: int, sources: int) -> Described:
    channels, width = shape
    _, inputs, taps = weight
    layer = ConvLayer(width, 1, channels, (taps, 1), inputs * op.groups, bits, op.groups, (op.dilation[0], 1))
    return layer, ("a conv1d, taken as a convolution over one row",)


def _of_linear(op: Linear, shape: Shape, weight: Shape, bits: int, sources: int) -> Described:
    *places, outputs = shape
    inputs = weight[1]
    if prod(places) == 1:
        return DenseLayer(outputs, inputs * sources, bits), ()
    reason = f"a linear on {prod(places)} places, taken as a convolution of kernel 1 x 1 over one row"
    return ConvLayer(prod(places), 1, outputs, (1, 1), inputs, bits), (reason,)


# Any: each function takes the op of its own key.
DESCRIBED: dict[type[Op], Callable[[Any, Shape, Shape, int, int], Described]] = {
    Conv1d: _of_conv1d,
    Conv2d: _of_conv2d,
    Linear: _of_linear,
}
