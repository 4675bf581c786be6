"""The text form of a graph: one line a value, printed and parsed back.

    graph(%image: real once [3,8,8]) steps 2
    %x = repeat(%image)
    %stem.conv = conv2d(%x; weight=stem.conv.weight) {padding=(1, 1)} @stem.conv
    %stem.lif = lif(%stem.conv; tau=stem.lif.tau, v_threshold=stem.lif.v_threshold) @stem.lif
    return %stem.lif

Fields at their default are not printed. Only a delay states its type (`: spike step [64]`), since its operand may
be defined after it. `#` starts a comment.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TypeVar

from spikec.errors import GraphError
from spikec.ir.graph import Graph, Node, infer_types
from spikec.ir.op import Op
from spikec.ir.ops import OPS
from spikec.ir.time import Delay
from spikec.ir.types import REAL, SPIKE, Domain, Int, IntFormat, TensorType, Timing, Weight, fixed_point

MOST_DIGITS = 18
MOST_FIELDS = 2000
"""Letters of an op's fields; Python's parser runs out of its stack where signs or brackets lie in each other."""
_Read = TypeVar("_Read")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_TYPE = r"(?P<domain>real|spike|int\([^)]*\)) (?P<timing>step|once) \[(?P<shape>[0-9,]*)\]"
_HEADER = re.compile(r"graph\((?P<inputs>.*)\) steps (?P<steps>[0-9]{1,9})")
_INPUT = re.compile(rf"\s*%(?P<name>{_NAME}): {_TYPE}\s*(?:,|$)")
_LINE = re.compile(
    rf"%(?P<name>{_NAME}) = (?P<op>[a-z0-9_]+)\((?P<inputs>[^;)]*)(?:; (?P<weights>[^)]*))?\)"
    rf"(?: \{{(?P<fields>.*?)\}})?(?: : (?P<type>{_TYPE}))?(?: @(?P<scope>{_NAME}))?"
)
_RETURN = re.compile(rf"return %{_NAME}(?:, *%{_NAME})*")


def print_graph(graph: Graph) -> str:
    """The text of `graph`; see the module's docstring."""
    inputs = ", ".join(f"%{name}: {kind}" for name, kind in graph.inputs.items())
    lines = [f"graph({inputs}) steps {graph.steps}", *map(print_node, graph.nodes)]
    lines.append("return " + ", ".join(f"%{value}" for value in graph.outputs))
    return "\n".join(lines) + "\n"


def print_node(node: Node) -> str:
    """One line of the text form."""
    operands = ", ".join(f"%{value}" for value in node.inputs)
    weights = ", ".join(f"{slot}={name}" for slot, name in sorted(node.weights.items()))
    line = f"%{node.name} = {node.op.mnemonic}({operands}{'; ' if weights else ''}{weights})"
    attributes = ", ".join(f"{key}={_printed(value)}" for key, value in node.op.attributes().items())
    line += f" {{{attributes}}}" if attributes else ""
    line += f" : {node.type}" if isinstance(node.op, Delay) else ""
    return line + (f" @{node.scope}" if node.scope else "")


def _printed(value: object) -> str:
    return str(value) if isinstance(value, IntFormat) else repr(value)


def parse(text: str, weights: Mapping[str, Weight]) -> Graph:
    """The verified graph that `text` and its weights say.

    Raises:
        GraphError: a line that cannot be read, with its number.
        VerifyError: the graph breaks a rule.
    """
    lines = [(n, line.split("#")[0].strip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line]
    if len(lines) < 2:
        raise GraphError("a graph needs a header and a return line; the text ends before")
    inputs, steps = _parse_header(*lines[0])
    nodes = _typed([(n, _parse_node(n, line)) for n, line in lines[1:-1]], inputs, weights)
    number, last = lines[-1]
    if not _RETURN.fullmatch(last):
        raise _bad(number, last, "'return %value, ...'")
    outputs = tuple(value.strip().removeprefix("%") for value in last.removeprefix("return ").split(","))
    graph = Graph(inputs, nodes, outputs, dict(weights), steps)
    graph.verify()
    return graph


def parse_type(text: str) -> TensorType:
    """The type that `text` says, such as 'spike step [64]'.

    Raises:
        GraphError: it says none.
    """
    match = re.fullmatch(_TYPE, text)
    if match is None:
        raise GraphError(f"'{text}' is no type; expected such as 'spike step [64,8,8]'")
    return _type_of(match)


def _parse_header(number: int, line: str) -> tuple[dict[str, TensorType], int]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise _bad(number, line, "'graph(%name: type, ...) steps T'")
    inputs: dict[str, TensorType] = {}
    rest = match["inputs"]
    while rest:
        found = _INPUT.match(rest)
        if found is None or found["name"] in inputs:
            raise _bad(number, rest, "'%name: domain timing [shape]', each name once")
        inputs[found["name"]] = _numbered(number, partial(_type_of, found))
        rest = rest[found.end() :]
    return inputs, int(match["steps"])


def _parse_node(number: int, line: str) -> Node:
    match = _LINE.fullmatch(line)
    if match is None:
        raise _bad(number, line, "'%name = op(%operand; slot=weight) {field=value} @scope'")
    if match["op"] not in OPS:
        raise _bad(number, match["op"], f"an op: one of {', '.join(sorted(OPS))}")
    inputs = tuple(v.strip().removeprefix("%") for v in match["inputs"].split(",") if v.strip())
    pairs = [p.strip().split("=", 1) for p in (match["weights"] or "").split(",") if p.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise _bad(number, match["weights"], "'slot=weight'")
    op = _parse_op(number, OPS[match["op"]], match["fields"] or "")
    if match["type"] and not issubclass(OPS[match["op"]], Delay):
        raise _bad(number, match["type"], f"no type: that of a {match['op']} is inferred; only a delay states its own")
    types = (_numbered(number, lambda: parse_type(match["type"])),) if match["type"] else ()
    return Node(match["name"], op, inputs, dict(pairs), types, match["scope"] or "")


def _parse_op(number: int, kind: type[Op], text: str) -> Op:
    if not text:
        return kind()
    if len(text) > MOST_FIELDS:
        raise _bad(number, text, f"fields of at most {MOST_FIELDS} letters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what is hardly a number
            call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        values = {k.arg: _field(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, SyntaxWarning, ValueError, RecursionError, MemoryError) as error:
        raise _bad(number, text, "'field=value' with plain values") from error
    known = {f.name: f.default for f in fields(kind)}
    for key, value in values.items():
        if key not in known or not isinstance(value, IntFormat if known[key] is None else type(known[key])):
            raise _bad(number, f"{key}={value!r}", f"a field of {kind.mnemonic} of its type: {known}")
    if call.args or len(values) != len(call.keywords):
        raise _bad(number, text, "each field once, as 'field=value'")
    return kind(**values)


def _field(value: ast.expr) -> object:
    return fixed_point(ast.unparse(value)) if isinstance(value, ast.Call) else ast.literal_eval(value)


def _typed(
    nodes: Sequence[tuple[int, Node]], inputs: Mapping[str, TensorType], weights: Mapping[str, Weight]
) -> tuple[Node, ...]:
    types = dict(inputs)
    types.update({node.name: node.types[0] for _, node in nodes if node.types})
    typed = []
    for number, node in nodes:
        if not node.types:
            node = replace(node, types=_numbered(number, partial(infer_types, node, types, weights)))
        types.update(node.results)
        typed.append(node)
    return tuple(typed)


def _numbered(number: int, read: Callable[[], _Read]) -> _Read:
    """What `read` gives; its errors say the line."""
    try:
        return read()
    except GraphError as error:
        raise type(error)(f"line {number} of the graph's text: {error}") from error


def _type_of(match: re.Match[str]) -> TensorType:
    sizes = [size for size in match["shape"].split(",") if size]
    if any(len(size) > MOST_DIGITS for size in sizes):
        raise GraphError(f"a size of {max(map(len, sizes))} digits; expected at most {MOST_DIGITS}")
    shape = tuple(int(size) for size in sizes)
    return TensorType(shape, _domain_of(match["domain"]), Timing(match["timing"]))


def _domain_of(text: str) -> Domain:
    if text in ("real", "spike"):
        return REAL if text == "real" else SPIKE
    parts = text.removeprefix("int(").removesuffix(")").split(",")
    try:
        lo, hi, scale = (*parts, "1.0")[:3]
        return Int(int(lo), int(hi), float(scale))
    except ValueError as error:
        raise GraphError(f"'{text}' is no domain; expected int(lo,hi) or int(lo,hi,scale)") from error


def _bad(number: int, found: str, expected: str) -> GraphError:
    return GraphError(f"line {number} of the graph's text: found '{found[:120]}'; expected {expected}")
