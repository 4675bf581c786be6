"""The page 'describe your chip': its example is checked and estimated with, and every key is on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import spikec
from hwmodels.cores_schema import BarrierTable, CoresTable, EncodingTable, LimitsTable, MeshTable
from hwmodels.event_kinds import ON_CHIP, ON_CORES
from hwmodels.memory_schema import LineTable, MemoryTable, PiecewiseTable
from hwmodels.registry import names
from hwmodels.schema import Chip, Energy, TermTable, Time
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import Calibration, InputSpec, Model, save

PAGE = (Path(__file__).parents[2] / "docs" / "describe-your-chip.md").read_text("utf-8")


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    builder = GraphBuilder(2)
    x = builder.add(
        Linear(), builder.input("x", TensorType((3,), SPIKE)), scope="fc", weights={"weight": np.ones((4, 3))}
    )
    graph = builder.graph(builder.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0}))
    frames = np.ones((1, 2, 3), np.float32)
    save(
        Model("m", graph, InputSpec((3,), "frames", 2), calibration=Calibration(frames, np.arange(1), "made")),
        tmp_path / "m.pt",
    )
    return tmp_path / "m.pt"


def test_the_example_is_good_and_prices_a_network(tmp_path: Path, model: Path) -> None:
    chip = tmp_path / "mine.toml"
    chip.write_text(block("toml"), encoding="utf-8")
    checked = CliRunner().invoke(spikec, ["hw", "check", str(chip)])
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.startswith("good: bench-core, 22 nm")
    estimated = CliRunner().invoke(spikec, ["estimate", str(model), "--hw", str(chip), "--format", "json"])
    assert estimated.exit_code == 0, estimated.output
    report = json.loads(estimated.stdout)
    events, updates = 2 * 3 * 4, 2 * 4
    assert report["totals"]["energy_pj"] == pytest.approx(events * 18.0 + updates * 60.0)
    assert report["totals"]["energy_pj_low"] == pytest.approx(events * 15.5 + updates * 60.0)
    assert report["totals"]["energy_pj_high"] == pytest.approx(events * 21.0 + updates * 60.0)
    assert report["hardware"]["evidence"] == "simulated"
    assert "of the price 'update': at 25 degrees; it doubles by 85" in report["assumptions"]
    assert [term["time_ns"] for term in report["hardware"]["terms"]] == [4.0, None]


def test_the_check_of_the_page_passes() -> None:
    exec(compile(block("python"), "describe-your-chip.md", "exec"), {})


def test_every_key_kind_and_chip_is_on_the_page() -> None:
    keys = {key for table in (Chip, TermTable, Energy, Time) for key in table.model_fields}
    models = get_args(Chip.model_fields["model"].annotation)
    for name in (*keys - {"terms"}, "terms.NAME", *models, *ON_CHIP, *ON_CORES, *names()):
        assert f"`{name}`" in PAGE, name


def test_every_key_of_cores_and_memory_is_on_the_page() -> None:
    sourced = {"evidence", "source"}
    keys = [key for table in (CoresTable, MeshTable, EncodingTable, BarrierTable) for key in table.model_fields]
    nested = (("limits", LimitsTable), ("piecewise", PiecewiseTable), ("line", LineTable))
    paths = [f"{name}.{key}" for name, table in nested for key in table.model_fields]
    cut = {name for name, _ in nested}
    for key in (*{*keys, *MemoryTable.model_fields} - sourced - cut, *paths):
        assert f"`{key}`" in PAGE, key
