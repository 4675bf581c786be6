"""Node and Graph: inputs, nodes in topological order, outputs and named weights."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from spikec.errors import GraphError, VerifyError
from spikec.ir.op import Op, WeightTypes, check_operands
from spikec.ir.types import Role, TensorType, Timing, Weight


@dataclass(frozen=True)
class Node:
    """One op applied to values.

    `name` is also the name of its first result; every further result is called `name.suffix`, the suffix being
    the op's (`%q.v`, a LIF's membrane). `inputs` are value names, `weights` maps the op's slots to weight names.
    `scope` is the module path that the node came from.
    """

    name: str
    op: Op
    inputs: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    types: tuple[TensorType, ...] = ()
    scope: str = ""

    @cached_property
    def results(self) -> Mapping[str, TensorType]:
        """Every result's name and type, the first one first."""
        names = (self.name, *(f"{self.name}.{suffix}" for suffix in self.op.extra_results))
        return dict(zip(names, self.types, strict=True))

    @property
    def type(self) -> TensorType:
        """The type of the first result."""
        return self.types[0]

    @property
    def place(self) -> str:
        """Name and module path, as errors print them."""
        return f"%{self.name} (@{self.scope})" if self.scope else f"%{self.name}"


@dataclass(frozen=True)
class Graph:
    """A network as data. Values are named; weights are held apart by name; T (`steps`) is only a default.

    The graph is immutable: passes build another one (see `spikec.ir.edit`).
    """

    inputs: Mapping[str, TensorType]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Weight]
    steps: int = 1

    @cached_property
    def types(self) -> Mapping[str, TensorType]:
        """The type of every value."""
        found = dict(self.inputs)
        for node in self.nodes:
            found.update(node.results)
        return found

    @cached_property
    def timed(self) -> bool:
        """Whether any value is per step; where none is, T says nothing."""
        return any(kind.timing is Timing.STEP for kind in self.types.values())

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node that makes each value; inputs have none."""
        return {value: node for node in self.nodes for value in node.results}

    @cached_property
    def _users(self) -> Mapping[str, tuple[Node, ...]]:
        users: dict[str, list[Node]] = {value: [] for value in self.types}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                users[value].append(node)
        return {value: tuple(nodes) for value, nodes in users.items()}

    def users(self, value: str) -> tuple[Node, ...]:
        """The nodes that take `value`, each once, in order."""
        return self._users[value]

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            GraphError: there is none.
        """
        found = self.producers.get(name)
        if found is None or found.name != name:
            raise GraphError(f"the graph has no node '{name}'")
        return found

    @cached_property
    def _scopes(self) -> Counter[str]:
        return Counter(node.scope for node in self.nodes)

    def path_of(self, node: Node) -> str:
        """The module path that tells a node from all others: its scope, with `%name` where several nodes share it.

        `%name` alone where it begins with the scope; the name where there is no scope.
        """
        if not node.scope:
            return node.name
        if self._scopes[node.scope] == 1:
            return node.scope
        return f"%{node.name}" if node.name.startswith(f"{node.scope}.") else f"{node.scope} %{node.name}"

    def nodes_of(self, *ops: type[Op]) -> Iterator[Node]:
        """The nodes whose op is one of `ops`, in order."""
        return (node for node in self.nodes if isinstance(node.op, ops))

    def weight_types(self, node: Node) -> WeightTypes:
        """Shape and format of a node's weights by slot."""
        return weight_types(node, self.weights)

    @cached_property
    def parameters(self) -> int:
        """Elements of all weights of role parameter, each counted once however often it is used."""
        return sum(w.array.size for w in self.weights.values() if w.role is Role.PARAMETER)

    def __deepcopy__(self, memo: object) -> Graph:
        """The same graph, which nothing can change: modules that hold one are copied with it."""
        return self

    def text(self) -> str:
        """The graph as text, which `spikec.ir.text.parse` reads back."""
        from spikec.ir.text import print_graph  # the printer imports this file

        return print_graph(self)

    @cached_property
    def sha256(self) -> str:
        """Hash of the text without its default steps, and of every weight: name, role, format, shape, bytes."""
        text = replace(self, steps=1).text()
        digest = hashlib.sha256(text.encode())
        for name, weight in sorted(self.weights.items()):
            head = f"\0{name}\0{weight.role.value}\0{weight.format}\0{weight.array.dtype.str}\0{weight.array.shape}\0"
            digest.update(head.encode())
            digest.update(weight.array.tobytes())
        return digest.hexdigest()

    def verify(self) -> None:
        """Checks every rule that a graph must keep.

        Raises:
            VerifyError: names the node, its module path and the rule that is broken.
        """
        from spikec.ir.verify import verify  # the rules import this file

        verify(self)


def infer_types(node: Node, types: Mapping[str, TensorType], weights: Mapping[str, Weight]) -> tuple[TensorType, ...]:
    """The types that the node's op gives for its operands.

    Raises:
        VerifyError: names the node and its module path; operands or weights are unknown or do not fit the op.
    """
    values = [f"%{value}" for value in node.inputs if value not in types]
    missing = [name for name in node.weights.values() if name not in weights]
    if values or missing:
        raise VerifyError(f"{node.place}: operands {values} or weights {missing} are not defined before it")
    inputs = [types[value] for value in node.inputs]
    try:
        found = weight_types(node, weights)
        check_operands(node.op, inputs, found)
        if any(0 in x.shape for x in inputs):
            raise VerifyError(f"{node.op.mnemonic}: an operand without elements: {'; '.join(map(str, inputs))}")
        return node.op.infer(inputs, found)
    except (VerifyError, ValueError) as error:  # ValueError: a domain whose scale leaves floating point's range
        raise VerifyError(f"{node.place}: {error}") from error


def weight_types(node: Node, weights: Mapping[str, Weight]) -> WeightTypes:
    """Shape and format of a node's weights by slot."""
    return {slot: weights[name].type for slot, name in node.weights.items()}
