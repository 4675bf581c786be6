"""Traffic on the links of a mesh: each message goes along x first, then along y."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from hwmodels.mapping.mesh import Cores, Mesh, tiles_of
from spikec.errors import UsageError

Direction = Literal["east", "west", "south", "north"]
DIRECTIONS: tuple[Direction, ...] = ("east", "west", "south", "north")

Amount = TypeVar("Amount", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class Links:
    """The directed links between neighbouring tiles, in the order of a traffic's loads: all east, west, south, north.

    Args:
        x: [L] column, on the whole board, of the tile that a link leaves.
        y: [L] its row.
        direction: [L] index into DIRECTIONS.
        crossing: [L] whether it leads to another chip.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    direction: NDArray[np.int64]
    crossing: NDArray[np.bool_]

    @property
    def east_west(self) -> NDArray[np.bool_]:
        """[L] whether a link runs along x."""
        return self.direction < DIRECTIONS.index("south")


@dataclass(frozen=True, eq=False)
class Traffic:
    """Messages on a mesh; the leading axes, such as (sample, step), are those of the packets.

    Args:
        links: what the last axis of the loads stands for.
        loads: [..., L] messages that pass each link.
        within_tile: [...] messages between cores of one tile, or of a core to itself, which pass no link.
    """

    links: Links
    loads: NDArray[np.int64] | NDArray[np.float64]
    within_tile: NDArray[np.int64] | NDArray[np.float64]

    @property
    def hops_ew(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """[...] hops along x within chips."""
        return self._passing(self.links.east_west & ~self.links.crossing)

    @property
    def hops_ns(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """[...] hops along y within chips."""
        return self._passing(~self.links.east_west & ~self.links.crossing)

    @property
    def crossings(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """[...] hops from a chip to the next, of which no price is published."""
        return self._passing(self.links.crossing)

    def _passing(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64] | NDArray[np.float64]:
        return np.asarray(self.loads[..., chosen].sum(-1))


def links_of(mesh: Mesh) -> Links:
    """The directed links of a mesh."""
    across = np.meshgrid(np.arange(mesh.width - 1), np.arange(mesh.height))
    down = np.meshgrid(np.arange(mesh.width), np.arange(mesh.height - 1))
    # A link and the one back lie between the same two tiles; the one back leaves from the second.
    x = (across[0], across[0] + 1, down[0], down[0])
    y = (across[1], across[1], down[1], down[1] + 1)
    leaves_east, leaves_south = (across[0] + 1) % mesh.columns == 0, (down[1] + 1) % mesh.rows == 0
    return Links(
        x=np.concatenate([part.ravel() for part in x]),
        y=np.concatenate([part.ravel() for part in y]),
        direction=np.repeat(np.arange(len(DIRECTIONS)), [part.size for part in x]),
        crossing=np.concatenate([part.ravel() for part in (*[leaves_east] * 2, *[leaves_south] * 2)]),
    )


def route(mesh: Mesh, sources: Cores, destinations: Cores, packets: NDArray[Amount]) -> Traffic:
    """The traffic of packets between pairs of cores, each packet on its own from source to destination.

    Args:
        mesh: where the cores stand.
        sources: [E] numbers of cores on the mesh.
        destinations: [E] numbers of cores on the mesh; a pair may come several times.
        packets: [..., E], counts or means.

    Raises:
        UsageError: cores that the mesh does not have, or arrays whose sizes differ.
    """
    if not sources.shape == destinations.shape == packets.shape[-1:]:
        sizes = f"{sources.shape} sources, {destinations.shape} destinations and {packets.shape} packets"
        raise UsageError(sizes, expected="[E], [E] and [..., E]")
    start, end = tiles_of(mesh, sources), tiles_of(mesh, destinations)
    lead, links = packets.shape[:-1], links_of(mesh)
    loads = _loads(mesh, start, end, packets.reshape(prod(lead), sources.size))
    here = (start[0] == end[0]) & (start[1] == end[1])
    return Traffic(links, loads.reshape(*lead, links.x.size), np.asarray(packets[..., here].sum(-1)))


Tiles = tuple[NDArray[np.int64], NDArray[np.int64]]


def _loads(mesh: Mesh, start: Tiles, end: Tiles, packets: NDArray[Amount]) -> NDArray[Amount]:
    """[B, L]: a way covers a range of links, so that it is +1 where the range begins and -1 behind its end, summed."""
    (from_x, from_y), (to_x, to_y) = start, end
    # Link i of a row lies between columns i and i + 1, either way: a way to the east covers from_x <= i < to_x.
    row, below = from_y * mesh.width, to_y * mesh.width  # a packet keeps its row until it has come to its column
    ranges = (
        (row + from_x, row + to_x, from_x < to_x),
        (row + to_x, row + from_x, to_x < from_x),
        (row + to_x, below + to_x, from_y < to_y),
        (below + to_x, row + to_x, to_y < from_y),
    )
    size = (len(packets), mesh.height, mesh.width)
    east, west, south, north = (_steps(*each, mesh.tiles, packets).reshape(size) for each in ranges)
    parts = [np.cumsum(change, axis=-1)[:, :, :-1] for change in (east, west)]
    parts += [np.cumsum(change, axis=-2)[:, :-1, :] for change in (south, north)]
    return np.concatenate([part.reshape(len(packets), part.shape[1] * part.shape[2]) for part in parts], axis=1)


def _steps(
    first: NDArray[np.int64],
    behind: NDArray[np.int64],
    goes: NDArray[np.bool_],
    tiles: int,
    packets: NDArray[Amount],
) -> NDArray[Amount]:
    """[B, tiles]: packets where ranges begin, less those where they are over."""
    which = np.flatnonzero(goes)
    signs = np.repeat(np.array([1, -1], dtype=packets.dtype), which.size)
    at = (np.concatenate([first[which], behind[which]]), np.concatenate([which, which]))
    change = coo_array((signs, at), shape=(tiles, goes.size)).tocsr()
    return np.asarray(change @ packets.T).T
