"""What the rule gives beside the printed figures: loads, limits that bind, layers that fit nowhere, bad sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import BlockDiagonalLayer, ConvLayer, DenseLayer, InputLayer, Layer
from hwmodels.mapping.loads import CoreLoad, LayerCores, Misfit, Resource, Tile, Use, uses_of
from hwmodels.mapping.updates import SDNN_UPDATES, neuron_updates
from hwmodels.registry import load
from spikec.errors import UsageError

LOIHI2_OLDER = load("loihi2-older").table.core_limits()
LOIHI2_NEWER = load("loihi2").table.core_limits()


def fits(layer: Layer, limits=LOIHI2_OLDER) -> LayerCores:
    found = cores_of(layer, limits)
    assert isinstance(found, LayerCores)
    return found


sizes = st.integers(1, 300)
widths = st.sampled_from(LOIHI2_OLDER.weight_bits)
LAYERS = st.one_of(
    st.builds(InputLayer, sizes, sizes, sizes, st.integers(1, 2)),
    st.builds(
        ConvLayer, sizes, sizes, sizes, st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(1, 200), widths
    ),
    st.builds(DenseLayer, st.integers(1, 9000), st.integers(1, 6000), widths, st.integers(1, 2)),
    st.builds(lambda n, ratio: BlockDiagonalLayer(n, n * ratio), sizes, st.integers(1, 20)),
    st.builds(lambda n, ratio: BlockDiagonalLayer(n * ratio, n, slots=2), sizes, st.integers(1, 40)),
)


@settings(max_examples=200, deadline=None)
@given(LAYERS, st.sampled_from([LOIHI2_OLDER, LOIHI2_NEWER]))
def test_every_neuron_has_one_core_and_no_core_is_overfull(layer, limits) -> None:
    found = cores_of(layer, limits)
    if isinstance(found, Misfit):
        assert found.needed > found.available
        return
    grid = isinstance(layer, InputLayer | ConvLayer)
    assert found.neurons == (layer.width * layer.height * layer.channels if grid else layer.outputs)
    assert found.padded_slots >= found.neurons * layer.slots
    for part in found.loads:
        assert part.slots == part.neurons * layer.slots <= limits.neuron_slots
        assert part.synapse_words + (part.axon_words or 0) <= limits.synapse_words
        assert part.neurons <= found.first.neurons
    assert bool(found.binding) == (found.cores > 1)
    assert 0 < max(uses_of(found, limits)[resource].share for resource in ("neuron_slots", "synapse_words")) <= 1


def test_the_last_cores_hold_what_remains() -> None:
    """200 columns are 12 tiles of 16 and 8 more; 100 outputs at most 9 a core are 11 times 9 and 1 more."""
    assert fits(InputLayer(200, 66, 3)).loads == (CoreLoad(12, 3168, 3168, 0, 0), CoreLoad(1, 1584, 1584, 0, 0))
    assert fits(DenseLayer(100, 2560, 3)).loads == (CoreLoad(11, 9, 9, 7680, 2560), CoreLoad(1, 1, 1, 2560, 2560))


def test_channels_are_halved_until_a_column_fits() -> None:
    """20 channels of 600 rows become 10, then 5; 64 of 9 x 512 taps become 32, 16, then 8: 2 words a tap."""
    slots = fits(InputLayer(4, 600, 20))
    assert (slots.tile, slots.cores, slots.binding) == (Tile(1, 5), 4 * 4, ("neuron_slots",))
    words = fits(ConvLayer(4, 4, 64, (3, 3), 512, weight_bits=8))
    assert (words.tile, words.cores, words.binding) == (Tile(64, 8), 8, ("synapse_words",))
    both = fits(ConvLayer(400, 4, 64, (3, 3), 512, weight_bits=8))
    assert (both.tile, both.cores, both.binding) == (Tile(64, 8), 7 * 8, ("synapse_words", "neuron_slots"))
    assert [layer.extrapolated for layer in (slots, words)] == [
        ("channels split, 5 of 20 a core",),
        ("channels split, 8 of 64 a core",),
    ]


def test_the_channels_that_remain_may_take_more_words_than_a_full_tile() -> None:
    """Of 67 channels of 1 bit 16, 8 or 4 a core are a block, but the last 3 are two, 12,096 words; of 2 it is 1."""
    found = fits(ConvLayer(1, 1, 67, (7, 9), 96, 1))
    assert [(load.cores, load.neurons, load.synapse_words) for load in found.loads] == [(33, 2, 6048), (1, 1, 6048)]


@pytest.mark.parametrize(
    ("layer", "binding"),
    [
        (InputLayer(16, 66, 3), ()),
        (InputLayer(20, 66, 3), ("neuron_slots",)),
        (InputLayer(200, 66, 3), ("neuron_slots",)),
        (DenseLayer(100, 100, 8), ()),
        (DenseLayer(5000, 1, 8), ("neuron_slots",)),
        (DenseLayer(256, 200, 8), ("synapse_words",)),
        (BlockDiagonalLayer(128, 6400), ("axon_words",)),
        (BlockDiagonalLayer(4096, 64, slots=2), ("neuron_slots",)),
    ],
    ids=str,
)
def test_the_limit_that_splits_a_layer_is_named(layer: Layer, binding: tuple[Resource, ...]) -> None:
    assert fits(layer).binding == binding


def test_the_share_of_each_resource() -> None:
    dense = fits(DenseLayer(100, 2560, 3))
    assert uses_of(dense, LOIHI2_OLDER) == {
        "neuron_slots": Use(9, 4095),
        "synapse_words": Use(7680, 12_000),
        "axon_words": Use(2560, 16_000),
        "total_words": Use(9 + 7680 + 2560, 20_000),
    }
    conv = fits(ConvLayer(20, 2, 64, (3, 3), 64, 4))
    assert uses_of(conv, LOIHI2_OLDER) == {
        "neuron_slots": Use(2048, 4095),
        "synapse_words": Use(2880, 12_000),
        "total_words": Use(2048 + 2880, 20_000),
    }


@pytest.mark.parametrize(
    ("layer", "misfit"),
    [
        (InputLayer(2, 4096, 2), Misfit("neuron_slots", 4096, 4095)),
        (ConvLayer(2, 2, 2, (3, 3), 1334, 1), Misfit("synapse_words", 12006, 12000)),
        (DenseLayer(2, 6001, 1), Misfit("axon_words", 12002, 12000)),
        (DenseLayer(2, 12001, 1), Misfit("synapse_words", 24002, 12000)),
        (DenseLayer(2, 40000, 1), Misfit("synapse_words", 80000, 12000)),
        (DenseLayer(2, 2, 8, slots=4096), Misfit("neuron_slots", 4096, 4095)),
        (DenseLayer(2, 2, 9), Misfit("weight_bits", 9, 8)),
        (ConvLayer(2, 2, 2, (3, 3), 1, 9), Misfit("weight_bits", 9, 8)),
    ],
    ids=str,
)
def test_what_no_number_of_cores_holds_says_which_limit_and_by_how_much(layer: Layer, misfit: Misfit) -> None:
    assert cores_of(layer, LOIHI2_OLDER) == misfit


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (ConvLayer(9, 9, 4, (3, 3), 4, 8, groups=2), "2 groups"),
        (ConvLayer(9, 9, 4, (3, 3), 4, 8, dilation=(1, 2)), "1 x 2"),
        (InputLayer(9, 9, 4, slots=2), "2 slots"),
        (DenseLayer(5, 4500, 1), "input axons"),
    ],
    ids=str,
)
def test_what_was_not_printed_is_said(layer: Layer, word: str) -> None:
    found = fits(layer)
    assert [word in reason for reason in found.extrapolated] == [True]


def test_of_a_compiler_that_cuts_columns_no_tile_is_given() -> None:
    newer = fits(InputLayer(200, 66, 3), LOIHI2_NEWER)
    assert (newer.cores, newer.tile) == (13, None)


@pytest.mark.parametrize(
    ("layer", "padded"),
    [
        (InputLayer(200, 66, 3), 13 * 16 * 66 * 3),
        (ConvLayer(20, 2, 64, (3, 3), 64, 4), 2 * 16 * 2 * 64),
        (ConvLayer(9, 9, 4, (3, 3), 4, 8), 1 * 64 * 9 * 4),
        (DenseLayer(100, 2560, 3), 100),
        (BlockDiagonalLayer(4096, 256, slots=2), 8192),
    ],
    ids=str,
)
def test_updates_are_those_of_the_padded_tile(layer: Layer, padded: int) -> None:
    found = fits(layer, LOIHI2_NEWER)
    assert found.padded_slots == padded
    assert neuron_updates(found, steps=16) == pytest.approx((padded * 16 * 1.05, padded * 16 * 1.17))
    assert neuron_updates(found, steps=10, per_slot=SDNN_UPDATES) == (padded * 20, padded * 20)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InputLayer(0, 1, 1),
        lambda: ConvLayer(1, 1, 1, (3, 0), 1, 8),
        lambda: ConvLayer(1, 1, 3, (3, 3), 4, 8, groups=2),
        lambda: DenseLayer(1, -1, 8),
        lambda: BlockDiagonalLayer(3, 7),
    ],
)
def test_sizes_that_make_no_layer_are_refused(make) -> None:
    with pytest.raises(UsageError):
        make()
