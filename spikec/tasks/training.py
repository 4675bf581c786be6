"""train: one network on a data set, from a model to a model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from spikec.data.dataset import Dataset
from spikec.errors import DataError, OutputError, UnknownName, UsageError
from spikec.model import Model
from spikec.snn.checkpoint import load_checkpoint
from spikec.snn.config import SpikformerConfig
from spikec.snn.spikformer import Spikformer
from spikec.snn.supernet import recalibrate
from spikec.snn.training import Progress, Recipe, train_network
from spikec.tasks.networks import SEEDS, model_of_network, network_of
from spikec.tasks.pricing import one_thread
from spikec.tasks.search_setup import DATA_SETS, dataset_sha256
from spikec.tasks.subnets import FINAL_STATISTICS, accuracy_of, predict


@dataclass(frozen=True)
class TrainSettings:
    """How to train one network.

    Args:
        data: a data set, and behind a colon which of its fixed splits: digits, digits:1.
        epochs: passes over the training part.
        learning_rate: AdamW's at its peak, above 0.
        seed: of order and shifts.

    Raises:
        UsageError: a value out of its range.
    """

    data: str
    epochs: int = Recipe.epochs
    learning_rate: float = Recipe.learning_rate
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError(f"epochs {self.epochs}", expected="1 or more")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"a learning rate of {self.learning_rate}", expected="a number above 0")
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"seed {self.seed}", expected="0 to 2^63 - 1")

    @property
    def recipe(self) -> Recipe:
        """The whole recipe; what is not chosen here is its default."""
        return Recipe(epochs=self.epochs, learning_rate=self.learning_rate)


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of a training.

    Args:
        model: with weights and BatchNorm statistics of its own.
        losses: mean cross entropy of each epoch, in nats.
        before, after: accuracy on the whole validation part, fractions.
        samples: of the validation part.
        notes: what the user should know of the data.
    """

    model: Model
    losses: tuple[float, ...]
    before: float
    after: float
    samples: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training that can begin: all that it needs was read and fits.

    Args:
        model, settings: what is trained, and how.
        dataset: on what.
        network: the model's, which the training changes.
        checkpoint: the file of each epoch's state; None to keep none.
        done: epochs that stand in it already.
        notes: what the user should know of the data.
    """

    model: Model
    settings: TrainSettings
    dataset: Dataset
    network: Spikformer
    checkpoint: Path | None
    done: int
    notes: tuple[str, ...]


def prepare(model: Model, settings: TrainSettings, *, checkpoints: Path | None = None) -> Prepared:
    """Checks all that can be checked before the first epoch, and finds where an earlier run stopped.

    Args and errors as `train`.
    """
    dataset = dataset_of(settings.data)
    network = network_of(model)
    _check_fits(network.config, dataset)
    path = None if checkpoints is None else _checkpoint(checkpoints, model, dataset, settings)
    done = 0 if path is None or not path.exists() else int(load_checkpoint(path, keys=["epoch"])["epoch"])
    return Prepared(model, settings, dataset, network, path, done, _notes(model, dataset))


def train(
    model: Model,
    settings: TrainSettings,
    *,
    checkpoints: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Trains `model` further, from the weights that it has, and traces the result anew.

    The BatchNorm statistics are then those of the first 512 training samples at the network's own T, as a search's
    finalists have them. The test part is not read.

    Args:
        model: with an architecture; itself unchanged.
        settings: data, recipe and seed.
        checkpoints: a folder, where the state after each epoch is kept under a name made of model, data, recipe and
            seed: the same training, stopped and started again, goes on from there and ends with the same weights.
        progress: told after each epoch.

    Raises:
        UsageError: no architecture, data of another shape, or the training diverged.
        UnknownName, DataError: no such data set or split.
        OutputError: a checkpoint cannot be written.
        ModelFileError: the checkpoint that stands there cannot be read.
    """
    return carry_out(prepare(model, settings, checkpoints=checkpoints), progress)


def carry_out(prepared: Prepared, progress: Callable[[Progress], None] | None = None) -> Trained:
    """The training that was prepared; see `train`."""
    model, settings, dataset = prepared.model, prepared.settings, prepared.dataset
    generator = torch.Generator().manual_seed(settings.seed)

    def told(at: Progress) -> None:
        _check_loss(at)
        if progress is not None:
            progress(at)

    network, kept = prepared.network, prepared.checkpoint
    with one_thread():
        losses = train_network(network, dataset.train, settings.recipe, generator, checkpoint=kept, progress=told)
        recalibrate(network, torch.from_numpy(dataset.train.samples[:FINAL_STATISTICS]))
    trained = model_of_network(network, model.name, _provenance(model, dataset, settings), dataset)
    validation = dataset.validation
    before, after = (
        accuracy_of(predict(each.graph, validation.samples), validation.labels) for each in (model, trained)
    )
    return Trained(trained, tuple(losses), before, after, len(validation), prepared.notes)


def dataset_of(spec: str) -> Dataset:
    """The data set that `spec` names, with its splits.

    Raises:
        UnknownName: there is none of that name.
        DataError: what stands behind the name is no split.
    """
    name, _, split = spec.partition(":")
    if name not in DATA_SETS:
        raise UnknownName(name, "data set to train on", DATA_SETS)
    if split and not split.isdecimal():
        raise DataError(f"'{spec}'", expected=f"{name} or {name}:SPLIT, a number from 0 on; training needs all parts")
    return DATA_SETS[name](int(split or 0))


def _check_fits(config: SpikformerConfig, dataset: Dataset) -> None:
    ours, theirs = (config.image, config.classes), (dataset.image, len(dataset.classes))
    if ours != theirs:
        spelled = ["x".join(map(str, image)) + f" images of {classes} classes" for image, classes in (ours, theirs)]
        raise UsageError(f"data of {spelled[1]}", where=f"--data {dataset.spec}", expected=spelled[0])


def _checkpoint(folder: Path, model: Model, dataset: Dataset, settings: TrainSettings) -> Path:
    told = [model.graph.sha256, dataset_sha256(dataset), asdict(settings.recipe), settings.seed]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"no folder for checkpoints: {error.strerror}", where=str(folder)) from error
    return folder / f"train-{digest[:16]}.pt"


def _check_loss(at: Progress) -> None:
    if not math.isfinite(at.loss):
        raise UsageError(f"the training diverged: the loss of epoch {at.epoch} is {at.loss}", mend="a smaller --lr")


def _provenance(model: Model, dataset: Dataset, settings: TrainSettings) -> dict[str, object]:
    return {
        "made": "trained",
        "from": {"name": model.name, "graph_sha256": model.graph.sha256, "provenance": dict(model.provenance)},
        "data": dataset.spec,
        "data_sha256": dataset_sha256(dataset),
        "recipe": asdict(settings.recipe),
        "seed": settings.seed,
        "statistics": FINAL_STATISTICS,
    }


def _notes(model: Model, dataset: Dataset) -> tuple[str, ...]:
    own = None if model.calibration is None else model.calibration.spec
    expected = f"{dataset.spec}:validation"
    if own in (None, expected):
        return ()
    return (
        f"the model was made with {own} and trained on {dataset.spec}:train: where the two are splits of one data set, "
        "each has seen samples that the other keeps for validation and test",
    )
