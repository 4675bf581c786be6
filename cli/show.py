"""spikec show: a model's graph, as it is or after passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.columns import columns
from cli.opened import max_bytes_option, opened
from passes.manager import names as pass_names
from spikec.errors import UsageError
from spikec.files import check_output
from spikec.frontend.foreign import Reading
from spikec.model import save
from spikec.tasks.effects import Effect, Layer, effect
from spikec.tasks.showing import FORMS, bare, check_among, passed, summary_of

PASSES = "Run these passes first, in order, separated by commas; parameters as quantize:weight_bits=4."
AFTER = "Print the graph after this pass of --passes on stderr; repeat for more."
DATA = (
    "Run the network before and after --passes on these samples (digits, digits:SPLIT:test, npz:FILE with arrays "
    "inputs and, for accuracy, labels), and say on stderr what the passes did to accuracy, spikes and firing rates."
)
FORM = "text parses back; svg is a drawing; dot is for Graphviz; json has types and MACs of every node."


@click.command(epilog=f"Passes: {', '.join(pass_names())}.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--passes", metavar="A,B", default="", help=PASSES)
@click.option("--print-after", metavar="PASS", multiple=True, help=AFTER)
@click.option("--data", metavar="SPEC", help=DATA)
@click.option("--samples", type=int, metavar="N", help="Only the first N of --data.  [default: all, at most 1024]")
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="text", show_default=True, help=FORM)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Also write the model after the passes there.")
@max_bytes_option
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def show(
    model: Path,
    passes: str,
    print_after: Sequence[str],
    data: str | None,
    samples: int | None,
    form: str,
    out: Path | None,
    max_bytes: int,
    force: bool,
) -> None:
    """Show MODEL's graph with its parameters, neurons and MACs.

    MACs are dense multiply-accumulates, without bias: those of every step, those that multiply two activations
    (SSA) among them, and apart those that run once an inference, as the head does. T is the number of steps.

    \b
      spikec show winner.pt
      spikec show winner.pt --passes fold-batchnorm,hoist-repeat --print-after fold-batchnorm
      spikec show winner.pt --format svg > winner.svg
      spikec show winner.pt --passes fold-batchnorm,fold-scale,quantize --data digits
      spikec show winner.pt --passes fold-batchnorm -o folded.pt
    """
    names = [name.strip() for name in passes.split(",") if name.strip()]
    if print_after and not names:
        first = print_after[0]
        raise UsageError(f"--print-after {first} without --passes: no pass is run", mend=f"--passes {first} beside it")
    check_among(print_after, names)
    _check_data(data, samples, names)
    if out is not None:
        check_output(out, force=force)
    before = opened(model, Reading(max_bytes=max_bytes))
    result = passed(before, names)
    for name, graph, changed in result.after:
        if not changed:
            click.echo(f"# {name} changed nothing", err=True)
        elif name in print_after or bare(name) in print_after:
            click.echo(f"# after {name}\n{graph.text()}", err=True)
    click.echo(FORMS[form](result.model, summary_of(result.model)), nl=False)
    if data is not None:
        click.echo(_told(effect(before.graph, result.model.graph, data, samples)), nl=False, err=True)
    if out is not None:
        save(result.model, out, force=force)
        click.echo(f"written: {out}", err=True)


def _check_data(data: str | None, samples: int | None, names: Sequence[str]) -> None:
    """Raises UsageError where --data has nothing to compare, or --samples no data."""
    if data is not None and not names:
        raise UsageError(
            "--data without --passes: there is nothing to compare", mend="--passes fold-batchnorm,quantize"
        )
    if samples is not None and data is None:
        raise UsageError(f"--samples {samples} without --data", mend="--data digits")


def _told(found: Effect) -> str:
    """What passes did, as a table of layers under a line for the whole."""
    lines = [f"{found.spec}: {found.samples} samples, T = {found.steps}, float64"]
    if found.right_before is not None and found.right_after is not None:
        before, after = (f"{100 * right / found.samples:.2f} %" for right in (found.right_before, found.right_after))
        lines.append(f"accuracy: {before} before, {after} after ({found.right_after - found.right_before:+d} samples)")
    lines += found.remarks
    rows = [("layer", "rate before", "rate after", "differing spikes", "of", "share")]
    rows += [_row(layer) for layer in found.layers]
    compared = [layer for layer in found.layers if layer.differing is not None]
    total, of = sum(layer.differing or 0 for layer in compared), sum(layer.compared for layer in compared)
    rows.append(("all that are in both", "", "", *_differing(total, of)))
    return "".join(f"{line}\n" for line in lines) + columns(rows)


def _row(layer: Layer) -> tuple[str, str, str, str, str, str]:
    before, after = ("-" if rate is None else f"{rate:.4f}" for rate in (layer.rate_before, layer.rate_after))
    return (layer.scope or layer.name, before, after, *_differing(layer.differing, layer.compared))


def _differing(count: int | None, of: int) -> tuple[str, str, str]:
    return ("-", "-", "-") if count is None or not of else (f"{count:,}", f"{of:,}", f"{100 * count / of:.3f} %")
