"""The base of all ops, and what their type rules share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from math import isfinite
from types import EllipsisType, NoneType, UnionType
from typing import ClassVar, Literal, get_args, get_origin, get_type_hints

from spikec.errors import VerifyError
from spikec.ir.types import IntFormat, Shape, TensorType, Timing, WeightType

WeightTypes = Mapping[str, WeightType]
Inputs = Sequence[TensorType]


@dataclass(frozen=True)
class Op:
    """One operation: its fields are its conventions, its docstring is its specification.

    Class attributes say how the text form spells it: `mnemonic`, the names of its operands' count
    (`arity`; the least one where it is `variadic`), the weight slots it needs and may have, and the suffix of every
    result after the first.
    """

    mnemonic: ClassVar[str] = ""
    arity: ClassVar[int] = 1
    variadic: ClassVar[bool] = False
    slots: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    extra_results: ClassVar[tuple[str, ...]] = ()

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """The types of the results.

        Raises:
            VerifyError: the operands or weights do not fit.
        """
        raise NotImplementedError

    def attributes(self) -> dict[str, object]:
        """The fields that differ from their defaults, as the text form prints them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


LEAST: Mapping[str, float] = {
    "shape": 1,
    "kernel": 1,
    "stride": 1,
    "dilation": 1,
    "groups": 1,
    "padding": 0,
    "refractory": 0,
    "levels": 1,
    "factors": 1,
    "before": 0,
    "after": 0,
    "step": 1,
    "start": 0,
    "eps": 0.0,
}
"""The least value of a field, of each element where it is a tuple, by its name."""


def check_fields(op: Op) -> None:
    """Checks that each field has its declared type and is in range.

    Raises:
        VerifyError: names the field, what it holds and what it may.
    """
    kind: type = type(op)
    for name, hint in _hints(kind).items():
        value = getattr(op, name)
        elements = value if isinstance(value, tuple) else (value,)
        fits = _fits(value, hint) and not (name in LEAST and any(e < LEAST[name] for e in elements))
        least = f", at least {LEAST[name]}" if name in LEAST else ""
        require(fits, op, f"field {name} is {value!r}; expected {_said(hint)}{least}")


SAID: Mapping[object, str] = {NoneType: "None", IntFormat: "a fixed-point format, such as int(24,1.0)"}


@cache
def _hints(kind: type) -> dict[str, object]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def _said(hint: object) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is UnionType:
        return " or ".join(map(_said, get_args(hint)))
    if hint in SAID:
        return SAID[hint]
    return "a finite float" if hint is float else str(getattr(hint, "__name__", hint) if hint in (int, bool) else hint)


def _fits(value: object, hint: object) -> bool:
    args = get_args(hint)
    if get_origin(hint) is Literal:
        return value in args
    if get_origin(hint) is UnionType:
        return any(_fits(value, one) for one in args)
    if get_origin(hint) is not tuple:
        return type(value) is hint and not (isinstance(value, float) and not isfinite(value))
    if not isinstance(value, tuple):
        return False
    length = len(value) if isinstance(args[-1], EllipsisType) else len(args)
    return len(value) == length and all(type(element) is int for element in value)


def check_operands(op: Op, inputs: Inputs, weights: WeightTypes) -> None:
    """Checks the op's fields, the number of operands and the weight slots.

    Raises:
        VerifyError: a field out of range, too many operands, too few, or a slot that the op does not know.
    """
    check_fields(op)
    if len(inputs) != op.arity and not (op.variadic and len(inputs) > op.arity):
        least = " or more" if op.variadic else ""
        raise VerifyError(f"{op.mnemonic} takes {op.arity}{least} operand(s), found {len(inputs)}")
    missing = [slot for slot in op.slots if slot not in weights]
    unknown = sorted(set(weights) - set(op.slots) - set(op.optional))
    if missing or unknown:
        raise VerifyError(
            f"{op.mnemonic}: weight slots missing {missing}, unknown {unknown}; "
            f"expected {list(op.slots)} and optionally {list(op.optional)}"
        )


def require(condition: bool, op: Op, message: str) -> None:
    """Raises VerifyError, naming the op, unless `condition` holds."""
    if not condition:
        raise VerifyError(f"{op.mnemonic}: {message}")


def require_step(op: Op, x: TensorType) -> TensorType:
    """`x`, which must change from step to step.

    Raises:
        VerifyError: it is one value for the inference; Repeat would turn it into one a step.
    """
    require(x.timing is Timing.STEP, op, f"needs a value per step, found {x}; put a Repeat before it")
    return x


def same_timing(op: Op, inputs: Inputs) -> Timing:
    """The timing that all operands share.

    Raises:
        VerifyError: Step and Once are mixed; Repeat would mend it.
    """
    timings = {x.timing for x in inputs}
    require(len(timings) == 1, op, "mixes a value per step with one for the inference; put a Repeat on the latter")
    return timings.pop()


def broadcast(op: Op, shape: Shape, *, to: Shape, what: str) -> None:
    """Checks that a weight of `shape` broadcasts to `to` without enlarging it.

    Raises:
        VerifyError: it does not.
    """
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    fits = len(shape) <= len(to) and all(s in (1, t) for s, t in zip(padded, to, strict=True))
    require(fits, op, f"{what} of shape {list(shape)} does not broadcast to {list(to)}")
