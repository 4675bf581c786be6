"""Cores on a mesh, and neurons on cores, against the solvers that are at hand; the work names what each has reached.

Placement is a quadratic assignment, of which scipy has FAQ (Vogelstein et al., PLOS ONE 10(4), 2015), its best for that
size; the partition of a hypergraph is what Mt-KaHyPar is made for.
"""

from __future__ import annotations

import sys

import numpy as np
from pairs import line
from scipy.optimize import quadratic_assignment
from scipy.sparse import csr_array

from hwmodels.mapping.hypergraph import Capacity, incidence_of
from hwmodels.mapping.kahypar import partition_mtkahypar
from hwmodels.mapping.mesh import Mesh, distances, mesh_for
from hwmodels.mapping.placement import place
from hwmodels.mapping.regroup import regroup
from spikec.errors import ToolchainError

LOIHI = Mesh(8, 4, 4)


def traffic_of(sizes: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layers of so many cores, each sending all to all to the next."""
    layer = np.repeat(np.arange(len(sizes)), sizes)
    sources, destinations = np.nonzero(layer[:, None] + 1 == layer)
    return sources, destinations, np.random.default_rng(0).integers(50, 100, sources.size)


def placements(sizes: list[int]) -> str:
    """A line of `place` against FAQ."""
    cores, pairs = sum(sizes), traffic_of(sizes)
    mesh = mesh_for(LOIHI, cores)
    talk, every = np.zeros((mesh.cores, mesh.cores)), np.arange(mesh.cores)
    talk[pairs[:2]] = pairs[2]
    hops = distances(mesh, *(part.ravel() for part in np.meshgrid(every, every)))
    ways = (hops.east_west + hops.north_south + hops.crossings).reshape(talk.shape)
    ours = place(mesh, cores, *pairs)
    peer = quadratic_assignment(talk + talk.T, ways)
    reached = f"{ours.objective / ours.contiguous:.2f} and {peer.fun / 2 / ours.contiguous:.2f} of contiguous order"
    return line(
        f"placement of {cores} cores, {pairs[0].size} pairs, {reached}, 1 thread",
        lambda: place(mesh, cores, *pairs),
        lambda: quadratic_assignment(talk + talk.T, ways),
        ("place", "scipy's FAQ"),
    )


def partitions(neurons: int, cores: int, reach: int) -> str:
    """A line of `regroup` against Mt-KaHyPar, of neurons that hear their neighbours on a line, shuffled."""
    random = np.random.default_rng(0)
    near = (np.repeat(np.arange(neurons), reach) + random.integers(0, 3 * reach, neurons * reach)) % neurons
    ends = (np.repeat(np.arange(neurons), reach), random.permutation(neurons)[near])
    incidence = incidence_of(csr_array((np.ones(near.size), ends), shape=(neurons, neurons)))
    spikes, given = random.integers(0, 20, neurons), np.arange(neurons) * cores // neurons
    work = (incidence, given, spikes, cores, Capacity(neurons=-(-neurons // cores)))
    ours, peer = regroup(*work), partition_mtkahypar(*work)
    reached = f"{ours.packets / ours.before:.2f} and {peer.packets / ours.before:.2f} of the packets given"
    return line(
        f"partition of {neurons} neurons on {cores} cores, {reached}, 1 thread",
        lambda: regroup(*work),
        lambda: partition_mtkahypar(*work),
        ("regroup", "Mt-KaHyPar"),
    )


if __name__ == "__main__":
    print(placements([13, 25, 13, 12, 3, 3, 2, 12, 1, 1]))
    print(placements([30, 40, 20, 50, 25, 35, 40]))
    try:
        print(partitions(1000, 8, 20))
    except ToolchainError as missing:
        print(f"left out: {missing}", file=sys.stderr)
