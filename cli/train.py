"""spikec train: one network on a data set."""

from __future__ import annotations

from pathlib import Path

import click

from cli.opened import max_bytes_option, opened
from cli.stopped import Stopped
from spikec.files import check_output
from spikec.frontend.foreign import Reading
from spikec.model import save
from spikec.report.progress import progress
from spikec.snn.training import Progress, Recipe
from spikec.tasks import training
from spikec.tasks.training import Prepared, Trained, TrainSettings

DATA = "Data set, and behind a colon which of its fixed splits: digits, digits:1."
RATE = "AdamW's learning rate at its peak; warmed up over a tenth of the steps, then a cosine to 0."
KEEP = "Keep the state of each epoch in this folder; the same command goes on from it."


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", metavar="SPEC", required=True, help=DATA)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The trained model's file to write.")
@click.option("--epochs", type=int, default=Recipe.epochs, show_default=True, help="Passes over the training part.")
@click.option("--lr", "learning_rate", type=float, default=Recipe.learning_rate, show_default=True, help=RATE)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples' order and shifts, 0 or more.")
@click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FOLDER", help=KEEP)
@max_bytes_option
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def train(
    model: Path,
    data: str,
    out: Path,
    epochs: int,
    learning_rate: float,
    seed: int,
    checkpoint: Path | None,
    max_bytes: int,
    force: bool,
) -> None:
    """Train MODEL, or train it further: from spikec new, spikec search or spikec train.

    Training goes on from the model's weights, on the training part alone. BatchNorm statistics are then taken anew
    from 512 training samples, the graph is traced and replayed, and the file gets a calibration batch of the
    validation part. The test part is not read.

    \b
      spikec new spikformer-digits -o untrained.pt
      spikec train untrained.pt --data digits -o trained.pt
      spikec train runs/a/winners/winner.pt --data digits --epochs 20 --lr 0.004 -o tuned.pt
      spikec train untrained.pt --data digits --checkpoint ckpt -o trained.pt      go on after Ctrl-C
    """
    settings = TrainSettings(data, epochs, learning_rate, seed)
    check_output(out, force=force)
    prepared = training.prepare(opened(model, Reading(max_bytes=max_bytes)), settings, checkpoints=checkpoint)
    recipe = f"{epochs} epochs, learning rate {learning_rate:g}, seed {seed}"
    click.echo(f"training {prepared.model.name} on {data}, {recipe}", err=True)
    for note in prepared.notes:
        click.echo(f"note: {note}", err=True)
    if prepared.done:
        click.echo(f"going on after epoch {prepared.done} of {epochs}, kept in {prepared.checkpoint}", err=True)
    trained = _carried_out(prepared)
    save(trained.model, out, force=force)
    _say(trained, out)


def _carried_out(prepared: Prepared) -> Trained:
    epochs, done = prepared.settings.epochs, [prepared.done]
    try:
        with progress("train", epochs, "epochs") as advance:

            def told(at: Progress) -> None:
                done.append(at.epoch)
                advance(at.epoch, f"loss {at.loss:.3f} nats")

            return training.carry_out(prepared, told)
    except KeyboardInterrupt:
        raise Stopped(_kept(prepared, done[-1])) from None


def _kept(prepared: Prepared, done: int) -> str:
    """What an interruption after `done` epochs leaves, and how to go on."""
    if prepared.checkpoint is None:
        return "stopped; nothing is kept. Next time: --checkpoint FOLDER keeps every epoch"
    if not done:
        return "stopped before the first epoch was done: nothing is kept yet"
    epochs = f"epoch {done} of {prepared.settings.epochs}"
    return f"stopped; {epochs} is kept in {prepared.checkpoint}. Go on with the same command"


def _say(trained: Trained, out: Path) -> None:
    before, after = 100 * trained.before, 100 * trained.after
    samples = f"{trained.samples} validation samples"
    click.echo(f"accuracy on {samples}: {before:.2f} % before, {after:.2f} % after", err=True)
    click.echo(f"written: {out}", err=True)
