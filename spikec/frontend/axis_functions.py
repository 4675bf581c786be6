"""What torch's functions of shapes add to a recording: reshapes, transposes, slices, lists of tensors, repetitions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from operator import index as index_of
from types import EllipsisType
from typing import Any, SupportsIndex

from torch import Tensor

from spikec.frontend.axes import Item, View
from spikec.frontend.operands import constant, grown, with_axis
from spikec.frontend.recorder import Recorder
from spikec.frontend.steps import stacked
from spikec.ir.shapes import Concat, Slice
from spikec.ir.types import Timing


def reshape(r: Recorder, y: Tensor, input: View, *sizes: Any, **named: Any) -> View:  # Any: y has the shape
    """Any function after which the elements are in the same order in y's shape."""
    return r.reshaped(input, y.shape)


def squeeze(r: Recorder, y: Tensor, input: View, *dims: Any, **named: Any) -> View:  # Any: numbers, or a sequence
    """x.squeeze: time and batch, whose sizes are the run's, must not be among what may go."""
    given = named.get("dim", dims[0] if len(dims) == 1 else dims)
    axes = [given] if isinstance(given, int) else list(given) or range(len(input.dims))
    of_run = [axis for axis in axes if input.dims[axis] in (("T",), ("B",))]
    if of_run:
        what = "time" if input.dims[of_run[0]] == ("T",) else "the batch"
        raise r.error(f"a squeeze that takes {what} away where its size is 1", mend="say which axis: x.squeeze(-1)")
    return r.reshaped(input, y.shape)


def transpose(r: Recorder, y: Tensor, input: View, dim0: int, dim1: int) -> View:
    """Two axes swapped."""
    axes = list(range(len(input.dims)))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return r.settled_sum(input).permuted(axes)


def permute(r: Recorder, y: Tensor, input: View, *axes: Any, dims: Any = None) -> View:  # Any: numbers, or a sequence
    """Axes in another order."""
    given = dims if dims is not None else axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    return r.settled_sum(input).permuted([axis % len(input.dims) for axis in given])


def swap_last(r: Recorder, y: Tensor, input: View, *rest: object) -> View:
    """The last two axes swapped."""
    return transpose(r, y, input, -2, -1)


def movedim(r: Recorder, y: Tensor, input: View, source: Any, destination: Any) -> View:  # Any: a number or several
    """Axes moved to other places."""
    rank = len(input.dims)
    sources, targets = ([n % rank for n in ([a] if isinstance(a, int) else a)] for a in (source, destination))
    order = [axis for axis in range(rank) if axis not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return r.settled_sum(input).permuted(order)


def expand(r: Recorder, y: Tensor, input: View, *sizes: Any, **named: Any) -> View:  # Any: y has the shape
    """Axes of size 1 that grow: the one to T steps is a Repeat (direct coding), any other an Expand."""
    input = r.settled_sum(input)
    input = replace(input, dims=((),) * (y.ndim - len(input.dims)) + input.dims)
    many = [axis for axis, group in enumerate(input.dims) if input.length(group) not in (1, y.shape[axis])]
    if many:
        raise r.error(f"axis {many[0]} of size {input.length(input.dims[many[0]])} is repeated as a whole")
    free = [axis for axis, group in enumerate(input.dims) if not group]
    larger = [axis for axis in free if y.shape[axis] > 1]
    once = r.builder.type(input.value).timing is Timing.ONCE
    # a repetition over one step grows nothing
    time = [axis for axis in (larger if r.steps > 1 or larger else free) if once and y.shape[axis] == r.steps][:1]
    if once and larger and not time:
        raise r.error(f"an expansion to {list(y.shape)} that is no repetition over the {r.steps} steps")
    input = r.settled(input)
    dims: list[tuple[Item, ...]] = []
    shape: list[int] = []
    for axis, group in enumerate(input.dims):
        grows = input.length(group) < y.shape[axis]
        kept: tuple[Item, ...] = ("T",) if axis in time else (0,) if grows else group
        dims.append(tuple(len(shape) if isinstance(item, int) else item for item in kept))
        own = [y.shape[axis]] if grows else [input.size(item) for item in kept if isinstance(item, int)]
        shape += own if kept != ("T",) else []
    return grown(r, input, tuple(dims), tuple(shape))


def getitem(r: Recorder, y: Tensor, input: View, index: Any) -> View:  # Any: all that may stand in brackets
    """x[...]: one step of time, slices of the value's axes, new axes."""
    view = r.settled_sum(input)
    parts = list(index) if isinstance(index, tuple) else [index]
    named = sum(part is not None and not isinstance(part, EllipsisType) for part in parts)
    if EllipsisType not in map(type, parts):
        parts.append(...)
    full = [slice(None)] * (len(view.dims) - named)
    place = next(i for i, part in enumerate(parts) if isinstance(part, EllipsisType))
    parts[place : place + 1] = full
    axis = 0
    for part in parts:
        if part is None:
            view = replace(view, dims=(*view.dims[:axis], (), *view.dims[axis:]))
            axis += 1
        elif isinstance(part, SupportsIndex) and not isinstance(part, (bool, Tensor)):
            view = picked(r, view, axis, index_of(part))
        elif isinstance(part, slice):
            check_bounds(r, view, axis, part)
            start, stop, step = part.indices(view.length(view.dims[axis]))
            view = sliced(r, view, axis, start, stop, step)
            axis += 1
        else:
            raise r.error("an index that is a tensor or a list is not taken", mend="index by numbers and slices")
    return view


def check_bounds(r: Recorder, view: View, axis: int, part: slice) -> None:
    """Refuses bounds beyond the end of time or batch: they take all of this recording, and not of a longer one.

    Raises:
        TraceError: names T or B and the bound.
    """
    here = [name for name in ("T", "B") if name in view.dims[axis]]
    size = view.length(view.dims[axis])
    for bound in (part.start, part.stop) if here else ():
        if bound is not None and not -size <= bound <= size and abs(bound) < sys.maxsize:
            raise r.error(
                f"a slice to {bound} of {here[0]} = {size}: of a longer {here[0]} it would take a part",
                mend="take one step, x[t], or all of them",
            )


def sliced(r: Recorder, view: View, axis: int, start: int, stop: int, step: int) -> View:
    """Elements start, start + step, ... below stop of a torch axis, which stays; of time, one step or all.

    Raises:
        TraceError: some of the steps, or of the batch.
    """
    size = view.length(view.dims[axis])
    if (start, step) == (0, 1) and stop >= size:
        return view
    if view.dims[axis] == ("T",):
        if len(range(start, min(stop, size), step)) != 1:
            raise r.error(
                f"steps {start}:{stop}:{step} of {size} are taken", mend="take one step, x[t], or all of them"
            )
        return replace(view, dims=(*view.dims[:axis], (), *view.dims[axis + 1 :]), at=start)
    if len(view.dims[axis]) != 1:
        view = r.settled(view)
    return r.spare(r.add(Slice(view.axis_of(axis), start, min(stop, size), step), view, inner=True))


def picked(r: Recorder, view: View, axis: int, index: int) -> View:
    """One element of a torch axis, which goes: a step of time, or of an axis of the value."""
    index %= view.length(view.dims[axis])
    if view.dims[axis] == ("T",):
        return replace(view, dims=(*view.dims[:axis], *view.dims[axis + 1 :]), at=index)
    view = sliced(r, view, axis, index, index + 1, 1)
    shape = view.torch_shape
    if not view.dims[axis]:
        return replace(view, dims=(*view.dims[:axis], *view.dims[axis + 1 :]))
    return r.reshaped(view, (*shape[:axis], *shape[axis + 1 :]))


def select(r: Recorder, y: Tensor, input: View, dim: int, index: int) -> View:
    """x.select: one element of an axis."""
    return picked(r, r.settled_sum(input), dim % len(input.dims), index)


def narrow(r: Recorder, y: Tensor, input: View, dim: int, start: int, length: int) -> View:
    """x.narrow: a slice of an axis."""
    return sliced(r, r.settled_sum(input), dim % len(input.dims), start, start + length, 1)


def unbind(r: Recorder, y: Sequence[Tensor], input: View, dim: int = 0) -> tuple[View, ...]:
    """Every element of an axis; this is how a loop goes over a tensor."""
    return tuple(select(r, part, input, dim, place) for place, part in enumerate(y))


def split(r: Recorder, y: Sequence[Tensor], input: View, sizes: object, dim: int = 0) -> tuple[View, ...]:
    """x.split and x.chunk: an axis in parts."""
    view, axis, start, parts = r.settled_sum(input), dim % len(input.dims), 0, []
    if isinstance(sizes, int):  # steps a part, or parts: of a longer T there would be others
        check_bounds(r, view, axis, slice(None, sizes))
    if view.dims[axis] and view.dims[axis] != ("T",) and len(y) > 1 and len(view.dims[axis]) != 1:
        view = r.settled(view)
    for part in y:
        length = int(part.shape[axis])
        parts.append(sliced(r, view, axis, start, start + length, 1))
        start += length
    return tuple(parts)


def stack(r: Recorder, y: Tensor, tensors: Sequence[Any], dim: int = 0) -> View:  # Any: views and tensors
    """torch.stack: the steps of a loop, or tensors along an axis of their own."""
    views = views_of(r, tensors)
    axis = dim % y.ndim
    whole = stacked(r, views, axis)
    if whole is not None:
        return whole
    settled = [r.settled(view) for view in views]
    grown_views = [replace(view, dims=(*view.dims[:axis], (), *view.dims[axis:])) for view in settled]
    return joined(r, [with_axis(r, view, axis) for view in grown_views], axis)


def cat(r: Recorder, y: Tensor, tensors: Sequence[Any], dim: int = 0) -> View:  # Any: views and tensors
    """torch.cat: along an axis of the value, or of steps that have an axis of size 1 for time."""
    views = views_of(r, tensors)
    axis = dim % y.ndim
    if all(not view.dims[axis] for view in views):
        bare = [replace(view, dims=(*view.dims[:axis], *view.dims[axis + 1 :])) for view in views]
        whole = stacked(r, bare, axis)
        if whole is not None:
            return whole
    settled = [r.settled(view) for view in views]
    return joined(r, [view if view.dims[axis] else with_axis(r, view, axis) for view in settled], axis)


def views_of(r: Recorder, tensors: Sequence[Any]) -> list[View]:  # Any: views and tensors
    """The views of a list, constants among them made values.

    Raises:
        TraceError: a constant of another rank than the rest.
    """
    like = next(view for view in tensors if isinstance(view, View))
    return [view if isinstance(view, View) else filled(r, view, like) for view in tensors]


def filled(r: Recorder, tensor: Tensor, like: View) -> View:
    """A tensor that does not come from the input as a view of its own size, with time and batch as `like` has them."""
    made = constant(r, tensor, like)
    of_run = [bool(group) and all(isinstance(item, str) for item in group) for group in like.dims]
    dims = tuple(g if run else own for g, own, run in zip(like.dims, made.dims, of_run, strict=True))
    shape = tuple(made.size(item) for group in made.dims for item in group if isinstance(item, int))
    return grown(r, made, dims, shape)


def joined(r: Recorder, views: Sequence[View], axis: int) -> View:
    """The values one after the other along a torch axis that is an axis of each."""
    at = [view.axis_of(axis) for view in views]
    if len({view.dims for view in views}) != 1 or len(set(at)) != 1:
        raise r.error("tensors whose axes differ are put together", mend="give all the same axes")
    if len(views) == 1:
        return views[0]
    return r.add(Concat(at[0]), *views, inner=True)


def same(r: Recorder, y: Tensor, input: View, *rest: Any, **named: Any) -> View:  # Any: no effect on values
    """A function that changes no value."""
    return input


def converted(r: Recorder, y: Tensor, input: View, *rest: Any, **named: Any) -> View:  # Any: formats and devices
    """x.to, x.float: a conversion to the format that the network has anyway."""
    if y.dtype != r.dtype:
        raise r.error(f"a conversion to {y.dtype} in a network of {r.dtype}", mend="keep to one format")
    return input
