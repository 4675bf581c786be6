"""Fields of the JSON in a .pt2 file, each of the kind that it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from spikec.errors import ModelFileError

Plain = TypeVar("Plain", str, int, float, bool)
MOST_LISTED = 80
_NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,500}")


def malformed(found: str, where: str) -> ModelFileError:
    """The error of JSON that is not of torch's schema."""
    mend = "export and save it again with torch 2.13"
    return ModelFileError(f"{where}: {found}", expected="what torch.export.save writes", mend=mend)


def table(value: object, where: str) -> Mapping[str, object]:
    """A JSON object.

    Raises:
        ModelFileError: it is something else.
    """
    if not isinstance(value, dict):
        raise malformed(f"no object: {value!r:.{MOST_LISTED}}", where)
    return value


def rows(value: object, where: str) -> list[object]:
    """A JSON list.

    Raises:
        ModelFileError: it is something else.
    """
    if not isinstance(value, list):
        raise malformed(f"no list: {value!r:.{MOST_LISTED}}", where)
    return value


def plain(value: object, kind: type[Plain], where: str) -> Plain:
    """A text, a number or a truth, and no other that Python would take for one.

    Raises:
        ModelFileError: it is something else.
    """
    if type(value) is not kind:
        raise malformed(f"no {kind.__name__}: {value!r:.{MOST_LISTED}}", where)
    return value


def name_of(value: object, where: str) -> str:
    """A name as torch gives its nodes, tensors and operators.

    Raises:
        ModelFileError: it is no text, or holds other letters.
    """
    found = plain(value, str, where)
    if not _NAME.fullmatch(found):
        raise malformed(f"no name: {found!r:.{MOST_LISTED}}", where)
    return found


def union(value: object, where: str) -> tuple[str, object]:
    """What one of several kinds is: its name, and the value.

    Raises:
        ModelFileError: it is no object with one key.
    """
    given = table(value, where)
    if len(given) != 1:
        raise malformed(f"one of several kinds is expected: {sorted(given)!r:.{MOST_LISTED}}", where)
    ((kind, held),) = given.items()
    return kind, held
