"""A mapping as JSON: cores, chips, layers with their binding limit, traffic, latency, energy a core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.event_kinds import BY_SYNAPSE
from hwmodels.mapping.core_activity import COUNTS
from hwmodels.mapping.latency import BOTTLENECKS
from hwmodels.mapping.loads import Held, Misfit
from hwmodels.mapping.mends import mends_of
from hwmodels.mapping.mesh import Cores, places_of
from hwmodels.mapping.plans import Plan, Planned, outside
from hwmodels.mapping.routes import DIRECTIONS
from hwmodels.mapping.runs import CoreRun, board_of
from hwmodels.mapping.splits import Scatter
from hwmodels.mapping.untimed import untimed
from hwmodels.mapping.wiring import WiredLayer
from spikec.cost import Cost, Terms

Facts = dict[str, Any]  # Any: JSON
Numbers = NDArray[np.int64]


def plan_facts(plan: Plan) -> Facts:
    """What is known of a mapping without data: cores, utilisation, binding limits, what does not fit and its mend."""
    mesh = plan.table.mesh
    facts: Facts = {
        "fits": not plan.misfits,
        "rule": plan.table.rule,
        "cores": plan.cores,
        "chips": plan.chips,
        "cores_a_chip": plan.table.cores_a_chip,
        "mesh": {"columns": mesh.columns, "rows": mesh.rows, "cores_a_tile": mesh.cores_a_tile},
        "layers": [_layer(plan, row, first) for row, first in zip(plan.rows, plan.firsts, strict=True)],
        "misfits": [_misfit(plan, row) for row in plan.rows if isinstance(row.found, Misfit)],
        "extrapolated": list(plan.extrapolated),
    }
    return facts if plan.partition is None else {**facts, "partition": dict(plan.partition)}


def place_facts(plan: Plan, on: Cores) -> Facts:
    """Where the cores stand: how chips lie on the board, and [chip, x, y, slot] of each core."""
    board = board_of(plan.table, plan.cores)
    places = places_of(board, on)
    return {
        "board": {"chips_across": board.chips_across, "chips_down": board.chips_down},
        "places": np.stack([places.chip, places.x, places.y, places.slot], axis=1).tolist(),
    }


def run_facts(plan: Plan, on: Cores, run: CoreRun, costs: Sequence[Cost], terms: Terms, samples: int) -> Facts:
    """What a run adds: busy cores, traffic, latency and energy a core, all a sample (an inference) on the mean."""
    energy = core_energy_pj(plan, run, costs, terms) / samples
    return {
        **place_facts(plan, on),
        "core_energy_pj": energy.tolist(),
        "core_counts": {name: _spread(run.counts[name] / samples) for name in COUNTS if run.counts[name].any()},
        "links": _links(run, samples),
        "latency": _latency(plan, run, terms, _other_counts(run, costs, samples)),
    }


def _layer(plan: Plan, row: Planned, first: int) -> Facts:
    wired, found = row.wired, row.found
    facts: Facts = {
        "scope": wired.scope,
        "node": wired.node,
        "driver": wired.weighted,
        "neurons": wired.bank or plan.graph.node(wired.node).type.elements,
        "extrapolated": list(outside(row)),
        "energy_pj": None,
    }
    if isinstance(found, Misfit):
        return {**facts, "cores": None, "binding_limit": found.resource, "utilisation": {}}
    return {
        **facts,
        "cores": found.cores,
        "first_core": first,
        "binding_limit": found.binding[0] if found.binding else None,
        "utilisation": {resource: use.share for resource, use in found.uses.items()},
        "parts": _parts(found),
    }


def _parts(found: Held) -> list[int]:
    """The size of a part along each axis of the layer's view, of the first of them; empty of a bank."""
    if found.split is None:
        return []
    if isinstance(found.split, Scatter):  # neurons of one place, in no order
        return [int((found.split.core_of == 0).sum())]
    return [int((labels == 0).sum()) for labels in found.split.labels]


def _misfit(plan: Plan, row: Planned) -> Facts:
    assert isinstance(row.found, Misfit)
    return {
        "scope": row.wired.scope,
        "node": row.wired.node,
        "limit": row.found.resource,
        "needed": row.found.needed,
        "available": row.found.available,
        "mends": list(mends_of(plan.graph, row.wired, row.found, plan.table)),
    }


def _spread(values: NDArray[np.float64]) -> Facts:
    return {"mean": float(values.mean()), "max": float(values.max()), "max_core": int(values.argmax())}


def _links(run: CoreRun, samples: int) -> Facts:
    if not run.loads.any():
        return {"number": int(run.loads.size), "used": 0, "max": 0.0, "loads": []}
    links = run.links
    used = np.flatnonzero(run.loads)
    return {
        "number": int(run.loads.size),
        "used": int(used.size),
        "max": float(run.loads.max() / samples),
        "busiest": _link(run, int(run.loads.argmax())),
        "loads": [
            [int(links.x[i]), int(links.y[i]), DIRECTIONS[int(links.direction[i])], float(run.loads[i] / samples)]
            for i in used
        ],
    }


def _link(run: CoreRun, number: int) -> Facts:
    """The tile that a link leaves, and where to."""
    links = run.links
    x, y = int(links.x[number]), int(links.y[number])
    return {"x": x, "y": y, "direction": DIRECTIONS[int(links.direction[number])]}


def _other_counts(run: CoreRun, costs: Sequence[Cost], samples: int) -> Iterator[str]:
    """What must be known where cores and prices count another number of synaptic events."""
    on_cores = int(run.counts["ac"].sum())
    priced = sum(cost.counts.get(kind, 0) for cost in costs for kind in ("ac", *BY_SYNAPSE))
    if on_cores != priced:
        yield (
            f"time is of {on_cores / samples:,.10g} synaptic events on cores, energy of {priced / samples:,.10g}: "
            "cores store a convolution's zeros, take a number that is sent as one event, and do not have the events of "
            "coincidence neurons; a product of two activations is priced by the pairs that meet"
        )


def _latency(plan: Plan, run: CoreRun, terms: Terms, more: Iterable[str]) -> Facts | None:
    if run.step_ns is None or run.binds is None or run.where is None:
        return None
    kinds, times = np.unique(run.binds, return_counts=True)
    slowest = np.unravel_index(int(run.step_ns.argmax()), run.step_ns.shape)
    kind, where = BOTTLENECKS[int(run.binds[slowest])], int(run.where[slowest])
    return {
        "rule": plan.table.latency,
        "assumed": [*untimed(plan.table, terms), *more],
        "inference_ns": float(run.step_ns.sum(1).mean()),
        "inference_ns_low": None if run.low_ns is None else float(run.low_ns.mean()),
        "inference_ns_high": None if run.high_ns is None else float(run.high_ns.mean()),
        "step_ns": {
            "mean": float(run.step_ns.mean()),
            "min": float(run.step_ns.min()),
            "max": float(run.step_ns.max()),
            "by_step": run.step_ns.mean(0).tolist(),
        },
        "barrier_ns": run.barrier_ns,
        "bound_by": {BOTTLENECKS[int(kind)]: float(n / run.binds.size) for kind, n in zip(kinds, times, strict=True)},
        "bottleneck": {
            "what": kind,
            "number": where,
            "layer": None if kind == "link" else _layer_on(plan, where),
            "link": _link(run, where) if kind == "link" else None,
        },
    }


def _layer_on(plan: Plan, core: int) -> str | None:
    return next((layer.wired.scope for layer in plan.layers if core in layer.numbers), None)


def core_energy_pj(plan: Plan, run: CoreRun, costs: Sequence[Cost], terms: Terms) -> NDArray[np.float64]:
    """[cores] pJ over all samples: each node's energy, shared among its layer's cores; what has no core is not there.

    Synaptic operations are shared by the events on each core, what is sent by its spikes, all else by its neurons.
    """
    energy = np.zeros(plan.cores)
    by_node = {cost.node: cost for cost in costs}
    kinds = {term.name: term.count for term in terms}
    neurons_of = {layer.wired.node: np.bincount(layer.core_of, minlength=plan.cores) for layer in plan.layers}
    for row, first in zip(plan.rows, plan.firsts, strict=True):
        numbers, neurons = _cores_of(row, first, neurons_of)
        for cost in (by_node[node] for node in _paid_by(row.wired) if node in by_node):
            for term, pj in cost.energy_pj.items():
                kind = kinds[term]
                share = run.counts[SHARED_BY[kind]][numbers] if kind in SHARED_BY else neurons
                weight = share if share.sum() else neurons
                energy[numbers] += pj * weight / weight.sum()
    return energy


SHARED_BY: Mapping[str, str] = {
    **dict.fromkeys(("ac", *BY_SYNAPSE), "ac"),
    **dict.fromkeys(
        ("spike", "soma_spike", "message", "message_in", "hop_ew", "hop_ns", "chip_crossing"), "soma_spike"
    ),
}
"""By which count of a core a kind of energy is shared among the cores of a layer."""


def _cores_of(row: Planned, first: int, neurons_of: Mapping[str, Numbers]) -> tuple[Numbers, Numbers]:
    """The cores of a row, and how many of its neurons each holds; of a bank as many on each."""
    if row.wired.node in neurons_of and not row.wired.bank:
        numbers = np.flatnonzero(neurons_of[row.wired.node])
        return numbers, neurons_of[row.wired.node][numbers]
    return np.arange(first, first + row.cores), np.ones(row.cores, dtype=np.int64)


def _paid_by(wired: WiredLayer) -> Iterator[str]:
    """The nodes whose energy is a layer's: its neuron and what drives it, unless that is a bank's."""
    if wired.weighted is not None and wired.weighted != wired.node and wired.sources:
        yield wired.weighted
    yield wired.node


def layer_energy_pj(plan: Plan, costs: Sequence[Cost]) -> list[float]:
    """pJ over all samples of each row: of its driver and its neuron together."""
    by_node = {cost.node: sum(cost.energy_pj.values()) for cost in costs}
    return [sum(by_node.get(node, 0.0) for node in _paid_by(row.wired)) for row in plan.rows]
