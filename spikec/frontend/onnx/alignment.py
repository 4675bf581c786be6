"""Operands of one operation brought to one shape: broadcasting as ONNX does it, with the batch where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from spikec.frontend.axes import Dims, Item, View
from spikec.frontend.onnx.call import Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import filled, settled
from spikec.frontend.onnx.symbol import Const, Data, Numbers
from spikec.ir.types import Shape

OWN = "own"
Sizes = tuple[int | str, ...]
"""Of one axis of the file: sizes of the value's axes in it, 'B' where the batch is, OWN where each operand has its."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Operands in the same axes.

    Args:
        operands: as they were given.
        values: of each, its value in the shape that it has (1 where it is repeated), or its numbers.
        shapes: of each, the whole shape of its value; all the same but for axes that were kept apart.
        dims: of the result.
        sizes: T and B, for the view of the result.
    """

    operands: tuple[Data | Const, ...]
    values: tuple[str | Numbers, ...]
    shapes: tuple[Shape, ...]
    dims: Dims
    sizes: tuple[int, int]

    def view(self, value: str, shape: Shape | None = None) -> View:
        """A result as a view; of the operands' shape unless given."""
        return View(value, self.shapes[0] if shape is None else shape, self.dims, self.sizes)

    def whole(self, d: Drawing) -> list[str]:
        """Every operand as a value of its whole shape."""
        values = []
        for operand, value, shape in zip(self.operands, self.values, self.shapes, strict=True):
            if isinstance(value, str):
                values.append(d.expand(value, shape))
            else:
                assert isinstance(operand, Const)
                values.append(d.constant(operand, value, shape))
        return values


def aligned(d: Drawing, *operands: Data | Const, apart: Sequence[int] = ()) -> Aligned:
    """The operands in axes that broadcast against each other.

    Args:
        d: receives the reshapes.
        operands: at least one is Data.
        apart: axes that are left as each operand has them, one axis of the value each.

    Raises:
        Refusal: the shapes do not broadcast, or samples would be mixed.
    """
    alike = None if apart else _alike(d, operands)
    if alike is not None:
        return alike
    rank = max(len(operand.shape) for operand in operands)
    views = {at: _padded(d, operand, rank, apart) for at, operand in enumerate(operands) if isinstance(operand, Data)}
    shapes = [(1,) * (rank - len(operand.shape)) + operand.shape for operand in operands]
    met = [tuple(1 if place in apart else n for place, n in enumerate(shape)) for shape in shapes]
    common = broadcast_shapes(*met)
    axes: list[Sizes] = []
    for place, size in enumerate(common):
        found = [_sizes(view, place) for view in views.values()]
        axes.append((OWN,) if place in apart else _axis(found, size))
    values: list[str | Numbers] = []
    for at, operand in enumerate(operands):
        if isinstance(operand, Const):
            values.append(_numbers(operand, shapes[at], axes))
        else:
            own = [n for sizes, size in zip(axes, shapes[at], strict=True) for n in _own(sizes, size)]
            values.append(d.reshape(views[at].value, tuple(own)))
    wholes = [
        tuple(size if n == OWN else int(n) for sizes, size in zip(axes, shape, strict=True) for n in sizes if n != "B")
        for shape in shapes
    ]
    return Aligned(operands, tuple(values), tuple(wholes), _dims(axes), d.sizes)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that `shapes` broadcast to, in the file's axes.

    Raises:
        Refusal: they do not.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise Refusal(f"shapes {list(map(list, shapes))} do not broadcast") from error


def broadcast_to(d: Drawing, data: Data, shape: Shape) -> View:
    """The tensor repeated to `shape`, which may have more axes."""
    if shape == data.shape:
        return data.view
    found = aligned(d, data, Const(np.broadcast_to(np.float32(1), shape)))
    return found.view(d.expand(str(found.values[0]), found.shapes[0]))


def _alike(d: Drawing, operands: Sequence[Data | Const]) -> Aligned | None:
    """The operands as they are, where their values lie in the same axes, or are one number; else None."""
    views = [operand.view for operand in operands if isinstance(operand, Data)]
    first = views[0]
    if any(view.dims != first.dims or view.shape != first.shape for view in views):
        return None
    values: list[str | Numbers] = []
    for operand in operands:
        if isinstance(operand, Data):
            values.append(operand.view.value)
        elif operand.number is not None and broadcast_shapes(operand.shape, first.torch_shape) == first.torch_shape:
            values.append(np.full((1,) * len(first.shape), operand.number, operand.array.dtype))
        else:
            return None
    return Aligned(tuple(operands), tuple(values), (first.shape,) * len(operands), first.dims, d.sizes)


def _padded(d: Drawing, data: Data, rank: int, apart: Sequence[int]) -> View:
    view = data.view
    view = View(view.value, view.shape, (*((),) * (rank - len(view.dims)), *view.dims), view.sizes)
    if not apart:
        return settled(d, view)
    view = filled(d, view, *apart)
    if any("B" in view.dims[place] for place in apart):
        raise Refusal("it would run over the batch, along which samples are apart")
    return view


def _sizes(view: View, place: int) -> Sizes:
    group = view.dims[place]
    # beside the batch an axis of size 1 says nothing
    return tuple("B" if item == "B" else view.size(item) for item in group if "B" not in group or view.size(item) > 1)


def _axis(found: Sequence[Sizes], size: int) -> Sizes:
    """What the operands' axis holds together."""
    batched = {sizes for sizes in found if "B" in sizes}
    if not batched:
        return (size,) if size > 1 or any(found) else ()
    if len(batched) > 1 or any("B" not in sizes for sizes in found):
        raise Refusal("the batch of one operand meets another axis of the other: samples would be mixed")
    return batched.pop()


def _own(sizes: Sizes, size: int) -> list[int]:
    """The sizes that an operand has in the value's axes of this axis, being `size` long there."""
    if "B" in sizes:
        return [n for n in sizes if isinstance(n, int)]
    return [size] * len(sizes)


def _numbers(const: Const, shape: Shape, axes: Sequence[Sizes]) -> Numbers:
    """A constant in the value's axes; what it has along the batch must be the same for every sample."""
    parts: list[int] = []
    for sizes, size in zip(axes, shape, strict=True):
        samples = size // prod(_own(sizes, size)) if size > 1 else 1
        parts += [samples if n == "B" else size if n == OWN else min(int(n), size) for n in sizes]
    array = const.array.reshape(parts)
    batches = [at for at, n in enumerate(n for sizes in axes for n in sizes) if n == "B"]
    for at in batches:
        first = array.take([0], axis=at)
        if not np.array_equal(np.broadcast_to(first, array.shape), array, equal_nan=array.dtype.kind == "f"):
            raise Refusal(f"'{const.name}' differs from sample to sample")
        array = first.squeeze(at)
    return array


def _dims(axes: Sequence[Sizes]) -> Dims:
    dims: list[tuple[Item, ...]] = []
    at = 0
    for sizes in axes:
        group: list[Item] = []
        for n in sizes:
            group.append("B" if n == "B" else at)
            at += n != "B"
        dims.append(tuple(group))
    return tuple(dims)
