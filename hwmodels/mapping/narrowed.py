"""A layer with fewer inputs, by itself: what the rule `contiguous` takes if the layers before it are narrower."""

from __future__ import annotations

from dataclasses import replace

from hwmodels.mapping.contiguous import values_together
from hwmodels.mapping.layers import ConvLayer, DenseLayer
from hwmodels.mapping.wiring import WiredLayer
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import Weight


def width_of(graph: Graph, wired: WiredLayer) -> int:
    """Inputs that a weight of a Conv or Linear holds (of a group, where it has groups); 0 of other layers."""
    driver = graph.node(wired.weighted) if wired.weighted and wired.sources else None
    if driver is None or not isinstance(driver.op, (Conv1d, Conv2d, Linear)):
        return 0
    return int(graph.weights[driver.weights["weight"]].array.shape[1])


def narrowed(graph: Graph, wired: WiredLayer, width: int) -> tuple[Graph, WiredLayer]:
    """A graph of one layer, whose weights hold only the first `width` inputs, and that layer.

    Values that come together in its operand, by residual sums or pools, do so here, as a sum of inputs.

    Args:
        graph: of the layer.
        wired: the layer, of a Conv or Linear.
        width: inputs of each weight, 1 to `width_of`.
    """
    driver, layer = graph.node(wired.weighted or ""), wired.layer
    assert isinstance(driver.op, (Conv1d, Conv2d, Linear))
    assert isinstance(layer, (ConvLayer, DenseLayer))
    whole, (value,) = width_of(graph, wired), driver.inputs
    kind, axis = graph.types[value], -1 if isinstance(driver.op, Linear) else 0
    shape = list(kind.shape)
    shape[axis] = shape[axis] // whole * width
    builder = GraphBuilder(graph.steps)
    sources = [f"x{at}" for at in range(values_together(graph, wired, value))]
    operand = ""
    for name in sources:
        other = builder.input(name, kind.with_shape(tuple(shape)))
        operand = builder.add(Add(), operand, other) if operand else other
    weights = {role: graph.weights[name] for role, name in driver.weights.items()}
    weights["weight"] = Weight(weights["weight"].array[:, :width], format=weights["weight"].format)
    node = builder.add(driver.op, operand, weights=weights)
    smaller = replace(layer, inputs=layer.inputs // whole * width)
    return builder.graph(node), replace(wired, node=node, weighted=node, sources=tuple(sources), layer=smaller)
