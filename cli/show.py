"""spikec show: a model's graph, as it is or after passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.opened import opened
from passes.manager import names as pass_names
from spikec.files import check_output
from spikec.model import save
from spikec.tasks.showing import FORMS, check_among, passed, summary_of

PASSES = "Run these passes first, in order, separated by commas."
AFTER = "Print the graph after this pass of --passes on stderr; repeat for more."
FORM = "text parses back; dot is for Graphviz (dot -Tsvg); json has types and MACs of every node."


@click.command(epilog=f"Passes: {', '.join(pass_names())}.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--passes", metavar="A,B", default="", help=PASSES)
@click.option("--print-after", metavar="PASS", multiple=True, help=AFTER)
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="text", show_default=True, help=FORM)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Also write the model after the passes there.")
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def show(model: Path, passes: str, print_after: Sequence[str], form: str, out: Path | None, force: bool) -> None:
    """Show MODEL's graph with its parameters, neurons and MACs.

    MACs are dense multiply-accumulates, without bias: those of every step, those that multiply two activations
    (SSA) among them, and apart those that run once an inference, as the head does. T is the number of steps.

    \b
      spikec show winner.pt
      spikec show winner.pt --passes fold-batchnorm,hoist-repeat --print-after fold-batchnorm
      spikec show winner.pt --format dot | dot -Tsvg > winner.svg
      spikec show winner.pt --passes fold-batchnorm -o folded.pt
    """
    names = [name.strip() for name in passes.split(",") if name.strip()]
    check_among(print_after, names)
    if out is not None:
        check_output(out, force=force)
    result = passed(opened(model), names)
    for name, graph, changed in result.after:
        if not changed:
            click.echo(f"# {name} changed nothing", err=True)
        elif name in print_after:
            click.echo(f"# after {name}\n{graph.text()}", err=True)
    click.echo(FORMS[form](result.model, summary_of(result.model)), nl=False)
    if out is not None:
        save(result.model, out, force=force)
        click.echo(f"written: {out}", err=True)
