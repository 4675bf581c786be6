"""Published firing rates from a file: one an operand of a node, found by the node's name or its scope."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from spikec.cost import Rates
from spikec.errors import DataError, UnknownName, why_unread
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import Neuron, Threshold
from spikec.ir.op import Op

SYNAPTIC = (Conv1d, Conv2d, Linear, MatMul, Mul)
Given = Mapping[tuple[str, int | None], float]


class RatesFile(NamedTuple):
    """What a file of rates holds for a graph.

    Args:
        rates: by node and operand.
        unused: names in the file whose rate feeds no operand that multiplies, in its order.
    """

    rates: Rates
    unused: tuple[str, ...]


def read_rates(path: Path, graph: Graph, steps: int) -> RatesFile:
    """The rates of the file for the operands of every node that multiplies.

    JSON: an object from a node's name or scope to a rate, or to a list of rates by operand. CSV: columns `scope`,
    `rate` and optionally `operand` (from 0). A rate of a neuron is that of every operand it feeds, where the
    operand has none of its own.

    Raises:
        DataError: the file cannot be read, a rate is no number or is given twice, or a scope says several nodes.
        UnknownName: a name that is no node of the graph; the nearest are shown.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(why_unread(error), where=str(path), expected="rates as JSON or CSV") from error
    given = _csv(text, path) if path.suffix == ".csv" else _json(text, path)
    named = _by_name(graph)
    nodes = {name: _only(named, name, path) for name, _ in given}
    by_node = {(nodes[name].name, operand): rate for (name, operand), rate in given.items()}
    rates: dict[tuple[str, int], float] = {}
    used: set[tuple[str, int | None]] = set()
    for node in graph.nodes_of(*SYNAPTIC):
        for operand, value in enumerate(node.inputs):
            key = _key(by_node, graph, node, operand, value)
            if key is not None:
                rates[node.name, operand] = by_node[key]
                used.add(key)
    unused = (name for name, operand in given if (nodes[name].name, operand) not in used)
    return RatesFile(Rates(rates, steps), tuple(dict.fromkeys(unused)))


def _key(given: Given, graph: Graph, node: Node, operand: int, value: str) -> tuple[str, int | None] | None:
    """Under which key the rate of an operand was given: its own, its node's, or that of the neuron that feeds it."""
    for key in ((node.name, operand), (node.name, None)):
        if key in given:
            return key
    producer = graph.producers.get(value)
    while (
        producer is not None and len(producer.inputs) == 1 and producer.op.mnemonic in ("reshape", "transpose", "scale")
    ):
        producer = graph.producers.get(producer.inputs[0])
    return (producer.name, None) if producer is not None and (producer.name, None) in given else None


def _by_name(graph: Graph) -> dict[str, list[Node]]:
    """The nodes of each scope, and each node by its name; within a scope, those that multiply or fire go before."""
    found: dict[str, list[Node]] = {}
    for kinds in (SYNAPTIC, (Neuron, Threshold), (Op,)):
        scopes: dict[str, list[Node]] = {}
        for node in graph.nodes_of(*kinds):
            scopes.setdefault(node.scope, []).append(node)
        found = {**scopes, **found}
    return {**found, **{node.name: [node] for node in graph.nodes}}


def _only(nodes: Mapping[str, list[Node]], name: str, path: Path) -> Node:
    if not name or name not in nodes:
        raise UnknownName(name, "node or scope", filter(None, nodes))
    if len(nodes[name]) > 1:
        names = ", ".join(node.name for node in nodes[name])
        raise DataError(f"'{name}' says several nodes", where=str(path), expected=f"the name of one: {names}")
    return nodes[name][0]


def _json(text: str, path: Path) -> dict[tuple[str, int | None], float]:
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"no JSON: {error}", where=str(path), expected='such as {"stem.conv1": 0.25}') from error
    if not isinstance(plain, dict):
        raise DataError(f"a {type(plain).__name__}", where=str(path), expected="an object from scope to rate")
    given: dict[tuple[str, int | None], float] = {}
    for name, value in plain.items():
        if isinstance(value, list):
            given.update({(name, i): _number(rate, name, path) for i, rate in enumerate(value)})
        else:
            given[name, None] = _number(value, name, path)
    return given


def _csv(text: str, path: Path) -> dict[tuple[str, int | None], float]:
    rows = csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#"))
    if rows.fieldnames is None or not {"scope", "rate"} <= set(rows.fieldnames):
        raise DataError(f"columns {rows.fieldnames}", where=str(path), expected="scope, rate and optionally operand")
    given: dict[tuple[str, int | None], float] = {}
    for row in rows:
        operand = (row.get("operand") or "").strip()
        if operand and not operand.isdecimal():
            raise DataError(
                f"operand '{operand}'", where=f"{path}, line {rows.line_num}", expected="0, 1, ... or nothing"
            )
        scope = row["scope"] or ""
        key = (scope, int(operand) if operand else None)
        if key in given:
            raise DataError(f"a second rate of '{scope}'", where=f"{path}, line {rows.line_num}", expected="one")
        given[key] = _number(row["rate"], scope, path)
    return given


def _number(value: object, name: str, path: Path) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        return float(value)
    except ValueError as error:
        raise DataError(f"rate {value!r}", where=f"{path}, {name}", expected="a number") from error
