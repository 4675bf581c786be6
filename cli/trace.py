"""spikec trace: a PyTorch network of the user's own as a model."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import click

from spikec.errors import UsageError
from spikec.files import check_output
from spikec.frontend.tracer import Layout
from spikec.model import save
from spikec.tasks.showing import summary_of
from spikec.tasks.tracing import Foreign, trace_module

ARG = "A keyword argument of the factory, such as depth=4; a Python literal, else text; repeat for more."
WEIGHTS = "State dict of torch.save(model.state_dict(), FILE); read without running code.  [default: the factory's own]"
INPUT = "One sample's shape, without T and batch."
LAYOUT = "Where the module takes time and batch; BX: it takes one image and repeats it itself."
STEPS = "T; under BX the number of times that the module repeats its input."


@click.command()
@click.option("--arch", metavar="PKG.MOD:FACTORY", required=True, help="What makes the torch.nn.Module.")
@click.option("--arch-arg", "arch_args", metavar="K=V", multiple=True, help=ARG)
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help=WEIGHTS)
@click.option("--input", "shape", metavar="3,32,32", required=True, help=INPUT)
@click.option("--layout", type=click.Choice(get_args(Layout)), default="TBX", show_default=True, help=LAYOUT)
@click.option("--steps", type=int, default=4, show_default=True, help=STEPS)
@click.option("--name", help="The model's name.  [default: the factory's]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of torch's generator while the factory runs.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The model's file to write.")
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def trace(
    arch: str,
    arch_args: Sequence[str],
    weights: Path | None,
    shape: str,
    layout: str,
    steps: int,
    name: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Take a PyTorch network of your own as a model.

    This imports and runs the code that --arch names, the current folder searched first. The network is run once in
    evaluation mode, and the graph that was recorded is replayed against it in fp64 on fresh inputs: every spike
    equal, real values to 1e-9. Exit code 1 where the network cannot be taken. The file needs the code no more.

    \b
      spikec trace --arch mynet.model:build --input 3,32,32 --weights sd.pt -o model.pt
      spikec trace --arch mynet.model:build --arch-arg depth=2 --input 2,64,64 --layout BTX --steps 8 -o model.pt
    """
    foreign = Foreign(arch, shape_of(shape), cast(Layout, layout), steps, pairs(arch_args), weights, seed)
    check_output(out, force=force)
    click.echo(f"running the code of {arch}, steps {steps}, seed {seed}", err=True)
    model = trace_module(foreign, name)
    save(model, out, force=force)
    for line in summary_of(model).lines():
        click.echo(f"  {line}", err=True)
    click.echo(f"written: {out}", err=True)


def shape_of(text: str) -> tuple[int, ...]:
    """The sizes in '3,32,32'.

    Raises:
        UsageError: it holds something else.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--input {text}", expected="sizes separated by commas, such as 3,32,32") from error


def pairs(texts: Sequence[str]) -> dict[str, object]:
    """Keyword arguments from 'key=value' texts; a value that is no Python literal is text.

    Raises:
        UsageError: a text without a key and '='.
    """
    found: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.isidentifier()) or key in found:
            raise UsageError(f"--arch-arg {text}", expected="key=value, each key once")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            found[key] = value
    return found
