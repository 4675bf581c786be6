"""remove-dead: what reaches no output is not computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.edit import assemble
from spikec.ir.graph import Graph


@dataclass(frozen=True)
class RemoveDead:
    """Drops the nodes whose results reach no output, and the weights that only they used.

    Keeps: function, bit for bit; the graph's inputs, also one that nothing takes: data come by their names.
    Changes: counts (a dead node costs nothing).
    Leaves alone: a node of which any result is used, if only the membrane.
    """

    name: ClassVar[str] = "remove-dead"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without dead nodes."""
        alive: set[str] = set()
        waiting = list(graph.outputs)
        while waiting:
            node = graph.producers.get(waiting.pop())
            if node is not None and node.name not in alive:
                alive.add(node.name)
                waiting.extend(node.inputs)
        if len(alive) == len(graph.nodes):
            return graph
        nodes = [node for node in graph.nodes if node.name in alive]
        return assemble(graph.inputs, nodes, graph.outputs, graph.weights, graph.steps)
