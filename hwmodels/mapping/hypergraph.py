"""Packets of a partition: a neuron that fires sends one to each core that holds a neuron it reaches.

That is the connectivity of a hypergraph with an edge a source, weighted by its spikes. On which core the source stands
does not matter, so that each layer is partitioned by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from spikec.errors import UsageError

Whole = NDArray[np.int64]
Amounts = NDArray[np.int64] | NDArray[np.float64]
Incidence = csr_array[np.float64]
"""[sources, targets] of one layer: 1 where a source reaches a target. `incidence_of` makes one."""


@dataclass(frozen=True, eq=False)
class Capacity:
    """What a core of a layer holds; what is not given has no limit.

    Args:
        neurons: targets a core.
        words: words of memory a core, for the sum of `words_of`.
        words_of: [targets] words that each target takes.
        axons: sources that reach a core.
        fits: whether a core can hold these targets, ascending; for rules that are no sums.
    """

    neurons: int | None = None
    words: int | None = None
    words_of: Whole | None = None
    axons: int | None = None
    fits: Callable[[Whole], bool] | None = None


@dataclass(frozen=True, eq=False)
class Regrouped:
    """Targets on cores.

    Args:
        core_of: [targets] the core of each.
        before: packets of the partition that was given.
        packets: of this one, never more.
        visits: targets for which other cores were weighed.
        note: why the partition that was given is kept, where something else was found; empty where it was not.
    """

    core_of: Whole
    before: float
    packets: float
    visits: int = 0
    note: str = ""


def incidence_of(connected: csr_array[np.float64]) -> Incidence:
    """The incidence of a matrix of weights [sources, targets]: stored zeros are no connections, doubles are one."""
    held = connected.tocoo()
    stored = held.data != 0
    at = (held.row[stored], held.col[stored])
    incidence: Incidence = coo_array((np.ones(at[0].size), at), shape=connected.shape).tocsr()
    incidence.data[:] = 1.0  # doubles were summed
    return incidence


def targets_on(incidence: Incidence, core_of: Whole, cores: int) -> csr_array[np.float64]:
    """[sources, cores] how many of its targets each source has on each core."""
    member = csr_array((np.ones(core_of.size), core_of, np.arange(core_of.size + 1)), shape=(core_of.size, cores))
    return csr_array(incidence @ member)


def destinations(incidence: Incidence, core_of: Whole) -> Whole:
    """[sources] the distinct cores that each source reaches."""
    counts = targets_on(incidence, core_of, int(core_of.max(initial=-1)) + 1)
    return np.diff(counts.indptr).astype(np.int64)


def connectivity(incidence: Incidence, core_of: Whole, weights: Amounts) -> float:
    """Packets: the sum over sources of their weight times the distinct cores that they reach.

    Args:
        incidence: [sources, targets].
        core_of: [targets].
        weights: [sources] spikes, in all or on the mean.
    """
    return float(destinations(incidence, core_of) @ weights)


def broken_limits(incidence: Incidence, core_of: Whole, cores: int, capacity: Capacity) -> tuple[str, ...]:
    """The limits that a partition breaks, a phrase each; empty where it fits."""
    kinds = {
        "neurons": (np.bincount(core_of, minlength=cores), capacity.neurons),
        "words": (words_on(core_of, cores, capacity), capacity.words),
        "axons": (np.bincount(targets_on(incidence, core_of, cores).indices, minlength=cores), capacity.axons),
    }
    found = [
        f"core {core} has {int(needs[core])} {kind} of {most}"
        for kind, (needs, most) in kinds.items()
        if most is not None
        for core in np.flatnonzero(needs > most).tolist()
    ]
    if capacity.fits is not None:
        groups = [np.flatnonzero(core_of == core) for core in range(cores)]
        found += [f"core {core} cannot hold its targets" for core in range(cores) if not capacity.fits(groups[core])]
    return tuple(found)


def words_on(core_of: Whole, cores: int, capacity: Capacity) -> Whole:
    """[cores] words that the targets of each core take together; 0 where none are given."""
    words = capacity.words_of if capacity.words_of is not None else np.zeros(core_of.size, dtype=np.int64)
    total = np.zeros(cores, dtype=np.int64)
    np.add.at(total, core_of, words)
    return total


def check_partition(incidence: Incidence, core_of: Whole, weights: Amounts, cores: int, capacity: Capacity) -> None:
    """Checks that a partition can be improved: sizes, cores that there are, limits that hold.

    Raises:
        UsageError: they do not.
    """
    sizes = (weights.size, core_of.size)
    if incidence.shape != sizes:
        raise UsageError(f"an incidence of {incidence.shape}", expected=f"{sizes}: (weights, targets with a core)")
    if ((core_of < 0) | (core_of >= cores)).any():
        raise UsageError("targets on cores that there are not", expected=f"0 to {cores - 1}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise UsageError("weights that are negative or not finite")
    if (capacity.words is None) != (capacity.words_of is None):
        raise UsageError("one of words and words_of alone", expected="both or neither")
    broken = broken_limits(incidence, core_of, cores, capacity)
    if broken:
        raise UsageError(f"the partition given does not fit: {'; '.join(broken[:5])}")
