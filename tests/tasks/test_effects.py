"""What passes do on data, on a network of which every changed spike can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from cli.main import spikec
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType, constant, weight_of
from spikec.model import InputSpec, Model, save
from spikec.tasks.effects import effect
from spikec.tasks.showing import passed

STEPS = 4


@pytest.fixture
def model() -> Model:
    """Two neurons that remember nothing: the first fires where both inputs do, unless 0.503 becomes 64/128."""
    b = GraphBuilder(steps=STEPS)
    x = b.input("x", TensorType((2,), SPIKE))
    weight = weight_of(np.array([[0.5, 0.503], [0.5, 0.25]]))
    drive = b.add(Linear(), x, scope="fc", weights={"weight": weight})
    neuron = LIF(decay_input=False)
    weights = {"beta": constant(0.0), "v_threshold": constant(np.array([1.002, 0.5]))}
    spikes = b.add(neuron, drive, scope="lif", weights=weights)
    return Model("pair", b.graph(spikes), InputSpec((2,), "frames", STEPS), ("a", "b"))


@pytest.fixture
def inputs() -> NDArray[np.float32]:
    return np.random.default_rng(0).integers(0, 2, (20, STEPS, 2)).astype(np.float32)


def npz(folder: Path, **arrays: NDArray[np.generic]) -> str:
    np.savez(folder / "data.npz", **arrays)
    return f"npz:{folder / 'data.npz'}"


def test_spikes_rates_and_accuracy_are_those_counted_by_hand(
    model: Model, inputs: NDArray[np.float32], tmp_path: Path
) -> None:
    both, first = inputs.all(-1), inputs[..., 0] > 0
    before, after = (np.stack([lost & both, first], -1).mean(1) for lost in (True, False))
    labels = np.zeros(20, np.int64)
    found = effect(model.graph, passed(model, ["quantize"]).model.graph, npz(tmp_path, inputs=inputs, labels=labels))
    (layer,) = found.layers
    assert 0 < both.sum() < 80
    assert (layer.scope, layer.differing, layer.compared) == ("lif", both.sum(), 20 * STEPS * 2)
    assert layer.rate_before == pytest.approx(before.mean())
    assert layer.rate_after == pytest.approx(after.mean())
    assert found.right_before == (before.argmax(-1) == 0).sum() != found.right_after
    assert found.right_after == (after.argmax(-1) == 0).sum()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            [0, 50, 57, 1],
            "2 of 4 labels are out of range (50 to 57): the first output has a score for each of 2 classes",
        ),
        ([0, 2, 1, 1], "1 of 4 labels are out of range (2): "),
        ([0, -1, 1, 1], "1 of 4 labels are out of range (-1): "),
    ],
)
def test_labels_of_no_class_are_named(model: Model, inputs, tmp_path: Path, labels: list[int], said: str) -> None:
    data = npz(tmp_path, inputs=inputs[:4], labels=np.array(labels))
    found = effect(model.graph, passed(model, ["quantize"]).model.graph, data)
    assert (found.right_before, found.right_after) == (None, None)
    assert found.remarks[0].startswith(said)


def show(model: Model, folder: Path, *words: object) -> Result:
    save(model, folder / "pair.pt")
    return CliRunner().invoke(spikec, ["show", str(folder / "pair.pt"), *map(str, words)])


def test_show_prints_them(model: Model, inputs: NDArray[np.float32], tmp_path: Path) -> None:
    both = int(inputs[:8].all(-1).sum())
    data = npz(tmp_path, inputs=inputs)
    result = show(model, tmp_path, "--passes", "quantize", "--data", data, "--samples", 8)
    assert result.exit_code == 0, result.output
    assert "8 samples, T = 4, float64" in result.stderr
    assert "no labels: no accuracy (of an .npz they are an array 'labels')" in result.stderr
    (row,) = (line.split() for line in result.stderr.splitlines() if line.startswith("lif "))
    assert row[3:5] == [str(both), "64"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "digits"), "--data without --passes"),
        (("--passes", "quantize", "--samples", 3), "--samples 3 without --data"),
        (("--passes", "quantize", "--data", "digits", "--samples", 0), "--samples 0; expected 1 or more"),
    ],
)
def test_options_without_what_they_belong_to_are_refused(
    model: Model, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    result = show(model, tmp_path, *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_name_cannot_leave_the_comment_of_a_drawing(model: Model, tmp_path: Path) -> None:
    hostile = Model("---><svg onload=x>", model.graph, model.input, model.class_names)
    drawing = show(hostile, tmp_path, "--format", "svg").stdout
    comment, _, rest = drawing.partition("\n-->\n")
    assert "svg onload" in comment
    assert "--" not in comment.removeprefix("<!--")
    assert rest.startswith("<svg ")
    assert "onload" not in rest
