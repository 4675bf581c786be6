"""Ops and weights as the plain data that stand beside their numbers in a file, and back.

Files hold the real numbers of a weight, those that a target's runtime computes with; its format says how to find the
integers of a fixed-point weight again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.ir.op import Op
from spikec.ir.types import FLOAT32, FLOAT64, IntFormat, Role, Weight, fixed_point

FLOATS = {str(kind): kind for kind in (FLOAT32, FLOAT64)}
Plain = dict[str, object]
Said = Mapping[str, Any]  # Any: JSON, checked as it is taken apart


def op_fields(op: Op) -> Plain:
    """Every field of an op, default or not; a fixed-point format as its text."""
    return {field.name: _plain(getattr(op, field.name)) for field in fields(op)}


def op_from(kind: type[Op], values: Said) -> Op:
    """The op with these fields; JSON has no tuples, so lists become such.

    Raises:
        ValueError: a field is missing, the op has none of that name, or its format cannot be read.
    """
    known = {field.name: field.default for field in fields(kind)}
    if sorted(values) != sorted(known):
        raise ValueError(f"{kind.mnemonic} has the fields {sorted(known)}, found {sorted(values)}")
    return kind(**{key: _field(value, known[key]) for key, value in values.items()})


def _plain(value: object) -> object:
    return str(value) if isinstance(value, IntFormat) else value


def _field(value: object, default: object) -> Any:  # Any: the field's own type, which verify checks
    if default is None and isinstance(value, str):
        return fixed_point(value)
    return tuple(value) if isinstance(value, list) else value


def weight_facts(weight: Weight) -> Plain:
    """What the numbers alone do not say of a weight."""
    kind = weight.format
    return {
        "role": weight.role.value,
        "format": asdict(kind) if isinstance(kind, IntFormat) else str(kind),
        "dtype": weight.array.dtype.name,
        "shape": list(weight.array.shape),
    }


def weight_from(facts: Said, numbers: NDArray[Any]) -> Weight:  # Any: float or integer
    """The weight in the dtype and format that it was written from.

    Numbers that these cannot hold were changed since; they then stay as they are, so that a comparison sees it.
    """
    kind, role = facts["format"], Role(facts["role"])
    form = IntFormat(**kind) if isinstance(kind, dict) else FLOATS[kind]
    stored = _integers(numbers, form.scale) if isinstance(form, IntFormat) else numbers
    weight = Weight(stored.astype(np.dtype(facts["dtype"])), role, form)
    return weight if np.array_equal(weight.values, numbers) else Weight(stored, role, form)


def _integers(numbers: NDArray[Any], scale: float) -> NDArray[np.float64]:  # Any: as above
    """The integers that stand for `numbers`, where there are such: 3 * 0.1 / 0.1 is not 3."""
    whole = np.rint(numbers / scale)
    return np.where(whole * scale == numbers, whole, numbers / scale)
