"""The network's own tensors as weights of the graph: their names, their roles, and which of them were used."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikec.frontend.memory import storage_of
from spikec.ir.builder import WeightLike
from spikec.ir.types import Role, weight_of

READS_NUMBERS = frozenset(("item", "tolist", "numpy", "__array__", "__int__", "__float__", "__index__"))
Given = Tensor | float
"""A weight as the network has it: one of its tensors, one computed from them, or a number."""


class OwnTensors:
    """What the tensors of a network are called, and what was computed from its parameters.

    `computed` says whether a weight is a tensor that the network computes as it runs: its numbers are then rounded to
    the precision that it runs in.

    Args:
        model: the network.
        formats: of its own tensors, where they are not those that the graph shall have.
    """

    def __init__(self, model: nn.Module, formats: Mapping[str, torch.dtype] | None = None) -> None:
        self.formats = formats or {}
        self.computed = False
        self._parameters = {id(p): name for name, p in model.named_parameters()}
        self._buffers = {id(b): name for name, b in model.named_buffers()}
        # held, so that ids and memory stay their own: a neuron puts new tensors in the place of its buffers
        self._held = (*model.named_parameters(), *model.named_buffers())
        self._memory = {place: name for name, tensor in self._held if (place := storage_of(tensor))}
        self._learnt = frozenset(self._parameters.values())
        self._derived: dict[int, tuple[Tensor, frozenset[str]]] = {}
        self._given: dict[str, Hashable] = {}
        self.used: set[str] = set()
        self.frozen: set[str] = set()

    def name(self, tensor: object) -> str:
        """Its path in the network; empty for what is no tensor of its own."""
        return self._parameters.get(id(tensor)) or self._buffers.get(id(tensor), "")

    def owner(self, tensor: Tensor) -> str:
        """The path of the network's own tensor that `tensor` is, or shares memory with; empty for any other."""
        return self.name(tensor) or self._memory.get(storage_of(tensor), "")

    def role(self, tensor: object) -> Role:
        """Parameter, also where computed from one; statistic for a buffer; else constant."""
        if any(name in self._learnt for name in self._sources(tensor)):
            return Role.PARAMETER
        return Role.STATISTIC if id(tensor) in self._buffers else Role.CONSTANT

    def derive(self, result: object, of: Iterable[object]) -> None:
        """Remembers a tensor that a function gave, where it is computed from the network's own."""
        sources = {name for value in of for name in self._sources(value)}
        if sources and isinstance(result, Tensor) and not self.name(result):
            self._derived[id(result)] = (result, frozenset(sources))

    def read(self, values: Iterable[object], by: str) -> None:
        """Remembers parameters whose numbers a function takes out of torch: the graph holds those as they are."""
        if by in READS_NUMBERS:
            values = list(values)
            self.computed |= any(id(value) in self._derived for value in values)
            self.frozen.update(name for value in values for name in self._sources(value) if name in self._learnt)

    def _sources(self, value: object) -> Iterable[str]:
        if id(value) in self._derived:
            return self._derived[id(value)][1]
        name = self.name(value)
        return (name,) if name else ()

    def unused(self) -> list[str]:
        """The parameters that no weight of the graph is, or is computed from."""
        return [name for name in self._parameters.values() if name not in self.used | self.frozen]

    def weights(self, given: Mapping[str, Given | None], scope: str) -> tuple[dict[str, str], dict[str, WeightLike]]:
        """The names of weights by slot, and their values; a name is left to the builder where it is the usual one."""
        names: dict[str, str] = {}
        values: dict[str, WeightLike] = {}
        for slot, value in given.items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                values[slot] = float(value)
                continue
            self.used.update(self._sources(value))
            own = self.name(value)
            self.computed |= not own
            values[slot] = weight_of(numbers_of(value.to(self.formats.get(own, value.dtype))), self.role(value))
            name = own or self._free(f"{scope}.{slot}" if scope else "", value)
            if name:
                names[slot] = name
        return names, values

    def number(self, value: object) -> float | None:
        """The number that a value is everywhere; None for one that is learnt, or differs from element to element."""
        if isinstance(value, (int, float)):
            return float(value)
        if not isinstance(value, Tensor) or value.numel() != 1 or self.role(value) is Role.PARAMETER:
            return None
        self.computed |= not self.name(value)
        return float(value)

    def _free(self, stem: str, value: Tensor) -> str:
        """A name for a computed tensor, the same one for the same numbers."""
        if not stem:
            return ""
        name, number = stem, 0
        while self._given.setdefault(name, key_of(value)) != key_of(value):
            number += 1
            name = f"{stem}_{number}"
        return name

    def key(self, value: Given | None) -> Hashable:
        """What two weights share only where they are the same."""
        name = self.name(value) if isinstance(value, Tensor) else ""
        return name or key_of(value)


def key_of(value: Given | None) -> Hashable:
    """What two tensors, or numbers, share only where every bit is the same."""
    if not isinstance(value, Tensor):
        return value
    array = numbers_of(value)
    return array.dtype.str, array.shape, array.tobytes()


def numbers_of(tensor: Tensor) -> NDArray[np.generic]:
    """The tensor's numbers as an array; half precision, which is exact in float32, as that."""
    with torch._C.DisableTorchFunction():  # what is followed is what the network does, not this
        tensor = tensor.detach().cpu()
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        return tensor.numpy() if tensor.is_floating_point() else tensor.double().numpy()
