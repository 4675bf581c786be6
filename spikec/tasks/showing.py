"""show: a model's graph as it is or after passes, as text, DOT, SVG or JSON, with what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwmodels.dense import dense_macs
from passes.manager import entry_of, make
from passes.manager import run as run_passes
from spikec.errors import UnknownName
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import Neuron
from spikec.ir.types import IntFormat, Timing
from spikec.model import Model
from spikec.report.dot import dot
from spikec.report.svg import svg

SCHEMA_VERSION = 1
SYNAPTIC = (Conv1d, Conv2d, Linear, MatMul)


@dataclass(frozen=True)
class Summary:
    """What a graph is made of.

    Args:
        name: the model's.
        parameters: numbers that training sets; statistics and constants are none.
        neurons: spiking neurons, every element of every neuron layer.
        nodes: of the graph.
        steps: T that the network was made for.
        macs_step: dense multiply-accumulates a step of Conv, Linear and MatMul, without bias.
        macs_attention: those among them that multiply two activations (SSA).
        macs_once: multiply-accumulates that run once an inference, such as the head's.
        graph_sha256: of the graph's text and weights.
        passes: that changed the graph since it was traced, in order.
    """

    name: str
    parameters: int
    neurons: int
    nodes: int
    steps: int
    macs_step: int
    macs_attention: int
    macs_once: int
    graph_sha256: str
    passes: tuple[str, ...] = ()

    @property
    def macs_inference(self) -> int:
        """Dense multiply-accumulates of one inference of T steps."""
        return self.steps * self.macs_step + self.macs_once

    def lines(self) -> tuple[str, ...]:
        """The summary in words, a line each."""
        size = f"{self.parameters:,} parameters, {self.neurons:,} neurons, {self.nodes} nodes"
        return (
            f"{self.name}: {size}, T = {self.steps}",
            f"MACs a step: {self.macs_step:,}, of which {self.macs_attention:,} in products of activations (SSA)",
            f"MACs once an inference: {self.macs_once:,}",
            f"MACs an inference: {self.macs_inference:,}, dense, without bias",
            f"passes: {', '.join(self.passes) or 'none'}",
            f"graph sha256: {self.graph_sha256}",
        )


@dataclass(frozen=True, eq=False)
class Passed:
    """A model after passes.

    Args:
        model: with the graph that the passes made and their names among its provenance; without its architecture
            where they changed it.
        after: of each pass asked for, in order: as it was spelled, the graph after it, and whether it changed it.
    """

    model: Model
    after: tuple[tuple[str, Graph, bool], ...]


def passed(model: Model, names: Sequence[str]) -> Passed:
    """The model after these passes, one after the other.

    Args:
        model: any.
        names: as `passes.manager.entry_of` reads them, such as `fold-batchnorm` or `quantize:weight_bits=4`.

    Raises:
        UnknownName: no such pass; nothing was run.
        UsageError: parameters that it does not have; nothing was run.
        UnsupportedOp: a pass that cannot take the graph, such as quantize.
    """
    entries = [entry_of(name) for name in names]
    for entry in entries:
        make(entry)
    graph, applied, after = model.graph, list[str](), list[tuple[str, Graph, bool]]()
    for name, entry in zip(names, entries, strict=True):
        result = run_passes(graph, [entry])
        after.append((name, result.graph, result.graph is not graph))
        applied += map(str, result.applied)
        graph = result.graph
    if graph is not model.graph:
        earlier = {"passes": [], "passed_from": model.graph.sha256, **model.provenance}
        notes = {**earlier, "passes": [*earlier["passes"], *applied]}
        model = replace(model, graph=graph, architecture=None, provenance=notes)
    return Passed(model, tuple(after))


def summary_of(model: Model) -> Summary:
    """What the model's graph is made of."""
    graph = model.graph
    macs = [(node, dense_macs(graph, node)) for node in graph.nodes_of(*SYNAPTIC)]
    step = [(node, count) for node, count in macs if node.type.timing is Timing.STEP]
    return Summary(
        name=model.name,
        parameters=graph.parameters,
        neurons=sum(node.type.elements for node in graph.nodes_of(Neuron)),
        nodes=len(graph.nodes),
        steps=graph.steps,
        macs_step=sum(count for _, count in step),
        macs_attention=sum(count for node, count in step if isinstance(node.op, MatMul)),
        macs_once=sum(count for node, count in macs if node.type.timing is Timing.ONCE),
        graph_sha256=graph.sha256,
        passes=tuple(model.provenance.get("passes", ())),
    )


def as_text(model: Model, summary: Summary) -> str:
    """The graph's text, which `spikec.ir.text.parse` reads back, under the summary as comments."""
    return "".join(f"# {line}\n" for line in summary.lines()) + model.graph.text()


def as_dot(model: Model, summary: Summary) -> str:
    """The graph in Graphviz's language, under the summary as comments."""
    return "".join(f"// {line}\n" for line in summary.lines()) + dot(model.graph)


def as_svg(model: Model, summary: Summary) -> str:
    """The graph as a drawing, under the summary as a comment."""
    lines = "".join(f"  {line.replace('-', '- ')}\n" if "--" in line else f"  {line}\n" for line in summary.lines())
    return f"<!--\n{lines}-->\n{svg(model.graph)}"


def as_json(model: Model, summary: Summary) -> str:
    """Summary, values, nodes and weights (their shapes, not their numbers) as sorted JSON."""
    return json.dumps(plain(model, summary), indent=2, sort_keys=True, allow_nan=False) + "\n"


def plain(model: Model, summary: Summary) -> dict[str, Any]:  # Any: JSON
    """What `as_json` writes."""
    graph = model.graph
    return {
        "schema_version": SCHEMA_VERSION,
        "summary": {**vars(summary), "macs_inference": summary.macs_inference},
        "input": {**vars(model.input)},
        "class_names": list(model.class_names),
        "provenance": dict(model.provenance),
        "inputs": {name: str(kind) for name, kind in graph.inputs.items()},
        "nodes": [_node(graph, node) for node in graph.nodes],
        "outputs": list(graph.outputs),
        "weights": {
            name: {"shape": list(w.array.shape), "format": str(w.format), "role": w.role.value}
            for name, w in graph.weights.items()
        },
    }


def _node(graph: Graph, node: Node) -> Mapping[str, Any]:  # Any: JSON
    return {
        "name": node.name,
        "scope": node.scope,
        "op": node.op.mnemonic,
        "attributes": {
            key: str(value) if isinstance(value, IntFormat) else value for key, value in node.op.attributes().items()
        },
        "inputs": list(node.inputs),
        "weights": dict(node.weights),
        "results": {name: str(kind) for name, kind in node.results.items()},
        "macs": dense_macs(graph, node),
    }


FORMS: dict[str, Callable[[Model, Summary], str]] = {
    "text": as_text,
    "dot": as_dot,
    "svg": as_svg,
    "json": as_json,
}


def check_among(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Does nothing where every pass to print after is among those to run, as it is spelled there or by its name.

    Raises:
        UnknownName: one is not.
    """
    known = dict.fromkeys(spelling for name in names for spelling in (name, bare(name)))
    for name in wanted:
        if name not in known:
            raise UnknownName(name, "pass of --passes", known)


def bare(name: str) -> str:
    """A pass's name without its parameters."""
    return name.partition(":")[0]
