"""Words of memory that synapses take, and the width of weights.

Source: derived, from the word counts that lava-dl's public notebooks print.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.layers import BlockDiagonalLayer, ConvLayer, DenseLayer
from hwmodels.mapping.limits import CoreLimits


def weight_width(codes: NDArray[np.generic], widths: Sequence[int]) -> int:
    """Bits of a weight: floor(log2(max |code|)) + 1, up to the next width that there is (7 becomes 8).

    Args:
        codes: stored integers, any shape, without their scale.
        widths: that there are, ascending.

    Returns:
        At least the least width, also where every weight is 0. What no width holds is given as it is, and does not fit.
    """
    whole = codes.astype(np.int64)  # in int8 the magnitude of -128 is -128
    needed = int(np.abs(whole).max(initial=0)).bit_length()
    return next((width for width in widths if width >= needed), needed)


def dense_words(layer: DenseLayer, outputs: int, limits: CoreLimits) -> int:
    """Words of a core that holds so many outputs: for each input ceil((n (w + index) + header) / word)."""
    bits = outputs * (layer.weight_bits + limits.index_bits) + limits.header_bits
    return layer.inputs * _words(bits, limits)


def conv_words(layer: ConvLayer, channels: int, limits: CoreLimits) -> int:
    """Words of a core whose tile has so many output channels, whatever its columns.

    For each tap and input channel the output channels stand in blocks of powers of two, largest first, of
    ceil((2^i w + header) / word) words each and without index. An input channel reaches those of its group.
    """
    group = layer.channels // layer.groups
    inputs = (layer.inputs // layer.groups) * -(-channels // group)
    blocks = sum(
        _words((1 << i) * layer.weight_bits + limits.header_bits, limits)
        for i in range(channels.bit_length())
        if min(channels, group) >> i & 1
    )
    return layer.kernel[0] * layer.kernel[1] * inputs * blocks


def block_diagonal_words(layer: BlockDiagonalLayer, outputs: int) -> int:
    """Words of a core that holds so many outputs: contracting, one a connection; expanding, one an input they hear."""
    if layer.inputs >= layer.outputs:
        return outputs * (layer.inputs // layer.outputs)
    return -(-outputs // (layer.outputs // layer.inputs))


def _words(bits: int, limits: CoreLimits) -> int:
    return -(-bits // limits.word_bits)
