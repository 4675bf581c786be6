"""From a graph to layers on cores: each neuron with the op whose sums drive it, and who sends to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from hwmodels.counting import Operand, operand_of
from hwmodels.mapping.descriptions import Described, input_layer, pool_layer, product_layer, weighted_layer
from hwmodels.mapping.layers import Form, InputLayer, Layer
from hwmodels.mapping.paths import DRIVES, ROLES, Path, path_behind
from hwmodels.mapping.refusals import check_wirable, operand_path
from hwmodels.mapping.words import weight_width
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IF, LIF, PLIF, CubaLIF
from spikec.ir.pools import Pool
from spikec.ir.types import Int

PRINTED_NEURONS = (LIF, IF, PLIF, CubaLIF)
"""What lava-dl's LIF covers, of one slot: with a leak or none, with a current of its own or none."""


HOSTED = "its drive is computed off chip, from real inputs, and comes as a current"
COUNTED = "coincidence neurons drive it, whose messages are not in the traffic"
BANKED = "coincidence neurons, an assumption: of them neurons alone are counted, no axon and no message"


@dataclass(frozen=True)
class WiredLayer:
    """Neurons of the graph as a layer.

    Args:
        node: the neuron; the weighted op, pool or product where it drives none.
        scope: its path in the model, unlike any other's.
        weighted: the weighted op, pool or product that drives it; None for an input layer.
        layer: its sizes.
        sources: the values that reach it: inputs of the graph and results of layers.
        extrapolated: what of it no printed table shows.
        bank: of coincidence neurons, how many they are; 0 of every other layer.
    """

    node: str
    scope: str
    weighted: str | None
    layer: Layer
    sources: tuple[str, ...]
    extrapolated: tuple[str, ...] = ()
    bank: int = 0


def wire(graph: Graph, form: Form, chip: str) -> tuple[WiredLayer, ...]:
    """The layers of a graph, in the order of its nodes.

    Every neuron is a layer: an input layer where it takes an input of the graph, else driven by one pool or product,
    or one Conv1d, Conv2d or Linear. Such an op that leads to an output without a neuron is a layer, too; and where
    numbers are sent (`form.graded`), one that leads to another such op. What an input of the graph sends to one of
    them comes from outside and takes no core, as in the printed tables.

    Args:
        graph: BatchNorms folded, weights quantised.
        form: what the cores take.
        chip: who refuses.

    Raises:
        UnsupportedOp: lists every node that has no form on cores.
    """
    check_wirable(graph, chip, form)
    found = [_wired(graph, node, form) for node in _leading(graph, form)]
    if form.products == "coincidence":
        found += [_bank(graph, node) for node in graph.nodes if ROLES[type(node.op)] == "multiplies"]
    driven = Counter(layer.weighted for layer in found if layer.weighted)
    return tuple(_shared(layer, driven[layer.weighted or ""]) for layer in found)


def _leading(graph: Graph, form: Form) -> Iterator[Node]:
    """Neurons, and what drives an output or another layer without one."""
    ends = {end for value in graph.outputs for end in path_behind(graph, value).ends}
    for node in graph.nodes:
        if ROLES[type(node.op)] in DRIVES:
            ends.update(end for value in node.inputs for end in operand_path(graph, node, value, form).ends)
    for node in graph.nodes:
        role = ROLES[type(node.op)]
        counted = role == "multiplies" and form.products == "coincidence" and node.name not in graph.outputs
        if role == "neuron" or (role in DRIVES and node.name in ends and not counted):
            yield node


def _wired(graph: Graph, node: Node, form: Form) -> WiredLayer:
    if ROLES[type(node.op)] in DRIVES:
        driver, reasons = node, ["no neuron takes its sums: they lead to an output, or are sent as numbers"]
    else:
        path = path_behind(graph, node.inputs[0])
        reasons = [*_of_kind(node), *_delays(path), *_scales(graph, path)]
        (end,) = path.ends
        if end not in graph.producers:
            layer, more = input_layer(node.type.shape)
            return WiredLayer(node.name, graph.path_of(node), None, layer, path.ends, (*reasons, *more))
        driver = graph.producers[end]
    if ROLES[type(driver.op)] == "multiplies" and form.products == "coincidence":
        layer, _ = product_layer(graph, driver)
        return WiredLayer(node.name, graph.path_of(node), driver.name, layer, (), (*reasons, COUNTED))
    if form.host and _from_outside(graph, driver):
        layer, _ = input_layer(driver.type.shape)
        return WiredLayer(node.name, graph.path_of(node), driver.name, layer, (), (*reasons, HOSTED))
    paths = [operand_path(graph, driver, value, form) for value in driver.inputs]
    layer, more = _driven_by(graph, driver, max(summed(graph, path) for path in paths), form)
    reasons += more
    for path in paths:
        reasons += [*_sums(path), *_delays(path), *_scales(graph, path), *_pooled(path)]
    sources = tuple(dict.fromkeys(end for path in paths for end in path.ends))
    return WiredLayer(
        node.name, graph.path_of(node), driver.name, layer, sources, (*reasons, *_numbers(graph, sources))
    )


def summed(graph: Graph, path: Path) -> int:
    """How many values come together in an element of an operand, by residual sums and by pools."""
    return len(path.ends) * prod(_window(graph, node) for node in path.crosses("pools"))


def _window(graph: Graph, node: Node) -> int:
    """How many values a pool, Sum or Mean brings together."""
    if isinstance(node.op, Pool):
        return prod(node.op.kernel)
    return graph.types[node.inputs[0]].elements // node.type.elements


def _from_outside(graph: Graph, driver: Node) -> bool:
    """Whether nothing but real inputs of the graph reaches what drives a layer."""
    ends = [end for value in driver.inputs for end in path_behind(graph, value).ends]
    return all(end in graph.inputs and operand_of(graph.types[end]) is Operand.REAL for end in ends)


def _bank(graph: Graph, node: Node) -> WiredLayer:
    """The coincidence neurons of a product: one for each pair of values that meet, times the levels of each."""
    number = node.type.elements
    if isinstance(node.op, MatMul):
        (_, contracted), _ = node.op.planes(*(graph.types[value] for value in node.inputs))
        number *= contracted
    for value in node.inputs:
        domain = graph.types[value].domain
        if isinstance(domain, Int):
            number *= max(abs(domain.lo), abs(domain.hi))
    scope = f"{graph.path_of(node)} (coincidences)"
    return WiredLayer(node.name, scope, None, InputLayer(1, 1, number), (), (BANKED,), bank=number)


def _driven_by(graph: Graph, driver: Node, sources: int, form: Form) -> Described:
    role = ROLES[type(driver.op)]
    if role != "weighted":
        return (pool_layer if role == "pools" else product_layer)(graph, driver)
    weight = graph.weights[driver.weights["weight"]]
    bits = weight_width(weight.array, form.weight_bits) if form.weight_bits else 1
    return weighted_layer(driver.op, driver.type.shape, weight.type.shape, bits, sources)


def _shared(layer: WiredLayer, layers: int) -> WiredLayer:
    reason = f"%{layer.weighted} drives {layers} layers, and is taken as stored for each"
    return replace(layer, extrapolated=(*layer.extrapolated, reason)) if layers > 1 else layer


def _of_kind(neuron: Node) -> Iterator[str]:
    if type(neuron.op) not in PRINTED_NEURONS:
        yield f"a {neuron.op.mnemonic}, taken as one slot"


def _delays(path: Path) -> Iterator[str]:
    if path.crosses("delays"):
        yield "a delay on the way, taken as one of its axons"


def _scales(graph: Graph, path: Path) -> Iterator[str]:
    # One of an input of the graph belongs to that input.
    if path.crosses("scales") and any(end in graph.producers for end in path.ends):
        yield "a scale on the way, taken as part of the neurons' program"


def _pooled(path: Path) -> Iterator[str]:
    for node in path.crosses("pools"):
        yield f"a {node.op.mnemonic} before it, taken as part of its weights: each value has axons of its own"


def _sums(path: Path) -> Iterator[str]:
    if len(path.ends) > 1:
        yield f"{len(path.ends)} values that come together (a skip), each taken with axons of its own"


def _numbers(graph: Graph, sources: tuple[str, ...]) -> Iterator[str]:
    numbers = [end for end in sources if operand_of(graph.types[end]) is not Operand.UNARY]
    if numbers:
        yield f"numbers and not spikes are sent: {', '.join(f'%{end}' for end in numbers)}"
