"""An .onnx file as plain data: its operations, constants and ends, everything in it checked, nothing taken yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # its stubs are a package apart

from spikec.errors import ModelFileError, UnsupportedOp, why_unread
from spikec.frontend.foreign import Reading
from spikec.frontend.onnx.naming import SCOPES, scope_of
from spikec.frontend.onnx.stack import TRACES, line_of
from spikec.frontend.onnx.symbol import Const, Refused
from spikec.frontend.onnx.tensor import Loader, type_name
from spikec.frontend.onnx.wire import parsed_bytes

OPSETS = range(7, 29)
"""The versions of ONNX's operators whose rules are known here: from when they broadcast as now, to onnx 1.23's."""
DOMAINS = ("", "ai.onnx")

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Const | Refused


@dataclass(frozen=True, eq=False)
class Operation:
    """One node of the file.

    Args:
        op: its operator, with its domain where that is not ONNX's own.
        inputs, outputs: names of tensors, '' where one is left out.
        attributes: by name; a graph or another thing without a form here is Refused.
        scope: the module path that it came from.
        line: of the user's code that it came from, where the file says it.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    scope: str
    line: str = ""


@dataclass(frozen=True)
class Port:
    """An input of the network: each axis a size, or the name of one that is left open ('?' where it has none)."""

    name: str
    element: int
    axes: tuple[int | str, ...] | None


@dataclass(frozen=True, eq=False)
class Source:
    """A file that was read.

    Args:
        path: where it is.
        opset: version of the operators.
        operations: in the file's order, in which nothing is used before it is made.
        constants: the initialisers by name.
        inputs: of the network, without initialisers.
        outputs: names of tensors.
        most: bytes that arrays may take.
        spent: bytes that the constants took.
        facts: for the record.
    """

    path: Path
    opset: int
    operations: tuple[Operation, ...]
    constants: Mapping[str, Const | Refused]
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    most: int
    spent: int = 0
    facts: Mapping[str, str | int] = field(default_factory=dict)


def opened(path: Path, reading: Reading) -> Source:
    """The file as plain data.

    Raises:
        ModelFileError: it cannot be read, declares more than `reading.max_bytes`, or breaks a rule of ONNX.
        UnsupportedOp: it holds functions, sparse tensors or what else has no form here.
    """
    try:
        if path.stat().st_size > reading.max_bytes:
            raise _bad(path, f"{path.stat().st_size} bytes", f"at most {reading.max_bytes}", "--max-bytes")
        data = path.read_bytes()
        needed = parsed_bytes(data, reading.max_bytes)
        if needed > reading.max_bytes:
            raise _bad(path, "parsing it would take more memory", f"at most {reading.max_bytes}", "--max-bytes")
        model = onnx.ModelProto.FromString(data)
    except OSError as error:
        raise _bad(path, why_unread(error), "an .onnx file") from error
    except (DecodeError, ModelFileError) as error:
        if isinstance(error, ModelFileError) and error.where:
            raise
        raise _bad(path, f"cannot be read: {error}", "an .onnx file", "write it again") from error
    return source_of(model, path, reading)


def source_of(model: onnx.ModelProto, path: Path, reading: Reading) -> Source:
    """A parsed model as plain data.

    Args:
        model: as protobuf gave it.
        path: the file that it is from, beside which its external data lie.
        reading: with the bytes that its arrays may take.

    Raises:
        ModelFileError, UnsupportedOp: see `opened`.
    """
    read = _Reader(path, Loader(path, reading.max_bytes))
    _check_whole(model, path)
    graph = model.graph
    constants = {}
    for tensor in graph.initializer:
        name = read.text(tensor.name, "an initialiser's name")
        if name in constants or not name:
            raise _bad(path, f"two initialisers of the name '{name}'", "each name once")
        constants[name] = read.constant(tensor, name, learnt=True)
    source = Source(
        path,
        read.opset(model),
        tuple(read.operation(node, number) for number, node in enumerate(graph.node)),
        constants,
        tuple(read.port(value) for value in graph.input if value.name not in constants),
        tuple(read.text(value.name, "an output's name") for value in graph.output),
        reading.max_bytes,
        read.loader.spent,
        {"producer": read.text(model.producer_name, "the producer's name")[:100], "ir_version": model.ir_version},
    )
    _check_order(source)
    return source


def _check_whole(model: onnx.ModelProto, path: Path) -> None:
    """Refuses what a model may hold beside its one graph, by name."""
    if not model.HasField("graph") or not model.graph.output:
        raise _bad(path, "a file without a network", "an .onnx file with a graph that has outputs")
    held: dict[str, Iterable[str]] = {
        "local function": (str(function.name) for function in model.functions),
        "training_info": ("" for _ in model.training_info),
        "sparse initialiser": (str(sparse.values.name) for sparse in model.graph.sparse_initializer),
        "quantization_annotation": (str(tensor.tensor_name) for tensor in model.graph.quantization_annotation),
    }
    offenders = [(kind, name, "not taken") for kind, names in held.items() for name in names]
    if offenders:
        raise UnsupportedOp(".onnx as a graph", offenders, mend="export with functions inlined, for inference")


@dataclass
class _Reader:
    """Turns the parts of a parsed file into plain data."""

    path: Path
    loader: Loader

    def text(self, value: object, what: str) -> str:
        """A text of the file; protobuf gives bytes where it is no UTF-8."""
        if not isinstance(value, str):
            raise _bad(self.path, f"{what} is no text: {value!r:.60}", "UTF-8", "write it again")
        return value

    def opset(self, model: onnx.ModelProto) -> int:
        versions = {entry.version for entry in model.opset_import if entry.domain in DOMAINS}
        if len(versions) != 1 or not versions <= set(OPSETS):
            found = f"operators of version {', '.join(map(str, sorted(versions))) or 'not said'}"
            mend = "onnx.version_converter, or export with opset_version 20"
            raise _bad(self.path, found, f"one of {OPSETS.start} to {OPSETS.stop - 1}", mend)
        return int(versions.pop())

    def constant(self, tensor: onnx.TensorProto, name: str, *, learnt: bool = False) -> Const | Refused:
        array = self.loader.array(tensor, name)
        if array is None:
            return Refused(f"'{name}' holds {type_name(tensor.data_type)}")
        return Const(array, name, learnt and array.size > 1)

    def operation(self, node: onnx.NodeProto, number: int) -> Operation:
        op, name, domain = (self.text(part, "a node's name") for part in (node.op_type, node.name, node.domain))
        said = {entry.key: entry.value for entry in node.metadata_props}
        attributes: dict[str, Attribute] = {}
        for attribute in node.attribute:
            key = self.text(attribute.name, "an attribute's name")
            if key in attributes:
                raise _bad(self.path, f"two attributes {key} of node '{name or op}'", "each once")
            attributes[key] = self.attribute(attribute)
        return Operation(
            op if domain in DOMAINS else f"{domain}::{op}",
            tuple(self.text(value, "a tensor's name") for value in node.input),
            tuple(self.text(value, "a tensor's name") for value in node.output),
            attributes,
            scope_of(op, name, str(said.get(SCOPES, "")), number),
            str(line_of(said.get(TRACES)) or ""),
        )

    def attribute(self, attribute: onnx.AttributeProto) -> Attribute:
        if attribute.ref_attr_name:
            return Refused("an attribute of a function")
        kinds = onnx.AttributeProto
        if attribute.type == kinds.TENSOR:
            return self.constant(attribute.t, self.text(attribute.t.name, "a tensor's name"))
        if attribute.type == kinds.STRING:
            return attribute.s.decode(errors="replace")
        plain: Mapping[int, Attribute] = {
            kinds.INT: attribute.i,
            kinds.FLOAT: attribute.f,
            kinds.INTS: tuple(attribute.ints),
            kinds.FLOATS: tuple(attribute.floats),
        }
        return plain.get(attribute.type, Refused("an attribute that holds a graph, or no plain numbers"))

    def port(self, value: onnx.ValueInfoProto) -> Port:
        name = self.text(value.name, "an input's name")
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type"):
            raise UnsupportedOp(".onnx as a graph", [("input", name, "a sequence, an option or a map is no tensor")])
        if not kind.HasField("shape"):
            return Port(name, kind.elem_type, None)
        axes: list[int | str] = []
        for axis in kind.shape.dim:
            size = axis.dim_value if axis.HasField("dim_value") else 0
            axes.append(size if axis.HasField("dim_value") else self.text(axis.dim_param, "an axis's name") or "?")
            if axis.HasField("dim_value") and size < 1:
                raise _bad(self.path, f"input '{name}' with an axis of {size}", "axes of 1 or more")
        return Port(name, kind.elem_type, tuple(axes))


def _check_order(source: Source) -> None:
    """Raises ModelFileError unless every tensor is made once, and before it is used: there is then no cycle."""
    known = {*source.constants, *(port.name for port in source.inputs)}
    if len(source.inputs) + len(source.constants) != len(known):
        raise _bad(source.path, "two inputs of one name", "each name once")
    for operation in source.operations:
        missing = [name for name in operation.inputs if name and name not in known]
        if missing:
            found = f"'{operation.scope}' ({operation.op}) takes '{missing[0]}', which nothing before it makes"
            raise _bad(source.path, found, "operations in an order in which they can be computed, without cycles")
        for name in operation.outputs:
            if name in known:
                raise _bad(source.path, f"the tensor '{name}' is made twice", "each name once")
            if name:
                known.add(name)
    unknown = [name for name in source.outputs if name not in known]
    if unknown or len(set(source.outputs)) != len(source.outputs):
        raise _bad(source.path, f"outputs {unknown or list(source.outputs)}", "tensors that are made, each once")


def _bad(path: Path, found: str, expected: str, mend: str = "") -> ModelFileError:
    return ModelFileError(found, where=str(path), expected=expected, mend=mend)
