"""What a chip that takes spikes leaves to its host, and the nodes that it has no form for."""

from __future__ import annotations

from collections.abc import Iterator

from hwmodels.counting import NEURONS, PRODUCTS, WEIGHTED, Operand, is_left_out, operand_of, operand_of_node
from spikec.cost import Policy
from spikec.errors import Offender, UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm
from spikec.ir.pools import MaxPool, Mean, Pool, Sum
from spikec.ir.real import LayerNorm
from spikec.ir.types import Timing

INTEGRATORS = (LI, I)
MENDS = {
    MaxPool: "lower-maxpool",
    BatchNorm: "fold-batchnorm",
}
"""Passes that may remove what has no form."""


def host_values(graph: Graph) -> frozenset[str]:
    """The values that are computed before any neuron from constants and inputs that are no spikes.

    Spikes, or events that a frame sums up, are integers that change from step to step. What is real, or is there once
    for the inference, is an image: of direct coding, or the bias of input neurons.
    """
    found = {
        name for name, kind in graph.inputs.items() if operand_of(kind) is Operand.REAL or kind.timing is Timing.ONCE
    }
    for node in graph.nodes:
        neuron = type(node.op) in (*NEURONS, *INTEGRATORS)
        if not neuron and all(value in found for value in node.inputs):
            found.update(node.results)
    return frozenset(found)


def read_out(graph: Graph) -> frozenset[str]:
    """The values that go to outputs alone, past no neuron and no product: sums that the host reads and reduces."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        for value in node.results:
            users = graph.users(value)
            if (users or value in graph.outputs) and all(user.name in found and _is_readable(user) for user in users):
                found.update(node.results)
    return frozenset(found)


def _is_readable(node: Node) -> bool:
    return type(node.op) not in (*WEIGHTED, *PRODUCTS, *NEURONS, *INTEGRATORS)


def check_forms(graph: Graph, policy: Policy, chip: str, *, real_input: bool, products: bool) -> None:
    """Checks that a chip whose synapses take spikes has a form for every node.

    Args:
        graph: any whose ops are all counted.
        policy: how operations are counted.
        chip: its name.
        real_input: whether the host multiplies real inputs.
        products: whether the chip can multiply two activations.

    Raises:
        UnsupportedOp: lists every node that has none.
    """
    host, read = host_values(graph), read_out(graph)
    offenders: dict[Offender, str] = {}
    for node in graph.nodes:
        for reason, mend in _refusals(graph, node, policy, host, read, real_input=real_input, products=products):
            offenders[Offender(node.op.mnemonic, graph.path_of(node), reason)] = mend
    if offenders:
        mends = "; ".join(dict.fromkeys(mend for mend in offenders.values() if mend))
        raise UnsupportedOp(chip, offenders, mends, nodes=len(graph.nodes))


def _refusals(
    graph: Graph,
    node: Node,
    policy: Policy,
    host: frozenset[str],
    read: frozenset[str],
    *,
    real_input: bool,
    products: bool,
) -> Iterator[tuple[str, str]]:
    """Why a node has no form, and what to do about it; nothing where it has one."""
    kind = type(node.op)
    real = bool(node.inputs) and operand_of_node(graph, node) is Operand.REAL
    if node.name in host:
        if not real_input and kind in (*WEIGHTED, *PRODUCTS, LayerNorm):
            yield (
                "it multiplies an input that is no spikes, and this chip has no host for it",
                "an input of spikes or event frames",
            )
    elif kind in PRODUCTS and policy.attention != "skip":
        if real:
            yield "it multiplies two activations of which one is real", "--attention skip leaves it out"
        elif not products and policy.attention != "coincidence":
            yield "a product of two activations has no stored weight", "--attention coincidence costs it as neurons"
    elif kind in WEIGHTED and real:
        once = graph.types[node.inputs[0]].timing is Timing.ONCE
        yield "its operand is real: neither spikes nor a sum of them", _show("time-reductions-last") if once else ""
    elif kind is MaxPool:
        yield "synapses give sums, no maximum", _pass(kind, graph, node)
    elif node.name not in read and (kind in (BatchNorm, LayerNorm) or (real and issubclass(kind, (Pool, Sum, Mean)))):
        yield "no neuron has taken the sums that it works on", _pass(kind, graph, node)


def _pass(kind: type, graph: Graph, node: Node) -> str:
    spikes = operand_of(graph.types[node.inputs[0]]) is Operand.UNARY
    return _show(MENDS[kind]) if kind in MENDS and (spikes or kind is BatchNorm) else ""


def _show(name: str) -> str:
    return f"spikec show MODEL --passes {name} -o passed.pt"


def host_nodes(graph: Graph, policy: Policy) -> tuple[Node, ...]:
    """The nodes whose multiplications the host does."""
    host = host_values(graph)
    nodes = graph.nodes_of(*WEIGHTED, *PRODUCTS, LayerNorm)
    return tuple(node for node in nodes if node.name in host and not is_left_out(node, policy.attention))
