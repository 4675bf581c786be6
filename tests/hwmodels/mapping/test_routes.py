"""Loads of links, against packets that are led hop by hop."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.mapping.mesh import Mesh, distances, tiles_of
from hwmodels.mapping.routes import DIRECTIONS, Traffic, links_of, route
from spikec.errors import UsageError

STEP = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}
sizes = st.integers(1, 4)
MESHES = st.builds(Mesh, sizes, sizes, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


def walked(mesh: Mesh, source: int, destination: int) -> list[tuple[int, int, str]]:
    """(x, y, direction) of each link on the way, a step at a time."""
    (x, to_x), (y, to_y) = (axis.tolist() for axis in tiles_of(mesh, np.array([source, destination])))
    way = []
    while (x, y) != (to_x, to_y):
        along_x, along_y = ("east" if x < to_x else "west"), ("south" if y < to_y else "north")
        towards = along_x if x != to_x else along_y
        way.append((x, y, towards))
        x, y = x + STEP[towards][0], y + STEP[towards][1]
    return way


def loads_of(traffic: Traffic, at: tuple[int, ...] = ()) -> dict[tuple[int, int, str], int]:
    """What passes each link that anything passes."""
    links = traffic.links
    names = [DIRECTIONS[direction] for direction in links.direction]
    keys = zip(links.x.tolist(), links.y.tolist(), names, strict=True)
    return {key: load for key, load in zip(keys, traffic.loads[at].tolist(), strict=True) if load}


def drawn(mesh: Mesh, seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    sources, destinations = random.integers(0, mesh.cores, (2, shape[-1]))
    return sources, destinations, random.integers(0, 9, shape)


@settings(max_examples=60, deadline=None)
@given(MESHES, st.integers(0, 99), st.integers(0, 12))
def test_loads_are_those_of_packets_led_hop_by_hop(mesh: Mesh, seed: int, pairs: int) -> None:
    sources, destinations, packets = drawn(mesh, seed, 2, 3, pairs)
    traffic = route(mesh, sources, destinations, packets)
    for at in np.ndindex(2, 3):
        loads: Counter[tuple[int, int, str]] = Counter()
        within = 0
        for source, destination, count in zip(sources, destinations, packets[at].tolist(), strict=True):
            way = walked(mesh, source, destination)
            loads.update(dict.fromkeys(way, count))
            within += 0 if way else count
        assert loads_of(traffic, at) == {link: load for link, load in loads.items() if load}
        assert traffic.within_tile[at] == within


@settings(max_examples=60, deadline=None)
@given(MESHES, st.integers(0, 99))
def test_hops_are_distances_times_packets(mesh: Mesh, seed: int) -> None:
    sources, destinations, packets = drawn(mesh, seed, 3, 10)
    traffic = route(mesh, sources, destinations, packets)
    hops = distances(mesh, sources, destinations)
    assert traffic.hops_ew.tolist() == (packets * hops.east_west).sum(-1).tolist()
    assert traffic.hops_ns.tolist() == (packets * hops.north_south).sum(-1).tolist()
    assert traffic.crossings.tolist() == (packets * hops.crossings).sum(-1).tolist()


def test_x_comes_first() -> None:
    """From (0, 0) to (2, 1) on one chip: two hops east on row 0, then one south in column 2."""
    mesh = Mesh(3, 2, 1)
    traffic = route(mesh, np.array([0, 5]), np.array([5, 0]), np.array([7, 2]))
    assert loads_of(traffic) == {
        (0, 0, "east"): 7,
        (1, 0, "east"): 7,
        (2, 0, "south"): 7,
        (2, 1, "west"): 2,
        (1, 1, "west"): 2,
        (0, 1, "north"): 2,
    }


def test_links_between_chips_are_told_apart() -> None:
    """2 x 1 chips of 2 x 2 tiles: between columns 1 and 2 one link each way on both rows."""
    links = links_of(Mesh(2, 2, 1, 2, 1))
    assert links.x.size == 2 * (3 * 2 + 4)
    crossing = {(x, y, DIRECTIONS[d]) for x, y, d in zip(links.x, links.y, links.direction, strict=True)}
    assert len(crossing) == links.x.size
    found = sorted(zip(links.x[links.crossing], links.y[links.crossing], links.direction[links.crossing], strict=True))
    assert found == [(1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 1)]


def test_counts_stay_whole_and_means_stay_means() -> None:
    mesh = Mesh(2, 1, 1)
    pair = np.array([0]), np.array([1])
    large = route(mesh, *pair, np.array([2**60 + 1]))
    assert (large.loads.dtype, large.hops_ew) == (np.int64, 2**60 + 1)
    assert route(mesh, *pair, np.array([[0.25], [0.5]])).hops_ew.tolist() == [0.25, 0.5]


def test_nothing_sent_loads_nothing() -> None:
    traffic = route(Mesh(3, 3, 1), *np.zeros((2, 0), dtype=np.int64), np.zeros((4, 0), dtype=np.int64))
    assert (traffic.loads.shape, traffic.loads.any(), traffic.within_tile.tolist()) == ((4, 24), False, [0] * 4)
    assert route(Mesh(1, 1, 2), np.array([0]), np.array([1]), np.array([3])).within_tile == 3


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(2,\) sources, \(1,\) destinations and \(3,\) packets"):
        route(Mesh(2, 2, 1), np.array([0, 1]), np.array([1]), np.array([1, 2, 3]))
    with pytest.raises(UsageError, match="core 4 is not on the mesh"):
        route(Mesh(2, 2, 1), np.array([0]), np.array([4]), np.array([1]))
