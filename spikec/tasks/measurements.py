"""Measured runs from a CSV file: what each run counted, and the energy and time that it took."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hwmodels.schema import Kind
from spikec.errors import DataError, UnknownName, why_unread
from spikec.report.units import ENERGY, TIME

Vector = NDArray[np.float64]
Role = Literal["name", "report", "count", "energy", "time", "sd", "weight"]

KINDS: tuple[str, ...] = get_args(Kind)
ENERGY_UNITS = {unit.name: unit.size for unit in ENERGY}
TIME_UNITS = {unit.name: unit.size for unit in TIME}
LEAST, MOST = 1e-30, 1e30
"""Nothing is measured beyond these, and squares of it would leave the range of a double."""


class Column(NamedTuple):
    """What a column holds.

    Args:
        title: as the file has it.
        role: of the column.
        kind: of count, or ''.
        size: pJ or ns in its unit; 1 for what has none.
    """

    title: str
    role: Role
    kind: str = ""
    size: float = 1.0


@dataclass(frozen=True, eq=False)
class Measurements:
    """Runs of a file, in its order.

    Args:
        file: its name, without folders.
        sha256: of its bytes.
        names: of the runs; `line 7` where the file gives none.
        counts: [runs] by kind, in the order of the columns.
        energy_pj: [runs].
        time_ns: [runs], where measured.
        sd_pj: [runs], standard deviation of the energies, where given.
        weights: [runs], where given.
        reports: the file that a run's counts come from, where it names one.
    """

    file: str
    sha256: str
    names: tuple[str, ...]
    counts: Mapping[str, Vector]
    energy_pj: Vector
    time_ns: Vector | None = None
    sd_pj: Vector | None = None
    weights: Vector | None = None
    reports: tuple[Path, ...] = ()

    @property
    def runs(self) -> int:
        """How many."""
        return len(self.names)


def read_measurements(path: Path) -> Measurements:
    """The runs of a CSV file: a header, then a run a line; lines that begin with # are left out.

    Columns: a kind of count each (`ac`, `neuron_update`, ...), or one `report` with the JSON of `spikec estimate`;
    `energy_<unit>`, such as energy_mj; and, where they are known, `time_<unit>` (or latency_), `sd` in the energy's
    unit or `weight`, and `name`.

    Raises:
        DataError: the file cannot be read, or a column or number is not what it should be; names line and column.
        UnknownName: a column of no such name; the nearest are shown.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(why_unread(error), where=str(path), expected="measured runs as CSV") from error
    rows = _rows(text, path)
    if not rows:
        raise DataError("the file is empty", where=str(path), expected="a header such as ac,mac,energy_mj, and runs")
    (first, titles), *runs = rows
    header = _header([title.strip() for title in titles], f"{path}, line {first}")
    if not runs:
        raise DataError("a header and no run", where=str(path), expected="a line for each run")
    cells = [_cells(header, row, f"{path}, line {line}") for line, row in runs]
    return _measurements(path, hashlib.sha256(content).hexdigest(), header, cells, [line for line, _ in runs])


def _measurements(
    path: Path, sha256: str, header: Sequence[Column], cells: Sequence[Sequence[str]], lines: Sequence[int]
) -> Measurements:
    numbers: dict[str, Vector] = {}
    texts: dict[str, list[str]] = {"name": [], "report": []}
    for place, column in enumerate(header):
        stacked = [row[place] for row in cells]
        if column.role in texts:
            texts[column.role] = stacked
        else:
            numbers[column.kind or column.role] = _numbers(stacked, column, path, lines)
    names = texts["name"] or [""] * len(cells)
    return Measurements(
        file=path.name,
        sha256=sha256,
        names=tuple(name or f"line {line}" for name, line in zip(names, lines, strict=True)),
        counts={column.kind: numbers[column.kind] for column in header if column.role == "count"},
        energy_pj=numbers["energy"],
        time_ns=numbers.get("time"),
        sd_pj=numbers.get("sd"),
        weights=numbers.get("weight"),
        reports=tuple(path.parent / name for name in texts["report"]),
    )


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """The rows that hold something, with their lines."""
    # A comment becomes an empty line, so that the reader's own count of lines stays that of the file.
    plain = ["\n" if line.startswith("#") else line for line in io.StringIO(text)]
    reader = csv.reader(plain, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"no CSV: {error}", where=f"{path}, line {reader.line_num}") from error


def _header(titles: Sequence[str], where: str) -> list[Column]:
    if len(titles) == 1 and (found := next((mark for mark in ";\t" if mark in titles[0]), "")):
        raise DataError(f"columns parted by {found!r}", where=where, expected="commas between them")
    header = [_column(title, where) for title in titles]
    seen: dict[str, str] = {}
    for column in header:
        key = column.kind or column.role
        if key in seen:
            raise DataError(f"columns '{seen[key]}' and '{column.title}'", where=where, expected=f"one of {key}")
        seen[key] = column.title
    if "energy" not in seen:
        raise DataError("no column of energy", where=where, expected="one such as energy_mj")
    if "sd" in seen and "weight" in seen:
        raise DataError("columns 'sd' and 'weight'", where=where, expected="one of them: a weight is 1 / sd^2")
    if ("report" in seen) == any(column.role == "count" for column in header):
        both = "counts and reports" if "report" in seen else "neither a kind of count nor reports"
        raise DataError(both, where=where, expected=f"a column 'report', or columns of: {', '.join(KINDS)}")
    size = next(column.size for column in header if column.role == "energy")
    return [column._replace(size=size) if column.title == "sd" else column for column in header]


def _column(title: str, where: str) -> Column:
    if title in _PLAIN:
        return Column(title, _PLAIN[title])
    if title in KINDS:
        return Column(title, "count", title)
    for start, role, units in _MEASURED:
        if title.startswith(f"{start}_"):
            return Column(title, role, size=_size(title.removeprefix(f"{start}_"), units, where, title))
        if title == start:
            raise DataError(f"'{title}' without a unit", where=where, expected=f"such as {start}_{list(units)[-2]}")
    raise UnknownName(title, "column", (*KINDS, *_OTHERS), where=where)


_PLAIN: dict[str, Role] = {"name": "name", "report": "report", "weight": "weight", "sd": "sd"}
_MEASURED: tuple[tuple[str, Role, Mapping[str, float]], ...] = (
    ("energy", "energy", ENERGY_UNITS),
    ("sd", "sd", ENERGY_UNITS),
    ("time", "time", TIME_UNITS),
    ("latency", "time", TIME_UNITS),
)
_OTHERS = ("energy_mj", "time_ms", "latency_ms", "sd", "weight", "name", "report")


def _size(unit: str, units: Mapping[str, float], where: str, title: str) -> float:
    """What one unit holds, spelled as SI has it or in small letters; MJ is then no mJ."""
    spelled = {**{name.lower(): size for name, size in units.items()}, **units}
    found = spelled.get(unit.replace("µ", "u").replace("μ", "u"))  # the micro sign and the Greek letter
    if found is None:
        raise DataError(f"unit '{unit}' of '{title}'", where=where, expected=f"one of {', '.join(units)}")
    return found


def _cells(header: Sequence[Column], row: Sequence[str], where: str) -> list[str]:
    if len(row) != len(header):
        raise DataError(f"{len(row)} cells", where=where, expected=f"{len(header)}, as the header has")
    return [cell.strip() for cell in row]


def _numbers(cells: Sequence[str], column: Column, path: Path, lines: Sequence[int]) -> Vector:
    least = "0 or more" if column.role == "count" else "more than 0"
    found = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            value = float(cell) * column.size
        except ValueError:
            value = math.nan
        if not (LEAST <= value <= MOST or (value == 0 and column.role == "count")):
            shown = f"'{cell[:40]}'" if cell else "nothing"
            where = f"{path}, line {line}, column {column.title}"
            raise DataError(shown, where=where, expected=f"a number of {least}")
        found.append(value)
    return np.array(found)
