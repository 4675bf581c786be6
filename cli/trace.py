"""spikec trace: a network of the user's own, as PyTorch code or in a file of another tool, as a model."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import click
from click.core import ParameterSource

from cli.opened import opened
from spikec.errors import UnknownName, UsageError
from spikec.files import check_output
from spikec.frontend.foreign import MAX_BYTES as MAX
from spikec.frontend.foreign import READERS, Integrator, Reading, ending
from spikec.frontend.tracer import Layout
from spikec.model import save
from spikec.tasks.opening import taking_remarks_of, weights_remark_of
from spikec.tasks.showing import summary_of
from spikec.tasks.tracing import Foreign, trace_module

ARG = "A keyword argument of the factory, such as depth=4; a Python literal, else text; repeat for more."
WEIGHTS = "State dict of torch.save(model.state_dict(), FILE); read without running code.  [default: the factory's own]"
INPUT = "One sample's shape, without T and batch."
LAYOUT = (
    "Where the module, or a .pt2, takes time and batch; BX: it takes one image and repeats it itself."
    "  [default: TBX with --arch, else found in the file]"
)
STEPS = "T; under BX the number of times that the module repeats its input.  [default: 4 with --arch, else the file's]"
DT = "Seconds a step of SOURCE, where its format has time constants in seconds (.nir)."
INTEGRATOR = "How SOURCE's differential equations become a step (.nir); assumed aloud unless given."
MAX_BYTES = "What SOURCE's arrays may take in memory."


@click.command()
@click.argument("source", type=click.Path(path_type=Path), required=False)
@click.option("--arch", metavar="PKG.MOD:FACTORY", help="What makes the torch.nn.Module, in place of SOURCE.")
@click.option("--arch-arg", "arch_args", metavar="K=V", multiple=True, help=ARG)
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help=WEIGHTS)
@click.option("--input", "shape", metavar="3,32,32", help=INPUT)
@click.option("--layout", type=click.Choice(get_args(Layout)), help=LAYOUT)
@click.option("--steps", type=int, help=STEPS)
@click.option("--dt", type=float, help=DT)
@click.option("--integrator", type=click.Choice(get_args(Integrator)), help=INTEGRATOR)
@click.option("--max-bytes", type=int, default=MAX, show_default=True, help=MAX_BYTES)
@click.option("--name", help="The model's name.  [default: the factory's, or the file's]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of torch's generator while the factory runs.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The model's file to write.")
@click.option("--force", is_flag=True, help="Replace the file of -o.")
@click.pass_context
def trace(
    ctx: click.Context,
    /,
    source: Path | None,
    arch: str | None,
    arch_args: Sequence[str],
    weights: Path | None,
    shape: str | None,
    layout: str | None,
    steps: int | None,
    dt: float | None,
    integrator: str | None,
    max_bytes: int,
    name: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Take a network of your own as a model: SOURCE, or PyTorch code.

    SOURCE is a file of another tool, by its ending: .net (lava-dl), .nir, .onnx or .pt2
    (torch.export). It is read without running anything, and what it leaves open is assumed aloud.

    With --arch, this imports and runs the code that it names, the current folder searched first. The network is run
    once in evaluation mode, and the graph that was recorded is replayed against it in fp64 on fresh inputs: every
    spike equal, real values to 1e-9. Exit code 1 where a network cannot be taken. The file needs the code no more.

    \b
      spikec trace pilotnet.net -o pilotnet.pt
      spikec trace net.nir --dt 1e-3 --steps 8 -o net.pt
      spikec trace --arch mynet.model:build --input 3,32,32 --weights sd.pt -o model.pt
      spikec trace --arch mynet.model:build --arch-arg depth=2 --input 2,64,64 --layout BTX --steps 8 -o model.pt
    """
    _check(ctx, source, arch, shape, layout)
    if name is not None and not name.isprintable():
        raise UsageError(f"--name {name!a}", expected="text of one line")
    check_output(out, force=force)
    if source is not None:
        asked = cast("Integrator | None", integrator), cast("Layout | None", layout)
        model = opened(source, Reading(steps, dt, max_bytes, *asked), name)
    else:
        assert arch is not None
        assert shape is not None
        steps = 4 if steps is None else steps
        foreign = Foreign(arch, shape_of(shape), cast(Layout, layout or "TBX"), steps, pairs(arch_args), weights, seed)
        click.echo(f"running the code of {arch}, steps {steps}, seed {seed}", err=True)
        model = trace_module(foreign, name)
        for remark in taking_remarks_of(model):
            click.echo(f"{arch}: {remark}", err=True)
    save(model, out, force=force)
    for line in summary_of(model).lines():
        click.echo(f"  {line}", err=True)
    for remark in weights_remark_of(model):
        click.echo(f"{remark}; --weights FILE gives others", err=True)
    click.echo(f"written: {out}", err=True)


OF_CODE = ("arch_args", "weights", "shape", "seed")
OF_FILES = ("dt", "integrator", "max_bytes")
OF_TORCH = (".pt", ".pth", ".ckpt")
"""How files of weights end."""


def _check(ctx: click.Context, source: Path | None, arch: str | None, shape: str | None, layout: str | None) -> None:
    """Raises UsageError unless there is one of SOURCE and --arch, with options of that one alone."""
    if (source is None) == (arch is None):
        found = "neither SOURCE nor --arch" if source is None else "SOURCE beside --arch"
        raise UsageError(found, expected="one of them: a file, or the code that makes a network")
    if source is not None and ending(source) in OF_TORCH:
        raise UsageError(
            f"{source} as SOURCE: a {source.suffix} holds weights, and no network that makes use of them",
            expected="a .net, .nir, .onnx or .pt2, or --arch",
            mend=f"--arch package.module:factory --weights {source}; a model.pt of spikec's needs no trace",
        )
    if source is not None and ending(source) not in READERS:
        raise UnknownName(source.suffix or source.name, "kind of SOURCE", READERS)
    if layout is not None and source is not None and ending(source) != ".pt2":
        raise UsageError(
            f"--layout beside a {source.suffix}, which says itself where its batch is", mend="leave it out"
        )
    given = [
        max(option.opts, key=len)
        for option in ctx.command.params
        if option.name in (OF_FILES if source is None else OF_CODE)
        and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(f"{', '.join(given)} beside {'--arch' if source is None else 'SOURCE'}", mend="leave it out")
    if arch is not None:
        _check_arch(arch)
    if arch is not None and shape is None:
        raise UsageError("--arch without --input", expected="the shape of one sample, such as --input 3,32,32")


def _check_arch(arch: str) -> None:
    """Raises UsageError where the name has not the form of one, before any code is looked for."""
    module, colon, factory = arch.partition(":")
    if all(part.isidentifier() for name in (module, factory) for part in name.split(".")) and not module.endswith(
        ".py"
    ):
        return
    dotted = module.removesuffix(".py").removeprefix("./").strip("/").replace("/", ".")
    spelled = dotted != module and all(part.isidentifier() for part in dotted.split("."))
    mend = (
        f"--arch {dotted}:{factory if colon and factory else 'factory'}, with dots and without .py" if spelled else ""
    )
    raise UsageError(f"--arch {arch}", expected="package.module:factory", mend=mend)


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
