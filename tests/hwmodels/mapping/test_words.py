"""Words of synapses and widths of weights, by hand and over the headers that the printed tables allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.mapping.layers import BlockDiagonalLayer, ConvLayer, DenseLayer
from hwmodels.mapping.words import block_diagonal_words, conv_words, dense_words, weight_width
from hwmodels.registry import load

LOIHI2_OLDER = load("loihi2-older").table.core_limits()

CONVS = {  # printed for PilotNet
    ConvLayer(99, 32, 24, (3, 3), 3, 5): 81,
    ConvLayer(49, 15, 36, (3, 3), 24, 4): 864,
    ConvLayer(24, 7, 48, (3, 3), 36, 4): 1620,
    ConvLayer(22, 4, 64, (3, 3), 48, 4): 2160,
    ConvLayer(20, 2, 64, (3, 3), 64, 4): 2880,
}
DENSE = {  # (outputs on a core, inputs, width): printed for PilotNet, MNIST and S4D
    (100, 2560, 3): 61440,
    (18, 2560, 3): 12800,
    (50, 100, 4): 1300,
    (10, 50, 5): 150,
    (1, 10, 6): 10,
    (50, 784, 8): 12544,
    (64, 128, 8): 2688,
    (10, 64, 8): 256,
    (127, 256, 4): 8192,
    (127, 256, 8): 2 * 8064 - 5888,  # of Oxford's two cores the average is printed, and 127 outputs in the log
    (73, 256, 8): 5888,
}


def agrees(header: int) -> bool:
    limits = replace(LOIHI2_OLDER, header_bits=header)
    return all(conv_words(layer, layer.channels, limits) == words for layer, words in CONVS.items()) and all(
        dense_words(DenseLayer(n, inputs, width), n, limits) == words for (n, inputs, width), words in DENSE.items()
    )


@pytest.mark.parametrize("header", range(1, 13))
def test_the_printed_words_hold_for_every_header_of_1_to_12_bits(header: int) -> None:
    assert agrees(header)


@pytest.mark.parametrize("header", [13, 14, 16, 17, 24, 32])
def test_and_for_no_longer_one(header: int) -> None:
    assert not agrees(header)


@pytest.mark.parametrize(
    ("greatest", "width"),
    [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (20, 5), (63, 6), (64, 8), (127, 8), (-128, 8), (255, 8), (-256, 9)],
)
def test_the_width_holds_the_greatest_magnitude_and_7_becomes_8(greatest: int, width: int) -> None:
    assert weight_width(np.array([[0, greatest], [0, 0]]), LOIHI2_OLDER.weight_bits) == width


def test_the_width_of_the_least_int8() -> None:
    assert weight_width(np.array([-128, 1], dtype=np.int8), LOIHI2_OLDER.weight_bits) == 8


def test_output_channels_stand_in_blocks_of_powers_of_two() -> None:
    """Of 5 bits: 16 + 8 channels are 88 and 48 bits, 2 + 1 words; 7 are 4 + 2 + 1 channels, a word each."""
    layer = ConvLayer(9, 9, 24, (1, 1), 1, 5)
    assert [conv_words(layer, channels, LOIHI2_OLDER) for channels in (24, 16, 8, 7, 1)] == [3, 2, 1, 3, 1]


def test_an_input_channel_reaches_its_group_alone() -> None:
    """Two groups of 16 outputs and 3 inputs: 3 input channels a group, 9 taps, ceil((16 x 8 + 8) / 64) words."""
    layer = ConvLayer(9, 9, 32, (3, 3), 6, 8, groups=2)
    assert [conv_words(layer, channels, LOIHI2_OLDER) for channels in (32, 16, 8)] == [162, 81, 54]
    assert conv_words(ConvLayer(9, 9, 32, (3, 3), 32, 8, groups=32), 32, LOIHI2_OLDER) == 288


def test_block_diagonal_layers_take_a_word_a_connection_or_an_input() -> None:
    assert block_diagonal_words(BlockDiagonalLayer(128, 8192), 63) == 4032
    assert [block_diagonal_words(BlockDiagonalLayer(4096, 256), n) for n in (16, 17, 4096)] == [1, 2, 256]
