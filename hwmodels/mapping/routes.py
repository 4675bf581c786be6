"""Traffic on the links of a mesh: each message goes along x first, then along y."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hwmodels.mapping.mesh import Cores, Mesh, tiles_of
from spikec.errors import UsageError

Direction = Literal["east", "west", "south", "north"]
DIRECTIONS: tuple[Direction, ...] = ("east", "west", "south", "north")

Amount = TypeVar("Amount", np.int64, np.float64)
Tiles = tuple[NDArray[np.int64], NDArray[np.int64]]


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


@dataclass(frozen=True, eq=False)
class Ways:
    """The ways of packets between pairs of cores, each from its source along x first, then along y.

    Args:
        mesh: where the cores stand.
        sources: [E] numbers of cores on the mesh.
        destinations: [E] numbers of cores on the mesh; a pair may come several times.
    """

    mesh: Mesh
    sources: Cores
    destinations: Cores

    @cached_property
    def within_tile(self) -> NDArray[np.bool_]:
        """[E] whether a pair is of one tile, or of one core."""
        (from_x, from_y), (to_x, to_y) = self._ends
        return np.asarray((from_x == to_x) & (from_y == to_y))

    def loads(self, packets: NDArray[Amount]) -> NDArray[Amount]:
        """[..., L] what passes each of `links_of(mesh)`, of packets [..., E]."""
        lead, mesh = packets.shape[:-1], self.mesh
        batch = prod(lead)
        change = np.asarray(self._changes @ packets.reshape(batch, self.sources.size).T, dtype=packets.dtype).T
        change = change.reshape(batch, len(DIRECTIONS), mesh.height, mesh.width)
        across = np.cumsum(change[:, :2], axis=-1)[..., :-1]
        down = np.cumsum(change[:, 2:], axis=-2)[..., :-1, :]
        parts = [part.reshape(*lead, prod(part.shape[1:])) for part in (across, down)]
        return np.concatenate(parts, axis=-1)

    @cached_property
    def _ends(self) -> tuple[Tiles, Tiles]:
        return tiles_of(self.mesh, self.sources), tiles_of(self.mesh, self.destinations)

    @cached_property
    def _changes(self) -> csr_array:
        """[4 tiles, E]: a way covers a range of links, so it is +1 where the range begins and -1 behind its end."""
        (from_x, from_y), (to_x, to_y) = self._ends
        # Link i of a row lies between columns i and i + 1, either way: a way to the east covers from_x <= i < to_x.
        row, below = from_y * self.mesh.width, to_y * self.mesh.width  # a packet keeps its row until its column
        ranges = (
            (row + from_x, row + to_x, from_x < to_x),
            (row + to_x, row + from_x, to_x < from_x),
            (row + to_x, below + to_x, from_y < to_y),
            (below + to_x, row + to_x, to_y < from_y),
        )
        at, of = [], []
        for number, (first, behind, goes) in enumerate(ranges):
            which = np.flatnonzero(goes)
            at.append(number * self.mesh.tiles + np.stack([first[which], behind[which]]))
            of.append(np.stack([which, which]))
        entries = (np.concatenate(at, axis=1), np.concatenate(of, axis=1))
        signs = np.broadcast_to(np.array([[1], [-1]]), entries[0].shape)
        shape = (len(DIRECTIONS) * self.mesh.tiles, self.sources.size)
        return csr_array((signs.ravel(), (entries[0].ravel(), entries[1].ravel())), shape=shape)


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
    ways = Ways(mesh, sources, destinations)
    return Traffic(links_of(mesh), ways.loads(packets), np.asarray(packets[..., ways.within_tile].sum(-1)))
