"""Reshapes, cuts and joins of tensors in the axes of the file, as moves of the graph's values without batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from spikec.frontend.axes import AxesError, Dims, Item, View, describe, merged, regroup
from spikec.frontend.onnx.call import Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.ir.types import Shape


def settled(d: Drawing, view: View) -> View:
    """The same tensor, the value's axes in the file's order and joined where one axis of the file holds several."""
    if view.order != tuple(range(len(view.shape))):
        number = {axis: place for place, axis in enumerate(view.order)}
        dims = tuple(tuple(number[i] if isinstance(i, int) else i for i in group) for group in view.dims)
        value = d.transpose(view.value, view.order)
        view = replace(view, value=value, shape=d.shape(value), dims=dims)
    shape, dims = merged(view)
    return replace(view, value=d.reshape(view.value, shape), shape=shape, dims=dims)


def filled(d: Drawing, view: View, *places: int) -> View:
    """The settled view, where each axis in `places` (all unless given) without batch is an axis of the value."""
    view = settled(d, view)
    shape: list[int] = []
    dims: list[tuple[Item, ...]] = []
    for place, group in enumerate(view.dims):
        sizes = [view.size(item) for item in group if isinstance(item, int)]
        if not group and (not places or place in places):
            dims.append((len(shape),))
            shape.append(1)
            continue
        numbers = iter(range(len(shape), len(shape) + len(sizes)))
        dims.append(tuple(next(numbers) if isinstance(item, int) else item for item in group))
        shape += sizes
    return replace(view, value=d.reshape(view.value, tuple(shape)), shape=tuple(shape), dims=tuple(dims))


def single(d: Drawing, view: View, place: int) -> tuple[View, int]:
    """The view with the file's axis `place` as one axis of the value, and which that is.

    Raises:
        Refusal: the batch is in it.
    """
    if len(view.dims[place]) != 1:
        view = filled(d, view, place)
    items = view.dims[place]
    if len(items) != 1 or not isinstance(items[0], int):
        raise Refusal(f"axis {place} is, or holds, the batch ({describe(items)}), along which samples are apart")
    return view, items[0]


def reshaped(d: Drawing, view: View, target: Shape) -> View:
    """The view after a reshape to the sizes `target` in the file's axes.

    Raises:
        Refusal: it mixes samples.
    """
    if prod(target) != prod(view.torch_shape):
        raise Refusal(f"{list(view.torch_shape)} does not reshape to {list(target)}")
    if not target:
        return View(d.reshape(view.value, ()), (), (), d.sizes)
    try:
        split = regroup(view, target)
    except AxesError as error:
        return _reshaped_apart(d, view, target, error)
    return replace(view, value=d.reshape(view.value, split.shape), shape=split.shape, dims=split.dims)


def _reshaped_apart(d: Drawing, view: View, target: Shape, error: AxesError) -> View:
    """A reshape that regroups axes at large, those before the batch and those behind it apart."""
    view = settled(d, view)
    if d.batch is None:
        return View(d.reshape(view.value, target), target, tuple((axis,) for axis in range(len(target))), d.sizes)
    sizes = view.torch_shape
    old = [place for place, group in enumerate(view.dims) if group == ("B",)]
    new = [place for place, size in enumerate(target) if size == d.batch]
    fits = [place for place in new if old and prod(target[:place]) == prod(sizes[: old[0]])]
    if not fits:
        raise Refusal(f"{error}: samples would be mixed") from error
    shape = (*target[: fits[0]], *target[fits[0] + 1 :])
    axes = [(axis,) for axis in range(len(shape))]
    return View(d.reshape(view.value, shape), shape, (*axes[: fits[0]], ("B",), *axes[fits[0] :]), d.sizes)


def cut(d: Drawing, view: View, place: int, start: int, stop: int, step: int = 1) -> View:
    """Elements start, start + step, ... below `stop` along the file's axis `place`.

    Raises:
        Refusal: the axis is, or holds, the batch.
    """
    if (start, stop, step) == (0, view.torch_shape[place], 1):
        return view
    view, axis = single(d, view, place)
    value = d.slice(view.value, axis, start, stop, step)
    return replace(view, value=value, shape=d.shape(value))


def dropped(d: Drawing, view: View, place: int) -> View:
    """The view without the file's axis `place`, which is of size 1."""
    sizes = view.torch_shape
    return reshaped(d, view, (*sizes[:place], *sizes[place + 1 :]))


def rows(d: Drawing, view: View, axes: int) -> tuple[list[str], View]:
    """What is before the last `axes` axes of the file as separate values, for ops that know one sample alone.

    Time that was unrolled into the batch ([T B, C, H, W]) is cut into its steps.

    Gives:
        values of the last `axes` axes, one for each row, and the view that they are cut from.

    Raises:
        Refusal: the axes hold the batch, or the rows are very many.
    """
    place = len(view.dims) - axes
    if place < 0:
        raise Refusal(f"a tensor of shape {list(view.torch_shape)}; {axes + 1} axes are expected")
    view = filled(d, view, *range(place, len(view.dims)))
    for axis in range(place, len(view.dims)):
        view, _ = single(d, view, axis)
    lead = view.shape[: len(view.shape) - axes]
    count = prod(lead)
    if count > MOST_ROWS:
        raise Refusal(f"{count} copies of it would be needed")
    value = d.reshape(view.value, (count, *view.shape[len(lead) :])) if lead else view.value
    if not lead:
        return [value], view
    inner = view.shape[len(lead) :]
    return [d.reshape(d.slice(value, 0, row, row + 1), inner) for row in range(count)], view


def stacked(d: Drawing, values: Sequence[str], view: View, axes: int) -> View:
    """The inverse of `rows`: values, which may have other sizes, stacked where those of `view` were cut.

    The results have `axes` axes of their own in the place of the last ones of the view.
    """
    inner = d.shape(values[0])
    lead = view.shape[: len(view.shape) - axes]
    value = values[0]
    if lead:
        value = d.concat([d.reshape(one, (1, *inner)) for one in values], 0)
        value = d.reshape(value, (*lead, *inner))
    own: Dims = tuple((len(lead) + axis,) for axis in range(len(inner)))
    return View(value, (*lead, *inner), (*view.dims[: len(view.dims) - axes], *own), d.sizes)


MOST_ROWS = 1024
"""Copies of one operation into which a leading axis may be unrolled."""
