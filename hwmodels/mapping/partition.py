"""A plan's dense layers regrouped: their neurons on other cores of theirs, so that spikes reach fewer cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np
from scipy import sparse

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.contiguous import box_words
from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.hypergraph import Amounts, Capacity, Incidence, Regrouped, Whole, connectivity, incidence_of
from hwmodels.mapping.kahypar import partition_mtkahypar
from hwmodels.mapping.layers import DenseLayer
from hwmodels.mapping.links import NOBODY, ids_of
from hwmodels.mapping.loads import Held, LayerCores, Resource, Use, uses_of
from hwmodels.mapping.plans import Plan, Planned, crowded, numbered
from hwmodels.mapping.regroup import VISITS_A_TARGET, regroup
from hwmodels.mapping.splits import Scatter
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear

Method = Literal["rule", "connectivity", "mtkahypar"]
Facts = dict[str, Any]  # Any: JSON
Regroup = Callable[[Incidence, Whole, Amounts, int, Capacity], Regrouped]

MOST_WORK = 1_000_000_000
"""Connections that moves and exchanges in one layer may weigh: 10 s at most, and far less where few gain."""
MOST_ASKED = 1_000_000
"""Connections of a layer for which Mt-KaHyPar is asked: about so many took it 28 s."""
NO_ZEROS = "no weight is zero, so that each source reaches every core"
CROWDED = "a core would have more output axons than the chip allows"


@dataclass(frozen=True, eq=False)
class Dense:
    """A layer of several cores that one Linear of one place drives.

    Args:
        row: its place in the plan.
        planned: the layer.
        held: its cores by the rule.
        core_of: [targets] of each element of the Linear's result, from 0.
    """

    row: int
    planned: Planned
    held: Held
    core_of: Whole


def partitioned(plan: Plan, method: Method) -> Plan:
    """The plan with neurons of dense layers on other cores of their layer, where sources then reach fewer of them.

    The chip's rule has said how many cores a layer takes. No core gets more neurons than the rule's fullest has, which
    also keeps words and input axons within its limits. Each source weighs 1: packets are those of a
    step in which everything fires once. A weight of zero is no synapse. Whatever leaves a core with more output axons
    than the chip allows is not done.

    Args:
        plan: by the chip's rule, without synapses of weight zero.
        method: `connectivity` (`regroup`) or `mtkahypar`; `rule` leaves all as it is.

    Raises:
        ToolchainError: Mt-KaHyPar is asked for, there is something to do, and it is not installed.
    """
    if method == "rule":
        return plan
    said: list[Facts] = []
    for dense in _dense(plan):
        found = _regrouped(plan, dense, METHODS[method])
        if found.packets < found.before:
            new = _held(dense, found.core_of, plan, method)
            rows = (*plan.rows[: dense.row], Planned(dense.planned.wired, new), *plan.rows[dense.row + 1 :])
            tried = numbered(plan.graph, plan.table, rows, skip_zeros=True)
            if crowded(tried):
                found = replace(found, packets=found.before, note=CROWDED)
            else:
                plan = tried
        said.append(_said(dense, found))
    before, after = (sum(layer[name] for layer in said) for name in ("packets_before", "packets_after"))
    facts = {"method": method, "packets_before": before, "packets_after": after, "layers": said}
    return replace(plan, partition=facts)


def _said(dense: Dense, found: Regrouped) -> Facts:
    return {
        "scope": dense.planned.wired.scope,
        "packets_before": int(found.before),
        "packets_after": int(found.packets),
        "note": found.note or None,
    }


def _dense(plan: Plan) -> Iterator[Dense]:
    for at, row in enumerate(plan.rows):
        found, wired = row.found, row.wired
        if not isinstance(found, Held) or found.split is None or found.cores < 2 or not wired.sources:
            continue
        driver = plan.graph.node(wired.weighted) if wired.weighted else None
        if driver is not None and isinstance(driver.op, Linear) and prod(driver.type.shape[:-1]) == 1:
            yield Dense(at, row, found, found.split.core_of)


def _regrouped(plan: Plan, dense: Dense, method: Regroup) -> Regrouped:
    wired, cores = dense.planned.wired, dense.held.cores
    driver = plan.graph.node(wired.weighted or "")
    connected = plan.graph.weights[driver.weights["weight"]].array != 0
    standing = _standing(plan, dense)
    if connected.all():
        packets = int(np.count_nonzero(np.diff(standing.indptr))) * cores
        return Regrouped(dense.core_of, packets, packets, note=NO_ZEROS)
    incidence = incidence_of(sparse.csr_array(standing @ sparse.csr_array(connected.T.astype(np.float64))))
    # Words grow with neurons, and the rule has let every input of the layer onto each of its cores.
    capacity = Capacity(neurons=int(np.bincount(dense.core_of).max()))
    return method(incidence, dense.core_of, np.ones(incidence.shape[0], dtype=np.int64), cores, capacity)


def _standing(plan: Plan, dense: Dense) -> sparse.csr_array[np.float64]:
    """[sources, inputs of the Linear]: where each element that is sent to the layer stands in its operand."""
    wired, graph = dense.planned.wired, plan.graph
    operand = graph.node(wired.weighted or "").inputs[0]
    nodes = frozenset(layer.wired.node for layer in plan.layers)
    parts = [_places(graph, value, operand, nodes) for value in wired.sources]
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def _places(graph: Graph, value: str, operand: str, nodes: frozenset[str]) -> sparse.coo_array[np.float64]:
    shape = (graph.types[value].elements, graph.types[operand].elements)
    ids = ids_of(graph, value, operand, nodes)
    assert ids is not None  # a source is found by following the operand back
    flat = ids.reshape(ids.shape[0], -1)
    times, at = np.nonzero(flat != NOBODY)
    return sparse.coo_array((np.ones(at.size), (flat[times, at], at)), shape=shape)


def _held(dense: Dense, core_of: Whole, plan: Plan, method: Method) -> Held:
    """The layer on the cores that are left in use, with what the fullest of them takes."""
    assert dense.held.split is not None
    used, labels = np.unique(core_of, return_inverse=True)
    found = Scatter(dense.held.split.view, labels.reshape(-1).astype(np.int64))
    uses = _uses(dense, int(np.bincount(found.core_of).max()), plan.table)
    reason = f"neurons regrouped by {method}, which no printed table shows"
    return replace(dense.held, split=found, cores=used.size, uses=uses, extrapolated=(*dense.held.extrapolated, reason))


def _uses(dense: Dense, most: int, table: CoresTable) -> dict[Resource, Use]:
    layer, uses = dense.planned.wired.layer, dict(dense.held.uses)
    assert isinstance(layer, DenseLayer)
    if table.rule == "tiles":
        limits = table.core_limits()
        alone = cores_of(replace(layer, outputs=most), limits)
        assert isinstance(alone, LayerCores)
        return uses_of(alone, limits)
    uses["neurons"] = replace(uses["neurons"], taken=most)
    if "synapse_words" in uses:
        words = int(box_words(layer, np.array([most]), table)[0])
        uses["synapse_words"] = replace(uses["synapse_words"], taken=words)
    return uses


def _by_moves(incidence: Incidence, core_of: Whole, weights: Amounts, cores: int, capacity: Capacity) -> Regrouped:
    """`regroup`, with fewer visits where each weighs many connections: those of all sources of a target."""
    degrees = np.diff(incidence.indptr).astype(np.float64)
    a_visit = max(1.0, float(degrees @ degrees) / core_of.size)
    visits = min(VISITS_A_TARGET * core_of.size, max(1, int(MOST_WORK / a_visit)))
    return regroup(incidence, core_of, weights, cores, capacity, visits=visits)


def _by_kahypar(incidence: Incidence, core_of: Whole, weights: Amounts, cores: int, capacity: Capacity) -> Regrouped:
    """`partition_mtkahypar`, where the layer is not too large for it."""
    if incidence.nnz > MOST_ASKED:
        packets = connectivity(incidence, core_of, weights)
        why = f"{incidence.nnz:,} connections, and Mt-KaHyPar is asked about {MOST_ASKED:,} at most"
        return Regrouped(core_of, packets, packets, note=why)
    return partition_mtkahypar(incidence, core_of, weights, cores, capacity)


METHODS: dict[Method, Regroup] = {"connectivity": _by_moves, "mtkahypar": _by_kahypar}
