"""Plain data: what a TOML file can hold, and how it is written as one."""

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from spikec.errors import UsageError

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain]"


def to_toml(table: Mapping[str, Plain]) -> str:
    """The table as TOML text that `tomllib` reads back equal; a table's own values stand before its tables.

    Python reads TOML and does not write it; the tables here are small and plain, so this is all that it
    takes.

    Raises:
        UsageError: something in it that TOML has no form for, such as None; the message names its key.
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Plain], path: tuple[str, ...]) -> list[str]:
    # A table's own values must stand before its sub-tables, or they would belong to the last of those.
    own = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value, (*path, key))}" for key, value in own.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            below = (*path, key)
            lines += ["", f"[{'.'.join(_key(part) for part in below)}]", *_lines(value, below)]
    return lines


def _value(value: Plain, path: tuple[str, ...]) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case str():
            # JSON's strings are TOML's, but for the one control character that JSON leaves bare.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(_value(item, path) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{_key(k)} = {_value(v, (*path, k))}' for k, v in value.items())}}}"
    raise UsageError(found=f"{value!r}", where=".".join(path), expected="a finite number, text, list or table")


def _key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
    return key if bare else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
