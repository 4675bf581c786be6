"""spikec export: a model as files that a target runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from cli.opened import max_bytes_option, opened
from cli.stopped import Stopped
from spikec.backend.verdict import Verdict
from spikec.frontend.foreign import Reading
from spikec.report.units import energy
from spikec.tasks.exporting import GOLDEN_SAMPLES, Export
from spikec.tasks.exporting import export as run

LAVA = "Python 3.10 with lava-nc, to run the export of --target lava; with --verify."
DATA = "Samples for the golden run: digits, npz:FILE with an array inputs.  [default: the calibration batch in MODEL]"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="Where to: nir or lava (spikec target list).")
@click.option("--dialect", help="Of nir: strict (standard nodes only, the default) or extended (carries attention).")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--data", metavar="SPEC", help=DATA)
@click.option("--samples", type=int, default=GOLDEN_SAMPLES, show_default=True, help="How many of them, 16 or more.")
@click.option("--hw", "hardware", default="45nm", show_default=True, help="Chip of the folder's report.json.")
@click.option("--verify", is_flag=True, help="Run the export and compare it with its graph, spike for spike.")
@click.option("--lava-python", metavar="PATH", help=LAVA)
@max_bytes_option
@click.option("--force", is_flag=True, help="Replace an export that stands at -o.")
def export(
    model: Path,
    target: str,
    dialect: str | None,
    out: Path,
    data: str | None,
    samples: int,
    hardware: str,
    verify: bool,
    lava_python: str | None,
    max_bytes: int,
    force: bool,
) -> None:
    """Write MODEL as a target's files, and prove them where --verify is given.

    A node that the target has no form for is refused by name, exit code 1, and nothing is written. An export that
    differs from its graph exits with 1 and keeps verdict.json; where Lava's interpreter is missing, nothing is
    written, exit code 2. The folder holds report.json for exactly the graph that was written.

    \b
      spikec export winner.pt --target lava --verify -o out/lava
      spikec export winner.pt --target nir --dialect extended --verify -o out/nir
    """
    written: list[Path] = []
    try:
        done = run(
            opened(model, Reading(max_bytes=max_bytes)),
            target,
            out,
            dialect=dialect,
            data=data,
            samples=samples,
            hardware=hardware,
            verify=verify,
            runtime=lava_python,
            force=force,
            written=written.append,
        )
    except KeyboardInterrupt:
        if not written:
            raise
        raise Stopped(f"stopped; the export is there, not verified. Go on with: {_verify(out)}") from None
    _print(done)


def _verify(folder: Path) -> str:
    return shlex.join(["spikec", "verify", str(folder)])


def _print(done: Export) -> None:
    click.echo(f"exported to {done.target}: {done.folder}")
    click.echo(f"  passes applied   {', '.join(done.passes) or 'none'}")
    click.echo(f"  graph            {len(done.graph.nodes)} nodes, {done.graph.parameters:,} parameters")
    click.echo(f"  energy           {energy(done.energy_pj)} per inference, of this very graph (report.json)")
    if done.verdict is None:
        click.echo(f"  not verified     {_verify(done.folder)}")
    else:
        print_verdict(done.verdict)


def _layers(rates: Sequence[float]) -> str:
    """How many layers there are and how often they fire, such as '3 neuron layers, rates 0.020 to 0.171'."""
    least, most = f"{min(rates):.3f}", f"{max(rates):.3f}"
    count = f"{len(rates)} neuron layer{'s' * (len(rates) != 1)}"
    return f"{count}, rate {least}" if len(rates) == 1 else f"{count}, rates {least} to {most}"


def print_verdict(verdict: Verdict) -> None:
    """Says what was compared, and the verdict."""
    rates = [layer.rate for layer in verdict.layers]
    worst = max((layer.membrane_difference or 0.0 for layer in verdict.layers), default=0.0)
    click.echo(
        f"  run              {verdict.samples} samples, {verdict.steps} steps, "
        f"{_layers(rates)} spikes per neuron and step"
    )
    click.echo(f"  spikes           {verdict.spikes_compared:,} compared, 0 differ")
    click.echo(f"  membranes        greatest relative difference {worst:.2g} (tolerance {verdict.tolerance:g})")
    for layer in verdict.layers:
        if layer.note:
            click.echo(f"  {layer.scope or layer.name}: {layer.note}")
    if verdict.comparison is not None:
        found = verdict.comparison
        click.echo(
            f"  files            {found.nodes} nodes, {found.edges} edges and {found.parameters:,} numbers read back, "
            f"{found.parameters_differing} differ"
        )
    click.echo("  verdict          passed (verdict.json)")
