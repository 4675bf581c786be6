"""What surveys of mutants found, one small case each: no traceback, no hang, no number that is silently another."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hwmodels.registry import CHIPS
from spikec.backend.lava import reader as lava
from spikec.errors import DataError, HardwareFileError, ModelFileError, SpaceError, StudyError, printable
from spikec.ir.text import parse
from spikec.search import spacefile
from spikec.search import study as studies
from spikec.search.config import StudyConfig
from spikec.search.genome import Genome
from spikec.search.objectives import Objective
from spikec.tasks import hardware, study_view
from spikec.tasks.rates import read_rates
from spikec.tasks.search_setup import SearchSettings
from spikec.tasks.tracing import load_weights

DEEP = "[" * 100_000
LONG = "9" * 5000


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.json", DEEP, "no JSON"),
        ("r.json", f'{{"y": {LONG}}}', "no JSON"),
        ("r.json", '{"y": 0.5', "no JSON"),
        ("r.csv", f"scope,rate,operand\ny,0.5,{LONG}\n", "operand"),
        ("r.csv", f"scope,rate\n{'a' * 200_000},0.5\n", "no CSV"),
        ("r.csv", "scope,rate\ny,0.5\0\n", "no CSV|rate"),
    ],
)
def test_rates(tmp_path: Path, name: str, text: str, said: str) -> None:
    graph = parse("graph(%x: spike step [4]) steps 2\n%y = time_mean(%x)\nreturn %y\n", {})
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_rates(tmp_path / name, graph, 2)


def chip(change: Callable[[str], str]) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        (folder / "chip.toml").write_text(change((CHIPS / "45nm.toml").read_text()))
        return hardware.check(folder / "chip.toml")

    return read


@pytest.mark.parametrize(
    "unit", ["a" * 100_000, "pJ * 9**9**9**9", "pJ**1", "(" * 30, "__import__('os')", "a." * 9, ""]
)
def test_a_unit_is_a_name_and_no_sum_to_be_done(tmp_path: Path, unit: str) -> None:
    with pytest.raises(HardwareFileError, match=r"a unit of energy|at least 1 character"):
        chip(lambda text: text.replace('unit = "pJ"', f'unit = "{unit}"'))(tmp_path)


@pytest.mark.parametrize("unit", ["pJ", "µJ", "fW * s"])
def test_units_of_energy_are_taken(tmp_path: Path, unit: str) -> None:
    chip(lambda text: text.replace('unit = "pJ"', f'unit = "{unit}"', 1))(tmp_path)


@pytest.mark.parametrize("line", [f"x = {DEEP}", f"x = {LONG}", "x = " + "{a=" * 10_000])
def test_toml(tmp_path: Path, line: str) -> None:
    with pytest.raises(HardwareFileError, match="no TOML"):
        chip(lambda text: f"{line}\n{text}")(tmp_path)
    (tmp_path / "space.toml").write_text(line)
    with pytest.raises(SpaceError, match="no TOML"):
        spacefile.load(tmp_path / "space.toml")


@pytest.mark.parametrize("value", ["-inf", "nan", "[1, inf]"])
def test_a_space_whose_constants_are_no_numbers(tmp_path: Path, value: str) -> None:
    whole = spacefile.space_toml(spacefile.load("digits"))
    head, _, rest = whole.partition("[constants]\n")
    (tmp_path / "space.toml").write_text(f"{head}[constants]\nx = {value}\n{rest}")
    with pytest.raises(SpaceError, match=r"constants\.x.*expected a finite number"):
        spacefile.load(tmp_path / "space.toml")


def test_genomes() -> None:
    for text in (DEEP, f'{{"globals": {LONG}, "blocks": []}}'):
        with pytest.raises(SpaceError, match="no JSON"):
            Genome.from_json(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study with its result."""
    objectives = (Objective("accuracy", "max", "linear", 0.5), Objective("energy_pj", "min", "log10", 1e8))
    config = StudyConfig("random", 0, objectives, {}, SearchSettings().to_plain())
    with studies.create(tmp_path / "run", spacefile.load("digits"), config, {"space": "a", "data": "digits"}) as search:
        search.tell(search.ask(), {"accuracy": 0.8, "energy_pj": 1000.0})
    final = {"final": {"accuracy": 0.9, "energy_pj": 1.0}}
    result = {"winner": {"trial": 0, **final}, "largest": final, "test": {"winner_accuracy": 1, "largest_accuracy": 1}}
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("winner",), 1, r"winner\.trial, winner\.final\.energy_pj"),
        (("winner", "trial"), "0", r"winner\.trial"),
        (("largest", "final"), {}, r"largest\.final\.energy_pj"),
        (("test", "winner_accuracy"), None, r"test\.winner_accuracy"),
        (("test", "paired"), {"text": 1}, r"no text in test\.paired\.text"),
    ],
)
def test_results_of_a_search(folder: Path, path: tuple[str, ...], value: object, said: str) -> None:
    assert study_view.view_of(folder).tests[0].accuracy == 1
    result = json.loads((folder / "result.json").read_text())
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(StudyError, match=said):
        study_view.view_of(folder)
    (folder / "result.json").write_text(DEEP)
    with pytest.raises(StudyError, match="cannot be read"):
        study_view.view_of(folder)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE files SET name = '../../x' WHERE name = 'space.toml'", "no study's files"),
        ("DELETE FROM files", "no study's files"),
        ("INSERT INTO facts VALUES ('x', '[[')", "damaged: JSONDecodeError"),
        ("UPDATE trials SET screen = '[1]'", "damaged: AttributeError"),
        ('UPDATE trials SET screen = \'{"accuracy": "x"}\'', "damaged: ValueError"),
    ],
)
def test_a_study_whose_database_was_changed(folder: Path, statement: str, said: str) -> None:
    connection = sqlite3.connect(folder / "study.db")
    with connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(StudyError, match=said):
        study_view.view_of(folder)


def test_an_exported_folder(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(DEEP)
    with pytest.raises(ModelFileError):
        lava.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {7: state["weight"], **state}, "no state dict"),
        (lambda state: {**state, "weight": state["weight"] * 1j}, "1 of complex numbers: weight"),
    ],
)
def test_state_dicts(tmp_path: Path, change: Callable[[dict], dict], said: str) -> None:
    network = torch.nn.Linear(2, 2)
    torch.save(change(network.state_dict()), tmp_path / "x.pt")
    with pytest.raises(ModelFileError, match=said):
        load_weights(network, tmp_path / "x.pt")


def test_what_is_printed_of_a_file_is_short_and_plain() -> None:
    assert printable("a\nbé") == "a\nbé"
    assert printable("\x1b[2Ja\r\0") == "?[2Ja??"
    assert printable("x" * 10_000) == "x" * 4000 + "..."
    assert "\x1b" not in str(ModelFileError("\x1b[31m", where="\x1b"))
