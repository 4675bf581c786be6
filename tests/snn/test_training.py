"""Training: reproducible, resumable to the bit, stopped without loss, refused where it cannot go on."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikec.data import digits
from spikec.data.dataset import Split
from spikec.errors import DataError, ModelFileError, OutputError, UsageError
from spikec.snn.checkpoint import save_checkpoint
from spikec.snn.config import SpikformerConfig
from spikec.snn.registry import network_config
from spikec.snn.spikformer import new_spikformer
from spikec.snn.supernet import Supernet
from spikec.snn.training import Progress, Recipe, shifted, train_network, train_supernet

Draw = Callable[[np.random.Generator], SpikformerConfig]
SHORT = Recipe(epochs=3, batch=32)


@pytest.fixture(scope="module")
def samples() -> Split:
    return digits.load(0).train.take(110)


def trained(samples: Split, draw: Draw, seed: int = 0, **options: object) -> tuple[Supernet, list[float]]:
    generator = torch.Generator().manual_seed(seed)
    supernet = Supernet(network_config("spikformer-digits"), generator)
    losses = train_supernet(supernet, samples, draw, SHORT, generator, **options)  # type: ignore[arg-type]  # by name
    return supernet, losses


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for (name, one), other in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def stop_after(epoch: int) -> Callable[[Progress], None]:
    def progress(done: Progress) -> None:
        if done.epoch == epoch:
            raise KeyboardInterrupt

    return progress


def test_a_seed_gives_the_weights_whatever_the_global_generator(samples: Split, draw: Draw) -> None:
    first, losses = trained(samples, draw)
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002  # the global state is what must not matter
    again, same_losses = trained(samples, draw)
    other, _ = trained(samples, draw, seed=1)
    assert_same_weights(first, again)
    assert losses == same_losses
    assert losses[-1] < losses[0]
    assert not torch.equal(first.network.head.weight, other.network.head.weight)


@pytest.mark.parametrize("epoch", [1, 2])
def test_resumed_equals_uninterrupted(samples: Split, draw: Draw, tmp_path: Path, epoch: int) -> None:
    whole, losses = trained(samples, draw)
    path = tmp_path / "supernet.ckpt"
    with pytest.raises(KeyboardInterrupt):
        trained(samples, draw, checkpoint=path, progress=stop_after(epoch))
    resumed, resumed_losses = trained(samples, draw, seed=99, checkpoint=path)  # the seed is the file's
    assert_same_weights(whole, resumed)
    assert losses == resumed_losses


def test_a_finished_training_is_loaded_not_repeated(samples: Split, draw: Draw, tmp_path: Path) -> None:
    path = tmp_path / "supernet.ckpt"
    first, losses = trained(samples, draw, checkpoint=path)
    told: list[Progress] = []
    again, same = trained(samples, draw, checkpoint=path, progress=told.append)
    assert_same_weights(first, again)
    assert (same, told) == (losses, [])


def test_progress_counts_epochs_and_leaves_no_partial_file(samples: Split, draw: Draw, tmp_path: Path) -> None:
    told: list[Progress] = []
    _, losses = trained(samples, draw, checkpoint=tmp_path / "c", progress=told.append)
    assert [(p.epoch, p.epochs) for p in told] == [(1, 3), (2, 3), (3, 3)]
    assert [p.loss for p in told] == losses
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_one_network_trains_and_resumes_alike(samples: Split, tmp_path: Path) -> None:
    config = replace(network_config("spikformer-digits"), steps=2)

    def run(**options: object) -> nn.Module:
        generator = torch.Generator().manual_seed(5)
        network = new_spikformer(config, generator)
        train_network(network, samples, SHORT, generator, **options)  # type: ignore[arg-type]  # by name
        return network

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path / "c", progress=stop_after(2))
    assert_same_weights(whole, run(checkpoint=tmp_path / "c"))
    assert not whole.training


def test_refuses_a_checkpoint_of_another_recipe_or_network(samples: Split, draw: Draw, tmp_path: Path) -> None:
    path = tmp_path / "c"
    trained(samples, draw, checkpoint=path)
    generator = torch.Generator().manual_seed(0)
    config = network_config("spikformer-digits")
    with pytest.raises(UsageError, match="another recipe"):
        train_supernet(Supernet(config, generator), samples, draw, replace(SHORT, epochs=9), generator, checkpoint=path)
    narrow = replace(config, width=32)
    with pytest.raises(UsageError, match="another config"):
        train_supernet(Supernet(narrow, generator), samples, draw, SHORT, generator, checkpoint=path)


class _Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("executed",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", ["empty", "text", "truncated", "pickle", "foreign"])
def test_refuses_a_file_that_is_no_checkpoint(
    samples: Split, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c"
    if content == "truncated":
        trained(samples, draw, checkpoint=path)
        path.write_bytes(path.read_bytes()[:-5000])
    elif content == "foreign":
        torch.save({"weights": torch.zeros(3)}, path)
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "pickle": pickle.dumps(_Payload())}[content])
    with pytest.raises(ModelFileError, match="c: "):
        trained(samples, draw, checkpoint=path)
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_leaves_the_last_checkpoint(
    samples: Split, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    trained(samples, draw, checkpoint=path)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        save_checkpoint(path, {"epoch": 1})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_refuses_fewer_samples_than_a_batch(samples: Split, draw: Draw) -> None:
    with pytest.raises(DataError, match="10 training samples"):
        trained(samples.take(10), draw)


def test_the_rate_rises_linearly_and_falls_as_a_cosine() -> None:
    recipe = Recipe(learning_rate=1.0, warmup=0.1)
    rates = [recipe.rate_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[99] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch": 1}, {"shift": -1}, {"warmup": 1.0}])
def test_refuses_a_recipe_out_of_range(change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="recipe"):
        replace(SHORT, **change)  # type: ignore[arg-type]  # by name


def test_shifts_move_by_a_pixel_at_most_each_sample_its_own_way(generator: torch.Generator) -> None:
    x = torch.zeros(64, 1, 5, 5)
    x[:, 0, 2, 2] = 1.0
    moved = shifted(x, 1, generator)
    places = {tuple(place) for place in moved.nonzero()[:, 2:].tolist()}
    assert places == {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}
    assert shifted(x, 0, generator) is x
