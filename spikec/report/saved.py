"""Reports read back from the JSON that `spikec estimate --format json` wrote."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from spikec.cost import SCHEMA_VERSION, Report
from spikec.errors import InputError, printable, why_unread
from spikec.report.nodes import NodeRow, node_rows
from spikec.report.view import Refusal, chip_label
from spikec.search.schema import parse

EXPECTED = "a report of spikec estimate --format json"
Number = Annotated[FiniteFloat, Field(strict=True)]


class _Table(BaseModel):
    """What is read of a table; a report may hold more than an earlier spikec knows."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Node(_Table):
    name: str
    scope: str | None
    op: str
    rate: Number | None
    counts: dict[str, Number]
    energy_pj: dict[str, Number] | None
    energy_pj_low: Number | None = None
    energy_pj_high: Number | None = None
    latency_ns: Number | None = None


class _Totals(_Table):
    energy_pj: Number | None
    energy_pj_se: Number | None
    energy_pj_low: Number | None
    energy_pj_high: Number | None
    counts: dict[str, Number]
    latency_ns: Number | None


class _Model(_Table):
    name: str | None
    parameters: int | None
    graph_sha256: str


class _Term(_Table):
    name: str


class _Hardware(_Table):
    name: str
    file: str | None = None
    sha256: str
    terms: list[_Term]


class _Ann(_Table):
    energy_pj: Number | None
    macs: Number | None


class _MappedLayer(_Table):
    node: str
    cores: int | None
    binding_limit: str | None = None


class _Mapping(_Table):
    cores: int | None = None
    chips: int | None = None
    layers: list[_MappedLayer] = []


class _File(_Table):
    model: _Model
    priced_graph_sha256: str
    passes: list[str]
    steps: int
    hardware: _Hardware
    policy: dict[str, Any]  # Any: JSON
    data: dict[str, Any]  # Any: JSON
    nodes: list[_Node]
    totals: _Totals
    ann: _Ann
    left_out: dict[str, Number]
    assumptions: list[str]
    mapping: _Mapping | None = None


class _Refused(_Table):
    hardware: str
    file: str | None = None
    refused: str


@dataclass(frozen=True, eq=False)
class Saved:
    """A report from a file, all of which has the types of a report.

    Args:
        plain: as the file holds it.
    """

    plain: Mapping[str, Any]  # Any: JSON

    @property
    def hardware(self) -> str:
        """The chip's name."""
        return str(self.plain["hardware"]["name"])

    @property
    def file(self) -> str:
        """The file that the chip came from; '' for one that comes along."""
        return self.plain["hardware"].get("file") or ""

    @property
    def label(self) -> str:
        """The chip's name, and its file where it came from one."""
        return chip_label(self.hardware, self.file)

    @cached_property
    def rows(self) -> tuple[NodeRow, ...]:
        """Its nodes, in order."""
        values: dict[str, Any] = {field.name: self.plain.get(field.name) for field in fields(Report)}  # Any: JSON
        return node_rows(Report(**values))


Answer = Saved | Refusal


def read(path: Path) -> tuple[Answer, ...]:
    """What each chip answered, in the file's order: one report, or a list of reports and refusals.

    Raises:
        InputError: the file is missing, no JSON, or no report of this schema version; names file and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = _printable(json.loads(text, parse_constant=_no_number, parse_float=_finite))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(why_unread(error), where=str(path), expected=EXPECTED) from error
    except (ValueError, RecursionError) as error:  # of no JSON, numbers too long, and lists too deep
        raise InputError(f"no JSON: {error}", where=str(path), expected=EXPECTED) from error
    answers = found if isinstance(found, list) else [found]
    if not answers:
        raise InputError("an empty list", where=str(path), expected=EXPECTED)
    several = isinstance(found, list)
    return tuple(_answer(one, f"{path}, {place}" if several else str(path)) for place, one in enumerate(answers))


def _answer(found: object, where: str) -> Answer:
    if not isinstance(found, dict):
        raise InputError(f"a {type(found).__name__} in the place of a report", where=where, expected=EXPECTED)
    if "refused" in found:
        refused = parse(_Refused, found, where, InputError)
        return Refusal(refused.hardware, refused.refused, refused.file or "")
    if "schema_version" not in found:
        raise InputError("no report: it has no schema_version", where=where, expected=EXPECTED)
    version = found["schema_version"]
    if version != SCHEMA_VERSION:
        mend = "write it anew with this spikec: spikec estimate MODEL --format json"
        raise InputError(f"schema version {version!r:.40}", where=where, expected=str(SCHEMA_VERSION), mend=mend)
    parse(_File, found, where, InputError)
    return Saved(found)


def _printable(found: object) -> object:
    """The same with every text `printable`: it is shown on terminals, and the file may be anybody's."""
    match found:
        case dict():
            return {printable(key): _printable(value) for key, value in found.items()}
        case list():
            return [_printable(item) for item in found]
        case str():
            return printable(found)
    return found


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is no finite number")
