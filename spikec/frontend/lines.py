"""The line of the user's own code that is running, or that raised an error: what a refusal names."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType

import torch

Place = tuple[str, int]
"""A file and the number of a line in it."""

_TORCH = str(Path(torch.__file__).parent)
_HERE = Path(__file__).parent
_PYTHON = str(Path(linecache.__file__).parent)
_OUTERMOST = frozenset(map(str, (_HERE / "recording.py", _HERE / "rerun.py", _HERE.parent / "tasks" / "tracing.py")))
"""What calls the user's code: everything further out is none of it."""


def running() -> tuple[Place, ...]:
    """The line of the network that is running: see `_chosen`."""
    return _chosen(_outwards(sys._getframe(1)))


def raised(error: BaseException) -> tuple[Place, ...]:
    """The line of the network that raised an error, or called what did: see `_chosen`."""
    places, traceback = [], error.__traceback__
    while traceback is not None:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return _chosen(reversed(places))


def said(places: Iterable[Place]) -> str:
    """Lines in words: `net.py:12: y += x`, and where a library was called from."""
    lines = (f"{Path(file).name}:{number}: {linecache.getline(file, number).strip()}" for file, number in places)
    return ", called from ".join(lines)


def _outwards(frame: FrameType | None) -> Iterator[Place]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _chosen(inside_out: Iterable[Place]) -> tuple[Place, ...]:
    """The innermost line that is neither torch's nor ours, and the user's behind it where that is a library's."""
    library: tuple[Place, ...] = ()
    for file, number in inside_out:
        whose = _whose(file)
        if whose == "outermost":
            break
        if whose == "user" and linecache.getline(file, number):
            return (*library, (file, number))
        if whose == "library" and not library:
            library = ((file, number),)
    return library


@cache
def _whose(file: str) -> str:
    if file in _OUTERMOST:
        return "outermost"
    if file.startswith((_TORCH, str(_HERE), "<frozen")):
        return "ours"
    installed = "site-packages" in file or file.startswith((str(_HERE.parent), _PYTHON))
    return "library" if installed else "user"
