"""The graph while it is drawn: nodes added in the scope of the operation at hand, moves of values kept few.

Files of unrolled networks slice, stack and reshape at every step. A slice of what was just stacked is what was
stacked there, a reshape of a reshape is one, so that what is left are the moves that move something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from spikec.errors import GraphError
from spikec.frontend.axes import View
from spikec.frontend.onnx.call import Refusal
from spikec.frontend.onnx.naming import cleaned
from spikec.frontend.onnx.symbol import Const, Data, Numbers
from spikec.ir.builder import GraphBuilder
from spikec.ir.op import Op
from spikec.ir.shapes import Concat, Constant, Expand, Reshape, Slice, Transpose
from spikec.ir.time import Repeat
from spikec.ir.types import FLOAT32, FLOAT64, Role, Shape, TensorType, Timing, Weight

COPIES = "onnx::"
"""How torch's older exporter begins the names of matrices that it turned: one copy for every use of a weight."""

VALUE_BYTES = 8
"""Of one element of a value in a runner."""


@dataclass(frozen=True, eq=False)
class Named:
    """A weight and the name that it has in the graph."""

    name: str
    weight: Weight


@dataclass
class Drawing:
    """The state of one reading.

    Args:
        builder: receives the nodes.
        batch: samples that the file's tensors are read with; None where its batch is 1, which no axis need show.
        timing: of all values: Step where the network has states.
        most: bytes that one value, or all constants, may take.
        scope: the module path of the operation at hand.
        remarks: what was assumed.
        differences: of values and a number, the value and the number by what they give.
    """

    builder: GraphBuilder
    batch: int | None
    timing: Timing
    most: int
    scope: str = ""
    remarks: dict[str, None] = field(default_factory=dict)
    differences: dict[View, tuple[Data, Const]] = field(default_factory=dict)
    _weights: dict[str, Weight] = field(default_factory=dict)
    _copies: dict[bytes, str] = field(default_factory=dict)  # names by what is there
    _known: dict[tuple[Op, tuple[str, ...]], str] = field(default_factory=dict)
    _sources: dict[str, tuple[Op, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, int]:
        """T and B for views; time is never an axis of a file's tensor."""
        return 1, self.batch or 1

    def type(self, value: str) -> TensorType:
        """The type of a value."""
        return self.builder.type(value)

    def shape(self, value: str) -> Shape:
        """The shape of a value, without batch."""
        return self.builder.type(value).shape

    def remark(self, text: str) -> None:
        """Notes an assumption, once."""
        self.remarks[text] = None

    def add(self, op: Op, *values: str, weights: Mapping[str, Named] | None = None) -> str:
        """Adds a node and gives the name of its result.

        Raises:
            Refusal: the operands do not fit, or the result would be too large to hold.
        """
        given = weights or {}
        try:
            name = self.builder.add(
                op,
                *values,
                scope=self.scope,
                weights={slot: named.weight for slot, named in given.items()},
                names={slot: named.name for slot, named in given.items()},
            )
        except GraphError as error:
            raise Refusal(str(error.__cause__ or error)) from error  # without the place, which is the operation's
        if self.type(name).elements * VALUE_BYTES > self.most:
            raise Refusal(f"a value of shape {list(self.shape(name))}, which is more than --max-bytes")
        return name

    def weight(self, const: Const, role: Role, array: Numbers | None = None) -> Named:
        """`const` as a weight of that role; `array` where its numbers are laid out in another way.

        Raises:
            Refusal: a number is not finite, or is none.
        """
        numbers = np.asarray(const.array if array is None else array)
        if numbers.dtype.kind not in "fiub" or numbers.size == 0 or not np.isfinite(numbers).all():
            raise Refusal(f"'{const.name}' holds no finite numbers alone")
        if numbers.dtype not in (np.float32, np.float64):
            numbers = numbers.astype(np.float32 if numbers.dtype == np.float16 else np.float64)
        weight = Weight(numbers, role, FLOAT64 if numbers.dtype == np.float64 else FLOAT32)
        stem = cleaned(const.name) or f"{self.scope}.constant"
        if const.name.startswith(COPIES) and numbers.size > 1:
            key = sha256(f"{role} {numbers.dtype} {numbers.shape}".encode() + numbers.tobytes()).digest()
            stem = self._copies.setdefault(key, stem)
        name, number = stem, 0
        while not _same(self._weights.setdefault(name, weight), weight):
            number += 1
            name = f"{stem}_{number}"
        return Named(name, self._weights[name])

    def constant(self, const: Const, array: Numbers, shape: Shape) -> str:
        """The numbers `array`, in the axes of a value of `shape` or with 1 for some, as a value of that shape."""
        number = Const(array).number
        if number is not None:
            array = np.full((1,) * len(shape), number, array.dtype)
        role = Role.PARAMETER if const.learnt else Role.CONSTANT
        value = self.add(Constant(), weights={"value": self.weight(const, role, array)})
        if self.timing is Timing.STEP:
            value = self.add(Repeat(), value)
        return self.expand(value, shape)

    def reshape(self, value: str, shape: Shape) -> str:
        """`value` in another shape."""
        source = self._sources.get(value)
        if source and isinstance(source[0], Reshape):
            (value,) = source[1]
        return value if self.shape(value) == shape else self._move(Reshape(shape), value)

    def transpose(self, value: str, axes: tuple[int, ...]) -> str:
        """`value` with axis i its axis axes[i]."""
        source = self._sources.get(value)
        if source and isinstance(source[0], Transpose):
            axes = tuple(source[0].axes[axis] for axis in axes)
            (value,) = source[1]
        return value if axes == tuple(range(len(axes))) else self._move(Transpose(axes), value)

    def expand(self, value: str, shape: Shape) -> str:
        """`value` repeated along its axes of size 1."""
        return value if self.shape(value) == shape else self._move(Expand(shape), value)

    def concat(self, values: Sequence[str], axis: int) -> str:
        """The values one after the other along `axis`."""
        if len(values) == 1:
            return values[0]
        shape = self.shape(values[0])
        if len(set(values)) == 1 and shape[axis] == 1:
            return self.expand(values[0], (*shape[:axis], len(values), *shape[axis + 1 :]))
        return self._move(Concat(axis), *values)

    def slice(self, value: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Elements start, start + step, ... below `stop` along `axis`."""
        shape = self.shape(value)
        if (start, step) == (0, 1) and stop == shape[axis]:
            return value
        op, values = self._sources.get(value, (None, ()))
        if isinstance(op, Expand) and self.shape(values[0])[axis] == 1:
            taken = len(range(start, stop, step))
            return self.expand(values[0], (*shape[:axis], taken, *shape[axis + 1 :]))
        if isinstance(op, Concat) and op.axis == axis and step == 1:
            whole = self._whole_parts(values, axis, start, stop)
            if whole:
                return self.concat(whole, axis)
        return self._move(Slice(axis, start, stop, step), value)

    def _whole_parts(self, values: Sequence[str], axis: int, start: int, stop: int) -> list[str]:
        """Those of the stacked values that make up start to stop, or what of them; none where one is cut in two."""
        found, at = [], 0
        for value in values:
            size = self.shape(value)[axis]
            low, high = max(start - at, 0), min(stop - at, size)
            if low < high:
                if high - low < size and not self._is_expanded(value, axis):
                    return []
                found.append(self.slice(value, axis, low, high))
            at += size
        return found

    def _is_expanded(self, value: str, axis: int) -> bool:
        op, values = self._sources.get(value, (None, ()))
        return isinstance(op, Expand) and self.shape(values[0])[axis] == 1

    def _move(self, op: Op, *values: str) -> str:
        """A node that only moves; the same one for the same move."""
        if (op, values) not in self._known:
            name = self.add(op, *values)
            self._known[op, values] = name
            self._sources[name] = (op, values)
        return self._known[op, values]


def _same(one: Weight, other: Weight) -> bool:
    return one is other or one.same_as(other)
