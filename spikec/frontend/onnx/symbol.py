"""What a tensor of an ONNX graph is while it is read: known numbers, a value of the graph, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikec.frontend.axes import View

Numbers = NDArray[Any]  # Any: of every dtype that is read
Kind = Literal["float", "bool", "int"]


@dataclass(frozen=True, eq=False)
class Const:
    """Numbers that are known without any input: an initialiser, or what was computed of such.

    Args:
        array: the numbers.
        name: of the tensor in the file.
        learnt: whether an initialiser with more than one number is among its sources.
    """

    array: Numbers
    name: str = ""
    learnt: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes in the file."""
        return tuple(self.array.shape)

    @property
    def number(self) -> float | None:
        """The one number that it holds everywhere, None where there are several."""
        if self.array.size == 0:
            return None
        first = self.array.flat[0]
        return float(first) if self.array.size == 1 or bool(np.all(self.array == first)) else None


@dataclass(frozen=True, eq=False)
class Data:
    """A value of the graph, seen through the axes that the tensor has in the file.

    Args:
        view: the value and its axes.
        kind: bool and int tensors hold the numbers of a spike, or of an integer input, until a Cast.
        absorbed: a constant that is added already, as the bias of the Linear that made the value.
    """

    view: View
    kind: Kind = "float"
    absorbed: Const | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes in the file, with the batch as it is read."""
        return self.view.torch_shape


@dataclass(frozen=True, eq=False)
class Clipped:
    """A value that was rounded or clipped, of which only both together are an op: MultiLevelSpike.

    Args:
        data: the value before.
        least, most: the bounds, None where it was rounded.
    """

    data: Data
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Refused:
    """A tensor that cannot be taken; what uses it says nothing of its own."""

    reason: str = ""


Symbol = Const | Data | Clipped | Refused
