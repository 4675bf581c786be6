"""Operands made to fit: constants as values, and the axes of two operands brought together as torch broadcasts them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from spikec.frontend.axes import Dims, Item, View
from spikec.frontend.naming import Given
from spikec.frontend.recorder import Recorder
from spikec.ir.arithmetic import Mul, Scale
from spikec.ir.shapes import Constant, Expand
from spikec.ir.types import Role, Shape, Timing


def multiplied(r: Recorder, x: View, factor: Given) -> View:
    """x times a number (Scale), or times a tensor of the network's own (a Constant and Mul)."""
    number = r.own.number(factor)
    if number is not None:
        return r.add(Scale(number), x, inner=True)
    return r.add(Mul(), *aligned(r, x, constant(r, factor, x)), inner=True)


def is_nothing(r: Recorder, value: object) -> bool:
    """Whether adding `value` changes nothing: a zero, or a tensor of zeros that is not learnt."""
    if isinstance(value, (int, float)):
        return value == 0
    return isinstance(value, Tensor) and r.own.role(value) is not Role.PARAMETER and not bool(value.any())


def constant(r: Recorder, value: Given, like: View) -> View:
    """A number, or a tensor that does not come from the input, as a value that broadcasts to `like`.

    Raises:
        TraceError: it differs from sample to sample or from step to step.
    """
    tensor = value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
    if not tensor.is_floating_point() and tensor.dtype.is_complex:
        raise r.error("a complex tensor", mend="use real numbers")
    sizes = (1,) * (len(like.dims) - tensor.ndim) + tuple(tensor.shape)
    groups = ((),) * (len(sizes) - len(like.dims)) + like.dims
    dims: list[tuple[Item, ...]] = []
    shape: list[int] = []
    for axis, (size, group) in enumerate(zip(sizes, groups, strict=True)):
        if size > 1 and any(isinstance(item, str) for item in group):
            tensor = _alike_along(r, tensor, axis - len(sizes))
            size = 1
        dims.append((len(shape),) if size > 1 else ())
        shape += [size] if size > 1 else []
    if not r.own.name(tensor):  # the network's own stay as they are, so that each is one weight
        source, tensor = tensor, tensor.reshape(shape)
        r.derived(tensor, of=(source,))
    made = r.add(Constant(), dims=(), weights={"value": tensor}, inner=True)
    return r.shaped(replace(made, dims=()), shape, tuple(dims))


def _alike_along(r: Recorder, tensor: Tensor, axis: int) -> Tensor:
    """The tensor with one element along an axis of time or batch, along which it must not change."""
    first = tensor.narrow(axis, 0, 1)
    if not torch.equal(first.expand_as(tensor), tensor):
        raise r.error(
            "a tensor that does not come from the input and differs from sample to sample, or from step to step",
            mend="make it of one sample, [1, ...]",
        )
    r.derived(first, of=(tensor,))
    return first


def aligned(r: Recorder, a: View, b: View) -> tuple[View, View]:
    """Both in the same axes: where one has an axis of size 1, or no time, Expand or Repeat.

    Raises:
        TraceError: their axes do not broadcast.
    """
    if a.dims == b.dims and a.shape == b.shape and not (a.summed or b.summed):
        return a, b
    a, b = r.settled(a), r.settled(b)
    rank = max(len(a.dims), len(b.dims))
    a, b = (replace(x, dims=((),) * (rank - len(x.dims)) + x.dims) for x in (a, b))
    dims, shape = _target(r, a, b)
    return grown(r, a, dims, shape), grown(r, b, dims, shape)


def _target(r: Recorder, a: View, b: View) -> tuple[Dims, Shape]:
    """The axes of a result of both, and the shape of its value."""
    dims: list[tuple[Item, ...]] = []
    shape: list[int] = []
    for one, other in zip(a.dims, b.dims, strict=True):
        like, group = (a, one)
        if a.length(one) == 1 and (b.length(other) > 1 or len(other) > len(one)):
            like, group = b, other
        elif b.length(other) > 1 and _kinds(a, one) != _kinds(b, other):
            mend = "give both the same shape"
            raise r.error(f"operands whose axes differ: {list(a.torch_shape)} and {list(b.torch_shape)}", mend=mend)
        items: list[Item] = []
        for item in group:
            items.append(len(shape) if isinstance(item, int) else item)
            shape += [like.size(item)] if isinstance(item, int) else []
        dims.append(tuple(items))
    return tuple(dims), tuple(shape)


def _kinds(view: View, group: tuple[Item, ...]) -> list[Item]:
    """What the items of an axis are; sizes in the place of the value's axes."""
    return [item if isinstance(item, str) else view.size(item) for item in group]


def grown(r: Recorder, view: View, dims: Dims, shape: Shape) -> View:
    """The settled view broadcast to a value of `shape`, seen through `dims`, which hold its own axes in order."""
    own = []
    for group, target in zip(view.dims, dims, strict=True):
        sizes = [view.size(item) for item in group if isinstance(item, int)]
        wanted = [item for item in target if isinstance(item, int)]
        own += sizes if len(sizes) == len(wanted) else [1] * len(wanted)
    timed = any("T" in group for group in view.dims)
    repeats = not timed and any("T" in group for group in dims)
    if prod(own) != prod(view.shape) or (repeats and r.builder.type(view.value).timing is Timing.STEP):
        raise r.error(f"operands whose axes differ: {list(view.torch_shape)} does not broadcast", "give both one shape")
    bare: Dims = tuple(tuple(item for item in group if item != "T") for group in dims) if repeats else dims
    view = r.shaped(view, own, bare)
    if tuple(own) != shape:
        view = r.moved(view, Expand(shape))
    return replace(r.repeated(view), dims=dims) if repeats else view


def with_axis(r: Recorder, view: View, axis: int) -> View:
    """The settled view with an axis of the value where its torch axis holds nothing."""
    place = sum(isinstance(item, int) for group in view.dims[:axis] for item in group)
    shape = (*view.shape[:place], 1, *view.shape[place:])
    dims = [tuple(i + (isinstance(i, int) and i >= place) if isinstance(i, int) else i for i in g) for g in view.dims]
    dims[axis] = (place,)
    return r.shaped(view, shape, tuple(dims))
