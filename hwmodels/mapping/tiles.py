"""Grids on cores: as many channels as fit, then columns in powers of two.

Source: derived, from the core tables of PilotNet.
"""

from __future__ import annotations

from itertools import product

from hwmodels.mapping.layers import ConvLayer, InputLayer
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.loads import CoreLoad, LayerCores, Misfit, Resource, Tile
from hwmodels.mapping.words import conv_words

Grid = InputLayer | ConvLayer


def tiled(layer: Grid, limits: CoreLimits) -> LayerCores | Misfit:
    """The layer in tiles of all rows, some columns and some channels.

    Channels are halved until one column fits: its slots, and the words of its channels. Columns are then the
    largest power of two whose slots fit. Cores are ceil(W / columns) ceil(C / channels).
    """
    channels, broken = layer.channels, _broken_by(layer, layer.channels, limits)
    binding: list[Resource] = []
    while broken:
        if channels == 1:
            return broken[0]
        binding = [misfit.resource for misfit in broken]
        channels //= 2
        broken = _broken_by(layer, channels, limits)
    column = layer.height * channels * layer.slots
    columns = 1 << (limits.neuron_slots // column).bit_length() - 1
    if columns < layer.width and "neuron_slots" not in binding:
        binding.append("neuron_slots")
    loads = _loads(layer, Tile(columns, channels), limits)
    return LayerCores(
        loads,
        padded_slots=sum(load.cores for load in loads) * columns * column,
        part=Tile(columns, channels),
        binding=tuple(binding),
        tile=None if limits.splits_height else Tile(columns, channels),
        extrapolated=_outside(layer, channels),
    )


def _broken_by(layer: Grid, channels: int, limits: CoreLimits) -> list[Misfit]:
    """The limits that one column of so many channels breaks, or of the channels that remain."""
    # 16 channels are one block and 3 are two, so that the rest of a split can take more words than a full tile.
    words = max(_words(layer, part, limits) for _, part in _parts(layer.channels, channels))
    needs: list[tuple[Resource, int, int]] = [
        ("synapse_words", words, limits.synapse_words),
        ("neuron_slots", layer.height * channels * layer.slots, limits.neuron_slots),
    ]
    return [Misfit(*need) for need in needs if need[1] > need[2]]


def _loads(layer: Grid, tile: Tile, limits: CoreLimits) -> tuple[CoreLoad, ...]:
    kinds = product(_parts(layer.channels, tile.channels), _parts(layer.width, tile.columns))
    axons = 0 if isinstance(layer, InputLayer) else None
    return tuple(
        CoreLoad(
            cores=rows * times,
            neurons=(neurons := columns * layer.height * channels),
            slots=neurons * layer.slots,
            synapse_words=_words(layer, channels, limits),
            axon_words=axons,
        )
        for (rows, channels), (times, columns) in kinds
    )


def _parts(whole: int, part: int) -> list[tuple[int, int]]:
    """(how many, of what size) that cover `whole`: full ones, then the rest."""
    return [(times, size) for times, size in ((whole // part, part), (1, whole % part)) if times and size]


def _words(layer: Grid, channels: int, limits: CoreLimits) -> int:
    return conv_words(layer, channels, limits) if isinstance(layer, ConvLayer) else 0


def _outside(layer: Grid, channels: int) -> tuple[str, ...]:
    """What no printed table shows."""
    groups = layer.groups if isinstance(layer, ConvLayer) else 1
    dilation = layer.dilation if isinstance(layer, ConvLayer) else (1, 1)
    reasons = {
        f"a convolution in {groups} groups": groups > 1,
        f"a dilation of {dilation[0]} x {dilation[1]}": dilation != (1, 1),
        f"a grid of neurons of {layer.slots} slots": layer.slots > 1,
        f"channels split, {channels} of {layer.channels} a core": channels < layer.channels,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)
