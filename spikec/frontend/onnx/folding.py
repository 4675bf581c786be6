"""What is known without any input, computed while reading: shape arithmetic, and weights that were rearranged.

Each operation is computed by onnx's own reference, alone and on arrays whose size was bounded before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from spikec.frontend.onnx.alignment import broadcast_shapes
from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.symbol import Const, Numbers, Symbol
from spikec.frontend.onnx.tensor import DTYPES

Bound = Callable[[Call, Sequence[Numbers]], int]
"""The most elements that the results have, from the operands."""

# What onnx's reference raises on operands that do not fit.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
_MOST_AXES = 32
_WIDEST = 8


def _broadcast(call: Call, arrays: Sequence[Numbers]) -> int:
    return prod(broadcast_shapes(*(array.shape for array in arrays)))


def _as_many(call: Call, arrays: Sequence[Numbers]) -> int:
    return sum(array.size for array in arrays)


def _gathered(call: Call, arrays: Sequence[Numbers]) -> int:
    data, index = arrays[:2]
    axis = call.whole("axis", 0)
    if not -data.ndim <= axis < data.ndim:
        raise Refusal(f"axis {axis} of {data.ndim}")
    return int(index.size * (data.size // max(data.shape[axis], 1)))


def _expanded(call: Call, arrays: Sequence[Numbers]) -> int:
    return prod(broadcast_shapes(arrays[0].shape, _sizes(arrays[1])))


def _tiled(call: Call, arrays: Sequence[Numbers]) -> int:
    return arrays[0].size * prod(_sizes(arrays[1]))


def _ranged(call: Call, arrays: Sequence[Numbers]) -> int:
    start, limit, step = (float(array.reshape(-1)[0]) for array in arrays)
    count = (limit - start) / step if step else np.inf
    if not np.isfinite(count):
        raise Refusal("an endless range")
    return max(int(count) + 1, 0)


def _sizes(array: Numbers) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in array.reshape(-1))
    if len(sizes) > _MOST_AXES or any(n < 0 for n in sizes):
        raise Refusal(f"sizes {list(sizes)[:8]}")
    return sizes


_ELEMENTWISE = (
    "Abs Add And Cast Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual Identity Less LessOrEqual Log Max Min "
    "Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Softplus Sqrt Sub Sum Tanh Where"
)
_MOVES = "Concat Flatten Reshape ScatterElements ScatterND Slice Split Squeeze Transpose Unsqueeze"
_REDUCTIONS = "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"

FOLDS: Mapping[str, Bound] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _broadcast),
    **dict.fromkeys((_MOVES + " " + _REDUCTIONS).split(), _as_many),
    "Expand": _expanded,
    "Gather": _gathered,
    "Range": _ranged,
    "Tile": _tiled,
}
"""The operators that are computed where all their operands are known, and how large their results can be."""


@dataclass
class Folder:
    """Computes what is known, within bounds.

    Args:
        most: bytes that all results together may take.
        spent: bytes that they took.
    """

    most: int
    spent: int = 0

    def folded(self, call: Call) -> list[Symbol]:
        """The results of an operation whose operands are all constants.

        Raises:
            Refusal: it is none that is computed here, its operands do not fit, or its results are too large.
        """
        if call.op in NATIVE:
            return [Const(NATIVE[call.op](self, call))]
        operands = [operand for operand in call.operands if isinstance(operand, Const)]
        arrays = [operand.array for operand in operands]
        try:
            self.spend(FOLDS[call.op](call, arrays) * _WIDEST)
            with np.errstate(all="ignore"):
                results = _computed(call)
        except _FAULTS as error:
            raise Refusal(f"cannot be computed: {str(error).splitlines()[0] if str(error) else error!r}") from error
        return [Const(result, learnt=is_learnt(operands, result)) for result in results]

    def spend(self, size: int) -> None:
        """Counts what is about to be allocated.

        Raises:
            Refusal: it is more than may be taken.
        """
        self.spent += size
        if self.spent > self.most:
            raise Refusal(f"its constant result takes {size} bytes, more than --max-bytes leaves")

    def filled(self, call: Call) -> Numbers:
        """One number in a shape."""
        shape = _sizes(call.const(0, "its shape").array)
        value = call.attributes.get("value", Const(np.zeros(1, np.float32)))
        if not isinstance(value, Const) or value.array.size != 1:
            raise Refusal("a value that is no single number")
        self.spend(prod(shape) * _WIDEST)
        return np.full(shape, value.array.reshape(-1)[0])

    def stated(self, call: Call) -> Numbers:
        """A constant that is written into the node."""
        if len(call.attributes) != 1:
            raise Refusal(f"{len(call.attributes)} values; one is expected")
        ((kind, value),) = call.attributes.items()
        if kind == "value" and isinstance(value, Const):
            return value.array
        dtypes = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
        if kind not in dtypes or not isinstance(value, int | float | tuple):
            raise Refusal(f"a constant given as {kind} is not read")
        return np.asarray(value, dtypes[kind])


NATIVE: Mapping[str, Callable[[Folder, Call], Numbers]] = {
    "Constant": Folder.stated,
    "ConstantOfShape": Folder.filled,
}


def is_learnt(operands: Sequence[Const], result: Numbers) -> bool:
    """Whether a result is a parameter rearranged, and no value: several real numbers, made of parameters alone."""
    several = [operand for operand in operands if operand.array.dtype.kind == "f" and operand.array.size > 1]
    return result.size > 1 and bool(several) and all(operand.learnt for operand in several)


def _computed(call: Call) -> list[Numbers]:
    names = [f"x{at}" if operand is not None else "" for at, operand in enumerate(call.operands)]
    outputs = [f"y{at}" for at in range(len(call.wanted))]
    attributes: dict[str, Any] = {key: value for key, value in call.attributes.items() if value != ()}  # Any: plain
    node = onnx.helper.make_node(call.op, names, outputs, **attributes)
    feeds = {f"x{at}": operand.array for at, operand in enumerate(call.operands) if isinstance(operand, Const)}
    run = ReferenceEvaluator(node, opsets={"": call.opset})
    results = [np.asarray(result) for result in run.run(None, feeds)]
    if any(result.dtype not in DTYPES.values() for result in results):
        raise Refusal(f"a result of {', '.join(str(result.dtype) for result in results)}")
    return results
