"""What of a graph has no form on cores: every node, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from hwmodels.mapping.paths import DRIVES, ROLES, SENDS, Path, path_behind
from spikec.errors import Offender, UnsupportedOp
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm
from spikec.ir.op import Op
from spikec.ir.pools import MaxPool
from spikec.ir.types import IntFormat

_PRODUCT = "a product of two activations has no stored weight"
WHY: dict[type[Op], str] = {
    MatMul: _PRODUCT,
    Mul: _PRODUCT,
    BatchNorm: "neither neuron nor synapse: --passes fold-batchnorm",
    MaxPool: "cores have no maximum: --passes lower-maxpool",
}
"""Why an op without a role is refused, where more can be said than that there is no rule."""


def check_wirable(graph: Graph, chip: str) -> None:
    """Checks that every node has a form on cores.

    Raises:
        UnsupportedOp: lists every node that has none.
    """
    # Paths are only known where every op has its role.
    found = list(_without_a_role(graph)) or [
        Offender(node.op.mnemonic, graph.path_of(node), reason) for node, reason in _refused(graph)
    ]
    if found:
        raise UnsupportedOp(chip, dict.fromkeys(found), nodes=len(graph.nodes))


def _without_a_role(graph: Graph) -> Iterator[Offender]:
    for node in graph.nodes:
        if type(node.op) not in ROLES:
            yield Offender(node.op.mnemonic, graph.path_of(node), WHY.get(type(node.op), "no rule is known for it"))


def _refused(graph: Graph) -> Iterator[tuple[Node, str]]:
    for node in graph.nodes:
        role = ROLES[type(node.op)]
        if role not in SENDS:
            continue
        path = path_behind(graph, node.inputs[0])
        if not path.ends:
            yield node, "only a cycle without neurons leads to it"
            continue
        yield from _misplaced(graph, path)
        yield from _of_neuron(graph, node, path) if role == "neuron" else _of_driver(graph, node, path)


def _misplaced(graph: Graph, path: Path) -> Iterator[tuple[Node, str]]:
    for node in path.crosses("ends"):
        yield node, "time ends within the network: --passes time-reductions-last"
    if any(end in graph.producers for end in path.ends):
        for node in path.crosses("scales"):
            yield node, "neither neuron nor synapse: --passes fold-scale"


def _of_neuron(graph: Graph, node: Node, path: Path) -> Iterator[tuple[Node, str]]:
    if len(path.ends) > 1:
        yield node, f"{len(path.ends)} values drive it: {', '.join(f'%{end}' for end in path.ends)}"
        return
    (end,) = path.ends
    if end in graph.producers and ROLES[type(graph.producers[end].op)] == "neuron":
        yield node, f"%{end} drives it without a weight"


def _of_driver(graph: Graph, node: Node, path: Path) -> Iterator[tuple[Node, str]]:
    for end in path.ends:
        if end in graph.producers and ROLES[type(graph.producers[end].op)] in DRIVES:
            yield graph.producers[end], f"its sums go to {node.place}, and no neuron takes them before"
    if "weight" in node.weights:
        found = graph.weights[node.weights["weight"]].format
        if not isinstance(found, IntFormat):
            yield node, f"its weights are {found}, which has no width: --passes quantize"
