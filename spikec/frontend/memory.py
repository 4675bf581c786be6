"""Which memory holds tensors that come from the input, and which of them were written over."""

from __future__ import annotations

import sys

import torch
from torch import Tensor


def _own_references() -> int:
    """References to a tensor that a table of triples and a loop over it have: how many differs between Pythons."""
    table = {0: (object(), None, 0)}
    (found,) = [sys.getrefcount(held) for _, (held, _, _) in list(table.items())]
    return found


OWN_REFERENCES = _own_references()
COUNTED = hasattr(Tensor, "_use_count") and hasattr(torch._C, "_storage_Use_Count")
"""Whether this torch tells who else has a tensor, or its memory."""


class Memory:
    """The memory of followed tensors: views of one another share it, and what is written into one is seen in all.

    A write gives the tensor that is written to a new value. All others of its memory are written over: whoever uses
    one of them again would use the old value, so that is refused.
    """

    def __init__(self) -> None:
        self._held: dict[int, set[int]] = {}
        self._over: dict[int, str] = {}

    def hold(self, tensor: Tensor) -> None:
        """Remembers a tensor, whose value is known from now on; it must be kept from being freed."""
        self._held.setdefault(storage_of(tensor), set()).add(id(tensor))
        self._over.pop(id(tensor), None)

    def drop(self, tensor: Tensor) -> None:
        """Forgets a tensor that may be freed now."""
        place = storage_of(tensor)
        self._held[place].discard(id(tensor))
        if not self._held[place]:
            del self._held[place]
        self._over.pop(id(tensor), None)

    def shared(self, tensor: Tensor) -> bool:
        """Whether torch itself still has it, or a tensor that is not followed may share its memory."""
        place = storage_of(tensor)
        kept = tensor._use_count() > 1  # type: ignore[attr-defined]  # torch's own, without a stub
        return kept or place == 0 or _users(place) > len(self._held[place])

    def holds(self, tensor: Tensor) -> bool:
        """Whether its memory is that of a followed tensor."""
        place = storage_of(tensor)
        return place != 0 and place in self._held

    def write(self, target: Tensor, line: str) -> None:
        """Remembers that `line` wrote into `target`."""
        for number in self._held.get(storage_of(target), ()):
            if number != id(target):
                self._over[number] = line

    def written_over(self, tensor: object) -> str:
        """The line that wrote over it; empty where none did."""
        return self._over.get(id(tensor), "")


def _users(place: int) -> int:
    """How many tensors share a memory, as torch counts them: it counts its own look at it too."""
    return int(torch._C._storage_Use_Count(place)) - 1


def storage_of(tensor: Tensor) -> int:
    """What tensors share that share memory; 0 for one that has none of its own to look at."""
    if tensor.layout is not torch.strided:
        return 0
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # functorch's, which wrap another tensor
        return 0
