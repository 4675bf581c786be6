"""spikec hw: the hardware files."""

from __future__ import annotations

from pathlib import Path

import click

from cli.columns import columns
from cli.hw_fit import fit
from spikec.tasks import hardware


@click.group()
def hw() -> None:
    """List, show, check and fit hardware files.

    A hardware file holds what a chip's operations cost, every number with its unit, evidence and source, and the
    passes that make a graph legal there. NAME is one that comes along, or a TOML file.

    \b
      spikec hw list
      spikec hw show 45nm > mine.toml
      spikec hw check mine.toml
      spikec estimate model.pt --hw ./mine.toml
      spikec hw fit runs.csv -o chip.toml
    """


hw.add_command(fit)


@hw.command("list")
def list_() -> None:
    """The hardware that --hw takes by name: what it is, weakest evidence of its prices, cores a chip, hash of its file.

    Each price with its source, and the passes that make a network legal there, are in its file: spikec hw show NAME.
    """
    rows = [("name", "what", "node", "evidence", "cores", "sha256")]
    for row in hardware.catalogue():
        cores = "-" if row.cores is None else str(row.cores)
        rows.append((row.name, row.title or "-", row.model.node, row.evidence or "-", cores, row.model.sha256[:12]))
    click.echo(columns(rows), nl=False)


@hw.command()
@click.argument("name")
def show(name: str) -> None:
    """The file of NAME: each price with its source, and the form of a file of your own."""
    shown = hardware.show(name)
    click.echo(f"{shown.path or 'from another package'}, sha256 {shown.model.sha256}", err=True)
    if shown.path is None:
        passes = _pipeline(shown.model.pipeline)
        click.echo(f"# {shown.model.name}, {shown.model.node}: it has no file; passes {passes}")
    click.echo(shown.text, nl=False)


@hw.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check that FILE keeps to the schema, that its units are known and its passes exist.

    Exit code 2 where it does not, with the keys that break it. Where another chip that comes along has its name, it is
    good, with a note.
    """
    model = hardware.check(file)
    click.echo(f"good: {model.name}, {model.node}, passes {_pipeline(model.pipeline)}, sha256 {model.sha256}")
    if (other := hardware.namesake(model)) is not None:
        why = "reports tell them apart by the file alone, so give yours a name of its own"
        click.echo(f"note: --hw {other.name} is another chip, sha256 {other.sha256[:12]}; {why}", err=True)


def _pipeline(pipeline: tuple[object, ...]) -> str:
    return ", ".join(map(_pass, pipeline)) or "none"


def _pass(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    given = ", ".join(f"{key}={value!r}" for key, value in entry.items() if key != "pass")
    return f"{entry['pass']}({given})" if given else str(entry["pass"])
