"""What of a graph has no form on cores: every node, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from hwmodels.mapping.layers import Form
from hwmodels.mapping.paths import DRIVES, ROLES, SENDS, Path, path_behind
from spikec.errors import Offender, UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm
from spikec.ir.op import Op
from spikec.ir.pools import MaxPool
from spikec.ir.types import IntFormat

PRODUCT = "a product of two activations has no stored weight"
WHY: dict[type[Op], str] = {
    BatchNorm: "neither neuron nor synapse: --passes fold-batchnorm",
    MaxPool: "cores have no maximum: --passes lower-maxpool",
}
"""Why an op without a role is refused, where more can be said than that there is no rule."""


def check_wirable(graph: Graph, chip: str, form: Form) -> None:
    """Checks that every node has a form on cores.

    Raises:
        UnsupportedOp: lists every node that has none.
    """
    # Paths are only known where every op has its role.
    found = list(_without_a_form(graph, form)) or [
        Offender(node.op.mnemonic, graph.path_of(node), reason) for node, reason in _refused(graph, form)
    ]
    if found:
        raise UnsupportedOp(chip, dict.fromkeys(found), nodes=len(graph.nodes))


def _without_a_form(graph: Graph, form: Form) -> Iterator[Offender]:
    for node in graph.nodes:
        role = ROLES.get(type(node.op))
        if role is None:
            yield Offender(node.op.mnemonic, graph.path_of(node), WHY.get(type(node.op), "no rule is known for it"))
        elif role == "multiplies" and form.products == "refused":
            yield Offender(node.op.mnemonic, graph.path_of(node), PRODUCT)


def _refused(graph: Graph, form: Form) -> Iterator[tuple[Node, str]]:
    for node in graph.nodes:
        role = ROLES[type(node.op)]
        if role not in SENDS:
            continue
        paths = [operand_path(graph, node, value, form) for value in node.inputs]
        if not all(path.ends for path in paths):
            yield node, "only a cycle without neurons leads to it"
            continue
        for path in paths:
            yield from _misplaced(graph, path, form)
            yield from _of_neuron(graph, node, path) if role == "neuron" else _of_driver(graph, node, path, form)
        if role == "weighted":
            yield from _of_weight(graph, node, form)


def operand_path(graph: Graph, node: Node, value: str, form: Form) -> Path:
    """The path to an operand: before a weighted op across pools, where no numbers are sent."""
    across = ROLES[type(node.op)] == "weighted" and not form.graded
    return path_behind(graph, value, across_pools=across)


def _misplaced(graph: Graph, path: Path, form: Form) -> Iterator[tuple[Node, str]]:
    for node in path.crosses("ends"):
        yield node, "time ends within the network: --passes time-reductions-last"
    if form.products == "refused" and any(end in graph.producers for end in path.ends):
        for node in path.crosses("scales"):
            yield node, "neither neuron nor synapse: --passes fold-scale"


def _of_neuron(graph: Graph, node: Node, path: Path) -> Iterator[tuple[Node, str]]:
    if len(path.ends) > 1:
        yield node, f"{len(path.ends)} values drive it: {', '.join(f'%{end}' for end in path.ends)}"
        return
    (end,) = path.ends
    if end in graph.producers and ROLES[type(graph.producers[end].op)] == "neuron":
        yield node, f"%{end} drives it without a weight"


def _of_driver(graph: Graph, node: Node, path: Path, form: Form) -> Iterator[tuple[Node, str]]:
    if form.graded:
        return
    for end in path.ends:
        role = ROLES[type(graph.producers[end].op)] if end in graph.producers else None
        # Coincidence neurons fire, and what they count need not be formed in between.
        if role in DRIVES and not (role == "multiplies" and form.products == "coincidence"):
            yield graph.producers[end], f"its sums go to {node.place}, and no neuron takes them before"


def _of_weight(graph: Graph, node: Node, form: Form) -> Iterator[tuple[Node, str]]:
    found = graph.weights[node.weights["weight"]].format
    if form.weight_bits and not isinstance(found, IntFormat):
        yield node, f"its weights are {found}, which has no width: --passes quantize"
