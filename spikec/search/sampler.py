"""Samplers: what proposes the next subnet, and the table of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from spikec.errors import UnknownName
from spikec.search.evolution import Evolution
from spikec.search.genome import Genome
from spikec.search.nsga2 import Nsga2
from spikec.search.objectives import Objective, Values
from spikec.search.plain import Plain
from spikec.search.random import Random
from spikec.search.space import SearchSpace


class Sampler(Protocol):
    """Proposes genomes and learns from their values.

    A sampler is a deterministic function of its space, objectives, options and generator, and of the order in
    which it was asked and told: so a study rebuilds it by asking and telling again, and keeps no state of it.
    It draws from its generator in `ask` only, proposes no genome twice, and may be asked again before it was
    told.
    """

    def ask(self) -> Genome:
        """A genome of the space that it has not proposed before.

        Raises:
            StudyError: every subnet of the space has been proposed.
        """
        ...

    def tell(self, genome: Genome, values: Values) -> None:
        """Learns the raw values of a genome that it proposed; a genome whose trial failed is never told.

        Raises:
            StudyError: an objective's value is missing or unusable; nothing is learnt then.
        """
        ...

    def facts(self) -> dict[str, Plain]:
        """What it has fixed along the way and a study should record, such as a scaling set; may be empty."""
        ...


Maker = Callable[[SearchSpace, Sequence[Objective], np.random.Generator, Mapping[str, Plain]], Sampler]

SAMPLERS: dict[str, Maker] = {
    "evolution": Evolution.make,
    "nsga2": Nsga2.make,
    "random": Random.make,
}


def make_sampler(
    name: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    rng: np.random.Generator,
    options: Mapping[str, Plain] | None = None,
) -> Sampler:
    """The sampler of that name.

    Args:
        name: a key of SAMPLERS.
        space: where its genomes come from.
        objectives: what `tell` will bring.
        rng: all its randomness; it must be used by nothing else.
        options: its own settings, where they are not the defaults.

    Raises:
        UnknownName: no sampler of that name.
        StudyError: an option that it does not have, or out of range; or objectives that it cannot serve.
    """
    if name not in SAMPLERS:
        raise UnknownName(name, "search method", SAMPLERS)
    return SAMPLERS[name](space, objectives, rng, options or {})
