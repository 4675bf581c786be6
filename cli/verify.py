"""spikec verify: run an export and compare it with its graph."""

from __future__ import annotations

from pathlib import Path

import click

from cli.export import print_verdict
from spikec.tasks.exporting import verify_folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--lava-python", metavar="PATH", help="Python 3.10 with lava-nc, for an export to Lava.")
def verify(folder: Path, lava_python: str | None) -> None:
    """Run the export in FOLDER and compare it with its graph, spike for spike.

    Every parameter and edge is read back from the files and compared by value, at least 16 inputs are run on the
    target's own runtime, spikes of every neuron layer must be equal and membranes within 1e-9. Exit code 1 where
    anything differs, with the reasons; verdict.json is written either way.

    Nothing that lies in FOLDER is run. An export to Lava carries a program: its network is run by the one that spikec
    ships, and a run.py or spikec_lava that differs from it is named and fails the verdict.

    \b
      spikec verify out/lava
    """
    verdict = verify_folder(folder, lava_python)
    click.echo(f"verified: {folder} ({verdict.target})")
    print_verdict(verdict)
