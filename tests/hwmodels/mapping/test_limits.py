"""The table [cores]: the two compilers of Loihi 2 as data, and what makes no core."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, replace

import pytest
from pydantic import ValidationError

from hwmodels.cores_schema import CoresTable
from hwmodels.registry import CHIPS, load
from spikec.errors import HardwareFileError

OLDER, NEWER = (load(name).table.core_limits() for name in ("loihi2-older", "loihi2"))


def test_the_two_compilers_differ_in_the_words_of_synapses_and_in_cutting_columns() -> None:
    assert replace(OLDER, synapse_words=16_000, splits_height=True) == NEWER
    assert OLDER.synapse_words == 12_000


def test_nothing_but_the_compiler_differs_between_their_files() -> None:
    older, newer = (tomllib.loads((CHIPS / f"{name}.toml").read_text()) for name in ("loihi2-older", "loihi2"))
    cores = [file.pop("cores") for file in (older, newer)]
    for file in (older, newer):
        assert file.pop("name")
        assert file.pop("title")
    assert older == newer
    words = [table["limits"].pop("synapse_words")["value"] for table in cores]
    assert words == [12_000, 16_000]
    assert [table.pop("splits_height") for table in cores] == [False, True]
    assert cores[0] == cores[1]


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
        type(OLDER)(**{**asdict(OLDER), **change})


def table() -> dict[str, object]:
    return tomllib.loads((CHIPS / "loihi1.toml").read_text())["cores"]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("mesh", "columns"), 0, "mesh.columns"),
        (("limits", "neurons", "value"), 0, "limits.neurons.value"),
        (("limits", "neurons", "unit"), "words", "unit of neurons"),
        (("limits", "axons_in", "unit"), "kg", "limits.axons_in.unit"),
        (("barrier", "tiles"), [1, 1], "ascend"),
        (("barrier", "value"), [1.0], "a value for each"),
        (("barrier", "value"), [1.0, -1.0], "barrier.value"),
        (("barrier", "value"), [2.0, 1.0], "does not fall"),
        (("encoding", "weight_bits"), [8, 4], "ascending"),
        (("encoding",), None, "encoding"),
        (("barrier",), None, "barrier"),
        (("rule",), "tiles", "total_words"),
        (("rule",), "luck", "rule"),
        (("latency",), "never", "latency"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(path: tuple[str, ...], value: object, named: str) -> None:
    found = table()
    at: dict[str, object] = found
    for key in path[:-1]:
        at = at[key]  # type: ignore[assignment]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    with pytest.raises(ValidationError, match=named):
        CoresTable.model_validate(found)


def test_loihi_1_is_what_its_compilers_keep_to() -> None:
    limits = load("loihi1").table.limits
    assert (limits.neurons.value, limits.axons_in.value, limits.axons_out.value) == (1024, 4096, 4096)
    assert limits.synapse_words.value * 64 == 128 * 1024 * 8
    assert load("loihi1").table.cores_a_chip == 128
