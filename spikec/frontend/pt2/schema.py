"""The graph in a .pt2 file as plain data: torch's schema of exported programs, version 8, read by hand.

The schema: torch/_export/serde/schema.py of torch 2.13, `SCHEMA_VERSION` (8, 20). A kind of argument that is not here
is Unread, and refused where an operator is given it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from spikec.frontend.onnx.naming import cleaned
from spikec.frontend.onnx.stack import line_of
from spikec.frontend.pt2.archive import Archive
from spikec.frontend.pt2.field import malformed, name_of, plain, rows, table, union
from spikec.frontend.pt2.program import Call, Meta, Named, Scalar, Signature, Size, Source, Symbol, Unread, Value

SCHEMA_MAJOR = 8
SCALAR_TYPES: Mapping[int, str] = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
}
"""torch's formats by their numbers in the schema (`ScalarType`); others are read as 'format N', and refused."""

MOST_NODES = 1_000_000
_SYMBOL = re.compile(r"(?:Symbol\('(\w+)'(?:, \w+=True)*\)|([A-Za-z_]\w*))")
_STACK = re.compile(r"^[^,]*,(.*),[^,]*$")


def source_of(archive: Archive) -> Source:
    """The program in an archive that holds one.

    Raises:
        ModelFileError: it holds none or several, of another version of the schema, or not as the schema says.
    """
    names = [name for name in archive.sizes if name.startswith("models/") and name.endswith(".json")]
    if len(names) != 1:
        raise archive.bad(f"{len(names)} programs in it; one is expected", "save one exported program alone")
    whole = table(archive.json_of(names[0]), names[0])
    version = table(whole.get("schema_version"), "schema_version")
    said = f"{version.get('major')}.{version.get('minor')}"
    if version.get("major") != SCHEMA_MAJOR:
        found = f"version {said} of the schema of programs; {SCHEMA_MAJOR}.x is known"
        raise archive.bad(found, "export with torch 2.13, or another that writes it")
    module = table(whole.get("graph_module"), "graph_module")
    graph = table(module.get("graph"), "graph")
    calls = rows(graph.get("nodes"), "nodes")
    if len(calls) > MOST_NODES:
        raise archive.bad(f"{len(calls)} nodes; {MOST_NODES} is the most")
    metas = table(graph.get("tensor_values"), "tensor_values")
    return Source(
        tuple(_call(value, number) for number, value in enumerate(calls)),
        _signature(table(module.get("signature"), "signature")),
        {name: meta_of(value, f"tensor '{name}'") for name, value in metas.items()},
        {name: _range(value, name) for name, value in table(whole.get("range_constraints"), "ranges").items()},
        {"torch": f"{whole.get('torch_version')!s:.40}", "schema": said, "program": names[0][len("models/") : -5]},
    )


def meta_of(value: object, where: str) -> Meta:
    """What is said of a tensor.

    Raises:
        ModelFileError: it is not as the schema says.
    """
    given = table(value, where)
    number = plain(given.get("dtype"), int, where)
    sizes = tuple(_size(size, where) for size in rows(given.get("sizes"), where))
    return Meta(SCALAR_TYPES.get(number, f"format {number}"), sizes)


def whole_of(value: object, where: str) -> int:
    """A size that is no symbol, and not below 0.

    Raises:
        ModelFileError: it is something else.
    """
    size = _size(value, where)
    if isinstance(size, Symbol):
        raise malformed(f"an open size {size.name}", where)
    return size


def _size(value: object, where: str) -> Size:
    kind, held = union(value, where)
    if kind == "as_int":
        size = plain(held, int, where)
        if size < 0:
            raise malformed(f"a size of {size}", where)
        return size
    if kind != "as_expr":
        raise malformed(f"a size given as {kind}", where)
    expr = table(held, where)
    text = plain(expr.get("expr_str"), str, where)
    found = _SYMBOL.fullmatch(text)
    hint = expr.get("hint")
    return Symbol(found[1] or found[2] if found else text, _hint(hint, where) if hint is not None else 0)


def _hint(value: object, where: str) -> int:
    kind, held = union(value, where)
    return plain(held, int, where) if kind == "as_int" else 0


def _range(value: object, name: str) -> tuple[int, int | None]:
    given = table(value, f"the range of {name}")
    least, most = given.get("min_val"), given.get("max_val")
    return (least if type(least) is int else 0), (most if type(most) is int else None)


def _call(value: object, number: int) -> Call:
    where = f"node {number}"
    given = table(value, where)
    target = name_of(given.get("target"), where).removeprefix("torch.ops.")
    outputs = [_result(output, where) for output in rows(given.get("outputs"), where)]
    name = given.get("name")
    args, kwargs = [], {}
    for entry in rows(given.get("inputs"), where):
        argument = table(entry, where)
        held = _argument(argument.get("arg"), where)
        if argument.get("kind") == 2:
            kwargs[name_of(argument.get("name"), where)] = held
        elif argument.get("kind") == 1 and not kwargs:
            args.append(held)
        else:
            raise malformed("an argument that is neither by position nor by name", where)
    metadata = table(given.get("metadata"), where)
    return Call(
        name_of(name, where) if name is not None else where,
        target,
        tuple(args),
        kwargs,
        tuple(one for names, _ in outputs for one in names),
        any(listed for _, listed in outputs),
        _scope(metadata.get("nn_module_stack")),
        line_of(metadata.get("stack_trace")),
    )


def _result(value: object, where: str) -> tuple[tuple[str, ...], bool]:
    """The names of an output, and whether they are a list; '' for what is no tensor and no number."""
    kind, held = union(value, where)
    if kind == "as_tensors":
        return tuple(_tensor(one, where) for one in rows(held, where)), True
    if kind == "as_tensor":
        return (_tensor(held, where),), False
    if kind in ("as_sym_int", "as_sym_bool"):
        named = table(held, where).get("as_name")
        return (name_of(named, where) if named is not None else "",), False
    return ("",), False


def _tensor(value: object, where: str) -> str:
    return name_of(table(value, where).get("name"), where)


def _scope(stack: object) -> str:
    """The path of the innermost module: 'key,path,type' for each, from the outermost on, ';' between them."""
    if not isinstance(stack, str) or not stack:
        return ""
    found = _STACK.match(stack.rpartition(";")[2])
    path = found[1] if found else ""
    path = re.sub(r"@\d+", "", path)  # of a module's second call
    return "" if path.startswith("_empty_nn_module_stack") else cleaned(path)


def _named(held: object, where: str) -> Value:
    kind, value = union(held, where)
    if kind == "as_name":
        return Named(name_of(value, where))
    return _truth(value, where) if kind == "as_bool" else _whole(value, where)


def _number(held: object, where: str) -> Value:
    if isinstance(held, str) and held in ("Infinity", "-Infinity", "NaN"):
        return float(held.replace("Infinity", "inf"))
    return float(held) if type(held) is int else plain(held, float, where)


def _maybe(held: object, where: str) -> Value:
    kind, value = union(held, where)
    return Named(_tensor(value, where)) if kind == "as_tensor" else None


def _all(read: Callable[[object, str], Value]) -> Callable[[object, str], Value]:
    return lambda held, where: tuple(read(one, where) for one in rows(held, where))


def _whole(held: object, where: str) -> Value:
    return plain(held, int, where)


def _truth(held: object, where: str) -> Value:
    return plain(held, bool, where)


ARGUMENTS: Mapping[str, Callable[[object, str], Value]] = {
    "as_none": lambda held, where: None,
    "as_tensor": lambda held, where: Named(_tensor(held, where)),
    "as_tensors": _all(lambda held, where: Named(_tensor(held, where))),
    "as_optional_tensor": _maybe,
    "as_optional_tensors": _all(_maybe),
    "as_int": _whole,
    "as_ints": _all(_whole),
    "as_bool": _truth,
    "as_bools": _all(_truth),
    "as_float": _number,
    "as_floats": _all(_number),
    "as_string": lambda held, where: plain(held, str, where),
    "as_sym_int": _named,
    "as_sym_ints": _all(_named),
    "as_sym_bool": _named,
    "as_scalar_type": lambda held, where: Scalar(SCALAR_TYPES.get(plain(held, int, where), f"format {held}")),
    # where tensors lie does not change what is computed
    "as_device": lambda held, where: None,
    "as_layout": lambda held, where: None,
    "as_memory_format": lambda held, where: None,
}
"""What arguments are read as, by their kind in the schema (`Argument`)."""


def _argument(value: object, where: str) -> Value:
    kind, held = union(value, where)
    read = ARGUMENTS.get(kind)
    return read(held, where) if read is not None else Unread(kind)


OWN = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
WRITTEN = {"buffer_mutation": "buffer_name", "parameter_mutation": "parameter_name"}
WRITTEN |= {"user_input_mutation": "user_input_name"}


def _signature(given: Mapping[str, object]) -> Signature:
    own: dict[str, tuple[str, str]] = {}
    data: list[str] = []
    fixed: dict[str, Value] = {}
    for number, value in enumerate(rows(given.get("input_specs"), "input_specs")):
        where = f"input {number}"
        kind, held = union(value, where)
        entry = table(held, where)
        if kind in OWN:
            own[_tensor(entry.get("arg"), where)] = (plain(entry.get(OWN[kind]), str, where), kind)
        elif kind == "user_input":
            argument = _argument(entry.get("arg"), where)
            data.append(argument.name if isinstance(argument, Named) else "")
        elif kind == "constant_input":
            fixed[name_of(entry.get("name"), where)] = _argument(entry.get("value"), where)
        else:
            raise malformed(f"an input of the kind {kind}, which is not taken", where)
    outputs: list[str] = []
    written: list[str] = []
    for number, value in enumerate(rows(given.get("output_specs"), "output_specs")):
        where = f"output {number}"
        kind, held = union(value, where)
        entry = table(held, where)
        argument = _argument(entry.get("arg"), where)
        if kind == "user_output":
            outputs.append(argument.name if isinstance(argument, Named) else "")
        elif kind in WRITTEN:
            written.append(f"{kind.removesuffix('_mutation').replace('_', ' ')} '{entry.get(WRITTEN[kind])}'")
        else:
            raise malformed(f"an output of the kind {kind}, which is not taken", where)
    return Signature(own, tuple(data), fixed, tuple(outputs), tuple(written))
