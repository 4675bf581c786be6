"""Space files: search spaces from TOML, spikec's own by name and a user's by path."""

import math
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator, model_validator

from spikec.errors import SpaceError, UnknownName, UsageError
from spikec.search.gene import Gene
from spikec.search.plain import Plain, to_toml
from spikec.search.schema import parse
from spikec.search.space import SearchSpace

_FOLDER = resources.files("spikec.search") / "spaces"


def _number(value: object) -> object:
    # One validator in place of a union: pydantic reports each member of a union that did not fit.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("should be a finite number")
    return value


Number = Annotated[int | float, PlainValidator(_number)]


class GeneTable(BaseModel):
    """One gene in a space file: its values, what it reaches, its role, its usual value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: list[Number] = Field(min_length=1)
    reaches: str = Field(min_length=1)
    role: Literal["size", "neuron"] = "size"
    usual: Number | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(a >= b for a, b in zip(self.values, self.values[1:], strict=False)):
            raise ValueError(f"values should ascend, none twice, found {self.values}")
        if self.usual is not None and self.usual not in self.values:
            raise ValueError(f"usual should be among values, found {self.usual}")
        return self

    def gene(self, name: str) -> Gene:
        """The gene; where any value is a fraction all are floats, so that a value has one spelling."""
        kind = float if any(isinstance(value, float) for value in self.values) else int
        usual = None if self.usual is None else kind(self.usual)
        return Gene(name, tuple(kind(value) for value in self.values), self.reaches, self.role, usual)


class SpaceTable(BaseModel):
    """A whole space file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    depth: GeneTable
    globals: dict[str, GeneTable] = Field(default_factory=dict)
    blocks: dict[str, GeneTable] = Field(default_factory=dict)
    constants: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if not all(isinstance(depth, int) and depth >= 1 for depth in self.depth.values):
            raise ValueError(f"depth.values should be whole numbers, 1 or more, found {self.depth.values}")
        twice = sorted((set(self.globals) & set(self.blocks)) | ({"depth"} & {*self.globals, *self.blocks}))
        if twice:
            raise ValueError(f"a gene should have one place: {', '.join(twice)}")
        return self


def names() -> tuple[str, ...]:
    """The spaces that come with spikec, sorted."""
    files = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(file.removesuffix(".toml") for file in files if file.endswith(".toml")))


def load(name_or_path: str | Path) -> SearchSpace:
    """The space of that name, or in that TOML file.

    Args:
        name_or_path: one of `names()`, or a path: anything that ends in .toml, names a folder or is a Path.

    Raises:
        UnknownName: no space of that name; the nearest names are in the message.
        SpaceError: the file is missing, no file, no TOML, or breaks the schema; file and key are named.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return parse_space(_read(Path(name_or_path)), text)
    if text not in names():
        raise UnknownName(text, "space", names())
    return parse_space((_FOLDER / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml")


def parse_space(text: str, where: str) -> SearchSpace:
    """The space that TOML `text` describes; errors say that they are in `where`.

    Raises:
        SpaceError: as for `load`.
    """
    try:
        plain = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of numbers too long, and of lists too deep
        raise SpaceError(found=f"no TOML: {error}", where=where) from error
    table = parse(SpaceTable, plain, where, SpaceError)
    return SearchSpace(
        name=table.name,
        source=table.source,
        depth=table.depth.gene("depth"),
        globals=tuple(gene.gene(name) for name, gene in table.globals.items()),
        blocks=tuple(gene.gene(name) for name, gene in table.blocks.items()),
        constants=_constants(plain, where),
    )


def space_toml(space: SearchSpace) -> str:
    """The space as the text of a file that `load` reads back equal."""
    return to_toml(space.to_plain())


def _constants(plain: dict[str, Plain], where: str) -> dict[str, Plain]:
    # Taken from the reader's own dict: validation would hand on a copy whose type says None can occur.
    constants = plain.get("constants", {})
    assert isinstance(constants, dict)
    try:
        to_toml({"constants": constants})
    except UsageError as error:  # of infinity, which JSON's types let pass
        raise SpaceError(error.found, where=f"{where}, {error.where}", expected=error.expected) from error
    return constants


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpaceError(
            found="no such file", where=str(path), mend=f"a TOML file, or one of: {', '.join(names())}"
        ) from error
    except IsADirectoryError as error:
        raise SpaceError(found="a folder", where=str(path), expected="a space's TOML file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(found=f"cannot be read: {error}", where=str(path)) from error
