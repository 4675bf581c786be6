"""An exported program as plain data: its nodes, their arguments, and where its inputs and outputs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikec.frontend.onnx.stack import Line


@dataclass(frozen=True)
class Named:
    """A tensor, or a whole number, that an earlier node gave, by its name."""

    name: str


@dataclass(frozen=True)
class Scalar:
    """A format of tensors, in torch's word."""

    name: str


@dataclass(frozen=True)
class Unread:
    """An argument of a kind that no operator here takes."""

    kind: str


@dataclass(frozen=True)
class Symbol:
    """A size that the file leaves open.

    Args:
        name: the same for equal sizes; an expression for what is computed of others.
        hint: what it was in the example that was exported.
    """

    name: str
    hint: int


Size = int | Symbol
Value = Named | Scalar | Unread | None | bool | int | float | str | tuple["Value", ...]


@dataclass(frozen=True)
class Call:
    """One node.

    Args:
        name: of the node.
        target: the operator, such as 'aten.linear.default'.
        args, kwargs: by position, and by name.
        outputs: names of its results, in order.
        listed: whether they are one list.
        scope: the path of the module that it came from.
        line: of the user's code that it came from, where the file says it.
    """

    name: str
    target: str
    args: tuple[Value, ...]
    kwargs: Mapping[str, Value]
    outputs: tuple[str, ...]
    listed: bool
    scope: str
    line: Line | None = None


@dataclass(frozen=True)
class Meta:
    """What is said of a tensor."""

    format: str
    sizes: tuple[Size, ...]


@dataclass(frozen=True, eq=False)
class Signature:
    """Where the graph's inputs come from and its outputs go.

    Args:
        own: the network's parameters, buffers and constants by the names that nodes use, with their paths.
        given: the inputs that are data.
        fixed: inputs that are no tensors, with their values.
        outputs: names of the tensors that are given back.
        written: what else goes out: buffers and inputs that the network writes to, in words.
    """

    own: Mapping[str, tuple[str, str]]
    given: tuple[str, ...]
    fixed: Mapping[str, Value]
    outputs: tuple[str, ...]
    written: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Source:
    """An exported program.

    Args:
        calls: in order.
        signature: see there.
        metas: of every tensor, by name.
        ranges: least and most that an open size can be, by the symbol's name.
        facts: for the record.
    """

    calls: tuple[Call, ...]
    signature: Signature
    metas: Mapping[str, Meta]
    ranges: Mapping[str, tuple[int, int | None]]
    facts: Mapping[str, str]
