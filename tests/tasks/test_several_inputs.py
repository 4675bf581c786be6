"""A model of several inputs: what takes no samples takes it, and what does says what to do."""

from pathlib import Path

import numpy as np
import pytest

from spikec.backend import registry
from spikec.backend.export import verify_export, write_export
from spikec.cost import Policy
from spikec.errors import DataError, ModelFileError
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import Calibration, Model, input_spec, load, save
from spikec.tasks.effects import effect
from spikec.tasks.estimation import Question, estimate, samples_of
from spikec.tasks.exporting import export
from spikec.tasks.showing import as_json, passed, summary_of

SHAPES = {"left": (6,), "right": (3,)}


@pytest.fixture
def model() -> Model:
    random, build = np.random.default_rng(2), GraphBuilder(steps=12)
    sides = [build.input(name, TensorType(shape, SPIKE)) for name, shape in SHAPES.items()]
    weights = [random.normal(0.3, 0.6, size=(5, *shape)) for shape in SHAPES.values()]
    both = [
        build.add(Linear(), x, scope=f"see_{x}", weights={"weight": w}) for x, w in zip(sides, weights, strict=True)
    ]
    total = build.add(Add(), *both, scope="join")
    graph = build.graph(build.add(LIF(), total, scope="lif", weights={"tau": 2.0, "v_threshold": 0.6}))
    return Model("two", graph, input_spec(graph, graph.steps))


def spikes(samples: int = 16) -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return {name: (random.uniform(size=(12, samples, *shape)) < 0.4).astype(float) for name, shape in SHAPES.items()}


def test_it_is_saved_loaded_and_shown(model: Model, tmp_path: Path) -> None:
    save(model, tmp_path / "two.pt")
    back = load(tmp_path / "two.pt")
    assert back.graph.sha256 == model.graph.sha256
    assert (back.input.shape, back.input.encoder, back.input.steps) == ((), "several", 12)
    assert '"left": "spike step [6]"' in as_json(back, summary_of(back))
    assert list(passed(back, ["fold-scale", "canonicalise"]).model.graph.inputs) == ["left", "right"]


def test_a_file_that_says_one_input_of_two_is_refused(model: Model, tmp_path: Path) -> None:
    one = Model("two", model.graph, type(model.input)((6,), "frames", 12))
    with pytest.raises(ModelFileError, match="for 2 inputs"):
        save(one, tmp_path / "two.pt")


def test_a_calibration_batch_of_one_array_is_refused(model: Model) -> None:
    batch = Calibration(np.zeros((2, 12, 6), np.float32), np.arange(2), "here")
    with pytest.raises(ModelFileError, match="a calibration batch for 2 inputs"):
        Model("two", model.graph, model.input, calibration=batch)


def test_it_is_priced_by_rates(model: Model, tmp_path: Path) -> None:
    rates = tmp_path / "rates.json"
    rates.write_text('{"see_left": 0.5, "see_right": 0.25}')
    (found,) = estimate(model, ["45nm"], Question(policy=Policy(counting="rate"), rates=rates))
    counts = {row["name"]: row["counts"] for row in found.nodes}
    assert counts["see_left"]["ac"] == 12 * 30 * 0.5
    assert counts["see_right"]["ac"] == 12 * 15 * 0.25


@pytest.mark.parametrize("data", [None, "digits"])
def test_samples_are_refused_with_what_to_do(model: Model, tmp_path: Path, data: str | None) -> None:
    said = r"2 inputs: %left spike step \[6\], %right spike step \[3\].*--rates FILE.*an array for each input"
    with pytest.raises(DataError, match=said):
        samples_of(model, Question(policy=Policy(), data=data))
    with pytest.raises(DataError, match=said):
        export(model, "nir", tmp_path / "out", data=data)
    with pytest.raises(DataError, match=said):
        effect(model.graph, model.graph, "digits")


@pytest.mark.parametrize("dialect", ["strict", "extended"])
def test_an_export_of_an_array_for_each_input_is_verified(model: Model, tmp_path: Path, dialect: str) -> None:
    write_export(registry.load("nir", dialect), model.graph, tmp_path / "out", data=spikes(), dialect=dialect)
    verdict = verify_export(tmp_path / "out")
    (layer,) = verdict.layers
    assert verdict.passed
    assert 0.02 < layer.rate < 0.98
    assert load(tmp_path / "out" / "source.pt").input.encoder == "several"
