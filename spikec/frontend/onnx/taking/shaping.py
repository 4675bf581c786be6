"""Operators that give a tensor other axes: reshapes, transposes, repeats. The batch stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from spikec.frontend.onnx.alignment import broadcast_shapes, broadcast_to
from spikec.frontend.onnx.call import MOST_NUMBER, Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import MOST_ROWS, reshaped, single
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.frontend.onnx.taking.norms import axis_of
from spikec.ir.types import Shape


def identity(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The operand itself."""
    found = call.operand(0)
    assert found is not None
    return [found]


def shape_of(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The sizes, or some of them: known, with the batch as it is read."""
    shape = _any_shape(call)
    end = call.attributes.get("end")
    assert end is None or isinstance(end, int)
    return [Const(np.asarray(shape[slice(call.whole("start", 0), end)], np.int64))]


def size_of(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The number of elements, known as the shape is."""
    return [Const(np.asarray(prod(_any_shape(call)), np.int64))]


def reshape(d: Drawing, call: Call) -> Sequence[Symbol]:
    """A reshape; 0 keeps a size, -1 is what is left."""
    x = call.any_data()
    target = list(call.const_wholes(1, "its shape"))
    if not call.whole("allowzero", 0):
        target = [x.shape[at] if n == 0 and at < len(x.shape) else n for at, n in enumerate(target)]
    rest = prod(n for n in target if n != -1)
    if target.count(-1) > 1 or any(n < -1 or n == 0 for n in target) or (-1 in target and prod(x.shape) % rest):
        raise Refusal(f"a reshape of {list(x.shape)} to {target}")
    return [_moved(d, x, [prod(x.shape) // rest if n == -1 else n for n in target])]


def flatten(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The axes before `axis` joined, and those from it on."""
    x = call.any_data()
    axis = call.whole("axis", 1)
    if not -len(x.shape) <= axis <= len(x.shape):
        raise Refusal(f"axis {axis} of {len(x.shape)}")
    axis = axis + len(x.shape) if axis < 0 else axis
    return [_moved(d, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))]


def squeeze(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Axes of size 1 left out."""
    x = call.any_data()
    axes = call.wholes_of("axes", 1)
    places = {axis_of(axis, len(x.shape)) for axis in axes} if axes is not None else _ones(x)
    if any(x.shape[place] != 1 for place in places):
        raise Refusal(f"axes {sorted(places)} of {list(x.shape)} are not of size 1")
    return [_moved(d, x, [n for place, n in enumerate(x.shape) if place not in places])]


def unsqueeze(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Axes of size 1 put in."""
    x = call.any_data()
    axes = call.wholes_of("axes", 1) or ()
    rank = len(x.shape) + len(axes)
    places = {axis_of(axis, rank) for axis in axes}
    if len(places) != len(axes):
        raise Refusal(f"axes {list(axes)} name one twice")
    groups = iter(x.view.dims)
    dims = tuple(() if place in places else next(groups) for place in range(rank))
    return [replace(x, view=replace(x.view, dims=dims), absorbed=None)]


def transpose(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Axes in another order; reversed unless said."""
    x = call.any_data()
    axes = call.wholes("perm", range(len(x.shape))[::-1])
    if sorted(axes) != list(range(len(x.shape))):
        raise Refusal(f"perm {list(axes)} of {len(x.shape)} axes")
    return [replace(x, view=x.view.permuted(axes), absorbed=None)]


def expand(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Repeated along axes of size 1."""
    x = call.any_data()
    shape = _checked(call.const_wholes(1, "its shape"))
    return [Data(broadcast_to(d, x, broadcast_shapes(x.shape, shape)), x.kind)]


def tile(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Repeated whole along each axis."""
    x = call.any_data()
    repeats = _checked(call.const_wholes(1, "its repeats"))
    if len(repeats) != len(x.shape):
        raise Refusal(f"{len(repeats)} repeats for {len(x.shape)} axes")
    view = x.view
    for place, count in enumerate(repeats):
        if count > 1:
            if count > MOST_ROWS:
                raise Refusal(f"{count} copies of it would be needed")
            view, axis = single(d, view, place)
            value = d.concat([view.value] * count, axis)
            view = replace(view, value=value, shape=d.shape(value))
    return [Data(view, x.kind)]


def _any_shape(call: Call) -> Shape:
    x = call.operand(0)
    return x.shape if isinstance(x, Const) else call.any_data().shape


def _moved(d: Drawing, x: Data, target: Sequence[int]) -> Data:
    return Data(reshaped(d, x.view, tuple(target)), x.kind)


def _ones(x: Data) -> set[int]:
    """The axes of size 1, of which the batch is none."""
    return {place for place, n in enumerate(x.shape) if n == 1 and "B" not in x.view.dims[place]}


def _checked(sizes: Shape) -> Shape:
    """Raises Refusal unless every size is one that a value can have."""
    if any(not 1 <= n < MOST_NUMBER for n in sizes):
        raise Refusal(f"sizes {list(sizes)[:8]}; numbers from 1 to {MOST_NUMBER} are expected")
    return sizes
