"""The search space: which genes a subnet has, what each may be, and how subnets are drawn and varied."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from spikec.errors import SpaceError, UnknownName
from spikec.search.gene import Gene
from spikec.search.genome import Genes, Genome, Value
from spikec.search.plain import Plain


@dataclass(frozen=True)
class SearchSpace:
    """A space of subnets: global genes, and per-block genes that each of `depth` blocks has.

    It knows no network: `constants` is a table of plain data (the network's form, its image, the attention
    scale, stem and RPE neurons, the neuron convention) that is carried through to whoever builds one.

    Args:
        name: as `load` knows it.
        source: where its values come from.
        depth: the gene that says how many blocks a genome has; whole numbers, at least 1.
        globals: the other genes that a subnet has once.
        blocks: the genes that each block has.
        constants: plain data for the builder of networks.
    """

    name: str
    source: str
    depth: Gene
    globals: tuple[Gene, ...]
    blocks: tuple[Gene, ...]
    constants: Mapping[str, Plain] = field(default_factory=dict, hash=False)

    @property
    def genes(self) -> tuple[Gene, ...]:
        """Every gene: depth, the global ones, those of a block."""
        return (self.depth, *self.globals, *self.blocks)

    def gene(self, name: str) -> Gene:
        """The gene of that name; UnknownName, with the nearest names, where there is none."""
        for gene in self.genes:
            if gene.name == name:
                return gene
        raise UnknownName(name, f"gene of space {self.name}", [gene.name for gene in self.genes])

    def count(self) -> int:
        """How many distinct subnets it holds, exactly: globals times the sum over depths of blocks^depth."""
        return sum(self._count_at(depth) for depth in self._depths())

    def at(self, index: int) -> Genome:
        """The subnet of that number, 0 <= index < count(): each subnet has exactly one.

        Raises:
            SpaceError: the index is out of range.
        """
        rest = index
        for depth in self._depths() if index >= 0 else ():
            if rest < self._count_at(depth):
                return self._decoded(depth, rest)
            rest -= self._count_at(depth)
        raise SpaceError(f"space {self.name} has subnets 0 to {self.count() - 1}, not {index}")

    def sample(self, rng: np.random.Generator) -> Genome:
        """A subnet whose genes, depth included, are each drawn uniformly.

        So every depth is as likely, as in AutoFormer; uniform over subnets would draw the deepest nearly
        always.
        """
        depth = int(self.depth.draw(rng))
        return self._genome(depth, _drawn(self.globals, rng), [_drawn(self.blocks, rng) for _ in range(depth)])

    def mutate(
        self, genome: Genome, rng: np.random.Generator, depth_probability: float, gene_probability: float
    ) -> Genome:
        """The genome with some genes redrawn among all their values, each on its own.

        A lost block is cut from the end; a new one is drawn. AutoFormer's mutation, but for width, which
        there has the depth's probability and here that of every gene.

        Args:
            genome: of this space.
            rng: where the draws come from.
            depth_probability: of redrawing the depth, in [0, 1].
            gene_probability: of redrawing each other gene, in [0, 1].
        """
        depth = int(self.depth.redraw(genome.depth, rng, depth_probability))
        globals_ = {g.name: g.redraw(genome.globals[g.name], rng, gene_probability) for g in self.globals}
        blocks = [
            {g.name: g.redraw(block[g.name], rng, gene_probability) for g in self.blocks}
            for block in genome.blocks[:depth]
        ]
        blocks += [_drawn(self.blocks, rng) for _ in range(depth - len(blocks))]
        return self._genome(depth, globals_, blocks)

    def cross(self, a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
        """Uniform crossover: each gene, depth included, from either parent with even odds.

        A block that only one parent has comes from that parent.
        """
        depth = (a, b)[int(rng.integers(2))].depth
        globals_ = _mixed(self.globals, a.globals, b.globals, rng)
        longer = a if a.depth >= b.depth else b
        shared = min(a.depth, b.depth, depth)
        blocks = [_mixed(self.blocks, a.blocks[i], b.blocks[i], rng) for i in range(shared)]
        blocks += [dict(block) for block in longer.blocks[shared:depth]]
        return self._genome(depth, globals_, blocks)

    def largest(self) -> Genome:
        """Every size gene at its greatest, neurons as usual: the supernet's own shape."""
        return self._uniform({g.name: g.greatest if g.role == "size" else g.standard for g in self.genes})

    def corners(self) -> tuple[Genome, ...]:
        """Sizes at their least or greatest, times neurons at theirs: at most 4, no duplicates.

        They bracket the front: small and quiet, small and lively, large and quiet, large and lively.
        """
        chosen: dict[Genome, None] = {}
        for end in ((0, 0), (-1, -1), (0, -1), (-1, 0)):
            by_role = dict(zip(("size", "neuron"), end, strict=True))
            chosen[self._uniform({g.name: g.values[by_role[g.role]] for g in self.genes})] = None
        return tuple(chosen)

    def validate(self, genome: Genome) -> Genome:
        """The genome, its numbers spelt as the space spells them (3 as 3.0 where other ratios are fractions).

        Raises:
            UnknownName: a gene that the space does not have.
            SpaceError: a gene is missing, or its value is not among the space's.
        """
        globals_ = self._validated((self.depth, *self.globals), genome.globals, "globals")
        blocks = [self._validated(self.blocks, block, f"block {index}") for index, block in enumerate(genome.blocks)]
        return Genome(globals_, blocks)

    def to_plain(self) -> dict[str, Plain]:
        """The space as the tables of its TOML file."""
        return {
            "name": self.name,
            "source": self.source,
            "depth": _plain(self.depth),
            "globals": {gene.name: _plain(gene) for gene in self.globals},
            "blocks": {gene.name: _plain(gene) for gene in self.blocks},
            "constants": dict(self.constants),
        }

    def sha256(self) -> str:
        """A fingerprint of all it says, constants and texts included."""
        text = json.dumps(self.to_plain(), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _depths(self) -> Iterator[int]:
        return (int(depth) for depth in self.depth.values)

    def _count_at(self, depth: int) -> int:
        per_block = math.prod(len(gene.values) for gene in self.blocks)
        return math.prod(len(gene.values) for gene in self.globals) * int(per_block**depth)

    def _decoded(self, depth: int, rest: int) -> Genome:
        tables: list[dict[str, Value]] = []
        for genes in (self.globals, *([self.blocks] * depth)):
            table: dict[str, Value] = {}
            for gene in genes:
                rest, digit = divmod(rest, len(gene.values))
                table[gene.name] = gene.values[digit]
            tables.append(table)
        return self._genome(depth, tables[0], tables[1:])

    def _uniform(self, values: Mapping[str, Value]) -> Genome:
        depth = int(values["depth"])
        block = {gene.name: values[gene.name] for gene in self.blocks}
        return self._genome(depth, {gene.name: values[gene.name] for gene in self.globals}, [block] * depth)

    def _genome(self, depth: int, globals_: Mapping[str, Value], blocks: list[dict[str, Value]]) -> Genome:
        return Genome({"depth": depth, **globals_}, blocks)

    def _validated(self, genes: tuple[Gene, ...], values: Genes, where: str) -> dict[str, Value]:
        for name in values:
            if name not in {gene.name for gene in genes}:
                raise UnknownName(name, f"gene of space {self.name}, {where}", [gene.name for gene in genes])
        return {gene.name: self._validated_value(gene, values.get(gene.name), where) for gene in genes}

    def _validated_value(self, gene: Gene, value: Value | None, where: str) -> Value:
        if value not in gene.values:
            allowed = ", ".join(str(value) for value in gene.values)
            raise SpaceError(
                found="missing" if value is None else f"{value}",
                where=f"space {self.name}, {where}, gene {gene.name}",
                expected=f"one of {allowed}",
            )
        return gene.values[gene.values.index(value)]


def _drawn(genes: tuple[Gene, ...], rng: np.random.Generator) -> dict[str, Value]:
    return {gene.name: gene.draw(rng) for gene in genes}


def _mixed(genes: tuple[Gene, ...], a: Genes, b: Genes, rng: np.random.Generator) -> dict[str, Value]:
    return {gene.name: (a, b)[int(rng.integers(2))][gene.name] for gene in genes}


def _plain(gene: Gene) -> dict[str, Plain]:
    plain: dict[str, Plain] = {"values": list(gene.values), "reaches": gene.reaches, "role": gene.role}
    return plain if gene.usual is None else {**plain, "usual": gene.usual}
