"""A network that one chip is too small for: two of them, the crossings between them, and the picture of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv2d
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import Calibration, InputSpec, Model, save

Run = Callable[..., Result]
HEIGHT, WIDTH, CHANNELS = 128, 260, 4
"""133,120 neurons, where Loihi 1's 128 cores of 1,024 hold 131,072."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    builder = GraphBuilder(1)
    value = builder.input("x", TensorType((1, HEIGHT, WIDTH), SPIKE))
    for scope, shape, stride in (("wide", (CHANNELS, 1, 1, 1), 1), ("narrow", (1, CHANNELS, 4, 4), 4)):
        weight = rng.uniform(0.4, 1.5, shape).astype(np.float32)
        drive = builder.add(Conv2d(stride=(stride, stride)), value, scope=f"{scope}.w", weights={"weight": weight})
        value = builder.add(LIF(), drive, scope=scope, weights={"tau": 2.0, "v_threshold": 0.3})
    frames = (rng.random((1, 1, 1, HEIGHT, WIDTH)) < 0.2).astype(np.float32)
    spec = InputSpec((1, HEIGHT, WIDTH), "frames", 1)
    path = tmp_path_factory.mktemp("large") / "large.pt"
    save(Model("large", builder.graph(value), spec, calibration=Calibration(frames, np.arange(1), "made")), path)
    return path


def test_two_chips_are_taken_and_packets_cross_between_them(run: Run, large: Path, tmp_path: Path) -> None:
    plot = tmp_path / "chips.svg"
    result = run("estimate", large, "--hw", "loihi1", "--map", "--format", "json", "--plot", plot)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    found = report["mapping"]
    assert (found["fits"], found["chips"], found["cores_a_chip"]) == (True, 2, 128)
    assert found["cores"] > 128
    assert {place[0] for place in found["places"]} == {0, 1}
    assert sorted(found["board"].values()) == [1, 2]
    assert found["extrapolated"][-1] == "2 chips"
    assert report["totals"]["counts"]["chip_crossing"] > 0
    static = next(node for node in report["nodes"] if node["op"] == "static")
    assert static["scope"] == "static power"
    assert static["counts"]["chip_ns"] == pytest.approx(2 * found["latency"]["inference_ns"])
    assert "chip 1" in plot.read_text("utf-8")


def test_the_table_tells_of_both_and_a_budget_of_one_is_exceeded(run: Run, large: Path) -> None:
    result = run("estimate", large, "--hw", "loihi1", "--map", "--budget", "chips<=1")
    assert result.exit_code == 1
    assert "on 2 chips of 128 each" in result.stdout
    assert "\nstatic power" in result.stdout
    assert "chips<=1 on loihi1: found 2, over by 1" in result.stderr
