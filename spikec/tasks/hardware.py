"""hw: the hardware files that come along, and whether one of the user's own is good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwmodels import registry
from hwmodels.model import HardwareModel
from hwmodels.schema import read
from hwmodels.toml_lines import line_of, lines_of
from passes.manager import make
from spikec.cost import Evidence
from spikec.errors import HardwareFileError, UnknownName, UsageError


@dataclass(frozen=True, eq=False)
class Shown:
    """A hardware model and its file.

    Args:
        model: loaded.
        path: of its file; None for one that another package gives.
        text: of its file, or ''.
    """

    model: HardwareModel
    path: Path | None
    text: str


def show(name: str) -> Shown:
    """The hardware of that name or TOML file, with the text of its file.

    Raises:
        UnknownName, HardwareFileError: as `hwmodels.registry.load`.
    """
    model = registry.load(name)
    path = next((p for p in (Path(name), registry.CHIPS / f"{name}.toml") if p.suffix == ".toml" and p.is_file()), None)
    return Shown(model, path, "" if path is None else path.read_text("utf-8"))


def check(path: Path) -> HardwareModel:
    """The hardware model of a file whose schema, units and pipeline are good.

    Raises:
        HardwareFileError: they are not; names file and key.
    """
    model = registry.from_file(path)
    for place, entry in enumerate(model.pipeline):
        try:
            make(entry)
        except (UnknownName, UsageError) as error:
            line = line_of(lines_of(path.read_text("utf-8")), ("pipeline", place))
            where = f"{path}, {f'line {line}, ' if line else ''}key pipeline.{place}"
            raise HardwareFileError(str(error), where=where) from error
    return model


def namesake(model: HardwareModel) -> HardwareModel | None:
    """The other chip that `--hw` takes by the same name, of another file; None where there is none."""
    if model.name not in registry.names():
        return None
    own = registry.load(model.name)
    return None if own.sha256 == model.sha256 else own


@dataclass(frozen=True, eq=False)
class Listed:
    """A hardware model as a row of a list.

    Args:
        name: that `--hw` takes.
        model: loaded.
        title, evidence: what it is, and the weakest evidence of its prices; '' for one that another package gives.
        cores: cores a chip; None for one without.
    """

    name: str
    model: HardwareModel
    title: str = ""
    evidence: str = ""
    cores: int | None = None


def catalogue() -> tuple[Listed, ...]:
    """Every hardware model that `--hw` takes by name, sorted by name."""
    return tuple(map(_listed, registry.names()))


def _listed(name: str) -> Listed:
    model, path = registry.load(name), registry.CHIPS / f"{name}.toml"
    if not path.is_file():
        return Listed(name, model)
    chip = read(path.read_bytes(), path)
    evidence = min(Evidence[table.energy.evidence.upper()] for table in chip.terms.values())
    if chip.memory is not None:
        evidence = min(evidence, chip.memory.memory().evidence)
    return Listed(name, model, chip.title, evidence.label, chip.cores.cores_a_chip if chip.cores else None)
