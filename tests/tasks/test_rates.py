"""Files of published rates: what is read, what is refused, and what is said of rates that count nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikec.cost import Policy
from spikec.errors import DataError, UnknownName
from spikec.ir.arithmetic import MatMul
from spikec.ir.linear import Conv2d, Linear
from spikec.model import Model
from spikec.tasks.estimation import Question, estimate
from spikec.tasks.rates import read_rates

RATE = Policy(counting="rate")


def written(folder: Path, text: str, name: str = "rates.json") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def complete(small_model: Model) -> dict[str, object]:
    return {node.name: 0.1 for node in small_model.graph.nodes_of(Conv2d, Linear, MatMul)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"stem.conv1": 1' + "0" * 400 + "}", r"rates\.json, stem\.conv1: a rate of 10000"),
        ('{"stem.conv1": 1' + "0" * 5000 + "}", r"no JSON"),
        ("[" * 100_000, r"no JSON"),
        ('{"stem.conv1": -3}', r"a rate of -3; expected a number of at least 0"),
        ('{"stem.conv1": NaN}', r"a rate of nan"),
        ('{"stem.conv1": "Infinity"}', r"a rate of Infinity"),
        ('{"stem.conv1": true}', r"a rate of True"),
        ('{"stem.conv1": 0.1, "stem.conv1": 0.2}', r"second rate of 'stem\.conv1'"),
        (
            '{"stem.conv1": 0.1, "%stem.conv1": 0.2}',
            r"second rate of '%stem\.conv1'; expected one; 'stem\.conv1' is it",
        ),
        ('{"stem.conv1": [0.1, 0.2]}', r"a rate of operand 1; expected operands 0 to 0, as conv2d has"),
    ],
)
def test_what_is_no_rate_is_refused_with_its_file(small_model: Model, tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        read_rates(written(tmp_path, text), small_model.graph, 2)
    assert "rates.json" in str(error.value)


def test_a_field_too_long_for_csv_is_refused(small_model: Model, tmp_path: Path) -> None:
    path = written(tmp_path, f"scope,rate\n{'x' * 140_000},0.1\n", "rates.csv")
    with pytest.raises(DataError, match="no CSV"):
        read_rates(path, small_model.graph, 2)


@pytest.mark.parametrize("name", ["rates.csv", "rates.CSV"])
def test_a_mark_of_byte_order_and_the_tables_percent_are_read(small_model: Model, tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "\ufeffscope,rate\n%stem.conv1,0.25\n", name)
    assert read_rates(path, small_model.graph, 2).rates.rates == {("stem.conv1", 0): 0.25}


def test_of_many_names_the_nearest_are_shown_and_the_file_is_named(small_model: Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"rates\.json: .*stem\.conv1.* and \d+ more") as error:
        read_rates(written(tmp_path, '{"stem.cnv1": 0.1}'), small_model.graph, 2)
    assert len(str(error.value)) < 400


def test_a_mean_above_what_an_operand_can_be_is_refused(
    small_model: Model, tmp_path: Path, complete: dict[str, object]
) -> None:
    rates = written(tmp_path, json.dumps({**complete, "blocks.0.attn.q_linear": 100}))
    with pytest.raises(DataError, match=r"a rate of 100\.0; expected a mean of 0 to 2, since the operand is int"):
        estimate(small_model, ("45nm",), Question(policy=RATE, rates=rates))


def test_what_counts_nothing_is_told_from_what_another_rate_takes_the_place_of(
    small_model: Model, tmp_path: Path, complete: dict[str, object]
) -> None:
    more = {"blocks.0.mlp.fc2_lif": 0.2, "blocks.0.attn.v_lif": 0.3, "stem.lif0": 0.4}
    rates = written(tmp_path, json.dumps({**complete, **more}))
    (report,) = estimate(small_model, ("45nm",), Question(policy=RATE, rates=rates))
    assert report.data["unused_rates"] == ["stem.conv0", "head", "blocks.0.mlp.fc2_lif"]  # real operands ask for none
    assert report.data["overridden_rates"] == ["blocks.0.attn.v_lif", "stem.lif0"]
    (unused,) = (note for note in report.assumptions if "count nothing" in note)
    (overridden,) = (note for note in report.assumptions if "have their own" in note)
    assert unused.endswith("stem.conv0, head, blocks.0.mlp.fc2_lif")
    assert overridden.endswith("blocks.0.attn.v_lif, stem.lif0")
