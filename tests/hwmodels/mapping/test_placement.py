"""Placements against exhaustive search, against contiguous order, and the gains that exchanges are chosen by."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from hwmodels.mapping.exchange import Board, Problem, descend
from hwmodels.mapping.mesh import Mesh, distances, tiles_of
from hwmodels.mapping.placement import HopWeights, Placement, place
from hwmodels.mapping.starts import block, contiguous, grown, spectral
from spikec.errors import UsageError

LOIHI = Mesh(8, 4, 4)
sizes = st.integers(1, 4)
MESHES = st.builds(Mesh, sizes, sizes, st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def drawn(cores: int, pairs: int, seed: int) -> Pairs:
    random = np.random.default_rng(seed)
    sources, destinations = random.integers(0, cores, (2, pairs))
    return sources, destinations, random.integers(0, 50, pairs)


def objective(mesh: Mesh, on: np.ndarray, pairs: Pairs, weights: HopWeights) -> np.ndarray:
    """Packets times hops as `distances` has them; `on` may have leading axes."""
    sources, destinations, packets = pairs
    hops = distances(mesh, on[..., sources], on[..., destinations])
    each = weights.east_west * hops.east_west + weights.north_south * hops.north_south
    return ((each + weights.crossing * hops.crossings) * packets).sum(-1)


def shuffled_neighbours(mesh: Mesh, seed: int) -> Pairs:
    """Cores that talk within their tile and to the tiles beside it, shuffled: only their order is lost."""
    x, y = tiles_of(mesh, np.arange(mesh.cores))
    sources, destinations = np.nonzero(abs(x[:, None] - x) + abs(y[:, None] - y) <= 1)
    shuffled = np.random.default_rng(seed).permutation(mesh.cores)
    return shuffled[sources], shuffled[destinations], np.full(sources.size, 7)


@pytest.mark.parametrize("mesh", [Mesh(3, 1, 2), Mesh(2, 2, 2), Mesh(3, 2, 1), Mesh(2, 1, 2, 2, 1)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_six_cores_are_placed_as_well_as_any_way_there_is(mesh: Mesh, seed: int) -> None:
    weights = HopWeights(3.0, 4.0, 10.0)
    pairs = drawn(6, 12, seed)
    every = np.array(list(permutations(range(mesh.cores), 6)))
    found = place(mesh, 6, *pairs, seed=seed, weights=weights)
    assert found.objective == objective(mesh, found.on, pairs, weights) == objective(mesh, every, pairs, weights).min()
    assert found.contiguous == objective(mesh, np.arange(6), pairs, weights) > found.objective


@settings(max_examples=30, deadline=None)
@given(st.data(), MESHES, st.integers(0, 99), st.integers(0, 60), st.integers(0, 90))
def test_no_placement_is_worse_than_contiguous_order(data, mesh: Mesh, seed: int, amount: int, visits: int) -> None:
    cores = data.draw(st.integers(1, mesh.cores))
    pairs = drawn(cores, amount, seed)
    found = place(mesh, cores, *pairs, seed=seed, visits=visits)
    assert len(set(found.on.tolist())) == cores
    assert found.objective == pytest.approx(objective(mesh, found.on, pairs, HopWeights()))
    assert found.contiguous == pytest.approx(objective(mesh, np.arange(cores), pairs, HopWeights()))
    assert found.objective <= found.contiguous
    assert found.visits <= visits


def test_a_seed_gives_one_placement() -> None:
    pairs = drawn(128, 600, 0)
    first, again, other = (place(LOIHI, 128, *pairs, seed=seed).on.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_contiguous_order_stays_where_nothing_is_better() -> None:
    """A chain of tiles whose cores talk most within: the order given has one hop a pair of tiles."""
    mesh = Mesh(4, 1, 2)
    chain = np.arange(7)
    found = place(mesh, 8, chain, chain + 1, np.array([9, 1] * 3 + [9]))
    assert (found.on.tolist(), found.contiguous, found.objective) == (list(range(8)), 3, 3)
    for visits in range(8):
        found = place(Mesh(2, 1, 1), 2, np.array([0]), np.array([1]), np.array([5]), visits=visits)
        assert (found.on.tolist(), found.objective) == ([0, 1], 5)


def test_order_that_was_lost_is_found_again() -> None:
    """The best that there is has one hop a pair of neighbouring tiles; a tenth more is let pass."""
    pairs = shuffled_neighbours(LOIHI, 0)
    best = objective(LOIHI, np.argsort(np.random.default_rng(0).permutation(128)), pairs, HopWeights())
    found = place(LOIHI, 128, *pairs)
    assert found.contiguous > 4 * best
    assert found.objective <= 1.1 * best


def test_layers_that_talk_to_the_next_come_nearer() -> None:
    """Ten layers of 12 or 13 cores, all to all: what the work gains over the best start, and that over the order."""
    layer = np.repeat(np.arange(10), 13)[:128]
    sources, destinations = np.nonzero(layer[:, None] + 1 == layer)
    pairs = sources, destinations, np.random.default_rng(0).integers(5, 10, sources.size)
    start, found = place(LOIHI, 128, *pairs, visits=0), place(LOIHI, 128, *pairs)
    assert found.objective < 0.97 * start.objective < 0.6 * found.contiguous


def test_what_a_crossing_counts_decides_who_shares_a_chip() -> None:
    """Two chips of one tile of two cores each, and 0-2 talk more than 0-1: only crossings are between tiles."""
    mesh = Mesh(1, 1, 2, 2, 1)
    pairs = np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([1, 5, 5])
    found = place(mesh, 4, *pairs, weights=HopWeights(crossing=7.0))
    assert (found.contiguous, found.objective) == (70, 7)
    assert found.on[0] // 2 == found.on[2] // 2 != found.on[1] // 2 == found.on[3] // 2


def problem_of(mesh: Mesh, cores: int, seed: int) -> Problem:
    sources, destinations, packets = drawn(cores, 3 * cores, seed)
    talk = np.zeros((cores, cores))
    np.add.at(talk, (sources, destinations), packets)
    talk = talk + talk.T
    np.fill_diagonal(talk, 0)
    across, down = np.arange(mesh.width), np.arange(mesh.height)
    return Problem(
        csr_array(talk), 3.0 * abs(across[:, None] - across), 4.0 * abs(down[:, None] - down), mesh.cores_a_tile
    )


@settings(max_examples=20, deadline=None)
@given(st.data(), MESHES, st.integers(0, 99))
def test_a_core_makes_the_best_of_all_moves_and_exchanges(data, mesh: Mesh, seed: int) -> None:
    cores = data.draw(st.integers(2, 12).filter(lambda n: n <= mesh.cores) if mesh.cores > 1 else st.just(1))
    problem = problem_of(mesh, cores, seed)
    board = Board(problem, *tiles_of(mesh, np.random.default_rng(seed).permutation(mesh.cores)[:cores]))
    for core in range(cores):
        before = problem.objective(board.x, board.y)
        within_reach = [problem.objective(*tiles) for tiles in _one_step(board, core)]
        touched = board.improve(core)
        after = problem.objective(board.x, board.y)
        assert after == pytest.approx(min([before, *within_reach]))
        assert (touched.size > 0) == (after < before)
        fresh = Board(problem, board.x, board.y)
        for kept in ("in_column", "in_row", "here", "free"):
            np.testing.assert_allclose(getattr(board, kept), getattr(fresh, kept), atol=1e-9)


def _one_step(board: Board, core: int):
    """(x, y) of all cores after each exchange of one of them, and after its move to each tile with a free slot."""
    for other in range(len(board.x)):
        x, y = board.x.copy(), board.y.copy()
        x[[core, other]], y[[core, other]] = x[[other, core]], y[[other, core]]
        yield x, y
    for row, column in zip(*np.nonzero(board.free), strict=True):
        x, y = board.x.copy(), board.y.copy()
        x[core], y[core] = column, row
        yield x, y


def test_a_descent_goes_on_while_cores_gain() -> None:
    """It wakes those that a move may have given something to gain: few are left that do."""
    board = Board(problem_of(LOIHI, 128, 0), *tiles_of(LOIHI, np.arange(128)))
    random = np.random.default_rng(0)
    assert descend(board, np.ones(128, dtype=np.bool_), 10_000, random) > 256
    assert sum(board.improve(core).size > 0 for core in range(128)) < 6


def test_a_chain_is_laid_out_in_its_order() -> None:
    """40 cores, each talking to the next, shuffled: along a board of one row they stand in order, or in reverse."""
    order = np.random.default_rng(0).permutation(40)
    talk = np.zeros((40, 40))
    talk[order[:-1], order[1:]] = talk[order[1:], order[:-1]] = 1
    x, _ = spectral(Mesh(10, 1, 4), csr_array(talk), np.random.default_rng(0))
    tiles = np.repeat(np.arange(10), 4).tolist()
    assert x[order].tolist() in (tiles, tiles[::-1])


@settings(max_examples=60, deadline=None)
@given(st.data(), MESHES, st.integers(0, 99))
def test_starts_stand_on_the_board_and_fill_no_tile_too_far(data, mesh: Mesh, seed: int) -> None:
    cores = data.draw(st.integers(1, mesh.cores))
    talk = problem_of(mesh, cores, seed).talk
    width, height = block(mesh, cores)
    assert cores <= width * height * mesh.cores_a_tile
    assert (width <= mesh.width, height <= mesh.height) == (True, True)
    for x, y in (grown(mesh, talk), spectral(mesh, talk, np.random.default_rng(seed)), contiguous(mesh, talk)):
        tiles, counts = np.unique(np.stack([x, y]), axis=1, return_counts=True)
        assert counts.max() <= mesh.cores_a_tile
        assert ((tiles >= 0).all(), tiles[0].max() < mesh.width, tiles[1].max() < mesh.height) == (True, True, True)


def test_a_tile_is_filled_with_those_that_talk_most() -> None:
    """Pairs (0, 4), (1, 5), (2, 6), (3, 7) talk much, and each a little to the next: a tile of two is one pair."""
    sources, destinations = np.array([0, 1, 2, 3, 4, 5, 6]), np.array([4, 5, 6, 7, 1, 2, 3])
    talk = np.zeros((8, 8))
    talk[sources, destinations] = [9, 9, 9, 9, 1, 1, 1]
    x, y = grown(Mesh(2, 2, 2), csr_array(talk + talk.T))
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 1), (0, 1)] * 2


@pytest.mark.parametrize(
    ("cores", "sources", "packets", "said"),
    [
        (129, [0], [1], "129 cores to place; expected 1 to 128"),
        (0, [], [], "0 cores"),
        (4, [4], [1], "cores that there are not"),
        (4, [-1], [1], "cores that there are not"),
        (4, [1], [-1.0], "negative or not finite"),
        (4, [1], [float("nan")], "negative or not finite"),
        (4, [1, 2], [1], "differ in size"),
    ],
)
def test_what_cannot_be_placed_is_refused(cores: int, sources: list, packets: list, said: str) -> None:
    ends = np.array(sources, dtype=np.int64)
    with pytest.raises(UsageError, match=said):
        place(LOIHI, cores, ends, np.zeros_like(ends), np.array(packets))


def test_the_work_is_bounded_where_none_is_said() -> None:
    found = place(LOIHI, 60, *drawn(60, 300, 0))
    assert isinstance(found, Placement)
    assert 60 < found.visits <= 2000 + 10 * 60
