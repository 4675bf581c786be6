"""The gene: one choice that a search space leaves open."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spikec.search.genome import Value


@dataclass(frozen=True)
class Gene:
    """One choice that a space leaves open.

    Args:
        name: as it stands in a genome.
        values: what it may be, ascending; one value alone is a constant that genomes still carry.
        reaches: what in the network it sets, in words.
        role: 'size', where more of it is a larger network; 'neuron', where it tunes neurons.
        usual: its value in the published network, where that is neither least nor greatest.
    """

    name: str
    values: tuple[Value, ...]
    reaches: str
    role: Literal["size", "neuron"] = "size"
    usual: Value | None = None

    @property
    def least(self) -> Value:
        """The least of its values."""
        return self.values[0]

    @property
    def greatest(self) -> Value:
        """The greatest of its values."""
        return self.values[-1]

    @property
    def standard(self) -> Value:
        """The usual value; the middle one (the upper of two) where none is named."""
        return self.values[len(self.values) // 2] if self.usual is None else self.usual

    def draw(self, rng: np.random.Generator) -> Value:
        """One of its values, uniformly."""
        return self.values[int(rng.integers(len(self.values)))]

    def redraw(self, value: Value, rng: np.random.Generator, probability: float) -> Value:
        """With `probability` one of its values, uniformly, which may be `value` again; else `value` itself."""
        return self.draw(rng) if rng.random() < probability else value
