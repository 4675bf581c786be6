"""What is said of a chip file that breaks the schema: the line and key of each fault, five at most."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hwmodels.toml_lines import KeyPath, line_of, lines_of
from spikec.errors import HardwareFileError, nearest

SHOWN = 5


class _Words(NamedTuple):
    """What stands at a key, what should, and the names that are near to it."""

    found: str
    expected: str
    near: tuple[str, ...] = ()


def explained(error: ValidationError, chip: type[BaseModel], text: str, path: Path | str) -> HardwareFileError:
    """The error that names the lines and keys of what breaks the schema.

    Args:
        error: what pydantic found.
        chip: the schema.
        text: of the file.
        path: of the file.
    """
    faults, lines = error.errors(), lines_of(text)
    if len(faults) == 1:
        (fault,) = faults
        words = _words(fault, chip)
        where = f"{path}, {_place(fault, lines)}"
        return HardwareFileError(words.found, where=where, expected=words.expected, mend=" or ".join(words.near))
    told = "; ".join(_told(fault, chip, lines) for fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return HardwareFileError(f"{len(faults)} keys break the schema: {told}{more}", where=str(path))


def _told(fault: ErrorDetails, chip: type[BaseModel], lines: Mapping[KeyPath, int]) -> str:
    words = _words(fault, chip)
    meant = f" (did you mean {' or '.join(words.near)}?)" if words.near else ""
    return f"{_place(fault, lines)}: {words.found}, expected {words.expected}{meant}"


def _place(fault: ErrorDetails, lines: Mapping[KeyPath, int]) -> str:
    """`line 7, key terms.ac.count`; the line is that of the table where the key is not there."""
    key = ".".join(str(part) for part in fault["loc"]) or "the whole file"
    line = line_of(lines, fault["loc"])
    return f"key {key}" if line is None else f"line {line}, key {key}"


def _words(fault: ErrorDetails, chip: type[BaseModel]) -> _Words:
    if fault["type"] == "missing":
        return _Words("nothing", "a value, which this key must have")
    if fault["type"] == "extra_forbidden":
        known = _known_keys(chip, fault["loc"][:-1])
        return _Words("a key of no such name", "one of: " + ", ".join(known), nearest(str(fault["loc"][-1]), known))
    message = fault["msg"].removeprefix("Input should be ")
    near = nearest(str(fault["input"]), re.findall("'([^']*)'", message)) if fault["type"] == "literal_error" else ()
    return _Words(_shown(fault["input"]), message, near)


def _known_keys(chip: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the table at a path may have."""
    kind: Any = chip  # Any: an annotation
    for part in path:
        kind = _members(kind)[part] if isinstance(kind, type) and issubclass(kind, BaseModel) else get_args(kind)[-1]
        if get_origin(kind) in (Union, UnionType):
            kind = next(member for member in get_args(kind) if member is not type(None))
    return [str(key) for key in _members(kind)]


def _members(table: type[BaseModel]) -> dict[str | int, Any]:  # Any: annotations
    return {name: field.annotation for name, field in table.model_fields.items()}


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return "a table that breaks a rule" if isinstance(value, (dict, BaseModel)) else repr(value)
