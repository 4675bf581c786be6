"""spikec space: the search spaces."""

from __future__ import annotations

import click
import numpy as np

from cli.columns import columns
from spikec.errors import UsageError
from spikec.search.spacefile import load, names, space_toml
from spikec.tasks import spaces


@click.group()
def space() -> None:
    """List, show, check, count and sample search spaces.

    A space says which values every gene of a subnet may take. NAME is one that comes along, or a TOML file.

    \b
      spikec space list
      spikec space show digits > mine.toml
      spikec space check mine.toml
      spikec space count mine.toml
      spikec space sample digits -n 3 --seed 1
    """


@space.command("list")
def list_() -> None:
    """The spaces that come along: name, number of subnets, image, and the genes that vary."""
    rows = [("name", "subnets", "image", "genes that vary")]
    for name in names():
        found = load(name)
        image = "x".join(map(str, plain)) if isinstance(plain := found.constants.get("image"), list) else "-"
        genes = ", ".join(gene.name for gene in found.genes if len(gene.values) > 1)
        rows.append((name, f"{found.count():,}", image, genes))
    click.echo(columns(rows), nl=False)


@space.command()
@click.argument("name")
def show(name: str) -> None:
    """NAME as TOML: the form of a file of your own."""
    click.echo(space_toml(load(name)), nl=False)


@space.command()
@click.argument("file")
def check(file: str) -> None:
    """Check that FILE keeps to the schema and that each of its subnets is a network that a search can build.

    Exit code 2 where it does not, with every key that breaks it. `count` and `sample` look at the schema alone.
    """
    found = load(file)
    spaces.check(found, file)
    images = "x".join(map(str, plain)) if isinstance(plain := found.constants["image"], list) else plain
    click.echo(f"good: {found.name}, {found.count():,} subnets, for images of {images}, sha256 {found.sha256()}")


@space.command()
@click.argument("name")
def count(name: str) -> None:
    """How many distinct subnets NAME holds, exactly."""
    click.echo(load(name).count())


@space.command()
@click.argument("name")
@click.option("-n", "number", type=int, default=1, show_default=True, help="How many subnets, 1 or more.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws, 0 or more.")
def sample(name: str, number: int, seed: int) -> None:
    """Subnets of NAME, every gene drawn uniformly, as JSON: one a line."""
    if number < 1:
        raise UsageError(f"-n {number}", expected="1 or more subnets")
    if seed < 0:
        raise UsageError(f"--seed {seed}", expected="a seed of 0 or more")
    found, rng = load(name), np.random.default_rng(seed)
    click.echo(f"{number} of {found.count():,} subnets of {found.name}, seed {seed}", err=True)
    for _ in range(number):
        click.echo(found.sample(rng).to_json())
