"""NSGA-II: multi-objective evolution by nondominated rank and crowding, as ask and tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from spikec.errors import StudyError
from spikec.search.front import Points, crowding, ranks
from spikec.search.genome import Genome
from spikec.search.novelty import Novelty
from spikec.search.objectives import Objective, Values, coordinates
from spikec.search.plain import Plain
from spikec.search.schema import parse
from spikec.search.space import SearchSpace


@dataclass(frozen=True)
class Nsga2Options:
    """Settings of NSGA-II.

    Args:
        population: how many survive a generation, and how many a generation has.
        mutation: the probability of redrawing each gene of a child, depth included.
        corners: whether the space's corners are in the first generation. Without them it lost to random
            search on small budgets.
        tries: how many children are bred until one is new, before a random one is taken.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    population: Annotated[int, Field(ge=2)] = 16
    mutation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.125
    corners: bool = True
    tries: Annotated[int, Field(ge=1)] = 50


class Nsga2:
    """Deb, Pratap, Agarwal and Meyarivan, IEEE Trans. Evol. Comput. 6(2), 2002, on genomes.

    Parents by binary tournament (rank, then crowding), uniform crossover, mutation a gene, no subnet twice.
    Told children join their parents once a generation's worth of them was told, and the best `population`
    survive; asked before that, it breeds on from the present parents, so that workers never wait for each
    other.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        rng: np.random.Generator,
        options: Nsga2Options | None = None,
    ) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._rng = rng
        self._options = options or Nsga2Options()
        self._novelty = Novelty(space, rng)
        self._seeds = list(space.corners()[: self._options.population]) if self._options.corners else []
        self._children: list[tuple[Genome, tuple[float, ...]]] = []
        self._parents: list[tuple[Genome, tuple[float, ...]]] = []
        self._standing: list[tuple[int, float]] = []  # of each parent: rank, then crowding negated; less is better

    @staticmethod
    def make(
        space: SearchSpace,
        objectives: Sequence[Objective],
        rng: np.random.Generator,
        options: Mapping[str, Plain],
    ) -> "Nsga2":
        """The sampler; StudyError for an option that is unknown or out of range."""
        return Nsga2(space, objectives, rng, parse(Nsga2Options, options, "options of nsga2", StudyError))

    def ask(self) -> Genome:
        """A corner, then random genomes until the first generation was told, then children."""
        if self._seeds:
            genome = self._seeds.pop(0)
            self._novelty.add(genome)
            return genome
        if not self._parents:
            return self._novelty.random()
        return self._novelty.fresh(self._bred, self._options.tries)

    def tell(self, genome: Genome, values: Values) -> None:
        """Adds a child; the last of a generation brings the selection."""
        self._children.append((genome, coordinates(values, self._objectives)))
        if len(self._children) == self._options.population:
            self._select()

    def facts(self) -> dict[str, Plain]:
        """Nothing."""
        return {}

    def _bred(self) -> Genome:
        child = self._space.cross(self._tournament(), self._tournament(), self._rng)
        mutation = self._options.mutation
        return self._space.mutate(child, self._rng, depth_probability=mutation, gene_probability=mutation)

    def _tournament(self) -> Genome:
        one, other = (int(i) for i in self._rng.integers(len(self._parents), size=2))
        return self._parents[min(one, other, key=lambda i: self._standing[i])][0]

    def _select(self) -> None:
        both = self._parents + self._children
        standing = _standing(np.array([coords for _, coords in both]))
        kept = sorted(range(len(both)), key=lambda i: standing[i])[: self._options.population]
        self._parents = [both[i] for i in kept]
        self._standing = [standing[i] for i in kept]
        self._children = []


def _standing(coords: Points) -> list[tuple[int, float]]:
    rank: NDArray[np.int64] = ranks(coords)
    distance = np.zeros(len(coords))
    for front in range(int(rank.max()) + 1):
        members = np.flatnonzero(rank == front)
        distance[members] = crowding(coords[members])
    return [(int(r), -float(d)) for r, d in zip(rank, distance, strict=True)]
