"""spikec new: a reference network, untrained."""

from __future__ import annotations

from pathlib import Path

import click

from spikec.files import check_output
from spikec.model import save
from spikec.snn.registry import NETWORKS, network_config
from spikec.tasks import networks
from spikec.tasks.showing import summary_of

REPLAY = "Trace and replay the graph whatever the image: at 224 x 224 minutes, and up to 12 GB of memory."
NAMES = "\n".join(f"  {name}" for name in NETWORKS)


@click.command(
    epilog=f"\b\nNetworks, named as published (blocks, then width; the data set where two share them):\n{NAMES}"
)
@click.argument("name")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The model's file to write.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the weights; the same seed, the same."
)
@click.option("--replay", is_flag=True, help=REPLAY)
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def new(name: str, out: Path, seed: int, replay: bool, force: bool) -> None:
    """Make the reference network NAME, untrained, with weights from a seed.

    NAME is that of the paper in lower case: family-blocks-width, as in Spikformer-4-384; where two data sets share it,
    the data set stands behind the family or at the end. spikformer adds spikes to its stream, spikingformer membranes.

    Its graph is traced from the module and replayed against it in fp64 for images of up to 128 x 128 pixels, and
    built from the config above; the file says which. BatchNorm statistics are 0 and 1 until it is trained, so the
    firing rates of an untrained network say nothing of a trained one.

    \b
      spikec new spikformer-4-384 -o model.pt
      spikec new spikformer-digits --seed 1 -o digits.pt
      spikec show model.pt
    """
    network_config(name)
    check_output(out, force=force)
    click.echo(f"{name}, untrained, seed {seed}", err=True)
    model = networks.new(name, seed, replay=True if replay else None, say=_say)
    save(model, out, force=force)
    for line in summary_of(model).lines():
        _say(line)
    _say(f"graph: {model.provenance['graph']}")
    click.echo(f"written: {out}", err=True)


def _say(words: str) -> None:
    click.echo(f"  {words}", err=True)
