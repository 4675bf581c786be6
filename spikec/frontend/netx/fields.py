"""The numbers of a layer, as a file states them: scalars that may stand in arrays, pairs, whole numbers.

What is missing or out of its range is an error of the file (ModelFileError); what is stated and not taken is gathered
as an `Offender` or raised as UnsupportedOp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikec.errors import ModelFileError, Offender, UnsupportedOp
from spikec.frontend.hdf5 import Group
from spikec.ir.types import Shape

WHAT = "spikec's reader of .net files"
Whole = NDArray[np.int64]

MOST_AXIS = 2**31
MOST_NUMBER = 2**31
SHOWN = 40


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of the file: its number, its kind as the file calls it, and its fields."""

    number: int
    kind: str
    fields: Group

    @property
    def scope(self) -> str:
        """The module path of what is made of it."""
        return f"layer.{self.number}"

    @property
    def shape(self) -> Shape:
        """Its output's shape as it is stated: (N,), (H, W) or (C, H, W); a dense layer's also (N, 1, 1) or (1, 1, N).

        Raises:
            ModelFileError: none is stated, or no one to three axes.
        """
        stated = whole_array(self.fields, "shape").reshape(-1)
        if not 1 <= stated.size <= 3 or stated.min() < 1 or stated.max() > MOST_AXIS:
            raise self.fields.bad("shape", f"is {stated.tolist()[:8]}", "one to three sizes: C, H, W")
        return tuple(int(size) for size in stated)

    def offender(self, what: str, reason: str) -> Offender:
        """An offence of this layer, for the list."""
        return Offender(shown(what), self.scope, reason)

    def refused(self, what: str, reason: str) -> UnsupportedOp:
        """An error about this layer, to be raised."""
        return UnsupportedOp(WHAT, [self.offender(what, reason)])


def shown(text: str) -> str:
    """A text of the file as errors print it: in one line, and no longer than a line."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}..."


def is_whole(array: NDArray[np.generic]) -> bool:
    """Whether every number is an integer."""
    return array.dtype.kind != "f" or bool(np.all(np.floor(array) == array))


def whole_array(fields: Group, name: str) -> Whole:
    """The integers of that name, whatever type the file stores them in.

    Raises:
        ModelFileError: there are none, or some that are no integers or beyond 32 bits.
    """
    found = fields.array(name)
    if found.size == 0:
        raise fields.bad(name, "has no element", "integers")
    finite = found.dtype.kind != "f" or bool(np.isfinite(found).all())
    if not finite or np.abs(found.astype(np.float64)).max() > MOST_NUMBER or not is_whole(found):
        raise fields.bad(name, "holds numbers that are no integers, or beyond 32 bits", "integers")
    return found.astype(np.int64)


def whole(fields: Group, name: str, least: int, most: int) -> int:
    """One integer, a scalar or the only element of an array.

    Raises:
        ModelFileError: it is missing, not one, or out of its range.
    """
    found = whole_array(fields, name)
    if found.size != 1 or not least <= found.reshape(-1)[0] <= most:
        what = f"is {found.reshape(-1)[0]}" if found.size == 1 else f"holds {found.size} numbers"
        raise fields.bad(name, what, f"one integer in {least}..{most}")
    return int(found.reshape(-1)[0])


def pair(fields: Group, name: str) -> tuple[int, int]:
    """A number for each spatial axis in the order (H, W); one number holds for both.

    Raises:
        ModelFileError: it is missing, or more than two.
    """
    found = whole_array(fields, name).reshape(-1)
    if found.size > 2:
        raise fields.bad(name, f"holds {found.size} numbers", "one or two: for H, for W")
    return int(found[0]), int(found[-1])


def check_stated(layer: Layer, name: str, value: int) -> None:
    """Checks a size that the file may state beside the weights that show it.

    Raises:
        ModelFileError: it states another.
    """
    if name in layer.fields and whole(layer.fields, name, 0, MOST_NUMBER) != value:
        raise layer.fields.bad(name, "contradicts the layer's weights or its input", str(value))


def contradiction(layer: Layer, found: str, expected: str) -> ModelFileError:
    """An error about a layer that does not fit itself or the one before it, to be raised."""
    return ModelFileError(f"{layer.fields.path}: {found}", where=layer.fields.file, expected=expected)
