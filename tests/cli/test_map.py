"""spikec estimate --map and --mapping: what is printed, drawn and kept, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hwmodels.registry import CHIPS
from spikec.model import Model, save

Run = Callable[..., Result]
FEW = ("--samples", 2)


@pytest.fixture
def tight(tmp_path: Path) -> Path:
    """Loihi 2 with so few words of synapses that no convolution fits."""
    text = (CHIPS / "loihi2.toml").read_text("utf-8")
    head, _, rest = text.partition("[cores.limits.synapse_words]\nvalue = 16000")
    assert rest
    (tmp_path / "tight.toml").write_text(f"{head}[cores.limits.synapse_words]\nvalue = 5{rest}")
    return tmp_path / "tight.toml"


@pytest.fixture
def bare(small: Model, tmp_path: Path) -> Path:
    save(replace(small, calibration=None), tmp_path / "bare.pt")
    return tmp_path / "bare.pt"


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_map_adds_the_mapping_and_nothing_else_asks_for_it(run: Run, model: Path) -> None:
    words = ("estimate", model, *FEW, "--hw", "loihi2", "--format", "json")
    found = answer(run(*words, "--map"))["mapping"]
    assert found["fits"]
    assert found["cores"] == sum(layer["cores"] for layer in found["layers"]) > 10
    assert answer(run(*words))["mapping"] is None


def test_the_table_has_the_section(run: Run, model: Path) -> None:
    text = run("estimate", model, *FEW, "--hw", "loihi2", "--map").stdout
    assert "\nMapping to cores\n" in text
    assert text.index("Mapping to cores") < text.index("Total per inference")


def test_a_chip_without_cores_says_so_and_is_no_error(run: Run, model: Path) -> None:
    result = run("estimate", model, *FEW, "--map")
    assert result.exit_code == 0
    assert "a mapping was asked for: 45nm has no cores, so there is none" in result.stdout
    assert answer(run("estimate", model, *FEW, "--map", "--format", "json"))["mapping"] is None


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
def test_what_does_not_fit_is_printed_whole_and_exits_1(run: Run, model: Path, tight: Path, form: str) -> None:
    result = run("estimate", model, *FEW, "--hw", tight, "--map", "--format", form)
    assert result.exit_code == 1
    assert "words of synapses, a core has 5" in result.stderr
    assert "does not fit on loihi2 (tight.toml): " in result.stderr
    assert "Try: " in result.stderr
    if form == "json":
        assert {row["limit"] for row in json.loads(result.stdout)["mapping"]["misfits"]} == {"synapse_words"}
    else:
        assert "misfits" in result.stdout or "does not fit" in result.stdout


def test_without_data_the_mapping_is_all(run: Run, bare: Path, model: Path) -> None:
    words = ("--hw", "loihi2", "--map", "--format", "json")
    found, counted = answer(run("estimate", bare, *words)), answer(run("estimate", model, *FEW, *words))
    assert found["totals"]["energy_pj"] is None
    assert [row["cores"] for row in found["mapping"]["layers"]] == [
        row["cores"] for row in counted["mapping"]["layers"]
    ]
    assert run("estimate", bare, "--hw", "loihi2").exit_code == 2
    result = run("estimate", bare, *words, "--samples", 2)
    assert result.exit_code == 2
    assert "beside --map without data" in result.stderr


def test_places_are_taken_from_a_report(run: Run, model: Path, bare: Path, tmp_path: Path) -> None:
    words = ("--hw", "loihi2", "--format", "json")
    places = tmp_path / "places.json"
    places.write_text(run("estimate", bare, *words, "--map").stdout)
    found = answer(run("estimate", model, *FEW, *words, "--mapping", places))["mapping"]
    assert found["placement"] == {"method": "given", "file": "places.json"}
    assert found["places"] == json.loads(places.read_text())["mapping"]["places"]
    assert found["latency"]
    assert run("estimate", model, *FEW, *words, "--mapping", tmp_path / "none.json").exit_code == 2
    several = run("estimate", model, *FEW, *words, "--hw", "45nm", "--mapping", places)
    assert several.exit_code == 2
    assert "--mapping with 2 chips; expected one" in several.stderr


def test_counts_that_are_kept_with_a_mapping_give_it_again(run: Run, model: Path, tmp_path: Path) -> None:
    words = ("--hw", "loihi2", "--map", "--format", "json")
    kept = tmp_path / "kept.pt"
    found = answer(run("estimate", model, *FEW, *words, "--keep-counts", kept))
    again = answer(run("estimate", kept, *words))
    assert again["mapping"] == found["mapping"]
    assert again["totals"] == found["totals"]


@pytest.mark.parametrize("with_data", [True, False])
def test_the_plot_has_the_mesh(run: Run, model: Path, bare: Path, tmp_path: Path, with_data: bool) -> None:
    plot = tmp_path / "plot.svg"
    words = (model, *FEW) if with_data else (bare,)
    result = run("estimate", *words, "--hw", "loihi2", "--map", "--plot", plot, "--format", "csv")
    assert result.exit_code == 0
    assert "A square is a tile of 4 cores" in plot.read_text("utf-8")


def test_cores_have_a_budget(run: Run, model: Path) -> None:
    words = ("estimate", model, *FEW, "--hw", "loihi2", "--map", "--format", "json")
    assert run(*words, "--budget", "cores<=128", "--budget", "chips<=1").exit_code == 0
    assert run(*words, "--budget", "cores<=1").exit_code == 1
