"""The genome: which value every gene of a search space takes in one subnet."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spikec.errors import SpaceError

Value = int | float


class Genes(Mapping[str, Value]):
    """A frozen, hashable mapping from a gene's name to its value, in the order of the names.

    Equal to any mapping with the same names and values. Pickles, so genomes can cross process borders.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = {name: values[name] for name in sorted(values)}

    def __getitem__(self, name: str) -> Value:
        """The value of gene `name`; KeyError where there is none."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many genes there are."""
        return len(self._values)

    def __hash__(self) -> int:
        """Equal for equal genes, whatever order they were given in."""
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        """As `name=value` words."""
        return f"Genes({self})"

    def __str__(self) -> str:
        """`heads=2 ratio=3`, names sorted."""
        return " ".join(f"{name}={value}" for name, value in self._values.items())


@dataclass(frozen=True, init=False)
class Genome:
    """One subnet: the genes it has once, and the genes that each of its blocks has.

    Args:
        globals: width, steps and so on; `depth` is always among them and equals the number of blocks.
        blocks: one mapping a block, first block first.

    Raises:
        SpaceError: `depth` is missing or is not the number of blocks.
    """

    globals: Genes
    blocks: tuple[Genes, ...]

    def __init__(self, globals: Mapping[str, Value], blocks: Iterable[Mapping[str, Value]]) -> None:
        object.__setattr__(self, "globals", Genes(globals))
        object.__setattr__(self, "blocks", tuple(Genes(block) for block in blocks))
        if self.globals.get("depth") != len(self.blocks):
            raise SpaceError(
                found=f"a genome of depth {self.globals.get('depth')} with {len(self.blocks)} blocks",
                expected="as many blocks as depth says",
            )

    @property
    def depth(self) -> int:
        """The number of blocks, at least 1."""
        return len(self.blocks)

    def to_json(self) -> str:
        """Canonical JSON: one line, keys sorted, no spaces; equal genomes of a space give equal text."""
        plain = {"globals": dict(self.globals), "blocks": [dict(block) for block in self.blocks]}
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Genome":
        """The genome that `to_json` wrote.

        Raises:
            SpaceError: the text is no JSON, or no genome.
        """
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpaceError(f"a genome that is no JSON: {error}") from error
        if not isinstance(plain, dict) or set(plain) != {"globals", "blocks"}:
            raise SpaceError(found=f"not a genome: {text[:80]}", expected="an object with globals and blocks")
        if not isinstance(plain["blocks"], list):
            raise SpaceError(found=f"not a genome: {text[:80]}", expected="blocks to be a list")
        if not all(_is_genes(part) for part in (plain["globals"], *plain["blocks"])):
            raise SpaceError(found=f"not a genome: {text[:80]}", expected="each gene to be a number")
        return Genome(plain["globals"], plain["blocks"])

    def __str__(self) -> str:
        """One line to read: `depth=1 steps=2 width=48 | heads=2 ratio=3 tau=2.0 threshold=1.0`."""
        return " | ".join(str(part) for part in (self.globals, *self.blocks))


def _is_genes(part: object) -> bool:
    # JSON's true is an int to isinstance, and no gene's value.
    return isinstance(part, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in part.values()
    )
