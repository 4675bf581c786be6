"""A network on cores: its layers, each split by the chip's rule, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.contiguous import bank_of, boxes_of, limits_of, view_behind
from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import Form
from hwmodels.mapping.links import ids_of
from hwmodels.mapping.loads import Held, Misfit, Resource, Use, uses_of
from hwmodels.mapping.senders import Labels, PlacedLayer, Sender, senders_of
from hwmodels.mapping.splits import Cut, Scatter, tiled_split
from hwmodels.mapping.wiring import WiredLayer, wire
from spikec.errors import UsageError
from spikec.ir.graph import Graph

MOST_ROUNDS = 12
"""How often layers whose cores have too many output axons are cut finer."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A layer and its cores, or the limit that it breaks."""

    wired: WiredLayer
    found: Held | Misfit

    @property
    def cores(self) -> int:
        """Cores of the layer; 0 where it does not fit."""
        return self.found.cores if isinstance(self.found, Held) else 0


@dataclass(frozen=True, eq=False)
class Plan:
    """A network on cores, before they have a place.

    Args:
        graph: the network.
        table: the chip's cores.
        rows: its layers, in the order of the graph.
        firsts: the number of the first core of each row.
        layers: the layers that fit, on their cores.
        cores: how many cores there are.
        inputs: [elements] the core of each element, of inputs of the graph that stand on cores; by a chip's own rule
            they come from outside.
        partition: how neurons were regrouped, as a report says it; None where they stand as the rule has put them.
    """

    graph: Graph
    table: CoresTable
    rows: tuple[Planned, ...]
    firsts: tuple[int, ...]
    layers: tuple[PlacedLayer, ...]
    cores: int
    inputs: Mapping[str, Labels] = field(default_factory=dict)
    partition: Mapping[str, Any] | None = None  # Any: JSON

    @property
    def core_of(self) -> Mapping[str, Labels]:
        """The core of each neuron, in the order of its elements, by the node of its layer."""
        return {layer.wired.node: layer.core_of for layer in self.layers}

    @property
    def chips(self) -> int:
        """Chips that have so many cores."""
        return -(-self.cores // self.table.cores_a_chip)

    @property
    def misfits(self) -> tuple[tuple[WiredLayer, Misfit], ...]:
        """The layers that no number of cores holds."""
        return tuple((row.wired, row.found) for row in self.rows if isinstance(row.found, Misfit))

    @cached_property
    def senders(self) -> tuple[Sender, ...]:
        """Every value that is sent, in groups."""
        return senders_of(self.graph, self.layers, self.cores, self.inputs)

    @property
    def extrapolated(self) -> tuple[str, ...]:
        """What of the network lies outside what the rule was read from, each reason with its layer."""
        found = [f"{row.wired.scope}: {reason}" for row in self.rows for reason in outside(row)]
        return (*found, *([f"{self.chips} chips"] if self.chips > 1 else []))


def outside(row: Planned) -> tuple[str, ...]:
    """What of a layer lies outside what the rule was read from."""
    more = row.found.extrapolated if isinstance(row.found, Held) else ()
    return (*row.wired.extrapolated, *more)


def plan_of(graph: Graph, table: CoresTable, form: Form, chip: str, *, skip_zeros: bool = False) -> Plan:
    """The network on cores by the chip's rule.

    Args:
        graph: the network.
        table: the chip's cores.
        form: what they take.
        chip: who refuses.
        skip_zeros: whether a weight of zero of a Linear is no synapse that is sent to. Words are taken with zeros.

    Raises:
        UnsupportedOp: lists every node that has no form on cores.
    """
    rule = _tiled if table.rule == "tiles" else boxes_of
    rows = tuple(
        Planned(layer, bank_of(layer.bank, table) if layer.bank else rule(graph, layer, table))
        for layer in wire(graph, form, chip)
    )
    plan = numbered(graph, table, rows, skip_zeros)
    for _ in range(MOST_ROUNDS if table.rule == "contiguous" else 0):
        found = crowded(plan)
        if not found:
            return _with_axons_out(plan)
        plan = numbered(graph, table, _finer(plan, found), skip_zeros)
    return _with_axons_out(numbered(graph, table, _given_up(plan), skip_zeros))


def given_plan(
    graph: Graph,
    table: CoresTable,
    form: Form,
    chip: str,
    core_of: Mapping[str, Labels],
    *,
    skip_zeros: bool = False,
) -> tuple[Plan, Labels]:
    """The network on given cores, limits unchecked, and the number that each of its cores was given by.

    Args:
        graph: the network.
        table: the chip's cores.
        form: what they take.
        chip: who refuses.
        core_of: [elements] the core of each neuron, by the node of its layer; also of inputs that stand on cores.
        skip_zeros: whether a weight of zero of a Linear is no synapse.

    Raises:
        UnsupportedOp: lists every node that has no form on cores.
        UsageError: a layer has no cores, or others than it has neurons.
    """
    on = np.unique(np.concatenate(list(core_of.values())))
    numbers = {name: np.searchsorted(on, cores) for name, cores in core_of.items()}
    rows, layers = [], []
    for wired in wire(graph, form, chip):
        own = numbers.get(wired.node)
        elements = graph.node(wired.node).type.elements
        if own is None or own.shape != (elements,):
            found = "none" if own is None else str(list(own.shape))
            raise UsageError(f"cores of %{wired.node}: {found}", expected=f"one for each of {elements} neurons")
        layers.append(_given(graph, wired, own, skip_zeros))
        most = int(np.bincount(own).max())
        uses: dict[Resource, Use] = {"neurons": Use(most, table.limits.neurons.value)}
        rows.append(Planned(wired, Held(None, int(np.unique(own).size), (), uses)))
    inputs = {name: cores for name, cores in numbers.items() if name in graph.inputs}
    firsts = tuple(int(layer.numbers[0]) for layer in layers)
    return Plan(graph, table, tuple(rows), firsts, tuple(layers), on.size, inputs), on


def _given(graph: Graph, wired: WiredLayer, own: Labels, skip_zeros: bool) -> PlacedLayer:
    used, local = np.unique(own, return_inverse=True)
    view = view_behind(graph, wired)
    of_driver = np.zeros(prod(view.shape), dtype=np.int64)
    of_driver[_place_of(graph, wired)] = local.reshape(-1)
    return PlacedLayer(wired, Scatter(view, of_driver), own, used, skip_zeros)


def numbered(graph: Graph, table: CoresTable, rows: tuple[Planned, ...], skip_zeros: bool) -> Plan:
    """The plan of these rows, cores numbered one after the other."""
    firsts = (*accumulate((row.cores for row in rows), initial=0),)
    layers = tuple(
        _placed(graph, row.wired, row.found.split, first, skip_zeros)
        for row, first in zip(rows, firsts, strict=False)
        if isinstance(row.found, Held) and row.found.split is not None
    )
    return Plan(graph, table, rows, firsts[:-1], layers, firsts[-1])


def _tiled(graph: Graph, wired: WiredLayer, table: CoresTable) -> Held | Misfit:
    limits = table.core_limits()
    found = cores_of(wired.layer, limits)
    if isinstance(found, Misfit):
        return found
    split = tiled_split(view_behind(graph, wired), found.part.columns, found.part.channels)
    return Held(split, split.cores, found.binding, uses_of(found, limits), found.extrapolated)


def _placed(graph: Graph, wired: WiredLayer, split: Cut, first: int, skip_zeros: bool) -> PlacedLayer:
    core_of = first + split.core_of[_place_of(graph, wired)]
    return PlacedLayer(wired, split, core_of, first + np.arange(split.cores), skip_zeros)


def _place_of(graph: Graph, wired: WiredLayer) -> Labels:
    """[elements] which element of what drives a layer each neuron takes: it stands where that sum is formed."""
    elements = graph.node(wired.node).type.elements
    if wired.weighted is None or wired.weighted == wired.node:
        return np.arange(elements)
    ids = ids_of(graph, wired.weighted, graph.node(wired.node).inputs[0])
    assert ids is not None
    # Where several are summed, one of them; where nothing is, the first.
    return np.asarray(np.maximum(ids.max(axis=0).reshape(-1), 0), dtype=np.int64)


def crowded(plan: Plan) -> Mapping[str, Use]:
    """The layers of which a core has more output axons than the chip allows."""
    return {node: use for node, use in _axons_out(plan).items() if use.taken > use.limit}


def _with_axons_out(plan: Plan) -> Plan:
    """The plan whose rows say their output axons, where they have any and a core's limit is known."""
    uses = {node: use for node, use in _axons_out(plan).items() if use.taken}
    rows = tuple(
        Planned(row.wired, replace(row.found, uses={**row.found.uses, "axons_out": uses[row.wired.node]}))
        if isinstance(row.found, Held) and row.wired.node in uses and not row.wired.bank
        else row
        for row in plan.rows
    )
    return replace(plan, rows=rows)


def _axons_out(plan: Plan) -> Mapping[str, Use]:
    """The output axons of each layer's fullest core, one a neuron and core that it reaches; none without a limit."""
    limit = limits_of(plan.table).get("axons_out")
    if limit is None:
        return {}
    axons = np.zeros(plan.cores, dtype=np.int64)
    for sender in plan.senders:
        if sender.synapses and sender.own[0] >= 0:
            fan = np.asarray(sender.reaches.sum(1)).reshape(-1)
            np.add.at(axons, sender.own, fan * sender.sizes)
    most = {layer.wired.node: int(axons[layer.numbers].max(initial=0)) for layer in plan.layers}
    return {node: Use(taken, limit) for node, taken in most.items()}


def _given_up(plan: Plan) -> tuple[Planned, ...]:
    """The rows without the layers of which no cut that was tried is fine enough."""
    found = crowded(plan)
    return tuple(
        Planned(row.wired, Misfit("axons_out", found[row.wired.node].taken, found[row.wired.node].limit))
        if row.wired.node in found
        else row
        for row in plan.rows
    )


def _finer(plan: Plan, uses: Mapping[str, Use]) -> tuple[Planned, ...]:
    """The rows with fewer neurons on the cores of crowded layers."""
    rows = []
    for row in plan.rows:
        use = uses.get(row.wired.node)
        if use is None or not isinstance(row.found, Held):
            rows.append(row)
            continue
        now = row.found.uses["neurons"].taken
        if now == 1:
            rows.append(Planned(row.wired, Misfit("axons_out", use.taken, use.limit)))
            continue
        found = boxes_of(plan.graph, row.wired, plan.table, max(1, min(now - 1, now * use.limit // use.taken)))
        if isinstance(found, Held):
            found = replace(found, binding=("axons_out",))
        rows.append(Planned(row.wired, found))
    return tuple(rows)
