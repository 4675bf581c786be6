"""From a graph to layers on cores: each neuron with the op whose sums drive it, and who sends to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hwmodels.counting import Operand, operand_of
from hwmodels.mapping.descriptions import Described, input_layer, pool_layer, weighted_layer
from hwmodels.mapping.layers import Layer
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.paths import DRIVES, ROLES, Path, path_behind
from hwmodels.mapping.refusals import check_wirable
from hwmodels.mapping.words import weight_width
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IF, LIF, PLIF, CubaLIF
from spikec.ir.pools import Pool

PRINTED_NEURONS = (LIF, IF, PLIF, CubaLIF)
"""What lava-dl's LIF covers, of one slot: with a leak or none, with a current of its own or none."""


@dataclass(frozen=True)
class WiredLayer:
    """Neurons of the graph as a layer.

    Args:
        node: the neuron; the weighted op or pool where it drives none.
        scope: its path in the model, unlike any other's.
        weighted: the weighted op or pool that drives it; None for an input layer.
        layer: its sizes.
        sources: the values that reach it: inputs of the graph and results of neurons.
        extrapolated: what of it no printed table shows.
    """

    node: str
    scope: str
    weighted: str | None
    layer: Layer
    sources: tuple[str, ...]
    extrapolated: tuple[str, ...] = ()


def wire(graph: Graph, limits: CoreLimits, chip: str) -> tuple[WiredLayer, ...]:
    """The layers of a graph, in the order of its nodes.

    Every neuron is a layer: an input layer where it takes an input of the graph, else driven by one pool, or one
    Conv1d, Conv2d or Linear of integer weights. Such an op that leads to an output without a neuron is a layer, too.
    What an input of the graph sends to one of them comes from outside and takes no core, as in the printed tables.

    Args:
        graph: BatchNorms folded, weights quantised.
        limits: name the widths that weights have.
        chip: who refuses.

    Raises:
        UnsupportedOp: lists every node that has no form on cores.
    """
    check_wirable(graph, chip)
    found = [_wired(graph, node, limits) for node in _leading(graph)]
    driven = Counter(layer.weighted for layer in found if layer.weighted)
    return tuple(_shared(layer, driven[layer.weighted or ""]) for layer in found)


def _leading(graph: Graph) -> Iterator[Node]:
    """Neurons, and the weighted ops that lead to an output without one."""
    heads = {end for value in graph.outputs for end in path_behind(graph, value).ends}
    for node in graph.nodes:
        role = ROLES[type(node.op)]
        if role == "neuron" or (role in DRIVES and node.name in heads):
            yield node


def _wired(graph: Graph, node: Node, limits: CoreLimits) -> WiredLayer:
    if ROLES[type(node.op)] in DRIVES:
        driver, reasons = node, ["its sums lead to an output, and no neuron takes them"]
    else:
        path = path_behind(graph, node.inputs[0])
        reasons = [*_of_kind(node), *_delays(path)]
        (end,) = path.ends
        if end not in graph.producers:
            layer, more = input_layer(node.type.shape)
            return WiredLayer(node.name, graph.path_of(node), None, layer, path.ends, (*reasons, *more))
        driver = graph.producers[end]
    path = path_behind(graph, driver.inputs[0])
    layer, more = _driven_by(graph, driver, len(path.ends), limits)
    reasons += [*more, *_sums(path), *_delays(path), *_numbers(graph, path)]
    return WiredLayer(node.name, graph.path_of(node), driver.name, layer, path.ends, tuple(reasons))


def _driven_by(graph: Graph, driver: Node, sources: int, limits: CoreLimits) -> Described:
    shape = driver.type.shape
    if isinstance(driver.op, Pool):
        return pool_layer(driver.op, shape, sources)
    weight = graph.weights[driver.weights["weight"]]
    return weighted_layer(driver.op, shape, weight.type.shape, weight_width(weight.array, limits), sources)


def _shared(layer: WiredLayer, layers: int) -> WiredLayer:
    reason = f"%{layer.weighted} drives {layers} layers, and is taken as stored for each"
    return replace(layer, extrapolated=(*layer.extrapolated, reason)) if layers > 1 else layer


def _of_kind(neuron: Node) -> Iterator[str]:
    if type(neuron.op) not in PRINTED_NEURONS:
        yield f"a {neuron.op.mnemonic}, taken as one slot"


def _delays(path: Path) -> Iterator[str]:
    if path.crosses("delays"):
        yield "a delay on the way, taken as one of its axons"


def _sums(path: Path) -> Iterator[str]:
    if len(path.ends) > 1:
        yield f"a sum of {len(path.ends)} values (a skip), each taken with axons and synapses of its own"


def _numbers(graph: Graph, path: Path) -> Iterator[str]:
    numbers = [end for end in path.ends if operand_of(graph.types[end]) is not Operand.UNARY]
    if numbers:
        yield f"numbers and not spikes are sent: {', '.join(f'%{end}' for end in numbers)}"
