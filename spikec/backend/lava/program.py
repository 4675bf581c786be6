"""The program that an export to Lava carries: put together to be run, and held against the one that spikec ships."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

SHIPPED = Path(__file__).parent / "runtime"
DATA = ("network.json", "weights.npz")
"""What the program reads."""
PACKAGE = "spikec_lava"
IMPORTED = (".py", ".pyc", ".so")
CACHE = "__pycache__"


def put(folder: Path) -> None:
    """Copies the program into `folder`."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CACHE))


def staged(folder: Path, stage: Path) -> Path:
    """A folder that runs the network of `folder` by the program that spikec ships; its run.py.

    Args:
        folder: an export. Nothing of it is run: its data are linked, which the program reads as data.
        stage: where the folder is made.
    """
    put(stage)
    for name in DATA:
        (stage / name).symlink_to(folder.resolve() / name)
    return stage / "run.py"


def inspect(folder: Path) -> tuple[str, ...]:
    """A line for each file of the export that `python run.py` would run there and that is not the one shipped.

    Byte code that Python keeps beside the modules is passed over, as is what it can only read.
    """
    return tuple(f"{name} {found}, so a run of the folder's run.py is not proven" for name, found in _strange(folder))


def _strange(folder: Path) -> Iterator[tuple[str, str]]:
    shipped = {str(path.relative_to(SHIPPED)): path for path in SHIPPED.rglob("*.py")}
    for name, path in sorted(shipped.items()):
        if not _holds(folder / name, path.read_bytes()):
            yield name, "is not the one that this spikec ships"
    for path in sorted(folder.iterdir()):
        if path.name != PACKAGE and path.name not in shipped and _can_be_imported(path):
            yield path.name, "is none of spikec's, and could be imported in the place of a library"
    yield from _added(folder, PACKAGE)


def _added(folder: Path, package: str) -> Iterator[tuple[str, str]]:
    """What lies in a package of the program and is not shipped there."""
    if not (folder / package).is_dir():
        return
    for path in sorted((folder / package).iterdir()):
        name = str(path.relative_to(folder))
        if (SHIPPED / name).is_dir() and path.name != CACHE:
            yield from _added(folder, name)
        elif path.name != CACHE and not (SHIPPED / name).is_file():
            yield name, "is none of spikec's, and lies in its package"


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _can_be_imported(path: Path) -> bool:
    if path.is_dir():
        return any(inner.name.startswith("__init__.") for inner in path.iterdir())
    return path.name.endswith(IMPORTED)
