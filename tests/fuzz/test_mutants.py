"""Mutants of valid files of every format: each is read as a valid network or refused, within bounds, and runs nothing.

Where the bytes of an archive were changed beneath its checksums, what is still read is what was written. Any other
mutant is read as what was written, or as another valid file: nothing in it could tell.

A mutant follows from its format and its number; a fault is printed with the command that makes it again. What was found
in the long survey and mended has its own test beside what it was found in.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

FORMATS = (
    *("model", "weights", "checkpoint", "nir", "net", "pt2", "onnx", "text"),
    *("rates", "npz", "arrays", "lava", "chip", "space", "study"),
)
FULL = 34
"""Mutants a format in the full tier: 510 together, always the same."""
LONG = 670
"""Mutants a format in the long tier: 10,050 together, the first of which are the full tier's."""
REFUSABLE = ("nir", "net", "pt2", "onnx")
"""What is read here may be a network that cannot be taken (exit 1)."""
ARCHIVES = ("model", "weights", "checkpoint", "pt2", "npz", "arrays", "lava")
CHUNKS = (("model", "weights", "checkpoint", "pt2"), ("nir", "net", "onnx", "text"), FORMATS[8:])


def check(surveys: ModuleType, numbers: dict[str, range]) -> None:
    results = surveys.survey(numbers)
    print(surveys.table(results))
    faults = surveys.faults_of(results)
    assert not faults, "\n\n".join(faults)
    assert len(results) == sum(map(len, numbers.values()))
    ends = Counter(result["ended"] for result in results)
    assert {"equal", "other", "exit 2"} <= set(ends)
    assert ends["exit 2"] > len(results) / 2
    assert bool(ends["exit 1"]) == (not set(numbers).isdisjoint(REFUSABLE))
    checked = [result for result in results if result["checked"]]
    assert {result["format"] for result in checked} == set(numbers) & set(ARCHIVES)
    assert {result["ended"] for result in checked} <= {"equal", "exit 1", "exit 2"}


@pytest.mark.full
def test_some_mutants_of_every_format(surveys: ModuleType) -> None:
    check(surveys, dict.fromkeys(FORMATS, range(FULL)))


@pytest.mark.long
@pytest.mark.parametrize("formats", CHUNKS, ids="-".join)
def test_many_mutants_of_every_format(surveys: ModuleType, formats: tuple[str, ...]) -> None:
    check(surveys, dict.fromkeys(formats, range(LONG)))


@pytest.mark.full
def test_what_a_mutant_must_not_do_is_told(surveys: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "WORKER", Path(__file__).with_name("faulty.py"))
    harms = (
        *(
            "sound",
            "another content",
            "traceback",
            "another error",
            "long error",
            "command",
            "process",
            "socket",
            "code",
            "another file",
        ),
        *("written elsewhere", "memory", "too much memory", "warning", "crash", "hang"),
    )
    found = surveys.survey(dict.fromkeys(harms, range(1)))
    assert {result["format"] for result in found if result["fault"]} == {*harms} - {"sound"}
    assert [result["format"] for result in found if result["ended"] == "death"] == ["crash", "hang"]
    assert "worker.py socket:0:1 kept" in "".join(surveys.faults_of(found))
