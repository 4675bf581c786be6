"""Mutators of ONNX files that know protobuf's fields."""

from __future__ import annotations

import random
from typing import Any

import onnx
from bytes_mutants import BROKEN, BYTES, NUMBERS
from google.protobuf.descriptor import FieldDescriptor as Field

Random = random.Random
WORDS = (
    "",
    "x",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "\x1b[31m",
    "é",
    "x" * 50_000,
    "C:\\x",
    "If",
    "Loop",
    "Add",
    "LSTM",
)
OPERATORS = ("If", "Scan", "Conv", "Gemm", "Reshape", "Transpose", "Concat", "Slice", "Pad", "MatMul", "Einsum", "Tile")
FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e300, 0.5)


def structure(rng: Random, data: bytes) -> bytes:
    """One field somewhere in the model is another, gone or doubled."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except BROKEN:  # what an earlier mutation broke is no model any more
        return data
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice(CHANGES)(rng, model)
    return model.SerializeToString()


def _messages(message: Any, depth: int = 0) -> Any:
    yield message
    if depth < 12:
        for field, value in message.ListFields():
            if field.type == Field.TYPE_MESSAGE:
                for inner in value if _repeated(field) else (value,):
                    yield from _messages(inner, depth + 1)


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == Field.LABEL_REPEATED


def _any_field(rng: Random, model: Any) -> None:
    message = rng.choice(list(_messages(model)))
    set_ = [field for field, _ in message.ListFields()]
    field = rng.choice(set_ if set_ and rng.random() < 0.8 else list(message.DESCRIPTOR.fields))
    if _repeated(field):
        _of_many(rng, message, field)
    elif field.type == Field.TYPE_MESSAGE:
        if rng.random() < 0.5:
            message.ClearField(field.name)
        else:
            getattr(message, field.name).SetInParent()
    elif rng.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _value(rng, field))


def _of_many(rng: Random, message: Any, field: Any) -> None:
    values = getattr(message, field.name)
    kind = rng.randrange(4)
    if values and kind == 0:
        del values[rng.randrange(len(values))]
    elif values and kind == 1:
        for _ in range(rng.choice((1, 1, 200))):
            values.append(values[rng.randrange(len(values))])
    elif values and kind == 2 and field.type != Field.TYPE_MESSAGE:
        values[rng.randrange(len(values))] = _value(rng, field)
    elif field.type == Field.TYPE_MESSAGE:
        values.add()
    else:
        values.append(_value(rng, field))


def _value(rng: Random, field: Any) -> Any:
    if field.type == Field.TYPE_STRING:
        return rng.choice(WORDS)
    if field.type == Field.TYPE_BYTES:
        return rng.choice((b"", b"\xff", bytes(100), b"SAME_UPPER", b"ij,jk->ik"))
    if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == Field.TYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values])
    bits, signed = (64, True) if field.type == Field.TYPE_INT64 else (64, False)
    bits, signed = (32, True) if field.type == Field.TYPE_INT32 else (bits, signed)
    value = rng.choice((*NUMBERS, 3, 4, 5, -2)) & (2**bits - 1)
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def _external(rng: Random, model: Any) -> None:
    """Numbers said to lie in a file, of this folder or not."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(list(model.graph.initializer))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    places = ("data.bin", "data.bin", "../data.bin", "/etc/passwd", "../../../../etc/passwd", ".", "link", "x\0y", "")
    said = {
        "location": rng.choice(places),
        "offset": rng.choice(("0", "-1", "4", "9" * 30, "x")),
        "length": rng.choice(("16", "0", "9" * 18)),
    }
    for key in rng.sample(sorted(said), rng.randrange(1, 4)):
        tensor.external_data.add(key=key, value=said[key])
    if rng.random() < 0.5:
        tensor.ClearField("raw_data")


def _huge(rng: Random, model: Any) -> None:
    """A constant that declares more than it holds."""
    if model.graph.initializer:
        tensor = rng.choice(list(model.graph.initializer))
        del tensor.dims[:]
        tensor.dims.extend(
            rng.choice(((2**40,), (2**32, 2**32), (2**62, 4), (-1, -1), (1,) * 100, (), (0,), (2**63 - 1,)))
        )


def _operator(rng: Random, model: Any) -> None:
    if model.graph.node:
        rng.choice(list(model.graph.node)).op_type = rng.choice(OPERATORS)


def _rewire(rng: Random, model: Any) -> None:
    """An operand is another tensor: possibly its own result."""
    nodes = list(model.graph.node)
    names = [name for node in nodes for name in (*node.input, *node.output)]
    node = rng.choice(nodes) if nodes else None
    if node is not None and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, ""])


def _grow(rng: Random, model: Any) -> None:
    """Constants that grow when they are folded."""
    graph = model.graph
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [2], [2**20, rng.choice((2**20, 64))])
    graph.initializer.append(size)
    kind = rng.choice(("ConstantOfShape", "Expand", "Tile", "Range", "OneHot"))
    inputs = {"ConstantOfShape": ["size"], "Range": ["zero", "many", "one"]}.get(kind, ["one", "size"])
    for name, value in (("zero", 0), ("one", 1), ("many", 2**40)):
        graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [], [value]))
    graph.node.insert(0, onnx.helper.make_node(kind, inputs, ["grown"]))
    node = rng.choice(list(graph.node)[1:]) if len(graph.node) > 1 else None
    if node is not None and node.input:
        node.input[-1] = "grown"


def _nested(rng: Random, model: Any) -> None:
    """Graphs in attributes of nodes in graphs."""
    inner = onnx.GraphProto()
    for _ in range(rng.choice((2, 30))):
        outer = onnx.GraphProto()
        outer.node.add(op_type="If", output=["y"]).attribute.add(name="then_branch", type=5).g.CopyFrom(inner)
        inner = outer
    model.graph.node.extend(inner.node)


CHANGES = (*(_any_field,) * 8, _external, _huge, _operator, _rewire, _rewire, _grow, _nested)
ONNX = (structure, structure, structure, structure, *BYTES)
