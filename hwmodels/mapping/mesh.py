"""Where cores stand: tiles on the mesh of a chip, chips edge to edge on a board, and the hops between them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from spikec.errors import HardwareFileError, UsageError

Cores = NDArray[np.int64]
"""Numbers of cores on a mesh: chip by chip, in a chip row by row of tiles, in a tile slot by slot."""


@dataclass(frozen=True)
class Mesh:
    """Chips of `columns` x `rows` tiles with `cores_a_tile` cores each, in a full rectangle of chips.

    How chips are joined is assumed: edge to edge, so that the meshes of neighbours continue each other, and a message
    is routed along x and y over all of them.

    Args:
        columns: tiles of a chip along x, from west to east.
        rows: tiles of a chip along y, from north to south.
        cores_a_tile: cores that share a tile's router.
        chips_across: chips along x.
        chips_down: chips along y.

    Raises:
        HardwareFileError: one of them is below 1.
    """

    columns: int
    rows: int
    cores_a_tile: int
    chips_across: int = 1
    chips_down: int = 1

    def __post_init__(self) -> None:
        few = [f.name for f in fields(self) if getattr(self, f.name) < 1]
        if few:
            raise HardwareFileError(f"below 1: {', '.join(few)}", where="mesh", expected="1 or more")

    @property
    def cores_a_chip(self) -> int:
        """Cores of one chip."""
        return self.columns * self.rows * self.cores_a_tile

    @property
    def chips(self) -> int:
        """Chips altogether."""
        return self.chips_across * self.chips_down

    @property
    def cores(self) -> int:
        """Cores altogether."""
        return self.chips * self.cores_a_chip

    @property
    def width(self) -> int:
        """Tiles along x, over all chips."""
        return self.columns * self.chips_across

    @property
    def height(self) -> int:
        """Tiles along y, over all chips."""
        return self.rows * self.chips_down

    @property
    def tiles(self) -> int:
        """Tiles altogether."""
        return self.width * self.height


@dataclass(frozen=True, eq=False)
class Places:
    """Where cores stand, an array each: the chip, the tile's column and row in it, the slot in the tile."""

    chip: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    slot: NDArray[np.int64]

    @cached_property
    def tiles(self) -> int:
        """How many tiles they are on."""
        return len(np.unique(np.stack([self.chip, self.x, self.y]), axis=1).T)


@dataclass(frozen=True, eq=False)
class Distances:
    """Hops between cores, an array each. A hop to the next chip is a crossing and neither of the others."""

    east_west: NDArray[np.int64]
    north_south: NDArray[np.int64]
    crossings: NDArray[np.int64]


def mesh_for(chip: Mesh, cores: int) -> Mesh:
    """The least number of such chips that holds so many cores, in the full rectangle nearest to a square.

    Of a prime number of chips that is a row. A rectangle with a gap is not taken: routes would lead through it.
    """
    chips = max(1, -(-cores // chip.cores_a_chip))
    down = next(size for size in range(isqrt(chips), 0, -1) if chips % size == 0)
    return replace(chip, chips_across=chips // down, chips_down=down)


def places_of(mesh: Mesh, cores: Cores) -> Places:
    """Where cores of these numbers stand.

    Raises:
        UsageError: a number that the mesh does not have.
    """
    check_cores(mesh, cores)
    chip, within = np.divmod(cores, mesh.cores_a_chip)
    tile, slot = np.divmod(within, mesh.cores_a_tile)
    y, x = np.divmod(tile, mesh.columns)
    return Places(chip, x, y, slot)


def cores_at(mesh: Mesh, places: Places) -> Cores:
    """The numbers of the cores at these places.

    Raises:
        UsageError: a place that the mesh does not have.
    """
    sizes = {"chip": mesh.chips, "x": mesh.columns, "y": mesh.rows, "slot": mesh.cores_a_tile}
    for name, size in sizes.items():
        _check_below(getattr(places, name), size, name)
    tile = (places.chip * mesh.rows + places.y) * mesh.columns + places.x
    return tile * mesh.cores_a_tile + places.slot


def tiles_of(mesh: Mesh, cores: Cores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(x, y) of the tiles of these cores on the whole board: x below `mesh.width`, y below `mesh.height`."""
    places = places_of(mesh, cores)
    down, across = np.divmod(places.chip, mesh.chips_across)
    return across * mesh.columns + places.x, down * mesh.rows + places.y


def distances(mesh: Mesh, sources: Cores, destinations: Cores) -> Distances:
    """The hops of a message from each source to its destination, by the shortest way."""
    (from_x, from_y), (to_x, to_y) = tiles_of(mesh, sources), tiles_of(mesh, destinations)
    across = abs(from_x // mesh.columns - to_x // mesh.columns)
    down = abs(from_y // mesh.rows - to_y // mesh.rows)
    return Distances(abs(from_x - to_x) - across, abs(from_y - to_y) - down, across + down)


def check_cores(mesh: Mesh, cores: Cores) -> None:
    """Checks that the mesh has these cores.

    Raises:
        UsageError: a number that it does not have.
    """
    _check_below(cores, mesh.cores, "core")


def _check_below(numbers: NDArray[np.int64], size: int, name: str) -> None:
    outside = numbers[(numbers < 0) | (numbers >= size)]
    if outside.size:
        raise UsageError(f"{name} {outside.flat[0]} is not on the mesh", expected=f"0 to {size - 1}")
