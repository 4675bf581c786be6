"""The fields of a node of a .nir file, each checked as it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.errors import ModelFileError
from spikec.frontend.nir.network import Item
from spikec.ir.types import Shape

EXACT = 2**53
"""Up to which every whole number is a float64."""

Numbers = NDArray[np.floating[Any]]  # Any: float32 or float64, as the file has them


class Fields:
    """What a node of the file states. Every field must be asked for once: one that nobody knows is not passed over."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self._asked = {"type", "metadata"}

    @property
    def name(self) -> str:
        """The node's name, for remarks."""
        return self.item.name

    def __contains__(self, name: str) -> bool:
        return name in self.item.group

    def unknown(self) -> list[str]:
        """The fields that were not asked for."""
        return [name for name in self.item.group if name not in self._asked]

    def numbers(self, name: str) -> Numbers:
        """Finite numbers in the precision of the file; whole numbers become float64.

        Raises:
            ModelFileError: there are none, or they are something else.
        """
        found = self._array(name)
        kind = np.float32 if found.dtype in (np.float16, np.float32) else np.float64
        with np.errstate(over="ignore"):
            numbers = found.astype(kind)
        if not np.isfinite(numbers).all():
            raise self.bad(name, "holds NaN or infinite numbers", "finite numbers")
        far = found.dtype.kind in "iu" and not ((found <= EXACT) & (found >= -EXACT)).all()
        if far or not np.array_equal(numbers, found):
            raise self.bad(name, f"holds {found.dtype} that no float64 is equal to", "float32 or float64")
        return np.asarray(numbers)

    def positive(self, name: str) -> Numbers:
        """The same, all above 0.

        Raises:
            ModelFileError: as `numbers`, or one is not.
        """
        found = self.numbers(name)
        if not (found > 0).all():
            raise self.bad(name, f"holds {float(found.min())!r}", "numbers above 0")
        return found

    def wholes(self, name: str, count: int) -> tuple[int, ...]:
        """`count` whole numbers, stated one by one or as one for all.

        Raises:
            ModelFileError: there are none, or they are something else.
        """
        found = self._wholes(name)
        if found.size not in (1, count):
            raise self.bad(name, f"holds {found.size} numbers", f"1 or {count}")
        return tuple(int(n) for n in np.broadcast_to(found.reshape(-1), count))

    def whole(self, name: str) -> int:
        """One whole number; see `wholes`."""
        return self.wholes(name, 1)[0]

    def shape(self, name: str) -> Shape:
        """The size of each axis.

        Raises:
            ModelFileError: there are none, or they are something else.
        """
        found = self._wholes(name)
        if not (found > 0).all():
            raise self.bad(name, f"holds {_first(found)}", "sizes of 1 or more")
        return tuple(int(n) for n in found.reshape(-1))

    def text(self, name: str) -> str | None:
        """The text of a field that may hold numbers instead."""
        self._asked.add(name)
        return self.item.group.text(name) if isinstance(self.item.group.get(name), str) else None

    def bad(self, name: str, found: str, expected: str) -> ModelFileError:
        """An error about a field, to be raised."""
        return self.item.group.bad(name, found, expected)

    def _wholes(self, name: str) -> NDArray[Any]:  # Any: integers or floats
        found = self._array(name)
        if not ((found < EXACT) & (found > -EXACT)).all() or not np.array_equal(found, np.rint(found)):
            raise self.bad(name, f"holds {_first(found)}", "whole numbers")
        return found

    def _array(self, name: str) -> NDArray[Any]:  # Any: integers or floats
        self._asked.add(name)
        found = self.item.group.array(name)
        if found.dtype.kind == "b" or found.size == 0:
            raise self.bad(name, f"holds {found.size} of {found.dtype}", "numbers")
        return found


def _first(found: NDArray[Any]) -> str:  # Any: integers or floats
    more = ", ..." if found.size > 4 else ""
    return f"{', '.join(map(str, found.reshape(-1)[:4].tolist()))}{more}"
