"""The partition that Mt-KaHyPar finds: an optional library for hypergraphs (github.com/kahypar/mt-kahypar, MIT)."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodels.mapping.hypergraph import (
    Amounts,
    Capacity,
    Incidence,
    Regrouped,
    Whole,
    broken_limits,
    check_partition,
    connectivity,
)
from spikec.errors import ToolchainError

LARGEST = 2**30
"""The most that its objective may come to here: it counts in 32 bits."""


def partition_mtkahypar(
    incidence: Incidence, core_of: Whole, weights: Amounts, cores: int, capacity: Capacity, *, seed: int = 0
) -> Regrouped:
    """The partition of Mt-KaHyPar where it fits and sends fewer packets; else the one given, and a note why.

    It knows one sum a core: neurons, or words where those are scarcer. All limits are held against what it finds, and
    `regroup` can go on from there. Its deterministic preset is taken: the default one differs from run to run.

    Args:
        incidence: [sources, targets] of one layer.
        core_of: [targets] the partition to compare with, within all limits.
        weights: [sources] spikes, in all or on the mean.
        cores: cores of the layer.
        capacity: the limits.
        seed: of its search.

    Raises:
        ToolchainError: it is not installed.
        UsageError: sizes that differ, or a partition that breaks a limit to begin with.
    """
    library = _library()
    check_partition(incidence, core_of, weights, cores, capacity)
    before = connectivity(incidence, core_of, weights)
    whole = whole_weights(weights, cores)
    chosen = np.flatnonzero((np.diff(incidence.indptr) > 1) & (whole > 0))
    if cores < 2 or not chosen.size:
        return Regrouped(core_of, before, before, note="no source reaches two targets, or there is one core")
    edges = [incidence.indices[incidence.indptr[at] : incidence.indptr[at + 1]].tolist() for at in chosen]
    found = _partition(library, edges, whole[chosen].tolist(), _sizes(core_of.size, cores, capacity), cores, seed)
    packets = connectivity(incidence, found, weights)
    broken = broken_limits(incidence, found, cores, capacity)
    if broken:
        return Regrouped(core_of, before, before, note=f"Mt-KaHyPar's does not fit: {'; '.join(broken[:5])}")
    if packets >= before:
        return Regrouped(core_of, before, before, note=f"Mt-KaHyPar's sends {packets:g} packets")
    return Regrouped(found, before, packets)


def whole_weights(weights: Amounts, cores: int) -> Whole:
    """[sources] in proportion, as they are where they are whole and small enough; above 0 at least 1."""
    total = float(weights.sum()) * cores
    whole = np.issubdtype(weights.dtype, np.integer) and total <= LARGEST
    scale = 1.0 if whole or total == 0 else LARGEST / total
    return np.ceil(weights * scale).astype(np.int64)


def _sizes(targets: int, cores: int, capacity: Capacity) -> tuple[list[int], int]:
    """The size of each target and the most that a core holds, of neurons or words, whichever is scarcer."""
    neurons = capacity.neurons if capacity.neurons is not None else targets
    if capacity.words is not None and capacity.words_of is not None:
        words = int(capacity.words_of.sum())
        if words * neurons > targets * capacity.words:
            return capacity.words_of.tolist(), capacity.words
    return [1] * targets, neurons


def _partition(
    library: tuple[Any, Any],  # Any: a module of compiled code without types
    edges: list[list[int]],
    weights: list[int],
    sizes: tuple[list[int], int],
    cores: int,
    seed: int,
) -> Whole:
    module, kahypar = library
    context = kahypar.context_from_preset(module.PresetType.DETERMINISTIC)
    context.set_partitioning_parameters(cores, 0.0, module.Objective.KM1)
    context.set_individual_target_block_weights([sizes[1]] * cores)
    context.logging = False
    module.set_seed(seed)
    graph = kahypar.create_hypergraph(context, len(sizes[0]), len(edges), edges, sizes[0], weights)
    return np.array(graph.partition(context).get_partition(), dtype=np.int64)


@lru_cache(maxsize=1)
def _library() -> tuple[Any, Any]:  # Any: a module of compiled code without types
    """The module and its one instance a process, which a second call would warn of; one thread."""
    try:
        module = importlib.import_module("mtkahypar")
    except ImportError as missing:
        raise ToolchainError(
            "mtkahypar, which partitions hypergraphs, is not installed", mend="pip install 'spikec[partition]'"
        ) from missing
    return module, module.initialize(1, False)
