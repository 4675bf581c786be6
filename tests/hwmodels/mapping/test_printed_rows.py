"""The core tables that lava-dl's public notebooks print, row by row, from descriptions of the layers.

Where an average is printed it is over the cores of the layer, the partly filled last one included (the older
compiler); the newer one prints its first core.
"""

from __future__ import annotations

import pytest

from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import BlockDiagonalLayer, ConvLayer, DenseLayer, InputLayer, Layer
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.loads import Attempt, LayerCores
from hwmodels.registry import load

LOIHI2_OLDER = load("loihi2-older").table.core_limits()
LOIHI2_NEWER = load("loihi2").table.core_limits()

INPUT = InputLayer(200, 66, 3)
TILED = {  # layer: cores, columns of the tile, synapse words of a core
    INPUT: (13, 16, 0),
    ConvLayer(99, 32, 24, (3, 3), 3, weight_bits=5): (25, 4, 81),
    ConvLayer(49, 15, 36, (3, 3), 24, weight_bits=4): (13, 4, 864),
    ConvLayer(24, 7, 48, (3, 3), 36, weight_bits=4): (3, 8, 1620),
    ConvLayer(22, 4, 64, (3, 3), 48, weight_bits=4): (3, 8, 2160),
    ConvLayer(20, 2, 64, (3, 3), 64, weight_bits=4): (2, 16, 2880),
}
FC = DenseLayer(100, 2560, weight_bits=3)
PILOTNET_DENSE = {  # layer: cores, synapse words on average, in whole words as printed
    FC: (12, 7253),
    DenseLayer(50, 100, weight_bits=4): (1, 1300),
    DenseLayer(10, 50, weight_bits=5): (1, 150),
    DenseLayer(1, 10, weight_bits=6): (1, 10),
}
OXFORD = {  # layer: cores, neurons and synapse words on average, in whole numbers as printed
    DenseLayer(256, 200, weight_bits=8): (3, 85, 5400),
    DenseLayer(200, 256, weight_bits=8): (2, 100, 8064),
}
MNIST = {  # layer: cores, neurons and synapse words of the first core
    DenseLayer(128, 784, weight_bits=8): (3, 50, 12544),
    DenseLayer(64, 128, weight_bits=8): (1, 64, 2688),
    DenseLayer(10, 64, weight_bits=8): (1, 10, 256),
}
S4D = {  # layer: cores, neurons and synapse words of the first core, None where not printed
    DenseLayer(256, 256, weight_bits=4): (3, 127, 8192),
    BlockDiagonalLayer(256, 4096): (1, None, None),
    BlockDiagonalLayer(128, 8192): (3, 63, 4032),
    BlockDiagonalLayer(64, 4096): (1, None, None),
    BlockDiagonalLayer(4096, 256, slots=2): (3, 2047, None),
    BlockDiagonalLayer(8192, 128, slots=2): (5, None, None),
    BlockDiagonalLayer(4096, 64, slots=2): (3, None, None),
}


def found(layer: Layer, limits: CoreLimits) -> LayerCores:
    cores = cores_of(layer, limits)
    assert isinstance(cores, LayerCores)
    assert cores.extrapolated == ()
    return cores


@pytest.mark.parametrize("layer", TILED, ids=str)
def test_tiles_of_pilotnet(layer: Layer) -> None:
    cores = found(layer, LOIHI2_OLDER)
    assert cores.tile is not None
    assert (cores.cores, cores.tile.columns, cores.first.synapse_words) == TILED[layer]
    assert {load.synapse_words for load in cores.loads} == {cores.first.synapse_words}


@pytest.mark.parametrize("layer", PILOTNET_DENSE, ids=str)
def test_dense_layers_of_pilotnet(layer: Layer) -> None:
    cores = found(layer, LOIHI2_OLDER)
    assert (cores.cores, int(cores.average_synapse_words)) == PILOTNET_DENSE[layer]


def test_pilotnet_takes_74_cores() -> None:
    assert sum(found(layer, LOIHI2_OLDER).cores for layer in (*TILED, *PILOTNET_DENSE)) == 74


def test_the_log_of_the_split_layer_of_pilotnet() -> None:
    """Printed: 61440, 61440, 61440, 12800 words, then it fits at 9."""
    log = found(FC, LOIHI2_OLDER).log
    assert [attempt.synapse_words for attempt in log[:-1]] == [61440, 61440, 61440, 12800]
    assert log[-1] == Attempt(9, 7680)


@pytest.mark.parametrize("layer", OXFORD, ids=str)
def test_oxford(layer: Layer) -> None:
    cores = found(layer, LOIHI2_OLDER)
    assert (cores.cores, int(cores.average_neurons), cores.average_synapse_words) == OXFORD[layer]
    assert [attempt.cap for attempt in cores.log] == [4095, 2047, 1023, 511, 255, 127]


def test_oxford_takes_5_cores() -> None:
    assert sum(found(layer, LOIHI2_OLDER).cores for layer in OXFORD) == 5


@pytest.mark.parametrize("layer", MNIST, ids=str)
def test_mnist(layer: Layer) -> None:
    cores = found(layer, LOIHI2_NEWER)
    assert (cores.cores, cores.first.neurons, cores.first.synapse_words) == MNIST[layer]


def test_mnist_takes_5_cores_and_5_iterations() -> None:
    cores = [found(layer, LOIHI2_NEWER) for layer in MNIST]
    assert sum(layer.cores for layer in cores) == 5
    assert len(cores[0].log) == 5


@pytest.mark.parametrize("layer", S4D, ids=str)
def test_s4d(layer: Layer) -> None:
    cores = found(layer, LOIHI2_NEWER)
    count, neurons, words = S4D[layer]
    assert cores.cores == count
    assert neurons is None or cores.first.neurons == neurons
    assert words is None or cores.first.synapse_words == words


@pytest.mark.parametrize(("bits", "count"), [(3, 12), (4, 12), (5, 12), (8, 17)])
def test_a_split_dense_layer_depends_on_the_width_of_its_weights(bits: int, count: int) -> None:
    assert found(DenseLayer(100, 2560, bits), LOIHI2_OLDER).cores == count


def test_s4d_on_scifar_takes_the_6_cores_of_its_measurement() -> None:
    """Widths are not printed; the expansion into complex neurons and the contraction are read as block-diagonal."""
    layers = [
        DenseLayer(128, 3, 8),
        BlockDiagonalLayer(512, 128, slots=2),
        BlockDiagonalLayer(128, 512),
        *(DenseLayer(128, 128, 8), DenseLayer(10, 128, 8), DenseLayer(10, 10, 8)),
    ]
    assert sum(found(layer, LOIHI2_NEWER).cores for layer in layers) == 6
