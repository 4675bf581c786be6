"""Training by AdamW: a supernet with one random subnet a step, or one network; reproducible and resumable.

All randomness comes from one `torch.Generator`, whose state is part of every checkpoint: a run that was
stopped and resumed ends with the very weights of one that was not (same machine, versions and threads).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spikec.data.dataset import Split
from spikec.errors import DataError, UsageError
from spikec.snn.checkpoint import load_checkpoint, save_checkpoint
from spikec.snn.config import SpikformerConfig, config_to_plain
from spikec.snn.spikformer import Spikformer
from spikec.snn.supernet import Supernet

Draw = Callable[[np.random.Generator], SpikformerConfig]


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults train the digits' supernet in well under a minute on one thread.

    Attributes:
        epochs: passes over the training samples.
        batch: samples a step; the last, smaller batch of an epoch is left out.
        learning_rate: AdamW's at its peak; it rises linearly over the `warmup` share of all steps, then falls
            to 0 as a cosine.
        weight_decay: AdamW's.
        label_smoothing: share of the target spread over all classes.
        shift: every sample is moved by up to this many pixels each way, zeros following.
    """

    epochs: int = 45
    batch: int = 64
    learning_rate: float = 0.012
    warmup: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    shift: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.shift < 0 or not 0 <= self.warmup < 1:
            raise UsageError(f"a recipe of {self}", expected="epochs >= 1, batch >= 2, shift >= 0, 0 <= warmup < 1")

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate at `step` (from 0) of `steps`."""
        warm = max(1, round(self.warmup * steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@dataclass(frozen=True)
class Progress:
    """How far a training is, told after each epoch, when its checkpoint is on disk.

    Attributes:
        epoch, epochs: done, and in all.
        loss: mean cross entropy over the epoch's steps, in nats.
    """

    epoch: int
    epochs: int
    loss: float


@dataclass
class _Run:
    """A training in progress: what a checkpoint holds.

    Attributes:
        module: what is trained.
        config: of the network, or of the supernet's largest.
        logits: a batch's, by the module.
    """

    module: nn.Module
    config: SpikformerConfig
    logits: Callable[[Tensor], Tensor]
    recipe: Recipe
    generator: torch.Generator
    optimizer: torch.optim.Optimizer = field(init=False)
    epoch: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        # fused: one kernel for all parameters, a quarter of the time of the default at these sizes
        self.optimizer = torch.optim.AdamW(
            self.module.parameters(),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            fused=True,
        )


def train_supernet(
    supernet: Supernet,
    train: Split,
    draw: Draw,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[float]:
    """Trains `supernet` in place, one subnet from `draw` a step; resumes where `checkpoint` is there already.

    Args:
        supernet: with its first weights; overwritten by those of the checkpoint.
        train: samples and labels.
        draw: gives a subnet from a generator made anew for each step, so it must keep no state.
        recipe: how long and how fast.
        generator: order, shifts and subnets; overwritten by the checkpoint's.
        checkpoint: file written after each epoch, whole or not at all; where it exists, training goes on
            from it.
        progress: called after each epoch; an exception that it raises, KeyboardInterrupt too, ends the
            training with the checkpoint valid.

    Returns:
        Mean loss of each epoch.

    Raises:
        UsageError: the checkpoint is of another network or recipe.
        DataError: fewer samples than one batch.
        ModelFileError: the checkpoint cannot be read.
    """

    def logits(x: Tensor) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        y: Tensor = supernet(x, draw(np.random.default_rng(seed)))
        return y

    return _train(_Run(supernet, supernet.largest, logits, recipe, generator), train, checkpoint, progress)


def train_network(
    network: Spikformer,
    train: Split,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[float]:
    """Trains one network in place, its BatchNorm statistics too; left in evaluation mode.

    Args and errors as `train_supernet`, without `draw`.

    Returns:
        Mean loss of each epoch.
    """
    network.train()
    losses = _train(_Run(network, network.config, network, recipe, generator), train, checkpoint, progress)
    network.eval()
    return losses


def _train(
    run: _Run, train: Split, checkpoint: Path | None, progress: Callable[[Progress], None] | None
) -> list[float]:
    if len(train) < run.recipe.batch:
        raise DataError(f"{len(train)} training samples", expected=f"at least one batch of {run.recipe.batch}")
    if checkpoint is not None and checkpoint.exists():
        _restore(run, checkpoint)
    samples, labels = torch.from_numpy(train.samples), torch.from_numpy(train.labels)
    while run.epoch < run.recipe.epochs:
        run.losses.append(_epoch(run, samples, labels))
        run.epoch += 1
        if checkpoint is not None:
            save_checkpoint(checkpoint, _state(run))
        if progress is not None:
            progress(Progress(run.epoch, run.recipe.epochs, run.losses[-1]))
    return run.losses


def _epoch(run: _Run, samples: Tensor, labels: Tensor) -> float:
    """One pass in a new random order; the mean loss."""
    recipe = run.recipe
    batches = len(samples) // recipe.batch
    order = torch.randperm(len(samples), generator=run.generator)
    total = 0.0
    for index in range(batches):
        rate = recipe.rate_at(run.epoch * batches + index, recipe.epochs * batches)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        chosen = order[index * recipe.batch : (index + 1) * recipe.batch]
        x = shifted(samples[chosen], recipe.shift, run.generator)
        loss = functional.cross_entropy(run.logits(x), labels[chosen], label_smoothing=recipe.label_smoothing)
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch: untyped
        run.optimizer.step()
        total += loss.item()
    return total / batches


def shifted(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each sample moved by its own -pixels..pixels rows and columns, zeros following; x is [B, ..., H, W]."""
    if pixels == 0:
        return x
    height, width = x.shape[-2:]
    padded = functional.pad(x, (pixels,) * 4)
    offsets = torch.randint(2 * pixels + 1, (len(x), 2), generator=generator).tolist()
    return torch.stack([one[..., r : r + height, c : c + width] for one, (r, c) in zip(padded, offsets, strict=True)])


def _state(run: _Run) -> dict[str, object]:
    return {
        "config": config_to_plain(run.config),
        "recipe": asdict(run.recipe),
        "epoch": run.epoch,
        "losses": list(run.losses),
        "model": run.module.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
    }


def _restore(run: _Run, path: Path) -> None:
    now = _state(run)
    state = load_checkpoint(path, keys=now)
    for what in ("config", "recipe"):
        if state[what] != now[what]:
            raise UsageError(
                f"a checkpoint of another {what}, {state[what]}",
                where=str(path),
                expected=f"{now[what]}",
                mend=f"the {what} it was trained with, or another folder",
            )
    run.epoch, run.losses = state["epoch"], list(state["losses"])
    run.module.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.generator.set_state(state["generator"])
