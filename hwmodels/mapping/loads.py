"""What a layer takes: its cores, what stands on each, which limit split it, or which one it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.splits import Cut

Resource = Literal[
    "neuron_slots",
    "neurons",
    "synapse_words",
    "axon_words",
    "axons_in",
    "axons_out",
    "total_words",
    "weight_bits",
]


@dataclass(frozen=True)
class CoreLoad:
    """What stands on each of some cores that are alike.

    Args:
        cores: how many are alike.
        neurons: neurons a core.
        slots: neuron slots a core.
        synapse_words: words of synapses a core.
        axon_words: words of input axons a core; None for a convolution, of which no rule is known.
    """

    cores: int
    neurons: int
    slots: int
    synapse_words: int
    axon_words: int | None


@dataclass(frozen=True)
class Tile:
    """The part of a grid that one core holds: all rows of some columns and channels; of a dense layer, one column."""

    columns: int
    channels: int


@dataclass(frozen=True)
class Attempt:
    """A line of the partition log of a dense layer.

    Args:
        cap: the most neurons a core.
        synapse_words: words of the fullest core under that cap, without input axons.
    """

    cap: int
    synapse_words: int


@dataclass(frozen=True)
class LayerCores:
    """A layer on its cores.

    Args:
        loads: full cores first, then those that the remainders leave partly filled.
        padded_slots: slots of a full core times cores where the layer is tiled, else the slots of its neurons.
        binding: the limits that split the layer; none where one core holds it.
        tile: of the full core; None where the layer has none, or its shape is not known.
        log: caps tried, the last of which fits; of a dense or block-diagonal layer.
        extrapolated: what of this layer lies outside the printed tables; empty where nothing does.
        part: the part that a full core takes by the rule, also where the compiler's own shape is not known.
    """

    loads: tuple[CoreLoad, ...]
    padded_slots: int
    part: Tile
    binding: tuple[Resource, ...] = ()
    tile: Tile | None = None
    log: tuple[Attempt, ...] = ()
    extrapolated: tuple[str, ...] = ()

    @property
    def cores(self) -> int:
        """Cores of the layer."""
        return sum(load.cores for load in self.loads)

    @property
    def neurons(self) -> int:
        """Neurons of the layer."""
        return sum(load.cores * load.neurons for load in self.loads)

    @property
    def first(self) -> CoreLoad:
        """The full core, which holds the most neurons."""
        return self.loads[0]

    @property
    def average_neurons(self) -> float:
        """Neurons a core over all cores, the partly filled ones included."""
        return self.neurons / self.cores

    @property
    def average_synapse_words(self) -> float:
        """Synapse words a core over all cores, the partly filled ones included."""
        return sum(load.cores * load.synapse_words for load in self.loads) / self.cores


@dataclass(frozen=True)
class Misfit:
    """A layer that no number of cores holds: its smallest part breaks a limit.

    Args:
        resource: the limit.
        needed: what the smallest part needs of it.
        available: what there is.
    """

    resource: Resource
    needed: int
    available: int


@dataclass(frozen=True)
class Use:
    """What the fullest core takes of a resource, and what there is."""

    taken: int
    limit: int

    @property
    def share(self) -> float:
        """1 where the core is full."""
        return self.taken / self.limit


@dataclass(frozen=True, eq=False)
class Held:
    """A layer on cores.

    Args:
        split: how it is cut; None of a bank of coincidence neurons.
        cores: how many it takes.
        binding: the limits that split it; none where one core holds it.
        uses: what the fullest core takes, of each resource whose limit is known.
        extrapolated: what of it lies outside what the rule was read from.
    """

    split: Cut | None
    cores: int
    binding: tuple[Resource, ...]
    uses: Mapping[Resource, Use]
    extrapolated: tuple[str, ...] = ()


def uses_of(found: LayerCores, limits: CoreLimits) -> dict[Resource, Use]:
    """What the fullest core takes by the rule 'tiles'.

    Of `total_words` it is a lower bound: how many words axon maps and axon memory take is not known, nor, of a
    convolution, its input axons, which have no entry then. A neuron slot is taken as a word there.
    """
    loads = found.loads
    uses: dict[Resource, Use] = {
        "neuron_slots": Use(max(load.slots for load in loads), limits.neuron_slots),
        "synapse_words": Use(max(load.synapse_words for load in loads), limits.synapse_words),
    }
    axons = [load.axon_words for load in loads if load.axon_words is not None]
    if axons:
        uses["axon_words"] = Use(max(axons), limits.axon_words)
    total = max(load.slots + load.synapse_words + (load.axon_words or 0) for load in loads)
    uses["total_words"] = Use(total, limits.total_words)
    return uses
