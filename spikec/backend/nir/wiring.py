"""Which NIR nodes a graph's values become, and which Adds are nothing but several edges into one node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spikec.ir.arithmetic import Add
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Int, Timing


@dataclass(frozen=True)
class Wiring:
    """Where every value that the target carries comes from.

    Args:
        feeds: the values that enter, each with the graph input that it holds.
        nodes: value to the NIR node that gives it; a membrane to its `SpikecResult`.
        melted: value of an Add that is only edges, to the NIR nodes that these come from.
    """

    feeds: Mapping[str, str]
    nodes: Mapping[str, str]
    melted: Mapping[str, tuple[str, ...]]

    def sources(self, value: str) -> tuple[str, ...]:
        """The NIR nodes whose sum `value` is."""
        return self.melted.get(value) or (self.nodes[value],)

    def free_name(self, name: str) -> str:
        """A NIR name like `name` that no node has."""
        return _free(name, {_plain(taken) for taken in self.nodes.values()})


def wire(graph: Graph, host: frozenset[str]) -> Wiring:
    """Names for all nodes, and the Adds that melt into edges."""
    feeds = _feeds(graph, host)
    taken: set[str] = set()
    names: dict[str, str] = {}
    melted: dict[str, tuple[str, ...]] = {}
    for value, name in feeds.items():
        names[value] = _claim(name, taken)
    for node in graph.nodes:
        if node.name in host:
            continue
        sources = _sum(graph, host, node, names, melted)
        if sources is not None:
            melted[node.name] = sources
            continue
        names[node.name] = _claim(node.name, taken)
        for value in list(node.results)[1:]:
            if graph.users(value) or value in graph.outputs:
                names[value] = _claim(value, taken)
    return Wiring(feeds, names, melted)


def _feeds(graph: Graph, host: frozenset[str]) -> dict[str, str]:
    """The values that enter the network: an input per step, or an input that the caller repeats."""
    feeds = {name: name for name, kind in graph.inputs.items() if kind.timing is Timing.STEP and graph.users(name)}
    feeds |= {name: name for name in graph.outputs if name in graph.inputs}
    repeats = [node for node in graph.nodes if node.name in host and node.op.mnemonic == "repeat"]
    return feeds | {node.name: node.inputs[0] for node in repeats if graph.users(node.name)}


def _sum(
    graph: Graph,
    host: frozenset[str],
    node: Node,
    names: Mapping[str, str],
    melted: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...] | None:
    """The NIR nodes that an Add sums where its users' edges say it all; None where it needs a node of its own.

    Not before an Output, of which nirtorch returns every edge by itself; not where one node would be summed twice,
    since NIR refuses double edges; not where Real terms would be added in another order; and only one Add of each
    set of terms, so that the reader can tell which one it was.
    """
    if not isinstance(node.op, Add):
        return None
    users = graph.users(node.name)
    inside = bool(users) and node.name not in graph.outputs and not any(user.name in host for user in users)
    if not inside or any(value not in names and value not in melted for value in node.inputs):
        return None
    terms = tuple(term for value in node.inputs for term in melted.get(value) or (names[value],))
    exact = isinstance(node.type.domain, Int) or not any(value in melted for value in node.inputs)
    known = {frozenset(other) for other in melted.values()}
    return terms if exact and len(set(terms)) == len(terms) and frozenset(terms) not in known else None


def _claim(name: str, taken: set[str]) -> str:
    free = _free(name, taken)
    taken.add(_plain(free))
    return free


def _free(name: str, taken: Iterable[str]) -> str:
    """NIR names hold letters, digits, _ and . only."""
    stem = free = re.sub(r"[^A-Za-z0-9_.]", "_", name)
    number = 1
    while _plain(free) in taken:
        free, number = f"{stem}_{number}", number + 1
    return free


def _plain(name: str) -> str:
    """What nirtorch makes of a name: two names that only differ here would be one module."""
    return name.replace(".", "_")
