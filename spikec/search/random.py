"""Random search: the baseline that every other sampler has to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ConfigDict

from spikec.errors import StudyError
from spikec.search.genome import Genome
from spikec.search.novelty import Novelty
from spikec.search.objectives import Objective, Values, coordinates
from spikec.search.plain import Plain
from spikec.search.schema import parse
from spikec.search.space import SearchSpace


@dataclass(frozen=True)
class RandomOptions:
    """Random search has no settings."""

    __pydantic_config__ = ConfigDict(extra="forbid")


class Random:
    """Proposes genomes as `SearchSpace.sample` draws them, none twice."""

    def __init__(self, space: SearchSpace, objectives: Sequence[Objective], rng: np.random.Generator) -> None:
        self._objectives = tuple(objectives)
        self._novelty = Novelty(space, rng)

    @staticmethod
    def make(
        space: SearchSpace,
        objectives: Sequence[Objective],
        rng: np.random.Generator,
        options: Mapping[str, Plain],
    ) -> "Random":
        """The sampler; StudyError for any option."""
        parse(RandomOptions, options, "options of random", StudyError)
        return Random(space, objectives, rng)

    def ask(self) -> Genome:
        """A genome not proposed before."""
        return self._novelty.random()

    def tell(self, genome: Genome, values: Values) -> None:
        """Checks the values and learns nothing."""
        coordinates(values, self._objectives)

    def facts(self) -> dict[str, Plain]:
        """Nothing."""
        return {}
