"""Every named policy on one network: its parts are its total, and the total is the estimate's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwmodels.policies import POLICIES, preset
from spikec.cost import Policy, Report
from spikec.errors import UsageError
from spikec.ir.types import weight_of
from spikec.model import Model
from spikec.tasks.counters import BEGIN, CHIPS, END, PARTS, Row, page, part_of, rows_of, tables
from spikec.tasks.estimation import Question, estimate

PAGE = Path(__file__).parents[2] / "docs" / "counters.md"


@pytest.fixture(scope="module")
def lively(small_model: Model) -> Model:
    """The small model with statistics that make it fire: variances of a hundredth."""
    weights = {
        name: weight_of(w.array * np.float32(0.01), w.role) if name.endswith("running_var") else w
        for name, w in small_model.graph.weights.items()
    }
    return replace(small_model, graph=replace(small_model.graph, weights=weights))


@pytest.fixture(scope="module")
def rows(lively: Model) -> list[Row]:
    return rows_of(lively)


def test_every_named_policy_has_a_row() -> None:
    assert {policy for policies in CHIPS.values() for policy in policies} == {"", *POLICIES}


def test_parts_make_up_what_an_estimate_says(lively: Model, rows: list[Row]) -> None:
    assert [(row.chip, row.policy) for row in rows] == [(chip, name) for chip, names in CHIPS.items() for name in names]
    for row in rows:
        named = preset(row.policy) if row.policy else None
        question = Question(named.policy if named else Policy(), named.pipeline if named else None, row.policy)
        (report,) = estimate(lively, (row.chip,), question)
        assert isinstance(report, Report)
        assert row.total_nj == pytest.approx(report.energy_pj / 1e3, rel=1e-12)


def test_a_part_holds_what_it_is_named_after(lively: Model) -> None:
    found: dict[str | None, set[str]] = {}
    for node in lively.graph.nodes:
        found.setdefault(part_of(lively.graph, node), set()).add(f"{node.scope} {node.op.mnemonic}")
    assert found["first layer"] == {"stem.conv0 conv2d"}
    assert found["head"] == {"head linear"}
    stream = {f"blocks.0.{layer} linear" for layer in ("attn.q_linear", "attn.k_linear", "attn.v_linear")}
    assert found["layers of the stream"] == stream | {"blocks.0.mlp.fc1_linear linear"}
    assert "stem.conv1 conv2d" in found["other layers"]
    assert found["attention"] == {"blocks.0.attn matmul"}
    assert {text.split()[-1] for text in found["norms"]} == {"batch_norm"}
    assert {text.split()[-1] for text in found["neurons"]} == {"lif"}
    assert {text.split()[-1] for text in found["sums"]} == {"add"}
    assert {text.split()[-1] for text in found["pools, means"]} == {"max_pool", "mean", "time_mean"}
    assert set(found) - {None} == set(PARTS)


def test_what_each_counter_bills(rows: list[Row]) -> None:
    """Of arithmetic: norms, neurons and pools by two of them alone, attention by those that see it."""
    billed = {
        row.policy: {part for part, energy in zip(PARTS, row.parts_nj, strict=True) if energy}
        for row in rows
        if row.chip == "45nm"
    }
    layers = {"first layer", "layers of the stream", "other layers", "head"}
    assert billed[""] == billed["spikformer-paper"] == {*layers, "attention"}
    assert billed["neurobench"] == layers
    assert billed["spikingjelly"] == set(PARTS)
    assert billed["syops"] == {*layers, "norms", "neurons", "pools, means"}


def test_the_page_is_written_between_its_marks(lively: Model, rows: list[Row]) -> None:
    before, after = PAGE.read_text("utf-8").split(BEGIN)[0], PAGE.read_text("utf-8").split(END)[1]
    text = page(PAGE.read_text("utf-8"), lively)
    assert text.startswith(before + BEGIN)
    assert text.endswith(END + after)
    assert tables(rows) in text
    assert f"`{lively.graph.sha256[:12]}`" in text
    assert page(text, lively) == text
    with pytest.raises(UsageError, match="without a place"):
        page("nothing", lively)


def test_the_committed_page_has_the_tables_of_todays_policies(rows: list[Row]) -> None:
    """Its numbers are checked where the network is searched for again; its rows and columns here."""

    def shape(text: str) -> list[list[str]]:
        lines = [
            line.split(" | ") for line in text.split(END)[0].splitlines() if line.startswith("| 45") or "total" in line
        ]
        return [line[:2] if line[0].startswith("| 45") else line for line in lines if line[0].startswith("|")]

    assert shape(PAGE.read_text("utf-8").split(BEGIN)[1]) == shape(tables(rows))
