"""A graph in DOT, Graphviz's language: a box a node, a cluster a block, colours by what a value can be."""

from __future__ import annotations

from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import Neuron
from spikec.ir.types import SPIKE, Int, TensorType, Timing

SPIKES, INTEGERS, REALS = "#009E73", "#0072B2", "#666666"
"""Okabe and Ito's colours, as in the plots: spikes, small integers, real numbers."""
FILLED = "#E2F3EE"
"""Of a neuron layer."""


def dot(graph: Graph) -> str:
    """The graph as DOT text: `dot -Tsvg` draws it, from top to bottom.

    A node says its op, its module path and the type of its result; neuron layers are filled. An edge has the colour
    of its value: spikes green, integers blue, real numbers grey; what is computed once an inference is dashed.
    """
    lines = ["digraph {", '  node [shape=box, fontname="sans-serif", fontsize=10];']
    lines += [
        f"  {_id(name)} [shape=ellipse, label={_quoted(name, str(kind))}];" for name, kind in graph.inputs.items()
    ]
    clusters: dict[str, list[Node]] = {}
    for node in graph.nodes:
        clusters.setdefault(cluster_of(node.scope), []).append(node)
    for number, (name, nodes) in enumerate(clusters.items()):
        lines += _cluster(number, name, nodes)
    producers = {value: node.name for value, node in graph.producers.items()}
    for node in graph.nodes:
        for value in node.inputs:
            lines.append(f"  {_id(producers.get(value, value))} -> {_id(node.name)} [{_style(graph.types[value])}];")
    for place, value in enumerate(graph.outputs):
        end = _id(f"output {place}")
        lines.append(f"  {end} [shape=ellipse, label={_quoted('output', str(graph.types[value]))}];")
        lines.append(f"  {_id(producers.get(value, value))} -> {end} [{_style(graph.types[value])}];")
    return "\n".join([*lines, "}"]) + "\n"


def cluster_of(scope: str) -> str:
    """What is drawn as one cluster of a module path: `stem` of `stem.conv0`, `blocks.0` of `blocks.0.mlp.fc1`."""
    parts = scope.split(".")
    return ".".join(parts[: 2 if len(parts) > 1 and parts[1].isdecimal() else 1])


def _cluster(number: int, name: str, nodes: list[Node]) -> list[str]:
    own = [f"  {_id(node.name)} [{_label(node)}];" for node in nodes]
    if not name:
        return own
    return [f"  subgraph cluster_{number} {{", f"    label={_quoted(name)};", *(f"  {line}" for line in own), "  }"]


def _label(node: Node) -> str:
    fields = ", ".join(f"{key}={value}" for key, value in node.op.attributes().items())
    lines = [node.op.mnemonic, node.scope, str(node.type), *([fields] if fields else [])]
    filled = f', style=filled, fillcolor="{FILLED}"' if isinstance(node.op, Neuron) else ""
    return f"label={_quoted(*(line for line in lines if line))}{filled}"


def colour_of(kind: TensorType) -> str:
    """The colour of an edge, by what its value can be."""
    return SPIKES if kind.domain == SPIKE else INTEGERS if isinstance(kind.domain, Int) else REALS


def _style(kind: TensorType) -> str:
    dashed = ", style=dashed" if kind.timing is Timing.ONCE else ""
    return f'color="{colour_of(kind)}"{dashed}'


def _id(name: str) -> str:
    return _quoted(name)


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
