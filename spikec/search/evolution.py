"""Evolution by F_AEB: Auto-Spikformer's single-objective search, as ask and tell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field

from spikec.errors import StudyError
from spikec.search.fitness import Scale, f_aeb
from spikec.search.genome import Genome
from spikec.search.novelty import Novelty
from spikec.search.objectives import Objective, Values, accuracy_and_energy, coordinates
from spikec.search.plain import Plain
from spikec.search.schema import parse
from spikec.search.space import SearchSpace


@dataclass(frozen=True)
class EvolutionOptions:
    """Settings of Auto-Spikformer's evolution, its own values as defaults.

    The paper's 'P_d (0.3) and P_m (0.4)' are read as AutoFormer's two mutation probabilities; what share of
    the children is crossed is then AutoFormer's half.

    Args:
        population: random candidates at first, and children a generation.
        parents: how many of the fittest so far are bred from.
        depth_mutation: P_d, the probability of redrawing a parent's depth.
        gene_mutation: P_m, the probability of redrawing each of its other genes.
        crossover: the share of each generation that is crossed; the rest is mutated.
        alpha: the weight of energy in F_AEB.
        tries: how many children are bred until one is new, before a random one is taken.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    population: Annotated[int, Field(ge=2)] = 50
    parents: Annotated[int, Field(ge=2)] = 20
    depth_mutation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    gene_mutation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    crossover: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    tries: Annotated[int, Field(ge=1)] = 10


class Evolution:
    """Che et al., Front. Neurosci. 2024, sec. 4 and eq. 6, over AutoFormer's evolution.

    The fittest `parents` of all told so far are bred from, renewed at each generation's end. Fitness is
    `f_aeb`, whose scale is fixed when the initial population was told, so that a fitness never changes.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        rng: np.random.Generator,
        options: EvolutionOptions | None = None,
    ) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._accuracy, self._energy = accuracy_and_energy(objectives)
        self._rng = rng
        self._options = options or EvolutionOptions()
        self._novelty = Novelty(space, rng)
        self._told: list[tuple[Genome, Values]] = []
        self._scale: Scale | None = None
        self._parents: list[Genome] = []
        self._bred_so_far = 0

    @staticmethod
    def make(
        space: SearchSpace,
        objectives: Sequence[Objective],
        rng: np.random.Generator,
        options: Mapping[str, Plain],
    ) -> "Evolution":
        """The sampler; StudyError for a bad option or other than one objective up and one down."""
        settings = parse(EvolutionOptions, options, "options of evolution", StudyError)
        return Evolution(space, objectives, rng, settings)

    def ask(self) -> Genome:
        """A random genome until the initial population was told, then a mutated or crossed one."""
        if not self._parents:
            return self._novelty.random()
        mutated = round(self._options.population * (1.0 - self._options.crossover))
        breed = self._mutated if self._bred_so_far % self._options.population < mutated else self._crossed
        self._bred_so_far += 1
        return self._novelty.fresh(breed, self._options.tries)

    def tell(self, genome: Genome, values: Values) -> None:
        """Adds a candidate; a generation's last renews the parents, the first generation's fixes the scale."""
        coordinates(values, self._objectives)
        self._told.append((genome, dict(values)))
        if len(self._told) % self._options.population:
            return
        if self._scale is None:
            self._scale = Scale.of([values for _, values in self._told], self._accuracy, self._energy)
        fittest = sorted(self._told, key=lambda told: -self._fitness(told[1]))
        self._parents = [genome for genome, _ in fittest[: self._options.parents]]

    def facts(self) -> dict[str, Plain]:
        """The scale of F_AEB and its alpha, once the initial population was told."""
        return {} if self._scale is None else {"alpha": self._options.alpha, **asdict(self._scale)}

    def _fitness(self, values: Values) -> float:
        assert self._scale is not None  # parents are only chosen from when it is fixed
        return f_aeb(values, self._scale, self._options.alpha)

    def _mutated(self) -> Genome:
        options = self._options
        return self._space.mutate(self._parent(), self._rng, options.depth_mutation, options.gene_mutation)

    def _crossed(self) -> Genome:
        return self._space.cross(self._parent(), self._parent(), self._rng)

    def _parent(self) -> Genome:
        return self._parents[int(self._rng.integers(len(self._parents)))]
