"""What would make a layer fit: the smallest change of each kind that the rule itself takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.contiguous import boxes_of
from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import ConvLayer, DenseLayer
from hwmodels.mapping.loads import Misfit
from hwmodels.mapping.narrowed import narrowed, width_of
from hwmodels.mapping.wiring import WiredLayer
from spikec.ir.graph import Graph

AMOUNTS = {"axons_in": "input axons", "axons_out": "output axons"}
ONCE_A_CORE = "a neuron has an output axon for each core that hears it, on whatever chip"
TOO_LARGE = "the smallest part of the layer is too large"


def mends_of(graph: Graph, wired: WiredLayer, misfit: Misfit, table: CoresTable) -> Iterator[str]:
    """The changes that would make a layer fit, each tried by the rule; chips do not help where a part is too large.

    Args:
        graph: of the layer.
        wired: the layer.
        misfit: what it lacks.
        table: the chip's cores.
    """
    layer = wired.layer
    # Output axons are what the layers behind ask for: of this one neither weights nor inputs change them.
    if isinstance(layer, (ConvLayer, DenseLayer)) and misfit.resource != "axons_out":
        widths = table.encoding.weight_bits if table.encoding else ()
        for bits in reversed([width for width in widths if width < layer.weight_bits]):
            if _fits(graph, replace(wired, layer=replace(layer, weight_bits=bits)), table):
                yield f"weights of {bits} bits in place of {layer.weight_bits}"
                break
        fewer = RULES[table.rule](graph, wired, layer, table)
        if fewer is not None:
            yield f"at most {fewer} inputs in place of {layer.inputs}: fewer channels before it"
    amount = AMOUNTS.get(misfit.resource, misfit.resource.replace("_", " "))
    limit = f"a core of {misfit.needed} {amount} in place of {misfit.available}"
    why = ONCE_A_CORE if misfit.resource == "axons_out" else TOO_LARGE
    yield f"another chip: {limit}; more chips do not help, since {why}"


def _fits(graph: Graph, wired: WiredLayer, table: CoresTable) -> bool:
    found = cores_of(wired.layer, table.core_limits()) if table.rule == "tiles" else boxes_of(graph, wired, table)
    return not isinstance(found, Misfit)


def _by_tiles(graph: Graph, wired: WiredLayer, layer: ConvLayer | DenseLayer, table: CoresTable) -> int | None:
    """The most inputs that fit: the rule asks for sizes alone."""
    groups = layer.groups if isinstance(layer, ConvLayer) else 1

    def fits(each: int) -> bool:
        return _fits(graph, replace(wired, layer=replace(layer, inputs=each * groups)), table)

    most = _most(layer.inputs // groups, fits)
    return None if most is None else most * groups


def _by_boxes(graph: Graph, wired: WiredLayer, layer: ConvLayer | DenseLayer, table: CoresTable) -> int | None:
    """The most inputs that fit: the rule counts what reaches a box, of a layer made narrower for it."""
    width = width_of(graph, wired)
    most = _most(width, lambda fewer: _fits(*narrowed(graph, wired, fewer), table))
    return None if most is None else layer.inputs // width * most


RULES: dict[str, Callable[[Graph, WiredLayer, ConvLayer | DenseLayer, CoresTable], int | None]] = {
    "tiles": _by_tiles,
    "contiguous": _by_boxes,
}


def _most(whole: int, fits: Callable[[int], bool]) -> int | None:
    """The greatest number below `whole` that fits, by halving: what fits with many fits with fewer."""
    low, high = 0, whole
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low or None
