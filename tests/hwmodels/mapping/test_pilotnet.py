"""PilotNet from lava-dl's own file: every printed row, with the widths of its weights read from them."""

from __future__ import annotations

import pytest

from hwmodels.mapping.limits import LOIHI2_OLDER
from hwmodels.mapping.loads import LayerCores
from hwmodels.mapping.table import CoreTable, table_of
from hwmodels.mapping.updates import neuron_updates
from spikec.ir.graph import Graph

ROWS = (  # neuron; W x H x C or N; cores; printed tile columns; printed synapse words (on average, in whole words)
    ("layer.0.neuron", (200, 66, 3), 13, 16, 0),
    ("layer.1.neuron", (99, 32, 24), 25, 4, 81),
    ("layer.2.neuron", (49, 15, 36), 13, 4, 864),
    ("layer.3.neuron", (24, 7, 48), 3, 8, 1620),
    ("layer.4.neuron", (22, 4, 64), 3, 8, 2160),
    ("layer.5.neuron", (20, 2, 64), 2, 16, 2880),
    ("layer.7.neuron", (100,), 12, None, 7253),
    ("layer.8.neuron", (50,), 1, None, 1300),
    ("layer.9.neuron", (10,), 1, None, 150),
    ("layer.10.neuron", (1,), 1, None, 10),
)
WIDTHS = (None, 5, 4, 4, 4, 4, 3, 4, 5, 6)


@pytest.fixture(scope="module")
def table(pilotnet: Graph) -> CoreTable:
    return table_of(pilotnet, LOIHI2_OLDER, "loihi2")


def shape(layer: object) -> tuple[int, ...]:
    names = ("width", "height", "channels") if hasattr(layer, "width") else ("outputs",)
    return tuple(getattr(layer, name) for name in names)


def test_every_row_is_the_printed_one(table: CoreTable) -> None:
    found = []
    for row in table.rows:
        cores = row.found
        assert isinstance(cores, LayerCores)
        columns = cores.tile.columns if cores.tile else None
        words = int(cores.average_synapse_words)
        found.append((row.wired.node, shape(row.wired.layer), cores.cores, columns, words))
    assert tuple(found) == ROWS


def test_it_takes_74_cores_of_one_chip(table: CoreTable) -> None:
    assert (table.cores, table.chips, table.extrapolated, table.misfits) == (74, 1, (), ())
    assert sum(table.partition.cores.values()) == 74
    assert list(table.partition.cores) == [row[0] for row in ROWS]


def test_the_widths_are_those_of_the_weights(table: CoreTable) -> None:
    assert tuple(getattr(row.wired.layer, "weight_bits", None) for row in table.rows) == WIDTHS


def test_the_log_of_its_split_layer(table: CoreTable) -> None:
    (found,) = (row.found for row in table.rows if row.wired.node == "layer.7.neuron")
    assert isinstance(found, LayerCores)
    assert [attempt.synapse_words for attempt in found.log] == [61440, 61440, 61440, 12800, 7680]


def test_each_layer_reads_the_one_before_it(table: CoreTable) -> None:
    sources = [row.wired.sources for row in table.rows]
    assert sources == [("image",), *((row[0],) for row in ROWS[:-1])]


def test_updates_are_counted_on_the_padded_tile(table: CoreTable) -> None:
    """13 cores of 16 x 66 x 3 slots for 39,600 neurons, 2 of 16 x 2 x 64 for 2,560, and so on."""
    found = [row.found for row in table.rows if isinstance(row.found, LayerCores)]
    padded = [cores.padded_slots for cores in found]
    assert padded == [41184, 76800, 28080, 8064, 6144, 4096, 100, 50, 10, 1]
    assert [cores.neurons for cores in found] == [39600, 76032, 26460, 8064, 5632, 2560, 100, 50, 10, 1]
    assert neuron_updates(found[1], steps=16) == pytest.approx((16 * 76800 * 1.05, 16 * 76800 * 1.17))
