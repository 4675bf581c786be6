"""Published firing rates from a file: one an operand of a node, found by the node's name or its scope."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spikec.cost import Rates
from spikec.errors import DataError, UnknownName, why_unread
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import Neuron, Threshold
from spikec.ir.op import Op

MOST_DIGITS = 10
SYNAPTIC = (Conv1d, Conv2d, Linear, MatMul, Mul)
Given = Mapping[tuple[str, int | None], float]


class RatesFile(NamedTuple):
    """What a file of rates holds for a graph.

    Args:
        rates: by node and operand.
        sources: the names in the file that say a rate of an operand; the first is the one that holds.
        names: all of the file, in its order.
    """

    rates: Rates
    sources: Mapping[tuple[str, int], Sequence[str]]
    names: Sequence[str]

    def overridden(self, asked: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """The names whose rate would feed an operand that is asked for, which has one of its own; none other."""
        asked = list(asked)
        used = {self.sources[ref][0] for ref in asked if ref in self.sources}
        beside = {name for ref in asked for name in self.sources.get(ref, ())[1:]}
        return tuple(name for name in self.names if name in beside - used)

    def unused(self, asked: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """The names whose rate feeds no operand that is asked for."""
        feeding = {name for ref in asked for name in self.sources.get(ref, ())}
        return tuple(name for name in self.names if name not in feeding)


def read_rates(path: Path, graph: Graph, steps: int) -> RatesFile:
    """The rates of the file for the operands of every node that multiplies.

    JSON: an object from a node's name or scope to a rate, or to a list of rates by operand. CSV: columns `scope`,
    `rate` and optionally `operand` (from 0). A name may have the % of the table before it. A rate of a neuron is that
    of every operand it feeds, where the operand has none of its own.

    Raises:
        DataError: the file cannot be read, a rate is no number of at least 0 or is given twice, a scope says several
            nodes, or a node has no such operand.
        UnknownName: a name that is no node of the graph; the nearest are shown.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(why_unread(error), where=str(path), expected="rates as JSON or CSV") from error
    given = _csv(text, path) if path.suffix.lower() == ".csv" else _json(text, path)
    by_node = _resolved(given, _by_name(graph), path)
    rates: dict[tuple[str, int], float] = {}
    sources: dict[tuple[str, int], Sequence[str]] = {}
    for node in graph.nodes_of(*SYNAPTIC):
        for operand, value in enumerate(node.inputs):
            keys = [key for key in _keys(graph, node, operand, value) if key in by_node]
            if keys:
                rates[node.name, operand] = by_node[keys[0]].rate
                sources[node.name, operand] = [by_node[key].name for key in keys]
    return RatesFile(Rates(rates, steps), sources, tuple(dict.fromkeys(name for name, _ in given)))


class _Said(NamedTuple):
    """A rate, and under which name of the file it stands."""

    name: str
    rate: float


def _resolved(given: Given, named: Mapping[str, list[Node]], path: Path) -> dict[tuple[str, int | None], _Said]:
    """The rates by the nodes that their names say; a node named in two ways has two."""
    found: dict[tuple[str, int | None], _Said] = {}
    for (name, operand), rate in given.items():
        node = _only(named, name, path)
        if operand is not None and operand >= len(node.inputs):
            expected = f"operands 0 to {len(node.inputs) - 1}, as {node.op.mnemonic} has" if node.inputs else "none"
            raise DataError(f"a rate of operand {operand}", where=f"{path}, {name}", expected=expected)
        key = (node.name, operand)
        if key in found:
            raise DataError(f"a second rate of '{name}'", where=str(path), expected=f"one; '{found[key].name}' is it")
        found[key] = _Said(name, rate)
    return found


def _keys(graph: Graph, node: Node, operand: int, value: str) -> list[tuple[str, int | None]]:
    """Where the rate of an operand is looked for, in order: its own, its node's, that of the neuron that feeds it."""
    producer = graph.producers.get(value)
    while (
        producer is not None and len(producer.inputs) == 1 and producer.op.mnemonic in ("reshape", "transpose", "scale")
    ):
        producer = graph.producers.get(producer.inputs[0])
    own: list[tuple[str, int | None]] = [(node.name, operand), (node.name, None)]
    return own if producer is None else [*own, (producer.name, None)]


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
    name = name if name in nodes else name.removeprefix("%")
    if not name or name not in nodes:
        raise UnknownName(name, "node or scope", filter(None, nodes), where=str(path))
    if len(nodes[name]) > 1:
        names = ", ".join(node.name for node in nodes[name])
        raise DataError(f"'{name}' says several nodes", where=str(path), expected=f"the name of one: {names}")
    return nodes[name][0]


def _json(text: str, path: Path) -> dict[tuple[str, int | None], float]:
    try:
        plain = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except (ValueError, RecursionError) as error:  # of numbers too long, and of lists too deep
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


def _once(pairs: Sequence[tuple[str, object]], path: Path) -> dict[str, object]:
    """A JSON object whose keys differ; the standard's reader lets the last of two alike win."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise DataError(f"a second rate of '{name}'", where=str(path), expected="one")
        found[name] = value
    return found


def _csv(text: str, path: Path) -> dict[tuple[str, int | None], float]:
    try:
        return _rows(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")), path)
    except csv.Error as error:
        raise DataError(f"no CSV: {error}", where=str(path), expected="scope, rate and optionally operand") from error


def _rows(rows: csv.DictReader[str], path: Path) -> dict[tuple[str, int | None], float]:
    if rows.fieldnames is None or not {"scope", "rate"} <= set(rows.fieldnames):
        raise DataError(f"columns {rows.fieldnames}", where=str(path), expected="scope, rate and optionally operand")
    given: dict[tuple[str, int | None], float] = {}
    for row in rows:
        operand = (row.get("operand") or "").strip()
        if operand and not (operand.isdecimal() and len(operand) < MOST_DIGITS):
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
        rate = float(value)
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError
    except (ValueError, OverflowError) as error:
        expected = "a number of at least 0: a share, or a mean"
        raise DataError(f"a rate of {str(value)[:40]}", where=f"{path}, {name}", expected=expected) from error
    return rate
