"""Cores on a mesh: numbers and places, chips side by side, distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.mapping.mesh import Mesh, Places, cores_at, distances, mesh_for, places_of, tiles_of
from spikec.errors import HardwareFileError, UsageError

LOIHI = Mesh(8, 4, 4)
sizes = st.integers(1, 4)
MESHES = st.builds(Mesh, sizes, sizes, sizes, sizes, sizes)


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("cores", "chips"),
    [(0, (1, 1)), (1, (1, 1)), (128, (1, 1)), (129, (2, 1)), (4 * 128, (2, 2)), (641, (3, 2)), (7 * 128, (7, 1))],
)
def test_as_many_chips_as_cores_need_near_a_square(cores: int, chips: tuple[int, int]) -> None:
    mesh = mesh_for(LOIHI, cores)
    assert (mesh.chips_across, mesh.chips_down) == chips
    assert (mesh.width, mesh.height, mesh.cores) == (8 * chips[0], 4 * chips[1], 128 * mesh.chips)


def test_where_a_core_stands() -> None:
    """Of 2 x 2 chips core 128 * 3 + 4 * 10 + 1 is the second of the tile in column 2 of row 1 of the last chip."""
    mesh = Mesh(8, 4, 4, 2, 2)
    places = places_of(mesh, array(0, 3, 4, 128 * 3 + 4 * 10 + 1))
    assert [list(axis) for axis in (places.chip, places.x, places.y, places.slot)] == [
        [0, 0, 0, 3],
        [0, 0, 1, 2],
        [0, 0, 0, 1],
        [0, 3, 0, 1],
    ]
    assert [list(axis) for axis in tiles_of(mesh, array(0, 4, 128, 128 * 2, 128 * 3 + 4 * 10 + 1))] == [
        [0, 1, 8, 0, 10],
        [0, 0, 0, 4, 5],
    ]


def test_a_hop_to_the_next_chip_is_a_crossing() -> None:
    """From tile (7, 3) of chip 0 to (0, 0) of chip 3 both hops cross; from (0, 0) there are 7 and 3 more."""
    mesh = Mesh(8, 4, 4, 2, 2)
    found = distances(mesh, array(127, 0, 5, 0), array(384, 384, 6, 5))
    assert [list(axis) for axis in (found.east_west, found.north_south, found.crossings)] == [
        [0, 7, 0, 1],
        [0, 3, 0, 0],
        [2, 2, 0, 0],
    ]


@settings(max_examples=50, deadline=None)
@given(MESHES)
def test_every_core_has_a_place_of_its_own_and_tiles_are_full(mesh: Mesh) -> None:
    cores = np.arange(mesh.cores)
    assert (cores_at(mesh, places_of(mesh, cores)) == cores).all()
    x, y = tiles_of(mesh, cores)
    tiles, counts = np.unique(np.stack([x, y]), axis=1, return_counts=True)
    assert tiles.shape[1] == mesh.tiles
    assert set(counts) == {mesh.cores_a_tile}
    assert (x.max(), y.max()) == (mesh.width - 1, mesh.height - 1)


def test_what_is_not_on_the_mesh_is_refused() -> None:
    for core in (-1, 128):
        with pytest.raises(UsageError, match=f"core {core} is not on the mesh; expected 0 to 127"):
            places_of(LOIHI, array(5, core))
    inside = {"chip": 0, "x": 7, "y": 3, "slot": 3}
    for axis, most in inside.items():
        place = {name: array(value) for name, value in {**inside, axis: most + 1}.items()}
        with pytest.raises(UsageError, match=f"{axis} {most + 1}"):
            cores_at(LOIHI, Places(**place))


def test_a_mesh_without_tiles_is_refused() -> None:
    with pytest.raises(HardwareFileError, match="below 1: rows, chips_down"):
        Mesh(8, 0, 4, 1, -1)
