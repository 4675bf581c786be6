"""The walk over a file's operations: known ones are computed, others taken, and what is neither is refused by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import onnx

from spikec.errors import GraphError, Offender, TraceError, UnsupportedOp
from spikec.frontend.axes import Dims, View
from spikec.frontend.onnx.call import Call, Refusal, check_call, clipped_reason
from spikec.frontend.onnx.computing import COMPUTED, OF_CONSTANTS, Layers
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.ends import Batching, Ends
from spikec.frontend.onnx.folding import FOLDS, NATIVE, Folder
from spikec.frontend.onnx.movement import filled
from spikec.frontend.onnx.naming import cleaned
from spikec.frontend.onnx.operators import OPERATORS, why_untaken
from spikec.frontend.onnx.source import Operation, Port, Source
from spikec.frontend.onnx.symbol import Clipped, Const, Data, Kind, Refused, Symbol
from spikec.frontend.onnx.tensor import type_name
from spikec.ir.builder import GraphBuilder
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Delay
from spikec.ir.types import REAL, SPIKE, Domain, Int, Role, TensorType, Timing

ELEMENTS: Mapping[int, tuple[Kind, Domain]] = {
    onnx.TensorProto.FLOAT: ("float", REAL),
    onnx.TensorProto.DOUBLE: ("float", REAL),
    onnx.TensorProto.BOOL: ("bool", SPIKE),
    onnx.TensorProto.UINT8: ("int", Int(0, 2**8 - 1)),
    onnx.TensorProto.INT8: ("int", Int(-(2**7), 2**7 - 1)),
    onnx.TensorProto.UINT16: ("int", Int(0, 2**16 - 1)),
    onnx.TensorProto.INT16: ("int", Int(-(2**15), 2**15 - 1)),
}
"""What an input may hold, by the element type of the file."""

OF_BATCH = re.compile(r"\b(?:batch|samples?)\b")
"""In a refusal: words for what the batch is."""

LISTED = 6
"""Names that a remark lists."""

MOST_TRIES = 4
"""How often a state's domain may turn out to be another than was assumed: at first real, then what came back."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A network as it was drawn.

    Args:
        graph: verified, without what reaches no output.
        outputs: of each output of the file, the graph's value as the file's axes, the batch among them.
        remarks: what was assumed.
    """

    graph: Graph
    outputs: Mapping[str, View]
    remarks: tuple[str, ...]


def drawn(source: Source, ends: Ends, batching: Batching, steps: int) -> Drawn:
    """The graph of a file.

    Args:
        source: the file.
        ends: which of its inputs and outputs are data, and which a state.
        batching: how samples lie in its inputs.
        steps: T, the graph's default.

    Raises:
        UnsupportedOp: operations that have no form, all of them.
        TraceError: an output depends on no input, or a state does not come back as it went in.
    """
    domains: dict[str, Domain] = {state.port.name: REAL for state in ends.states}
    for _ in range(MOST_TRIES):
        walk = _Walk(source, ends, batching, steps, domains)
        walk.run()
        values, found = walk.outputs(), walk.states()
        if all(kind.domain == domains[name] for name, kind in found.items()):
            return Drawn(walk.graph(values), values, tuple(walk.drawing.remarks))
        domains = {name: kind.domain for name, kind in found.items()}
    raise TraceError("its states grow from step to step", where=str(source.path), expected="states of one domain")


class _Walk:
    """One reading of the file's operations, in order."""

    def __init__(
        self, source: Source, ends: Ends, batching: Batching, steps: int, domains: Mapping[str, Domain]
    ) -> None:
        self.source, self.ends, self.batching, self.domains = source, ends, batching, domains
        timing = Timing.STEP if ends.states else Timing.ONCE
        self.drawing = Drawing(GraphBuilder(steps), batching.samples, timing, source.most)
        self.folder = Folder(source.most, source.spent)
        self.layers = Layers(self.folder)
        self.computed: dict[str, None] = {}  # layers of constants
        self.tensors: dict[str, Symbol] = dict(source.constants)
        self.offences: list[Offender] = []
        self.names: dict[str, str] = {}  # of the graph's inputs, by those of the file
        self.users = Counter(name for operation in source.operations for name in operation.inputs)
        self.users.update(source.outputs)
        self.user = {name: operation for operation in source.operations for name in operation.inputs}

    def run(self) -> None:
        """Takes every input and operation.

        Raises:
            UnsupportedOp: some have no form.
        """
        for port in self.ends.ports:
            self.tensors[port.name] = self.input(port)
        for operation in self.source.operations:
            self.drawing.scope = operation.scope
            self.tensors.update(zip(operation.outputs, self.results(operation), strict=True))
        for name in self.source.outputs:
            if isinstance(self.tensors[name], Clipped):
                self.offences.append(Offender("output", name, clipped_reason(self.tensors[name])))
        if self.offences:
            raise UnsupportedOp("spikec's IR", self.offences, self.mend(), nodes=len(self.source.operations))
        if self.computed:
            self.drawing.remark(OF_CONSTANTS.format(listed(self.computed)))

    def mend(self) -> str:
        """What to try where something runs over the batch: it may be another axis than was thought."""
        if not any(OF_BATCH.search(offence.reason) for offence in self.offences):
            return ""
        taken = " and ".join(f"axis {place} of '{name}'" for name, place in self.batching.places.items())
        other = "where it is another, leave that one open in the export (dynamic_axes, dynamic_shapes)"
        return f"{taken} was taken for the batch: {other}" if taken else ""

    def input(self, port: Port) -> Symbol:
        """The tensor of an input, which is declared."""
        if port.element not in ELEMENTS:
            self.offences.append(Offender("input", port.name, f"{type_name(port.element)} tensors are not taken"))
            return Refused()
        kind, domain = ELEMENTS[port.element]
        name = cleaned(port.name) or "input"
        while name in self.names.values():
            name += "_"
        self.names[port.name] = name
        shape, place = self.batching.sample(port), self.batching.places.get(port.name)
        declared = TensorType(shape, self.domains.get(port.name, domain), self.drawing.timing)
        value = self.drawing.builder.input(name, declared)
        axes: Dims = tuple((axis,) for axis in range(len(shape)))
        if place is not None:
            axes = (*axes[:place], () if self.drawing.batch is None else ("B",), *axes[place:])
        return Data(View(value, shape, axes, self.drawing.sizes), kind)

    def results(self, operation: Operation) -> Sequence[Symbol]:
        """What an operation gives. What is refused is noted, and what takes it says nothing more."""
        operands = tuple(self.tensors[name] if name else None for name in operation.inputs)
        wanted = tuple(bool(name) and self.users[name] > 0 for name in operation.outputs)
        followed = self.followed(operation)
        call = Call(operation.op, self.source.opset, operands, operation.attributes, wanted, followed)
        try:
            results = self.taken(call)
            if len(results) < len(wanted):
                raise Refusal(f"{len(wanted)} results; {len(results)} are known")
            return [_named(result, name) for result, name in zip(results, operation.outputs, strict=False)]
        except Refusal as refusal:
            self.offences.append(Offender(operation.op, operation.scope, str(refusal), operation.line))
        return [Refused() for _ in wanted]

    def taken(self, call: Call) -> Sequence[Symbol]:
        """The results of a call; Refused ones where an operand already was, and that is why.

        Raises:
            Refusal: it has no form.
        """
        given = [operand for operand in call.operands if operand is not None]
        refused = [operand for operand in given if isinstance(operand, Refused)]
        known = bool(given) and all(isinstance(operand, Const) for operand in given)
        if (call.op in NATIVE and not refused) or (call.op in FOLDS and known):
            return self.folder.folded(call)
        if call.op in COMPUTED and known:
            self.computed[f"'{self.drawing.scope}' ({call.op})"] = None
            return self.layers.computed(call, self.drawing.scope)
        if call.op not in OPERATORS and call.op not in NATIVE:
            raise Refusal(why_untaken(call.op))
        if refused:
            if refused[0].reason:
                raise Refusal(refused[0].reason)
            return [Refused() for _ in call.wanted]
        check_call(OPERATORS[call.op], call, len(call.wanted))
        return OPERATORS[call.op].take(self.drawing, call)

    def followed(self, operation: Operation) -> Const | None:
        """The constant that is added to the operation's result by its only user, where that is known by now."""
        name = operation.outputs[0] if operation.outputs else ""
        user = self.user.get(name)
        if user is None or self.users[name] != 1 or user.op != "Add" or len(user.inputs) != 2:
            return None
        other = self.tensors.get(user.inputs[1] if user.inputs[0] == name else user.inputs[0])
        return other if isinstance(other, Const) else None

    def outputs(self) -> dict[str, View]:
        """Each output of the file that is no state, as a view of the graph's value.

        Raises:
            TraceError: one depends on no input.
        """
        self.drawing.scope = ""
        names = (*self.ends.outputs, *(state.output for state in self.ends.states))
        fixed = [name for name in names if isinstance(self.tensors[name], Const)]
        if fixed:
            found = f"the output {', '.join(map(repr, fixed))} depends on no input"
            mend = "export anew: the exporter computed the network while it recorded it"
            raise TraceError(found, where=str(self.source.path), mend=mend)
        return {name: self.final(name) for name in self.ends.outputs}

    def states(self) -> dict[str, TensorType]:
        """What comes back of each state, by its input.

        Raises:
            TraceError: its shape is another than that of what goes in.
        """
        found = {}
        for state in self.ends.states:
            view = self.final(state.output)
            if view.torch_shape != self.batching.shape(state.port):
                found_, expected = list(view.torch_shape), list(self.batching.shape(state.port))
                raise TraceError(
                    f"the state '{state.output}' has the shape {found_}",
                    where=str(self.source.path),
                    expected=f"{expected}, that of '{state.port.name}'",
                )
            found[state.port.name] = self.drawing.type(view.value)
        return found

    def final(self, name: str) -> View:
        """An output as a value whose axes are the file's, in their order and without the batch."""
        symbol = self.tensors[name]
        assert isinstance(symbol, Data)
        view = filled(self.drawing, symbol.view)
        if self.drawing.batch is None:
            sizes = view.torch_shape
            batched = sizes[:1] == (1,)
            shape = sizes[batched:]
            axes: Dims = tuple((axis,) for axis in range(len(shape)))
            value = self.drawing.reshape(view.value, shape)
            return View(value, shape, ((), *axes) if batched else axes, self.drawing.sizes)
        if view.dims[0] != ("B",):
            text = "the batch of the output '{}' is not its first axis, or not alone in it; the graph's is both"
            self.drawing.remark(text.format(name))
        return view

    def graph(self, values: Mapping[str, View]) -> Graph:
        """The graph of what reaches an output, with a Delay for each state.

        Raises:
            TraceError: a rule of graphs is broken.
        """
        finals = {self.names[state.port.name]: self.final(state.output).value for state in self.ends.states}
        outputs = tuple(view.value for view in values.values())
        try:
            whole = self.drawing.builder.graph(*outputs, *finals.values())
            weights = dict(whole.weights)
            delays = []
            for name, value in finals.items():
                steps = self.drawing.weight(Const(np.ones(()), f"{name}.steps"), Role.CONSTANT)
                weights[steps.name] = steps.weight
                delays.append(Node(name, Delay(), (value,), {"steps": steps.name}, (whole.types[value],)))
            inputs = {name: kind for name, kind in whole.inputs.items() if name not in finals}
            nodes = live((*delays, *whole.nodes), outputs)
            self.note_unused(whole, {node.name for node in nodes})
            return assemble(inputs, nodes, outputs, weights, whole.steps)
        except GraphError as error:
            raise TraceError(f"the graph breaks a rule: {error}", where=str(self.source.path)) from error

    def note_unused(self, whole: Graph, used: Set[str]) -> None:
        """Says which layers reach no output, as they do where an exporter lost what was made of them."""
        layers = {
            f"'{node.scope}' ({node.op.mnemonic})": None
            for node in whole.nodes
            if node.name not in used
            and any(whole.weights[name].role is Role.PARAMETER for name in node.weights.values())
        }
        if layers:
            self.drawing.remark(f"no output depends on these layers, which are left away: {listed(layers)}")


def live(nodes: Sequence[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """The nodes that reach an output, in their order."""
    producers = {value: node for node in nodes for value in node.results}
    waiting, found = list(outputs), set[str]()
    while waiting:
        node = producers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.inputs)
    return tuple(node for node in nodes if node.name in found)


def listed(names: Collection[str]) -> str:
    """The first of the names, for a remark."""
    return ", ".join([*islice(names, LISTED), *(["..."] if len(names) > LISTED else [])])


def _named(result: Symbol, name: str) -> Symbol:
    return replace(result, name=name) if isinstance(result, Const) and not result.name else result
