"""One operation of the file as those who take it see it: operands, attributes, and a way to refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from spikec.frontend.onnx.source import Attribute
from spikec.frontend.onnx.symbol import Const, Data, Symbol

if TYPE_CHECKING:
    from spikec.frontend.onnx.drawing import Drawing

MOST_NUMBER = 2**31
"""Of an attribute or a shape: what lies beyond is no network, and would only overflow later."""


class Refusal(Exception):
    """This operation has no form in a graph; the reason, for the list of all that are refused."""


AttributeKind = Literal["int", "ints", "places", "float", "floats", "text", "tensor"]


@dataclass(frozen=True, eq=False)
class Call:
    """An operation with its operands.

    Args:
        op: the operator.
        opset: version of the operators.
        operands: None where one is left out.
        attributes: as the file has them.
        wanted: of each result, whether anything uses it.
        followed: the constant that the only user of the first result adds to it, or None.
    """

    op: str
    opset: int
    operands: tuple[Symbol | None, ...]
    attributes: Mapping[str, Attribute]
    wanted: tuple[bool, ...] = (True,)
    followed: Const | None = None

    def operand(self, place: int) -> Symbol | None:
        """The operand there, None where it is left out."""
        return self.operands[place] if place < len(self.operands) else None

    def data(self, place: int = 0) -> Data:
        """The operand there, which must be a value of real numbers."""
        found = self.any_data(place)
        if found.kind != "float":
            raise Refusal(f"{'bool' if found.kind == 'bool' else 'integer'} tensors are taken by Cast alone")
        return found

    def any_data(self, place: int = 0) -> Data:
        """The operand there, which must be a value, of whatever kind."""
        found = self.operand(place)
        if isinstance(found, Const):
            raise Refusal(f"operand {place} ('{found.name}') is a constant where a value is expected")
        if not isinstance(found, Data):
            raise Refusal(f"operand {place} is no value: {clipped_reason(found)}")
        return found

    def const(self, place: int, what: str) -> Const:
        """The operand there, which must be known without any input."""
        found = self.operand(place)
        if isinstance(found, Const):
            return found
        raise Refusal(f"{what} is {'missing' if found is None else 'computed from the input'}; a constant is taken")

    def maybe_const(self, place: int, what: str) -> Const | None:
        """As `const`, or None where the operand is left out."""
        return None if self.operand(place) is None else self.const(place, what)

    def const_wholes(self, place: int, what: str) -> tuple[int, ...]:
        """Whole numbers of a constant operand of one axis."""
        array = self.const(place, what).array
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise Refusal(f"{what} is a {array.dtype} of shape {list(array.shape)}; whole numbers are expected")
        return tuple(int(n) for n in array.reshape(-1))

    def wholes_of(self, attribute: str, place: int) -> tuple[int, ...] | None:
        """What older versions give as an attribute and newer ones as an operand; None where neither is given."""
        if attribute in self.attributes:
            return self.wholes(attribute)
        return None if self.operand(place) is None else self.const_wholes(place, attribute)

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        found = self.attributes.get(name, default)
        assert isinstance(found, int)
        return found

    def number(self, name: str, default: float) -> float:
        """A number."""
        found = self.attributes.get(name, default)
        assert isinstance(found, float)
        return found

    def word(self, name: str, default: str) -> str:
        """A word."""
        found = self.attributes.get(name, default)
        assert isinstance(found, str)
        return found

    def wholes(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """Whole numbers."""
        found = self.attributes.get(name, tuple(default))
        assert isinstance(found, tuple)
        return tuple(n for n in found if isinstance(n, int))


Take = Callable[["Drawing", Call], Sequence[Symbol]]


@dataclass(frozen=True)
class Operator:
    """How an operator is taken.

    Args:
        take: adds nodes for it and gives its results, or raises Refusal.
        operands: the least and the most of them.
        attributes: what it may have, over all versions, and of which kind; any other is refused.
        results: the most of them.
    """

    take: Take
    operands: tuple[int, int]
    attributes: Mapping[str, AttributeKind] = field(default_factory=dict)
    results: int = 1


_FITS: Mapping[AttributeKind, Callable[[object], bool]] = {
    "int": lambda value: isinstance(value, int) and abs(value) < MOST_NUMBER,
    "float": lambda value: isinstance(value, float) and bool(np.isfinite(value)),
    "floats": lambda value: isinstance(value, tuple) and bool(np.all(np.isfinite(value))),
    "text": lambda value: isinstance(value, str),
    "tensor": lambda value: isinstance(value, Const),
    "places": lambda value: isinstance(value, tuple) and all(isinstance(n, int) for n in value),
    "ints": lambda value: isinstance(value, tuple) and all(isinstance(n, int) and abs(n) < MOST_NUMBER for n in value),
}


def check_call(operator: Operator, call: Call, results: int) -> None:
    """Checks operands, attributes and results against what the operator has.

    Raises:
        Refusal: one too many or too few, an attribute that is unknown here or of another kind.
    """
    least, most = operator.operands
    given = [operand for operand in call.operands if operand is not None]
    if len(given) < least or len(call.operands) > most or any(op is None for op in call.operands[:least]):
        raise Refusal(f"{len(given)} operands; {least} to {most} are expected")
    if results > operator.results:
        raise Refusal(f"{results} results; {operator.results} is the most")
    for name, value in call.attributes.items():
        kind = operator.attributes.get(name)
        if kind is None:
            raise Refusal(f"its attribute {name} is not known")
        if not _FITS[kind](value):
            raise Refusal(f"its attribute {name} is no {kind} of a usual size")


def clipped_reason(symbol: Symbol | None) -> str:
    """Why what is no value and no constant cannot be used."""
    return "it is left out" if symbol is None else "only Clip and Round together have a form (multi_level_spike)"
