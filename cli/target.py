"""spikec target: what export can write."""

from __future__ import annotations

import click

from cli.columns import columns
from spikec.backend import registry


@click.group()
def target() -> None:
    """List the targets of export.

    \b
      spikec target list
    """


@target.command("list")
def list_() -> None:
    """The names that export --target takes, with the passes that make a graph legal there.

    Where a target has dialects, the passes are those of its first one.
    """
    rows = [("name", "passes")]
    rows += [(name, ", ".join(registry.load(name).pipeline) or "none") for name in registry.names()]
    click.echo(columns(rows), nl=False)
