"""Cycles: which nodes must be stepped through time together, and how.

A cycle goes through a Delay, whose result of a step is known before the step's other values are. A Delay in no cycle
is a shift, and costs no stepping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import networkx as nx
import torch
from torch import Tensor

from spikec.ir.graph import Graph, Node
from spikec.ir.time import Delay
from spikec.run.neurons import STEPPERS, Stepper, state_of, stepper
from spikec.run.numbers import Numbers

Compute = Callable[[Node, Sequence[Tensor], Mapping[str, Tensor], int, Numbers], tuple[Tensor, ...]]


def cycles_of(graph: Graph) -> list[tuple[Node, ...]]:
    """The nodes in groups, in an order in which they can be computed: each alone, or with those of its cycle.

    Within a cycle, Delays stand first and the others in the graph's order.
    """
    seen: set[str] = set(graph.inputs)
    forward = False
    for node in graph.nodes:
        forward |= not seen.issuperset(node.inputs)
        seen.update(node.results)
    if not forward:  # nothing is defined after its use, so there is no cycle
        return [(node,) for node in graph.nodes]
    place = {node.name: at for at, node in enumerate(graph.nodes)}
    edges: nx.DiGraph[str] = nx.DiGraph()
    edges.add_nodes_from(place)
    edges.add_edges_from(
        (graph.producers[value].name, node.name)
        for node in graph.nodes
        for value in node.inputs
        if value in graph.producers
    )
    whole = nx.condensation(edges)
    first = {at: min(place[name] for name in data["members"]) for at, data in whole.nodes(data=True)}
    groups = []
    for at in nx.lexicographical_topological_sort(whole, key=first.__getitem__):
        names = sorted(whole.nodes[at]["members"], key=place.__getitem__)
        nodes = [graph.node(name) for name in names]
        groups.append(tuple(sorted(nodes, key=lambda node: not isinstance(node.op, Delay))))
    return groups


def stepped(
    group: Sequence[Node],
    values: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    steps: int,
    silent: Tensor,
    compute: Compute,
    numbers: Numbers,
) -> dict[str, Tensor]:
    """The values of a cycle, [T, B, *shape] each.

    Args:
        group: its nodes, Delays first.
        values: of before the cycle, [T, B, *shape].
        weights: of the graph, by name.
        steps: T.
        silent: a zero for each sample, [B].
        compute: gives the results of a node without state.
        numbers: how they are computed with.
    """
    past: dict[str, list[Tensor]] = {value: [] for node in group for value in node.results}
    states: dict[str, Stepper] = {}
    for t in range(steps):
        now: dict[str, Tensor] = {}
        for node in group:
            own = {slot: weights[name] for slot, name in node.weights.items()}
            if isinstance(node.op, Delay):
                zero = silent.reshape(-1, *(1 for _ in node.type.shape)).expand(-1, *node.type.shape)
                now[node.name] = _delayed(past[node.inputs[0]], own["steps"], zero)
                continue
            operands = [now[v] if v in now else values[v][t] for v in node.inputs]
            if type(node.op) in STEPPERS:
                if node.name not in states:
                    states[node.name] = stepper(node.op, own, operands[0], numbers)
                with state_of(node.scope or node.name):
                    results = states[node.name].step(operands[0])
            else:
                found = compute(node, [x.unsqueeze(0) for x in operands], weights, 1, numbers)
                results = tuple(y[0] for y in found)
            now.update(zip(node.results, results, strict=True))
        for value, tensor in now.items():
            past[value].append(tensor)
    return {value: torch.stack(tensors) for value, tensors in past.items()}


def _delayed(past: Sequence[Tensor], amounts: Tensor, silent: Tensor) -> Tensor:
    """What was there `amounts` steps ago, element by element; nothing before the first step."""
    amounts = amounts.to(torch.int64).expand(silent.shape[1:])
    y = silent
    for amount in torch.unique(amounts).tolist():
        if amount <= len(past):
            y = torch.where(amounts == amount, past[-amount], y)
    return y
