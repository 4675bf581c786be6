"""Schema: plain data from a file, checked against a type, with errors that name file and key."""

import re
from collections.abc import Sequence
from typing import TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from spikec.errors import SpikecError, nearest

T = TypeVar("T")


def parse(kind: type[T], data: object, where: str, error: type[SpikecError]) -> T:
    """`data` as a `kind` (a pydantic model or a dataclass of plain fields).

    Args:
        kind: what it should be.
        data: what a TOML or JSON reader gave.
        where: the file, for the message.
        error: the error to raise.

    Raises:
        error: a key is missing, unknown, or holds something else than expected; every such key is named.
    """
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as failure:
        details = failure.errors(include_url=False)
        told = "; ".join(_told(detail, kind) for detail in details[:4])
        more = f"; and {len(details) - 4} more" if len(details) > 4 else ""
        raise error(found=told + more, where=where) from failure


def _told(detail: ErrorDetails, kind: object) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{key} is missing"
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key} is unknown{_meant(detail['loc'][-1], _fields_at(kind, detail['loc'][:-1]))}"
    message = f"{key}: {_lowered(detail['msg'])}"
    # A whole table that broke a rule of its own says itself what was found; repeating all of it helps nobody.
    if isinstance(detail["input"], dict):
        return message
    words = re.findall("'([^']*)'", detail["msg"]) if detail["type"] == "literal_error" else ()
    return f"{message}, found {detail['input']!r:.60}{_meant(detail['input'], words)}"


def _meant(word: object, choices: Sequence[str]) -> str:
    near = nearest(str(word), choices)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _fields_at(kind: object, path: Sequence[int | str]) -> list[str]:
    """The keys that the table at `path` of a `kind` may have; none where it may have any."""
    for part in path:
        field = getattr(kind, "model_fields", {}).get(part)
        arguments = get_args(kind)
        kind = field.annotation if field is not None else arguments[-1] if arguments else None
    return list(getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {}))


def _lowered(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
