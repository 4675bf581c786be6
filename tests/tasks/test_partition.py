"""estimate with neurons regrouped: fewer packets of the same spikes, the same events, and what the report says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwmodels.mapping.partition import Method
from hwmodels.registry import CHIPS
from spikec.cost import Policy, Report
from spikec.errors import UsageError
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import Calibration, InputSpec, Model
from spikec.report.table import estimate_table
from spikec.tasks.estimation import Question, estimate, with_counts
from spikec.tasks.pricing import Where

SKIP = Policy(zero_weights="skip")
STEPS, SAMPLES = 3, 2
PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"


@pytest.fixture
def chip(tmp_path: Path) -> str:
    """Loihi 1 with three neurons a core."""
    text = (CHIPS / "loihi1.toml").read_text("utf-8")
    before = '[cores.limits.neurons]\nvalue = 1024\nunit = "neurons"'
    assert text.count(before) == 1
    (tmp_path / "three.toml").write_text(text.replace(before, before.replace("1024", "3")))
    return str(tmp_path / "three.toml")


@pytest.fixture(scope="module")
def model() -> Model:
    """Two groups of sources, each with neurons of its own, which are mixed."""
    builder = GraphBuilder(STEPS)
    value = builder.input("x", TensorType((12,), SPIKE))
    for at, matrix in enumerate((np.tile(np.eye(2), (3, 6)), np.ones((5, 6)))):
        value = builder.add(Linear(), value, scope=f"w{at}", weights={"weight": matrix.astype(np.float32)})
        value = builder.add(LIF(), value, scope=f"q{at}", weights={"tau": 2.0, "v_threshold": 1.0})
    frames = (np.random.default_rng(2).random((SAMPLES, STEPS, 12)) < 0.5).astype(np.float32)
    batch = Calibration(frames, np.arange(SAMPLES), "made")
    return Model("groups", builder.graph(value), InputSpec((12,), "frames", STEPS), calibration=batch)


def report(model: Model, chip: str, method: Method = "connectivity", policy: Policy = SKIP) -> Report:
    (found,) = estimate(model, (chip,), Question(policy, where=Where(partition=method)))
    assert isinstance(found, Report)
    return found


def facts(found: Report) -> Mapping[str, Any]:
    assert found.mapping is not None
    return found.mapping


def test_fewer_packets_of_the_same_spikes(model: Model, chip: str) -> None:
    """Packets from outside have no sender on the chip, so that those taken in are what falls."""
    rule, found = report(model, chip, "rule"), report(model, chip)
    assert "partition" not in facts(rule)
    assert facts(found)["partition"]["packets_before"] == 24 + 12
    assert facts(found)["partition"]["packets_after"] == 12 + 12
    taken = [facts(each)["core_counts"]["message_in"]["mean"] * facts(each)["cores"] for each in (rule, found)]
    assert model.calibration is not None
    assert taken[0] - taken[1] == pytest.approx(float(model.calibration.inputs.sum()) / SAMPLES)
    for kind in ("ac", "spike", "neuron_update_active"):
        assert found.totals["counts"].get(kind) == rule.totals["counts"].get(kind)
    assert found.totals["counts"]["ac"] > 0


def test_what_is_shown_of_it(model: Model, chip: str) -> None:
    text = " ".join(estimate_table(report(model, chip), 120).split())
    assert (
        "by moves and exchanges of neurons: where every source fires once, 24 packets to the cores of 2 dense layers "
        "of several cores, 33.3 % less than the 36 by the rule; 1 layer regrouped"
    ) in text
    assert "no weight is zero" not in text
    keys = {key for layer in facts(report(model, chip))["partition"]["layers"] for key in layer}
    keys |= set(facts(report(model, chip))["partition"])
    missing = {key for key in keys if f"`{key}`" not in PAGE.read_text("utf-8")}
    assert not missing


def test_it_is_the_same_without_data_and_from_stored_counts(model: Model, chip: str) -> None:
    found = facts(report(model, chip))
    alone = facts(report(replace(model, calibration=None), chip))
    assert alone["partition"] == found["partition"]
    kept = with_counts(model, chip, Question(SKIP, where=Where(partition="connectivity")))
    assert facts(report(kept, chip)) == found
    other = report(kept, chip, "rule")  # which asks other questions
    assert "links" not in facts(other)


def test_nothing_to_regroup_and_nothing_gained_are_told_apart(model: Model, chip: str) -> None:
    text = " ".join(estimate_table(report(model, "loihi1"), 120).split())
    assert "by moves and exchanges of neurons: nothing to regroup, no layer of several cores" in text
    builder = GraphBuilder(STEPS)
    drive = builder.add(Linear(), builder.input("x", TensorType((12,), SPIKE)), weights={"weight": np.ones((6, 12))})
    graph = builder.graph(builder.add(LIF(), drive, weights={"tau": 2.0, "v_threshold": 1.0}))
    text = " ".join(estimate_table(report(replace(model, graph=graph), chip), 120).split())
    assert "nothing gained in 1 dense layer of several cores; no weight is zero, so that each source reaches" in text


def test_where_zeros_are_synapses_it_is_refused(model: Model, chip: str) -> None:
    with pytest.raises(UsageError, match="beside --zero-weights count"):
        report(model, chip, policy=Policy())


def test_where_no_count_has_a_time_the_report_has_no_latency_and_says_so(model: Model) -> None:
    """Loihi 2's one time is of events with zeros counted."""
    skipped = report(model, "loihi2", "rule")
    assert facts(skipped)["latency"] is None
    assert skipped.totals["latency_ns"] is None
    assert "no latency: loihi2's file gives no time of what is counted under this policy" in skipped.assumptions
    counted = report(model, "loihi2", "rule", Policy())
    said = [text for text in counted.assumptions if text.startswith(("latency is that", "a hop takes"))]
    assert said == facts(counted)["latency"]["assumed"]
    assert len(said) == 2
