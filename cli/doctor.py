"""spikec doctor: what this machine has, and Lava's interpreter."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import click
from rich.console import Console
from rich.table import Table

from spikec.backend.lava.environment import VARIABLE, find
from spikec.backend.lava.install import install
from spikec.errors import ToolchainError

PACKAGES = ("spikec", "torch", "snntorch", "nir", "nirtorch", "numpy", "networkx", "onnx", "h5py", "pymoo")
ORACLES = ("spikingjelly", "neurobench", "onnxruntime")


@click.command()
@click.option("--install-lava", is_flag=True, help="Make the cached environment that exports to Lava run in.")
@click.option("--lava-python", metavar="PATH", help="A Python 3.10 with lava-nc, instead of the cached environment.")
def doctor(install_lava: bool, lava_python: str | None) -> None:
    """Versions of what spikec stands on, and where Lava's interpreter is.

    Exit code 2 where an interpreter was named, by --lava-python or SPIKEC_LAVA_PYTHON, and cannot run Lava.

    \b
      spikec doctor
      spikec doctor --install-lava
    """
    if install_lava:
        install(say=lambda line: click.echo(line, err=True))
    table = Table("what", "version", "where", box=None, pad_edge=False)
    table.add_row("python", platform.python_version(), "")
    for name in PACKAGES:
        table.add_row(name, version_of(name) or "not installed", "")
    for name in ORACLES:
        table.add_row(name, version_of(name) or "not installed", "" if version_of(name) else "optional")
    row, fault = lava_row(lava_python)
    table.add_row(*row)
    Console(soft_wrap=True, highlight=False).print(table)
    if fault is not None:
        raise fault


def version_of(package: str) -> str | None:
    """The installed version, without importing the package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def lava_row(lava_python: str | None) -> tuple[tuple[str, str, str], ToolchainError | None]:
    """What there is to say of Lava's interpreter, and the error where one was named and cannot run Lava.

    One that is merely missing is an answer, not an error.
    """
    try:
        found = find(lava_python)
    except ToolchainError as error:
        if lava_python is not None or os.environ.get(VARIABLE):
            return ("lava-nc", "not found", error.where), error
        return ("lava-nc", "not found", str(error)), None
    where = f"Python {found.python} with numpy {found.numpy}, {found.path} ({found.source})"
    return ("lava-nc", found.lava, where), None
