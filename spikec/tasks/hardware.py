"""hw: the hardware files that come along, and whether one of the user's own is good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwmodels import registry
from hwmodels.model import HardwareModel
from hwmodels.toml_lines import line_of, lines_of
from passes.manager import make
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


def catalogue() -> tuple[HardwareModel, ...]:
    """Every hardware model that `--hw` takes by name, sorted by name."""
    return tuple(registry.load(name) for name in registry.names())
