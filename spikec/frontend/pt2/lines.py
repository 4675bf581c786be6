"""Calls as from the lines of the user's code that a file names, so that the recording says them where it refuses.

What the tracer says of a line is the name of the running file, its number, and its text as `linecache` has it. All of
that is put there from the file's own words, under names that no file of a disk has: none is opened.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from spikec.frontend.onnx.stack import Line

MOST_FILES = 16
"""Files of code whose lines are said."""

Known = Any  # Any: what the function that is called takes and gives
Caller = Callable[..., Known]


def called(function: Callable[..., Known], *args: Known, **kwargs: Known) -> Known:
    """What the function gives."""
    return function(*args, **kwargs)


_CODE = called.__code__
_BODY = max(line for *_, line in _CODE.co_lines() if line is not None) - _CODE.co_firstlineno
"""Lines from the head of `called` to the one that calls."""


def callers(lines: Iterable[Line | None]) -> dict[Line | None, Caller]:
    """For each line, `called` as if it stood there; where there is none, as it is."""
    texts: dict[str, dict[int, str]] = {}
    found: dict[Line | None, Caller] = {}
    for line in dict.fromkeys(lines):
        found[line] = called
        if line is not None and line.number > _BODY and (line.file in texts or len(texts) < MOST_FILES):
            texts.setdefault(line.file, {})[line.number] = line.text
            code = _CODE.replace(co_filename=_name(line.file), co_firstlineno=line.number - _BODY)
            found[line] = FunctionType(code, globals(), called.__name__)
    for file, known in texts.items():
        whole = ["\n"] * max(known)
        for number, text in known.items():
            whole[number - 1] = f"{text}\n"
        linecache.cache[_name(file)] = (sum(map(len, whole)), None, whole, _name(file))
    return found


def _name(file: str) -> str:
    return f"<exported>/{file}"
