"""The caller's protocol: what targets without a time axis leave to whoever calls the network.

A Repeat at an input and a TimeMean, TimeSum or TimeLast at an output are peeled: they stay in the graph as
nodes of the host, and the target carries what lies between. What is computed from Constants alone is once as well, and
not the caller's: a target may have a form for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikec.errors import Offender, UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Timing

REDUCTIONS = (TimeMean, TimeSum, TimeLast)


@dataclass(frozen=True)
class Peeled:
    """A graph whose every node is the host's, per step, or made of Constants alone.

    Args:
        graph: the one given.
        host: the names of the nodes that the caller computes.
    """

    graph: Graph
    host: frozenset[str]


def peel(graph: Graph, target: str) -> Peeled:
    """Marks the caller's protocol; the graph stays as it is.

    Raises:
        UnsupportedOp: nothing is per step; or a node inside gives one value for the inference, or turns one into a
            value per step, and is not made of Constants alone.
    """
    if graph.nodes and not graph.timed:
        raise _timeless(graph, target)
    host = frozenset(node.name for node in graph.nodes if _is_host(graph, node))
    fixed = _fixed(graph)
    inside = [node for node in graph.nodes if node.name not in host and node.name not in fixed]
    offenders = [
        Offender(
            node.op.mnemonic,
            graph.path_of(node),
            "is computed once for the inference, inside the network",
        )
        for node in inside
        if node.type.timing is Timing.ONCE or isinstance(node.op, Repeat)
    ]
    offenders += [
        Offender("input", value, "leaves the network as it enters, once for the inference")
        for value in graph.outputs
        if value in graph.inputs and graph.inputs[value].timing is Timing.ONCE
    ]
    if offenders:
        mend = (
            "keep Repeat right behind an input, and TimeMean, TimeSum or TimeLast right before an output (repeat-first "
            "and time-reductions-last bring them there; a mean past affine ops, a sum past linear ones without a bias)"
        )
        raise UnsupportedOp(target, offenders, mend=mend, nodes=len(graph.nodes))
    return Peeled(graph, host)


def _timeless(graph: Graph, target: str) -> UnsupportedOp:
    """The refusal of a network of which nothing is per step, said once and not of every node."""
    every = Offender("every node", "", "is computed once for the inference: the network has no time")
    mend = (
        "a target runs a network step by step; of a loop over time that a file holds unrolled, as an .onnx may, export "
        "one step with its states as inputs and outputs (docs/from-onnx.md), then spikec trace step.onnx --steps T -o "
        "step.pt"
    )
    return UnsupportedOp(target, [every] * len(graph.nodes), mend=mend, nodes=len(graph.nodes))


def _is_host(graph: Graph, node: Node) -> bool:
    if isinstance(node.op, Repeat):
        return node.inputs[0] in graph.inputs and node.name not in graph.outputs
    return isinstance(node.op, REDUCTIONS) and not graph.users(node.name) and node.name in graph.outputs


def _fixed(graph: Graph) -> set[str]:
    """The nodes that are computed from Constants alone and once, and the Repeats of such."""
    fixed: set[str] = set()
    for node in graph.nodes:
        once = node.type.timing is Timing.ONCE or isinstance(node.op, Repeat)
        if once and fixed.issuperset(node.inputs):
            fixed.add(node.name)
    return fixed
