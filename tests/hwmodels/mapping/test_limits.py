"""Limits as data: filled from TOML by pydantic, refused where they make no core."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from hwmodels.mapping.limits import LOIHI2_NEWER, LOIHI2_OLDER, CoreLimits
from spikec.errors import HardwareFileError

TOML = """
neuron_slots = 4095
synapse_words = 12000
axon_words = 16000
total_words = 20000
word_bits = 64
index_bits = 12
header_bits = 8
weight_bits = [1, 2, 3, 4, 5, 6, 8]
cores_a_chip = 128
splits_height = false
source = "SOURCE"
"""


def test_a_table_of_toml_fills_them() -> None:
    table = tomllib.loads(TOML.replace("SOURCE", LOIHI2_OLDER.source))
    adapter = TypeAdapter(CoreLimits)
    assert adapter.validate_python(table) == LOIHI2_OLDER
    with pytest.raises(ValidationError, match="synapse_words"):
        adapter.validate_python({**table, "synapse_words": "many"})


def test_the_two_compilers_differ_in_the_words_of_synapses_and_in_cutting_columns() -> None:
    assert replace(LOIHI2_OLDER, synapse_words=16_000, splits_height=True) == LOIHI2_NEWER
    assert LOIHI2_OLDER.source.startswith("derived: ")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"neuron_slots": 0}, "neuron_slots"),
        ({"word_bits": -64, "cores_a_chip": 0}, "word_bits, cores_a_chip"),
        ({"weight_bits": ()}, "weight_bits"),
        ({"weight_bits": (0, 8)}, "weight_bits"),
        ({"weight_bits": (8, 4)}, "weight_bits"),
    ],
)
def test_what_makes_no_core_is_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(HardwareFileError, match=named):
        replace(LOIHI2_OLDER, **change)
