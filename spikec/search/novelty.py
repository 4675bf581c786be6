"""Novelty: genomes that were not proposed before."""

from collections.abc import Callable

import numpy as np

from spikec.errors import StudyError
from spikec.search.genome import Genome
from spikec.search.space import SearchSpace


class Novelty:
    """Remembers what was proposed, so that no subnet is evaluated twice.

    Args:
        space: where genomes come from.
        rng: the sampler's generator.
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._proposed: set[Genome] = set()

    def add(self, genome: Genome) -> bool:
        """Whether the genome is new; from now on it is not."""
        if genome in self._proposed:
            return False
        self._proposed.add(genome)
        return True

    def fresh(self, breed: Callable[[], Genome], tries: int) -> Genome:
        """The first new genome among `tries` bred ones; a new random one where all were known.

        Raises:
            StudyError: every subnet of the space has been proposed.
        """
        for _ in range(tries):
            genome = breed()
            if self.add(genome):
                return genome
        return self.random()

    def random(self) -> Genome:
        """A new genome as `SearchSpace.sample` draws them.

        In a space nearly used up, where drawing would take long, the first new one from a random place on.

        Raises:
            StudyError: every subnet of the space has been proposed.
        """
        count = self._space.count()
        if len(self._proposed) >= count:
            raise StudyError(f"all {count} subnets of space {self._space.name} have been tried")
        for _ in range(100):
            genome = self._space.sample(self._rng)
            if self.add(genome):
                return genome
        return self._next_from(int(self._rng.integers(min(count, 2**62))), count)

    def _next_from(self, index: int, count: int) -> Genome:
        # Fewer than `count` are known, so this ends after at most one more step than there are known ones.
        while not self.add(genome := self._space.at(index % count)):
            index += 1
        return genome
