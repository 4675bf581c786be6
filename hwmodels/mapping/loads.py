"""What a layer takes: its cores, what stands on each, which limit split it, or which one it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwmodels.mapping.limits import CoreLimits

Resource = Literal["neuron_slots", "synapse_words", "axon_words", "weight_bits"]


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
    """The part of a grid that one core holds: all rows of some columns and channels."""

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
    """

    loads: tuple[CoreLoad, ...]
    padded_slots: int
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


def utilisation(found: LayerCores, limits: CoreLimits) -> dict[str, float]:
    """The share of each resource that the fullest core takes, 1 where it is full.

    `total_words` is a lower bound: how many words axon maps and axon memory take is not known, nor, of a convolution,
    its input axons, which have no share then. A neuron slot is taken as a word there.
    """
    shares = [_shares(load, limits) for load in found.loads]
    return {resource: max(share[resource] for share in shares) for resource in shares[0]}


def _shares(load: CoreLoad, limits: CoreLimits) -> dict[str, float]:
    axons = load.axon_words
    known = {
        "neuron_slots": load.slots / limits.neuron_slots,
        "synapse_words": load.synapse_words / limits.synapse_words,
    }
    if axons is not None:
        known["axon_words"] = axons / limits.axon_words
    known["total_words"] = (load.slots + load.synapse_words + (axons or 0)) / limits.total_words
    return known
