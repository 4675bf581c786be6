"""What would make a layer fit: the smallest change of each kind that the rule itself takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import ConvLayer, DenseLayer, Layer
from hwmodels.mapping.loads import Misfit
from hwmodels.mapping.wiring import WiredLayer


def mends_of(wired: WiredLayer, misfit: Misfit, table: CoresTable) -> Iterator[str]:
    """The changes that would make a layer fit, each tried by the rule; chips do not help where a part is too large."""
    layer = wired.layer
    if isinstance(layer, (ConvLayer, DenseLayer)):
        widths = table.encoding.weight_bits if table.encoding else ()
        for bits in reversed([width for width in widths if width < layer.weight_bits]):
            if _fits(replace(layer, weight_bits=bits), table):
                yield f"weights of {bits} bits in place of {layer.weight_bits}"
                break
        groups = layer.groups if isinstance(layer, ConvLayer) else 1
        fewer = _most(layer.inputs // groups, lambda each: _fits(replace(layer, inputs=each * groups), table))
        if fewer is not None:
            yield f"at most {fewer * groups} inputs in place of {layer.inputs}: fewer channels before it"
    limit = f"a core of {misfit.needed} {misfit.resource.replace('_', ' ')} in place of {misfit.available}"
    yield f"another chip: {limit}; more chips do not help, since the smallest part of the layer is too large"


def _most(whole: int, fits: Callable[[int], bool]) -> int | None:
    """The greatest number below `whole` that fits, by halving: what fits with many fits with fewer."""
    low, high = 0, whole
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low or None


def _fits(layer: Layer, table: CoresTable) -> bool:
    return table.rule == "tiles" and not isinstance(cores_of(layer, table.core_limits()), Misfit)
