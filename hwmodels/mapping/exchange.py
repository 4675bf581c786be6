"""Cores that change places: what each would gain in every tile, kept up to date move by move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

GAIN = 1e-9
"""Part of the objective below which a gain is rounding."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Who talks to whom, and what it costs by the tiles in which they stand.

    Args:
        talk: [n, n] packets between two cores, both ways together, without a diagonal.
        cost_x: [width, width] price of the way between two columns.
        cost_y: [height, height] price of the way between two rows.
        slots: cores a tile holds.
    """

    talk: csr_array[np.float64]
    cost_x: Floats
    cost_y: Floats
    slots: int

    def objective(self, x: Whole, y: Whole) -> float:
        """The packets of all pairs times their ways."""
        pairs = self.talk.tocoo()
        ways = self.cost_x[x[pairs.row], x[pairs.col]] + self.cost_y[y[pairs.row], y[pairs.col]]
        return float(pairs.data @ ways) / 2  # each pair is held from both sides


class Board:
    """Cores on tiles, with the cost of every core in every column and row.

    Args:
        problem: what is to be lowered.
        x, y: [n] the tile of each core.
    """

    def __init__(self, problem: Problem, x: Whole, y: Whole) -> None:
        self.problem, self.x, self.y = problem, x.copy(), y.copy()
        self.in_column: Floats = np.asarray(problem.talk @ problem.cost_x[x])
        self.in_row: Floats = np.asarray(problem.talk @ problem.cost_y[y])
        self.free = np.full((len(problem.cost_y), len(problem.cost_x)), problem.slots)
        np.subtract.at(self.free, (y, x), 1)
        self.here = self._at(np.arange(len(x)))
        self.least = GAIN * problem.objective(x, y)

    def improve(self, core: int) -> Whole:
        """Makes the best move to a free slot or exchange of one core, where that gains; the cores that it touched.

        Every other core and every tile with a free slot is weighed.
        """
        mine = self.in_row[core][:, None] + self.in_column[core] - self.here[core]
        move = np.where(self.free > 0, mine, np.inf)
        place = int(move.argmin())
        swap = self._swaps(core, mine)
        other = int(swap.argmin())
        if min(move.flat[place], swap[other]) >= -self.least:
            return np.empty(0, dtype=np.int64)
        if swap[other] < move.flat[place]:
            return self.exchange(core, other)
        y, x = divmod(place, self.free.shape[1])
        self.free[self.y[core], self.x[core]] += 1
        self.free[y, x] -= 1
        return self._put(core, x, y)

    def exchange(self, core: int, other: int) -> Whole:
        """Exchanges two cores; the cores whose costs that changed."""
        x, y = int(self.x[core]), int(self.y[core])
        touched = self._put(core, int(self.x[other]), int(self.y[other]))
        return np.concatenate([touched, self._put(other, x, y)])

    def _swaps(self, core: int, mine: Floats) -> Floats:
        """[n] what the exchange with each other core changes."""
        x, y = self.x[core], self.y[core]
        change = mine[self.y, self.x] + self.in_column[:, x] + self.in_row[:, y] - self.here
        # Both were weighed as if the other stayed, but the way between the two is the same as before.
        near, packets = self._talks(core)
        between = self.problem.cost_x[x, self.x[near]] + self.problem.cost_y[y, self.y[near]]
        change[near] += 2 * packets * between
        return change

    def _put(self, core: int, x: int, y: int) -> Whole:
        near, packets = self._talks(core)
        cost_x, cost_y = self.problem.cost_x, self.problem.cost_y
        self.in_column[near] += np.outer(packets, cost_x[x] - cost_x[self.x[core]])
        self.in_row[near] += np.outer(packets, cost_y[y] - cost_y[self.y[core]])
        self.x[core], self.y[core] = x, y
        touched = np.append(near, core)
        self.here[touched] = self._at(touched)
        return touched

    def _talks(self, core: int) -> tuple[NDArray[np.int32], Floats]:
        talk = self.problem.talk
        part = slice(talk.indptr[core], talk.indptr[core + 1])
        return talk.indices[part], talk.data[part]

    def _at(self, cores: Whole) -> Floats:
        return self.in_column[cores, self.x[cores]] + self.in_row[cores, self.y[cores]]


def descend(board: Board, awake: NDArray[np.bool_], visits: int, random: np.random.Generator) -> int:
    """Improves awake cores in random order until none can be, or visits are used up; how many there were.

    A core that was weighed in vain sleeps until one that it talks to has moved.
    """
    used = 0
    while awake.any():
        for core in random.permutation(np.flatnonzero(awake)).tolist():
            if used >= visits:
                return used
            used += 1
            awake[core] = False
            awake[board.improve(core)] = True
    return used
