"""Hardware models by name or file: the chips that come along, and those of the entry points `spikec.hardware`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from hwmodels.cores_model import CoresModel, form_of
from hwmodels.events_model import EventsModel, PolicyTerm
from hwmodels.memory import MemoryModel
from hwmodels.model import ArithmeticModel, HardwareModel, Pipeline
from hwmodels.schema import Chip, PassTable, read
from spikec.errors import HardwareFileError, UnknownName

GROUP = "spikec.hardware"
CHIPS = Path(__file__).parent / "chips"


def load(name_or_path: str | Path) -> HardwareModel:
    """The hardware model of a name, or of a TOML file.

    A text that holds a path separator or ends in .toml is a file; else the chips that come along are looked at
    first, then the entry points of group `spikec.hardware`: each a function without arguments that gives a model.

    Raises:
        HardwareFileError: the file cannot be read or breaks the schema; names file and key.
        UnknownName: no chip of that name; the nearest names are in the message.
    """
    if _is_path(name_or_path):
        return from_file(Path(name_or_path))
    name = str(name_or_path)
    if name in _bundled():
        return _read(CHIPS / f"{name}.toml", "")
    for found in entry_points(group=GROUP):
        if found.name == name:
            model: HardwareModel = found.load()()
            return model
    raise UnknownName(name, "hardware", names())


def names() -> tuple[str, ...]:
    """Every name that `load` takes, sorted."""
    return tuple(sorted({*_bundled(), *(found.name for found in entry_points(group=GROUP))}))


def from_file(path: Path) -> HardwareModel:
    """The hardware model of a TOML file.

    Raises:
        HardwareFileError: the file cannot be read or breaks the schema; names file and key.
    """
    return _read(path, str(path))


def _read(path: Path, file: str) -> HardwareModel:
    """The model in `path`, which says that it came from `file`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise HardwareFileError(f"it cannot be read: {why}", where=str(path), expected="a TOML file") from error
    chip = read(content, path)
    return MAKERS[chip.model](chip, hashlib.sha256(content).hexdigest(), file)


def _arithmetic(chip: Chip, sha256: str, file: str) -> HardwareModel:
    return ArithmeticModel(chip.name, chip.node, sha256, _pipeline(chip), chip.prices(), file)


def _memory(chip: Chip, sha256: str, file: str) -> HardwareModel:
    assert chip.memory is not None
    return MemoryModel(chip.name, chip.node, sha256, _pipeline(chip), chip.prices(), chip.memory.memory(), file)


def _events(chip: Chip, sha256: str, file: str) -> HardwareModel:
    assert chip.real_input is not None
    assert chip.attention is not None
    parts = tuple(PolicyTerm(table.term(name), table.when or {}) for name, table in chip.terms.items())
    model = EventsModel(chip.name, chip.node, sha256, _pipeline(chip), chip.real_input, chip.attention, parts, file)
    if chip.cores is None:
        return model
    return CoresModel(model, chip.cores, form_of(chip.cores, chip.real_input, chip.attention))


def _pipeline(chip: Chip) -> Pipeline:
    return tuple(spec.model_dump(by_alias=True) if isinstance(spec, PassTable) else spec for spec in chip.pipeline)


MAKERS: dict[str, Callable[[Chip, str, str], HardwareModel]] = {
    "arithmetic": _arithmetic,
    "events": _events,
    "memory": _memory,
}


def _bundled() -> frozenset[str]:
    return frozenset(path.stem for path in CHIPS.glob("*.toml"))


def _is_path(name_or_path: str | Path) -> bool:
    separators = {os.sep, os.altsep or os.sep}
    text = str(name_or_path)
    return isinstance(name_or_path, Path) or text.endswith(".toml") or any(s in text for s in separators)
