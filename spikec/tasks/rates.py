"""Published firing rates from a file: one an operand of a node, found by the node's name or its scope."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from spikec.cost import Rates
from spikec.errors import DataError, UnknownName
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear

SYNAPTIC = (Conv1d, Conv2d, Linear, MatMul, Mul)
Given = Mapping[tuple[str, int | None], float]


def read_rates(path: Path, graph: Graph, steps: int) -> Rates:
    """The rates of the file for the operands of every node that multiplies.

    JSON: an object from a node's name or scope to a rate, or to a list of rates by operand. CSV: columns `scope`,
    `rate` and optionally `operand` (from 0). A rate of a neuron is that of every operand it feeds, where the
    operand has none of its own.

    Raises:
        DataError: the file cannot be read, or a rate is no number.
        UnknownName: a name that is no node of the graph; the nearest are shown.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), expected="rates as JSON or CSV") from error
    given = _csv(text, path) if path.suffix == ".csv" else _json(text, path)
    nodes = _by_name(graph)
    for name, _ in given:
        if name not in nodes:
            raise UnknownName(name, "node or scope", nodes)
    by_node = {(nodes[name].name, operand): rate for (name, operand), rate in given.items()}
    rates: dict[tuple[str, int], float] = {}
    for node in graph.nodes_of(*SYNAPTIC):
        for operand, value in enumerate(node.inputs):
            rate = _rate(by_node, graph, node, operand, value)
            if rate is not None:
                rates[node.name, operand] = rate
    return Rates(rates, steps)


def _rate(given: Given, graph: Graph, node: Node, operand: int, value: str) -> float | None:
    for key in ((node.name, operand), (node.name, None)):
        if key in given:
            return given[key]
    producer = graph.producers.get(value)
    while (
        producer is not None and len(producer.inputs) == 1 and producer.op.mnemonic in ("reshape", "transpose", "scale")
    ):
        producer = graph.producers.get(producer.inputs[0])
    return None if producer is None else given.get((producer.name, None))


def _by_name(graph: Graph) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in graph.nodes:
        if node.scope:
            found.setdefault(node.scope, node)
    found.update({node.name: node for node in graph.nodes})
    return found


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
        given[row["scope"], int(operand) if operand else None] = _number(row["rate"], row["scope"], path)
    return given


def _number(value: object, name: str, path: Path) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        return float(value)
    except ValueError as error:
        raise DataError(f"rate {value!r}", where=f"{path}, {name}", expected="a number") from error
