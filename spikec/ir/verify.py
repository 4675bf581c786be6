"""The rules that every graph keeps, each broken one a VerifyError that names the node and its module path."""

from __future__ import annotations

import re
from collections.abc import Mapping

import networkx as nx
import numpy as np

from spikec.errors import VerifyError
from spikec.ir.graph import Graph, Node, infer_types
from spikec.ir.time import Delay
from spikec.ir.types import TensorType

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def verify(graph: Graph) -> None:
    """Checks names, order, weights and types.

    Raises:
        VerifyError: the first broken rule.
    """
    if graph.steps < 1:
        raise VerifyError(f"steps must be at least 1, found {graph.steps}")
    for node in graph.nodes:
        _check_stated(node)
    _check_names(graph)
    _check_weights(graph)
    _check_types(graph)
    _check_cycles(graph)
    for value in graph.outputs:
        if value not in graph.types:
            raise VerifyError(f"output '%{value}' is defined nowhere")
    if not graph.outputs:
        raise VerifyError("the graph has no output")


def _check_stated(node: Node) -> None:
    """What the rules after this one rely on: a type for each result, and a scope that can be printed."""
    results = 1 + len(node.op.extra_results)
    if len(node.types) != results:
        raise VerifyError(f"{node.place}: {node.op.mnemonic} has {results} result(s), {len(node.types)} type(s) stated")
    if node.scope and not NAME.fullmatch(node.scope):
        raise VerifyError(f"{node.place}: '{node.scope}' is no module path: letters, digits, _ . - expected")


def _check_names(graph: Graph) -> None:
    seen: set[str] = set()
    for value in (*graph.inputs, *(name for node in graph.nodes for name in node.results)):
        if not NAME.fullmatch(value):
            raise VerifyError(f"'{value}' is no value name: letters, digits, _ . - expected")
        if value in seen:
            raise VerifyError(f"value '%{value}' is defined twice")
        seen.add(value)


def _check_weights(graph: Graph) -> None:
    for node in graph.nodes:
        for slot, name in node.weights.items():
            if name not in graph.weights:
                raise VerifyError(f"{node.place}: weight '{name}' of slot {slot} is not in the graph")
    used = {name for node in graph.nodes for name in node.weights.values()}
    for name in graph.weights:
        if not NAME.fullmatch(name):
            raise VerifyError(f"'{name}' is no weight name: letters, digits, _ . - expected")
    for name, weight in graph.weights.items():
        if name not in used:
            raise VerifyError(f"weight '{name}' is used by no node")
        if weight.array.dtype.kind not in "fiu" or weight.array.size == 0:
            raise VerifyError(f"weight '{name}' holds {weight.array.size} of {weight.array.dtype}; numbers expected")
        if weight.array.dtype.kind == "f" and not np.isfinite(weight.array).all():
            bad = int((~np.isfinite(weight.array)).sum())
            raise VerifyError(f"weight '{name}' holds {bad} NaN or infinite value(s) of {weight.array.size}")


def _check_types(graph: Graph) -> None:
    for value, kind in graph.types.items():
        if 0 in kind.shape:
            raise VerifyError(f"value '%{value}' of shape {list(kind.shape)} has no element")
    known = set(graph.inputs)
    for node in graph.nodes:
        for value in node.inputs:
            # A Delay may stand before its operand, with the type that it declares.
            if value not in known and not (isinstance(node.op, Delay) and value in graph.types):
                raise VerifyError(f"{node.place}: operand '%{value}' is not defined before it")
        _check_node(graph, node, {value: graph.types[value] for value in node.inputs})
        known.update(node.results)


def _check_node(graph: Graph, node: Node, types: Mapping[str, TensorType]) -> None:
    inferred = infer_types(node, types, graph.weights)
    if inferred != node.types:
        stated, found = "; ".join(map(str, node.types)), "; ".join(map(str, inferred))
        raise VerifyError(f"{node.place}: the type stated is {stated}, its operands give {found}")


def _check_cycles(graph: Graph) -> None:
    for node in graph.nodes_of(Delay):
        steps = np.asarray(graph.weights[node.weights["steps"]].values, dtype=np.float64)
        if (steps < 0).any() or (steps != np.floor(steps)).any():
            raise VerifyError(f"{node.place}: a Delay's steps must be whole and at least 0, found {steps.tolist()}")
    edges: nx.DiGraph[str] = nx.DiGraph()
    for node in graph.nodes:
        for value in node.inputs:
            if value in graph.producers:
                edges.add_edge(graph.producers[value].name, node.name)
    for component in nx.strongly_connected_components(edges):
        delays = [graph.node(name) for name in component if isinstance(graph.node(name).op, Delay)]
        cyclic = len(component) > 1 or edges.has_edge(*(next(iter(component)),) * 2)
        for node in delays if cyclic else ():
            if np.asarray(graph.weights[node.weights["steps"]].values, dtype=np.float64).min() < 1:
                raise VerifyError(f"{node.place}: a Delay inside a cycle must be at least 1 step")
