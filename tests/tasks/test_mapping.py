"""estimate with a mapping: with samples, with none, with counts that were stored, with places that are given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwmodels.registry import CHIPS
from spikec.cost import Report
from spikec.errors import DataError
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import Calibration, InputSpec, Model
from spikec.tasks.estimation import Question, estimate, with_counts
from spikec.tasks.pricing import Where

MAPPED = Where()
SIZES, STEPS, SAMPLES = (9, 14, 6), 4, 3
SMALLER = {
    "columns = 8\nrows = 4\ncores_a_tile = 4": "columns = 2\nrows = 2\ncores_a_tile = 1",
    '[cores.limits.neurons]\nvalue = 1024\nunit = "neurons"': '[cores.limits.neurons]\nvalue = 4\nunit = "neurons"',
}
KEYS = {
    *("fits", "rule", "cores", "chips", "cores_a_chip", "mesh", "layers", "misfits", "extrapolated"),
    *("placement", "board", "places"),
}
OF_A_RUN = {"core_energy_pj", "core_counts", "links", "latency"}
OF_A_LAYER = {
    *("scope", "node", "driver", "neurons", "cores", "first_core", "binding_limit", "utilisation", "parts"),
    *("extrapolated", "energy_pj"),
}


def chip_text(**replaced: str) -> str:
    """Loihi 1's file with four cores a chip, four neurons each, and other values where they are given."""
    text = (CHIPS / "loihi1.toml").read_text("utf-8")
    for before, after in SMALLER.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    for name, value in replaced.items():
        head, _, rest = text.partition(f"[cores.limits.{name}]\nvalue = ")
        text = f"{head}[cores.limits.{name}]\nvalue = {value}{rest[rest.index(chr(10)) :]}"
    return text


@pytest.fixture
def chip(tmp_path: Path) -> str:
    (tmp_path / "four.toml").write_text(chip_text())
    return str(tmp_path / "four.toml")


@pytest.fixture(scope="module")
def model() -> Model:
    rng = np.random.default_rng(3)
    builder = GraphBuilder(STEPS)
    value = builder.input("x", TensorType((SIZES[0],), SPIKE))
    for at, size in enumerate(SIZES):
        if at:
            weights = {"weight": rng.integers(-3, 5, (size, SIZES[at - 1])).astype(np.float32)}
            value = builder.add(Linear(), value, scope=f"w{at}", weights=weights)
        value = builder.add(LIF(), value, scope=f"q{at}", weights={"tau": 2.0, "v_threshold": 0.4 + 0.5 * (at > 0)})
    frames = (rng.random((SAMPLES, STEPS, SIZES[0])) < 0.5).astype(np.float32)
    batch = Calibration(frames, np.arange(SAMPLES), "made")
    return Model("tiny", builder.graph(value), InputSpec((SIZES[0],), "frames", STEPS), calibration=batch)


@pytest.fixture
def bare(model: Model) -> Model:
    return replace(model, calibration=None)


def only(model: Model, chip: str, where: Where | None = MAPPED) -> Report:
    (report,) = estimate(model, (chip,), Question(where=where))
    assert isinstance(report, Report)
    return report


def mapping(report: Report) -> dict[str, Any]:
    assert report.mapping is not None
    return dict(report.mapping)


def test_a_run_on_cores_has_every_key_and_its_energies_add_up(model: Model, chip: str) -> None:
    report = only(model, chip)
    found = mapping(report)
    assert set(found) == KEYS | OF_A_RUN
    assert [set(layer) for layer in found["layers"]] == [OF_A_LAYER] * 3
    assert [layer["cores"] for layer in found["layers"]] == [3, 4, 2]
    assert (found["cores"], found["chips"], len(found["places"])) == (9, 3, 9)
    assert [layer["binding_limit"] for layer in found["layers"]] == ["neurons"] * 3
    of_layers = sum(layer["energy_pj"] for layer in found["layers"])
    static = report.nodes[-1]["energy_pj"]["static_power"]
    assert of_layers + static == pytest.approx(report.energy_pj)
    assert sum(found["core_energy_pj"]) == pytest.approx(of_layers)
    assert report.totals["latency_ns"] == found["latency"]["inference_ns"] > 0
    assert json.loads(report.to_json())["mapping"] == found


def test_without_data_there_is_the_mapping_and_no_energy(bare: Model, model: Model, chip: str) -> None:
    report, counted = only(bare, chip), only(model, chip)
    found = mapping(report)
    assert set(found) == KEYS
    assert [set(layer) for layer in found["layers"]] == [OF_A_LAYER] * 3
    assert [layer["energy_pj"] for layer in found["layers"]] == [None] * 3
    assert found["placement"] == {"method": "contiguous"}
    same = [{**layer, "energy_pj": None} for layer in mapping(counted)["layers"]]
    assert found["layers"] == same
    assert report.priced_graph_sha256 == counted.priced_graph_sha256
    assert all(report.totals[name] is None for name in ("energy_pj", "energy_pj_se", "energy_pj_low", "latency_ns"))
    assert report.totals["counts"] == {}
    assert {node["energy_pj"] for node in report.nodes} == {None}
    assert report.hardware["evidence"] is None
    assert report.assumptions[0].startswith("nothing was counted")
    assert not any("counts are of" in text or "evaluated by" in text for text in report.assumptions)


def test_without_data_a_chip_without_cores_is_an_error_by_itself_and_a_row_beside_one_that_has(
    bare: Model, chip: str
) -> None:
    with pytest.raises(DataError, match="with --map gives what a chip with cores needs"):
        only(bare, "45nm")
    other, mapped = estimate(bare, ("45nm", chip), Question(where=Where()))
    assert isinstance(other, Report)
    assert isinstance(mapped, Report)
    assert other.mapping is None
    assert other.totals["energy_pj"] is None
    assert mapped.mapping is not None
    assert other.assumptions[-1] == "a mapping was asked for: 45nm has no cores, so there is none"


def test_a_chip_without_cores_is_priced_as_ever_and_says_so(model: Model) -> None:
    plain, asked = only(model, "45nm", None), only(model, "45nm")
    assert asked.mapping is None
    assert asked.totals == plain.totals
    assert [text for text in asked.assumptions if text not in plain.assumptions] == [
        "a mapping was asked for: 45nm has no cores, so there is none"
    ]


def test_counts_that_were_saved_with_a_mapping_give_it_again(model: Model, chip: str) -> None:
    kept = with_counts(model, chip, Question(where=Where()))
    report, again = only(model, chip), only(kept, chip)
    assert again.mapping == report.mapping
    assert again.totals == report.totals
    assert again.nodes == report.nodes


def test_counts_that_were_saved_without_one_give_a_mapping_without_a_run(model: Model, chip: str) -> None:
    report = only(with_counts(model, chip, Question()), chip)
    assert set(mapping(report)) == KEYS
    assert report.energy_pj > 0
    assert any("the mapping is without a run" in text for text in report.assumptions)


def test_a_layer_that_does_not_fit_leaves_the_energies_of_operations(model: Model, tmp_path: Path) -> None:
    (tmp_path / "few.toml").write_text(chip_text(axons_in="8"))
    report = only(model, str(tmp_path / "few.toml"))
    found = mapping(report)
    assert not found["fits"]
    assert [(row["scope"], row["limit"], row["needed"]) for row in found["misfits"]] == [
        ("q1", "axons_in", 9),
        ("q2", "axons_in", 14),
    ]
    assert all(row["mends"] for row in found["misfits"])
    assert [layer["cores"] for layer in found["layers"]] == [3, None, None]
    assert report.energy_pj > 0
    assert report.totals["latency_ns"] is None
    assert any("does not fit the cores" in text for text in report.assumptions)
    given = mapping(only(model, str(tmp_path / "few.toml"), Where(tmp_path / "places-of-nine-cores.json")))
    assert given == found  # there is nothing to place


def test_places_of_a_report_are_taken_as_they_are(model: Model, bare: Model, chip: str, tmp_path: Path) -> None:
    found = mapping(only(model, chip))
    (tmp_path / "report.json").write_text(json.dumps({"mapping": found}))
    given = Where(tmp_path / "report.json")
    again = mapping(only(model, chip, given))
    assert again["placement"] == {"method": "given", "file": "report.json"}
    assert {**again, "placement": None} == {**found, "placement": None}
    turned = [[place[0], 1 - place[1], 1 - place[2], place[3]] for place in found["places"]]
    (tmp_path / "turned.json").write_text(json.dumps(turned))
    assert mapping(only(bare, chip, Where(tmp_path / "turned.json")))["places"] == turned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[0, 0, 0, 0]]", "1 places; expected 9"),
        ("{}", "no list of places"),
        (json.dumps([[0, 0, 0, 0]] * 9), "cores 0 and 1 at one place"),
        (json.dumps([[0, 5, 0, 0]] * 9), "x 5 of core 0; expected 0 to 1"),
        (json.dumps([[3, 0, 0, 0]] * 9), "chip 3 of core 0; expected 0 to 2, as many as the cores need"),
    ],
)
def test_places_that_do_not_fit_are_refused(model: Model, chip: str, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "places.json").write_text(text)
    with pytest.raises(DataError, match=said):
        only(model, chip, Where(tmp_path / "places.json"))


def test_every_key_is_on_the_page(model: Model, chip: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8")
    found = mapping(only(model, chip))
    inner = [key for name in ("mesh", "placement", "board", "links", "latency") for key in found[name]]
    missing = {key for key in (*KEYS, *OF_A_RUN, *OF_A_LAYER, *inner) if f"`{key}`" not in page}
    assert not missing
