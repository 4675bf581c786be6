"""A MODEL of the command line, opened; what was assumed of another tool's network is said on stderr."""

from __future__ import annotations

from pathlib import Path

import click

from spikec.errors import printable
from spikec.frontend.foreign import MAX_BYTES, Reading
from spikec.model import Model
from spikec.tasks.opening import is_traced, load, remarks_of

max_bytes_option = click.option(
    "--max-bytes",
    type=int,
    default=MAX_BYTES,
    show_default=True,
    help="What the arrays of a MODEL of another tool may take in memory.",
)


def opened(path: Path, reading: Reading | None = None, name: str | None = None) -> Model:
    """The model in `path`; see `spikec.tasks.opening.load` for what it takes and raises.

    What was assumed of a file of another tool is said whenever it, or the model.pt made of it, is opened. What was
    assumed of traced code was said by `spikec trace`: it is mostly the same of every network, and would hide the rest.
    Every report on the model has either among its assumptions.
    """
    model = load(path, reading, name)
    for remark in () if is_traced(model) else remarks_of(model):
        click.echo(printable(f"{path.name}: {remark}"), err=True)
    return model
