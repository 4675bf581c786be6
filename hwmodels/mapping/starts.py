"""First placements, from which exchanges set out: contiguous, grown tile by tile, by the spectrum of the traffic."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from hwmodels.mapping.mesh import Mesh, tiles_of

Tiles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(x, y) of the tile of each core, on the whole board."""
Talk = csr_array[np.float64]

ITERATIONS = 60
VECTORS = 8
"""Iterations and width of the subspace: more gave no better starts on layered, random and planar traffic."""


def contiguous(mesh: Mesh, talk: Talk) -> Tiles:
    """Core i on number i."""
    return tiles_of(mesh, np.arange(talk.shape[0]))


def grown(mesh: Mesh, talk: Talk) -> Tiles:
    """Tiles along a winding line, each filled with the cores that talk most to those already in it.

    A tile's first core is the one that talks most to the tiles before, of which each counts half its follower.
    """
    width, height = block(mesh, talk.shape[0])
    x, y = np.empty((2, talk.shape[0]), dtype=np.int64)
    left = np.ones(talk.shape[0], dtype=np.bool_)
    before = np.zeros(talk.shape[0])
    for tile in range(width * height):
        within = np.zeros(talk.shape[0])
        row, column = divmod(tile, width)
        for slot in range(min(mesh.cores_a_tile, int(left.sum()))):
            core = int(np.where(left, within if slot else before, -1.0).argmax())
            left[core] = False
            x[core], y[core] = (column if row % 2 == 0 else width - 1 - column), row
            near = slice(talk.indptr[core], talk.indptr[core + 1])
            within[talk.indices[near]] += talk.data[near]
        before = before / 2 + within
    return x, y


def spectral(mesh: Mesh, talk: Talk, random: np.random.Generator) -> Tiles:
    """Cores in the order of the two slowest modes of their traffic: one orders the columns, the other each column.

    Neighbours in the eigenvectors of a graph's Laplacian are near in the graph (Hall, Management Science 17(3), 1970).
    """
    width, height = block(mesh, talk.shape[0])
    first, second = _modes(talk, random)
    x, y = np.empty((2, talk.shape[0]), dtype=np.int64)
    for column, part in enumerate(np.array_split(np.argsort(first, kind="stable"), width)):
        x[part] = column
        for row, cores in enumerate(np.array_split(part[np.argsort(second[part], kind="stable")], height)):
            y[cores] = row
    return x, y


def block(mesh: Mesh, cores: int) -> tuple[int, int]:
    """(width, height) of a rectangle of tiles that holds so many cores, as near to a square as the board lets it be."""
    tiles = max(1, -(-cores // mesh.cores_a_tile))
    width = min(mesh.width, isqrt(tiles - 1) + 1)
    height = min(mesh.height, -(-tiles // width))
    return -(-tiles // height), height


def _modes(talk: Talk, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The second and third eigenvector of the random walk on the traffic (the first orders nothing), by iteration.

    A fixed number of iterations from a seeded start: a start needs no accuracy, but has to be the same every time.
    """
    degree: NDArray[np.float64] = np.asarray(talk.sum(axis=1))
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    walk = diags_array(scale) @ talk @ diags_array(scale)
    basis = random.standard_normal((talk.shape[0], VECTORS))
    for _ in range(ITERATIONS):
        # Halfway to the identity, so that the eigenvalue -1 of traffic between two halves is not large.
        basis = np.linalg.qr((walk @ basis + basis) / 2)[0]
    values, turn = np.linalg.eigh(basis.T @ (walk @ basis))
    modes = (basis @ turn[:, np.argsort(-values)]) * scale[:, None]
    return modes[:, min(1, modes.shape[1] - 1)], modes[:, min(2, modes.shape[1] - 1)]
