"""A node where it stands, as the forms of NIR look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.numbers import Array, full
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Shape

Fields = dict[str, object]
Described = tuple[str, Fields] | str
"""Type and fields, or why there is none."""


@dataclass(frozen=True)
class Site:
    """A node where it stands: its graph, and the seconds a step.

    `op` is the node's own op; each form takes the one of its key.
    """

    graph: Graph
    node: Node
    dt: float

    @property
    def op(self) -> Any:  # Any: see above
        """The node's op."""
        return self.node.op

    @property
    def shape(self) -> Shape:
        """The shape of the first operand; of the result where there is none."""
        return self.graph.types[(*self.node.inputs, self.node.name)[0]].shape

    def array(self, slot: str) -> NDArray[np.generic] | None:
        """A weight's numbers; None where the slot is empty."""
        name = self.node.weights.get(slot)
        return None if name is None else self.graph.weights[name].values

    def floats(self, slot: str) -> NDArray[np.floating[Any]]:  # Any: float32 or float64
        """A weight in its own floating dtype; integers as float64."""
        array = self.graph.weights[self.node.weights[slot]].values
        return array.astype(array.dtype if array.dtype in (np.float32, np.float64) else np.float64)

    def full(self, *slots: str) -> Array:
        """The first of the slots that is filled, one number an element; zeros where none is."""
        found = next((array for slot in slots if (array := self.array(slot)) is not None), np.zeros(()))
        return full(found, self.shape)

    def bias(self, outputs: int, like: NDArray[np.generic]) -> NDArray[np.generic]:
        """The bias; zeros of the weight's dtype where there is none."""
        return np.zeros(outputs, like.dtype) if self.array("bias") is None else self.floats("bias")

    def used(self, result: str) -> bool:
        """Whether something takes the result of that suffix, such as the membrane 'v'."""
        value = f"{self.node.name}.{result}"
        return bool(self.graph.users(value)) or value in self.graph.outputs
