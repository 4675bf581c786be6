"""train: from a model to a better model, reproducibly, resumably; what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spikec.cost import Report
from spikec.data import digits
from spikec.errors import DataError, OutputError, UnknownName, UsageError
from spikec.model import Model, load, save
from spikec.snn.supernet import recalibrate
from spikec.snn.training import Progress
from spikec.tasks.estimation import Question, estimate
from spikec.tasks.networks import TRACED, network_of, new
from spikec.tasks.training import Trained, TrainSettings, train

SETTINGS = TrainSettings("digits", epochs=2, seed=1)


@pytest.fixture(scope="module")
def trained(small_model: Model) -> Trained:
    return train(small_model, SETTINGS)


def test_training_improves_and_is_reported(small_model: Model, trained: Trained) -> None:
    assert len(trained.losses) == 2
    assert trained.losses[1] < trained.losses[0]
    assert trained.before < 0.2
    assert trained.after > 2 * trained.before
    assert trained.samples == 360
    assert trained.notes == ()
    assert trained.model.graph.sha256 != small_model.graph.sha256
    assert trained.model.graph.text() == small_model.graph.text()


def test_accuracy_is_that_of_the_module_on_the_whole_validation_part(trained: Trained) -> None:
    part = digits.load(0).validation
    with torch.no_grad():
        logits = network_of(trained.model)(torch.from_numpy(part.samples))
    assert trained.after == float((logits.argmax(1).numpy() == part.labels).mean())


def test_statistics_are_those_of_the_first_512_training_samples(trained: Trained) -> None:
    network = network_of(trained.model)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    recalibrate(network, torch.from_numpy(digits.load(0).train.samples[:512]))
    for name, buffer in network.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, before[name], rtol=1e-5, atol=1e-6)


def test_the_file_says_where_it_comes_from(small_model: Model, trained: Trained) -> None:
    notes = trained.model.provenance
    assert notes["made"] == "trained"
    assert notes["from"]["graph_sha256"] == small_model.graph.sha256
    assert notes["data"] == "digits:0"
    assert notes["recipe"]["epochs"] == 2
    assert notes["seed"] == 1
    assert notes["graph"] == TRACED
    assert trained.model.calibration is not None
    assert trained.model.calibration.spec == "digits:0:validation"


def test_a_trained_model_is_priced_and_every_layer_is_alive(trained: Trained, tmp_path: Path) -> None:
    save(trained.model, tmp_path / "trained.pt")
    (report,) = estimate(tmp_path / "trained.pt", ["45nm"], Question())
    assert isinstance(report, Report)
    assert 0 < report.energy_pj < report.ann["energy_pj"] * report.steps
    assert report.data["samples"] == 256
    priced = [node for node in report.nodes if node["op"] in ("linear", "conv2d", "matmul")]
    assert len(priced) == 13
    assert all(sum(node["energy_pj"].values()) > 0 for node in priced)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(small_model: Model, trained: Trained) -> None:
    assert train(small_model, SETTINGS).model.graph.sha256 == trained.model.graph.sha256
    other = train(small_model, replace(SETTINGS, seed=2))
    assert other.model.graph.sha256 != trained.model.graph.sha256


def test_a_trained_model_can_be_trained_further(trained: Trained, tmp_path: Path) -> None:
    save(trained.model, tmp_path / "trained.pt")
    further = train(load(tmp_path / "trained.pt"), replace(SETTINGS, learning_rate=0.004))
    assert further.before == trained.after
    assert further.after > trained.after
    assert further.model.provenance["from"]["provenance"]["made"] == "trained"


def test_stopped_and_started_again_ends_with_the_same_weights(
    small_model: Model, trained: Trained, tmp_path: Path
) -> None:
    told: list[int] = []

    def stop(at: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_model, SETTINGS, checkpoints=tmp_path / "kept", progress=stop)
    again = train(small_model, SETTINGS, checkpoints=tmp_path / "kept", progress=lambda at: told.append(at.epoch))
    assert told == [2]
    assert again.model.graph.sha256 == trained.model.graph.sha256


def test_another_seed_does_not_go_on_from_the_checkpoint_of_the_first(small_model: Model, tmp_path: Path) -> None:
    one = replace(SETTINGS, epochs=1)
    train(small_model, one, checkpoints=tmp_path)
    told: list[int] = []
    train(small_model, replace(one, seed=7), checkpoints=tmp_path, progress=lambda at: told.append(at.epoch))
    assert told == [1]
    assert len(list(tmp_path.iterdir())) == 2


def test_another_split_is_said(small_model: Model) -> None:
    found = train(small_model, TrainSettings("digits:1", epochs=1))
    assert found.model.provenance["data"] == "digits:1"
    assert found.model.calibration is not None
    np.testing.assert_array_equal(found.model.calibration.ids, digits.load(1).validation.ids[:256])
    (note,) = found.notes
    assert "digits:0:validation" in note
    assert "digits:1:train" in note


def test_a_training_that_diverges_says_so(small_model: Model) -> None:
    with pytest.raises(UsageError, match=r"diverged: the loss of epoch 1 is nan.*smaller --lr"):
        train(small_model, TrainSettings("digits", epochs=1, learning_rate=1e30))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"epochs": 0}, "epochs 0"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(SETTINGS, **fields)


def test_data_that_are_not_there_or_do_not_fit_are_refused(small_model: Model) -> None:
    with pytest.raises(UnknownName, match="digit"):
        train(small_model, replace(SETTINGS, data="digit"))
    with pytest.raises(DataError, match="digits:SPLIT"):
        train(small_model, replace(SETTINGS, data="digits:0:train"))
    with pytest.raises(UsageError, match=r"1x8x8 images of 10 classes.*3x32x32 images of 10 classes"):
        train(new("spikformer-2-384", replay=False), SETTINGS)


def test_a_folder_of_checkpoints_that_cannot_be_made_is_refused(small_model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="checkpoints"):
        train(small_model, SETTINGS, checkpoints=tmp_path / "file")
