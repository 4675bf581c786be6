"""Neurons of a layer that change cores, by moves and exchanges, so that fewer packets are sent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.hypergraph import (
    Amounts,
    Capacity,
    Incidence,
    Regrouped,
    Whole,
    check_partition,
    connectivity,
    targets_on,
    words_on,
)

Floats = NDArray[np.float64]
Rows = NDArray[np.int32] | NDArray[np.int64]

VISITS_A_TARGET = 10
"""The work where none is said: of 400 to 3,000 targets most came to rest before."""
TRIES = 16
"""Gains of one target, best first, that are held against limits which are no sums, before it stays."""
GAIN = 1e-9
"""Part of the packets below which a gain is rounding."""


def regroup(
    incidence: Incidence,
    core_of: Whole,
    weights: Amounts,
    cores: int,
    capacity: Capacity,
    *,
    seed: int = 0,
    visits: int | None = None,
) -> Regrouped:
    """The partition after moves and exchanges of targets, each of which lowers the packets and breaks no limit.

    Every target of a round in random order is weighed against every core and every other target; it ends with a
    round that gains nothing. It holds [sources + targets, cores] numbers of 8 bytes.

    Args:
        incidence: [sources, targets] of one layer.
        core_of: [targets] the core of each, 0 to cores - 1, within all limits.
        weights: [sources] spikes, in all or on the mean.
        cores: cores of the layer; one may become empty, none is added.
        capacity: the limits.
        seed: of the order.
        visits: the most targets to visit; 10 a target unless given.

    Raises:
        UsageError: sizes that differ, or a partition that breaks a limit to begin with.
    """
    check_partition(incidence, core_of, weights, cores, capacity)
    before = connectivity(incidence, core_of, weights)
    groups = Groups(incidence, core_of, weights, cores, capacity)
    most = VISITS_A_TARGET * core_of.size if visits is None else visits
    random, used, gained = np.random.default_rng(seed), 0, True
    while gained and used < most:
        gained = False
        for target in random.permutation(core_of.size)[: most - used].tolist():
            used += 1
            gained |= groups.improve(target)
    return Regrouped(groups.core_of, before, connectivity(incidence, groups.core_of, weights), used)


class Groups:
    """Targets on cores, with what each would pay to enter every other core and saves by leaving its own.

    Args:
        incidence, core_of, weights, cores, capacity: as of `regroup`.
    """

    def __init__(self, incidence: Incidence, core_of: Whole, weights: Amounts, cores: int, capacity: Capacity) -> None:
        self.core_of, self.capacity = core_of.copy(), capacity
        self.weights = weights.astype(np.float64)
        self.reaches, self.heard = incidence, incidence.T.tocsr()
        self.count = targets_on(incidence, core_of, cores).toarray().astype(np.int64)
        self.enter: Floats = np.asarray(self.heard @ (self.weights[:, None] * (self.count == 0)))
        self.leave = np.zeros(core_of.size)
        sources, targets = incidence.tocoo().coords
        alone = self.count[sources, core_of[targets]] == 1
        np.add.at(self.leave, targets[alone], self.weights[sources[alone]])
        self.neurons = np.bincount(core_of, minlength=cores)
        self.words = words_on(core_of, cores, capacity)
        self.least = GAIN * float(self.weights @ (self.count > 0).sum(1))

    def improve(self, target: int) -> bool:
        """Makes the best move or exchange of one target that gains and fits; whether there was one."""
        move, swap = self._moves(target), self._swaps(target)
        change = np.concatenate([move, swap])
        gains = np.flatnonzero(change < -self.least)
        for choice in gains[np.argsort(change[gains], kind="stable")][:TRIES].tolist():
            other = choice - move.size if choice >= move.size else None
            core = choice if other is None else int(self.core_of[other])
            if self._fits(target, core, other):
                home = int(self.core_of[target])
                self._put(target, core)
                if other is not None:
                    self._put(other, home)
                return True
        return False

    def _moves(self, target: int) -> Floats:
        """[cores] what a move changes; infinite where a sum of the core would pass its limit."""
        change: Floats = self.enter[target] - self.leave[target]
        change[self.core_of[target]] = np.inf
        if self.capacity.neurons is not None:
            change[self.neurons >= self.capacity.neurons] = np.inf
        if self.capacity.words is not None and self.capacity.words_of is not None:
            change[self.words + self.capacity.words_of[target] > self.capacity.words] = np.inf
        return change

    def _swaps(self, target: int) -> Floats:
        """[targets] what an exchange changes; infinite where a sum of either core would pass its limit."""
        home, their = self.core_of[target], self.core_of
        change: Floats = self.enter[target, their] - self.leave[target] + self.enter[:, home] - self.leave
        change[their == home] = np.inf
        if self.capacity.words is not None and self.capacity.words_of is not None:
            more = self.capacity.words_of[target] - self.capacity.words_of
            most = np.maximum(self.words[their] + more, self.words[home] - more)
            change[most > self.capacity.words] = np.inf
        if not (change < -self.least).any():
            return change
        # A source of both leaves neither core: what each saves as the last one there is not saved.
        sources, others = self._targets_of(self._sources_of(target))
        last = (self.count[sources, home] == 1).astype(np.int64) + (self.count[sources, their[others]] == 1)
        change += np.bincount(others, self.weights[sources] * last, minlength=change.size)
        return change

    def _fits(self, target: int, core: int, other: int | None) -> bool:
        """Whether the limits that are no sums hold, of both cores."""
        home = int(self.core_of[target])
        if self.capacity.axons is not None:
            for at, comes, goes in ((core, target, other), (home, other, target)):
                if self._axons(at, comes, goes) > self.capacity.axons:
                    return False
        if self.capacity.fits is None:
            return True
        after = self.core_of.copy()
        after[target] = core
        if other is not None:
            after[other] = home
        return all(self.capacity.fits(np.flatnonzero(after == at)) for at in (core, home))

    def _axons(self, core: int, comes: int | None, goes: int | None) -> int:
        count = self.count[:, core].copy()
        if comes is not None:
            count[self._sources_of(comes)] += 1
        if goes is not None:
            count[self._sources_of(goes)] -= 1
        return int(np.count_nonzero(count))

    def _put(self, target: int, core: int) -> None:
        home, sources = int(self.core_of[target]), self._sources_of(target)
        here, there = self.count[sources, home], self.count[sources, core]
        self._add(self.enter[:, home], sources[here == 1], 1)
        self._add(self.enter[:, core], sources[there == 0], -1)
        # Of two on a core, one goes: the other is the last. Of one, another comes: it is the last no more.
        self.core_of[target] = -1
        self._add(self.leave, sources[here == 2], 1, on=home)
        self._add(self.leave, sources[there == 1], -1, on=core)
        self.core_of[target] = core
        self.leave[target] = self.weights[sources[there == 0]].sum()
        self.count[sources, home] -= 1
        self.count[sources, core] += 1
        self.neurons[[home, core]] += (-1, 1)
        if self.capacity.words_of is not None:
            self.words[[home, core]] += self.capacity.words_of[target] * np.array([-1, 1])

    def _add(self, to: Floats, sources: Rows, sign: int, on: int | None = None) -> None:
        """Adds the weight of sources to all their targets, or to those on one core."""
        of, targets = self._targets_of(sources)
        if on is not None:
            of, targets = of[self.core_of[targets] == on], targets[self.core_of[targets] == on]
        to += sign * np.bincount(targets, self.weights[of], minlength=to.size)

    def _sources_of(self, target: int) -> Rows:
        return self.heard.indices[self.heard.indptr[target] : self.heard.indptr[target + 1]]

    def _targets_of(self, sources: Rows) -> tuple[Rows, Rows]:
        """(source, target) of every connection of some sources."""
        rows = self.reaches[sources]
        of: Rows = sources.repeat(np.diff(rows.indptr))
        return of, rows.indices
