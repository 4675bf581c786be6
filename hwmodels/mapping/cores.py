"""Cores of one layer: the rule of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwmodels.mapping.caps import capped
from hwmodels.mapping.layers import BlockDiagonalLayer, ConvLayer, DenseLayer, InputLayer, Layer
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.loads import LayerCores, Misfit
from hwmodels.mapping.tiles import tiled


def cores_of(layer: Layer, limits: CoreLimits) -> LayerCores | Misfit:
    """The cores that a layer takes, or the limit that it breaks however it is split."""
    widest = limits.weight_bits[-1]
    if isinstance(layer, ConvLayer | DenseLayer) and layer.weight_bits > widest:
        return Misfit("weight_bits", layer.weight_bits, widest)
    return RULES[type(layer)](layer, limits)


# Any: each function takes the layer of its own key.
RULES: dict[type[Layer], Callable[[Any, CoreLimits], LayerCores | Misfit]] = {
    InputLayer: tiled,
    ConvLayer: tiled,
    DenseLayer: capped,
    BlockDiagonalLayer: capped,
}
