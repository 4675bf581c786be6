"""Cores to places on the mesh: from several starts, moves and exchanges that shorten the ways of packets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from hwmodels.mapping.exchange import Board, Problem, descend
from hwmodels.mapping.mesh import Cores, Mesh, Places, cores_at
from hwmodels.mapping.starts import Tiles, contiguous, grown, spectral
from spikec.errors import UsageError

Packets = NDArray[np.int64] | NDArray[np.float64]

VISITS_A_CORE = 10
LEAST_VISITS = 2000
"""The work where none is said: of 500 to 4,000 cores, layered and random, thrice as much gained 0.2 % at most."""
STARTS = 2
"""Starts that are improved; the others are only compared."""
SHAKEN = 4
"""Cores that change places at random once nothing gains any more."""


@dataclass(frozen=True)
class HopWeights:
    """What a hop counts in the objective; a crossing, of which no price is published, as any hop unless it is said."""

    east_west: float = 1.0
    north_south: float = 1.0
    crossing: float = 1.0


EQUAL = HopWeights()


@dataclass(frozen=True, eq=False)
class Placement:
    """Where cores stand.

    Args:
        on: [cores] the number on the mesh of each.
        contiguous: the objective, packets times weighted hops, of core i on number i.
        objective: of this placement, never more.
        visits: cores of which every move and exchange was weighed.
    """

    on: Cores
    contiguous: float
    objective: float
    visits: int


def place(
    mesh: Mesh,
    cores: int,
    sources: Cores,
    destinations: Cores,
    packets: Packets,
    *,
    seed: int = 0,
    visits: int | None = None,
    weights: HopWeights = EQUAL,
) -> Placement:
    """A placement that keeps the ways of packets short; the same for the same seed on the same machine.

    Args:
        mesh: the places, at least as many as cores.
        cores: how many there are to place.
        sources: [E] cores that send, 0 to cores - 1.
        destinations: [E] cores that receive; a pair may come several times.
        packets: [E] sent in all, or on the mean.
        seed: of the order in which cores are visited.
        visits: the most cores to visit, each of which is weighed against every other core and free tile; 0 keeps
            the best start. Unless given, 2,000 and 10 a core.
        weights: what a hop counts.

    Raises:
        UsageError: more cores than the mesh has, cores that there are not, or packets that are no amounts.
    """
    _check(mesh, cores, sources, destinations, packets)
    problem = _problem(mesh, cores, sources, destinations, packets, weights)
    random = np.random.default_rng(seed)
    most = LEAST_VISITS + VISITS_A_CORE * cores if visits is None else visits
    base = contiguous(mesh, problem.talk)
    starts = [base, grown(mesh, problem.talk), spectral(mesh, problem.talk, random)]
    starts.sort(key=lambda tiles: problem.objective(*tiles))
    best, used = starts[0], 0
    for start in starts[:STARTS]:
        found, spent = _improved(problem, start, most - used, random)
        best, used = min(best, found, key=lambda tiles: problem.objective(*tiles)), used + spent
    best, spent = _shaken(problem, best, most - used, random)
    before, after = problem.objective(*base), problem.objective(*best)
    on = _numbers(mesh, best) if after < before else np.arange(cores)
    return Placement(on, before, min(before, after), used + spent)


def _problem(
    mesh: Mesh, cores: int, sources: Cores, destinations: Cores, packets: Packets, weights: HopWeights
) -> Problem:
    apart = sources != destinations
    ends, amounts = (sources[apart], destinations[apart]), packets[apart].astype(np.float64)
    both = (np.concatenate(ends), np.concatenate(ends[::-1]))
    talk = coo_array((np.tile(amounts, 2), both), shape=(cores, cores)).tocsr()
    cost_x = _prices(mesh.width, mesh.columns, weights.east_west, weights.crossing)
    return Problem(
        talk, cost_x, _prices(mesh.height, mesh.rows, weights.north_south, weights.crossing), mesh.cores_a_tile
    )


def _prices(size: int, of_chip: int, hop: float, crossing: float) -> NDArray[np.float64]:
    """[size, size]: what the way between two columns, or rows, counts."""
    at = np.arange(size)
    crossings = abs(at[:, None] // of_chip - at // of_chip)
    return hop * (abs(at[:, None] - at) - crossings) + crossing * crossings


def _improved(problem: Problem, start: Tiles, visits: int, random: np.random.Generator) -> tuple[Tiles, int]:
    """Whole tiles change places first, which no exchange of single cores can bring about, then cores."""
    width = len(problem.cost_x)
    tiles, tile_of = np.unique(start[1] * width + start[0], return_inverse=True)
    member = csr_array((np.ones(tile_of.size), (np.arange(tile_of.size), tile_of)), shape=(tile_of.size, tiles.size))
    between = (member.T @ problem.talk @ member).tocsr()
    between.setdiag(0)
    whole = Board(Problem(between, problem.cost_x, problem.cost_y, slots=1), tiles % width, tiles // width)
    used = descend(whole, np.ones(tiles.size, dtype=np.bool_), visits, random)
    board = Board(problem, whole.x[tile_of], whole.y[tile_of])
    used += descend(board, np.ones(tile_of.size, dtype=np.bool_), visits - used, random)
    return (board.x, board.y), used


def _shaken(problem: Problem, best: Tiles, visits: int, random: np.random.Generator) -> tuple[Tiles, int]:
    """A few cores change places at random and all settle again, as often as visits are left; kept where it helps."""
    cores, used = len(best[0]), 0
    least = problem.objective(*best)
    board = Board(problem, *best)
    while used < visits and cores > 1 and least > 0:
        chosen = random.permutation(cores)[:SHAKEN]
        for core, other in zip(chosen[1:].tolist(), chosen[:-1].tolist(), strict=True):
            board.exchange(core, other)
        awake = np.zeros(cores, dtype=np.bool_)
        awake[chosen] = True
        used += descend(board, awake, visits - used, random)
        found = problem.objective(board.x, board.y)
        if found <= least:
            least, best = found, (board.x.copy(), board.y.copy())
        else:
            board = Board(problem, *best)
    return best, used


def _numbers(mesh: Mesh, tiles: Tiles) -> Cores:
    """The number of each core: the slots of a tile in the order of its cores."""
    x, y = tiles
    order = np.argsort(y * mesh.width + x, kind="stable")
    first = np.unique((y * mesh.width + x)[order], return_index=True, return_inverse=True)
    slot = np.empty_like(x)
    slot[order] = np.arange(x.size) - first[1][first[2]]
    chip = y // mesh.rows * mesh.chips_across + x // mesh.columns
    return cores_at(mesh, Places(chip, x % mesh.columns, y % mesh.rows, slot))


def _check(mesh: Mesh, cores: int, sources: Cores, destinations: Cores, packets: Packets) -> None:
    if not 0 < cores <= mesh.cores:
        raise UsageError(f"{cores} cores to place", expected=f"1 to {mesh.cores}, which the mesh has")
    ends = np.concatenate([sources, destinations])
    if sources.shape != destinations.shape or sources.shape != packets.shape:
        raise UsageError("sources, destinations and packets differ in size")
    if ((ends < 0) | (ends >= cores)).any():
        raise UsageError("packets of cores that there are not", expected=f"0 to {cores - 1}")
    if not np.isfinite(packets).all() or (packets < 0).any():
        raise UsageError("packets that are negative or not finite")
