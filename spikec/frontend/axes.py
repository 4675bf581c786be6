"""Which torch axis holds what: time, batch, and the axes of a graph value, which has neither.

A traced tensor is a value of the graph seen through torch axes. Each torch axis is a tuple of items, an item being
time ("T"), the batch ("B") or the number of an axis of the value. Reshapes that only move time and batch about,
and transposes, change the view and add nothing to the graph.

A loop over time in Python meets tensors of one step: views without time that say which step they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from spikec.ir.types import Shape

Item = Literal["T", "B"] | int
Dims = tuple[tuple[Item, ...], ...]


class AxesError(ValueError):
    """A torch shape that cannot be followed; the tracer adds where."""


@dataclass(frozen=True)
class View:
    """A graph value as torch axes.

    Args:
        value: its name in the graph.
        shape: its shape there, without time and batch.
        dims: for each torch axis, the items in it, outermost first; an axis of size 1 may hold none.
        sizes: T and B of this recording.
        at: the step, of a tensor of one step of a value that has all; None otherwise.
        summed: whether it is the sum of the steps up to `at`, as a loop gathers it.
    """

    value: str
    shape: Shape
    dims: Dims
    sizes: tuple[int, int]
    at: int | None = None
    summed: bool = False

    def size(self, item: Item) -> int:
        """Elements along an item."""
        if item == "T":
            return self.sizes[0]
        return self.sizes[1] if item == "B" else self.shape[item]

    def axis_of(self, dim: int) -> int:
        """The value's axis that torch axis `dim` is.

        Raises:
            AxesError: it holds several, or time or batch.
        """
        items = self.dims[dim]
        if len(items) != 1 or not isinstance(items[0], int):
            raise AxesError(f"axis {dim} is not one axis of a sample alone: it holds {describe(items)}")
        return items[0]

    def length(self, group: Sequence[Item]) -> int:
        """Elements along a torch axis that holds these items."""
        return prod(self.size(item) for item in group)

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """The torch tensor's shape."""
        return tuple(self.length(group) for group in self.dims)

    @property
    def over_time(self) -> View:
        """The view of all steps, time first, of which this one is a step."""
        return replace(self, dims=(("T",), *self.dims), at=None, summed=False)

    @property
    def order(self) -> tuple[int, ...]:
        """The value's axes in the order in which torch has them."""
        return tuple(item for items in self.dims for item in items if isinstance(item, int))

    def permuted(self, axes: Sequence[int]) -> View:
        """The same value with torch axes permuted."""
        return replace(self, dims=tuple(self.dims[axis] for axis in axes))

    def reduced(self, axes: Iterable[int], *, keepdim: bool) -> Dims:
        """The torch axes after reducing torch axes away, numbered for the value without what they hold."""
        gone = {axis % len(self.dims) for axis in axes}
        lost = {item for axis in gone for item in self.dims[axis]}
        left = [axis for axis in range(len(self.shape)) if axis not in lost]
        number = {axis: place for place, axis in enumerate(left)}
        dims: list[tuple[Item, ...]] = []
        for axis, group in enumerate(self.dims):
            if axis not in gone:
                dims.append(tuple(number[i] if isinstance(i, int) else i for i in group))
            elif keepdim:
                dims.append(())
        return tuple(dims)


@dataclass(frozen=True)
class Split:
    """A view after a reshape that cut axes of its value: the value's new shape, and the view of it."""

    shape: Shape
    dims: Dims


def describe(items: Sequence[Item]) -> str:
    """Items in words."""
    words = {"T": "time", "B": "batch"}
    return " x ".join(words[i] if isinstance(i, str) else f"axis {i}" for i in items) or "nothing"


def regroup(view: View, target: Sequence[int]) -> Split:
    """The view after a row-major reshape of the torch tensor to the sizes `target`.

    Raises:
        AxesError: the reshape would mix elements of time, batch or axes that do not divide.
    """
    left: list[tuple[Item, int, int]] = [(i, view.size(i), 0) for group in view.dims for i in group]
    pieces: dict[int, list[int]] = {axis: [] for axis in range(len(view.shape))}
    groups: list[list[tuple[Item, int]]] = []
    for size, following in zip(target, (*target[1:], 0), strict=True):
        group = _take(left, size, pieces)
        # Of one step, time fits anywhere: where no axis of its own follows, it stays with the batch.
        if group and left and left[0][:2] == ("T", 1) and following != 1:
            group.append((left.pop(0)[0], 0))
        # So does a batch of one: it stays with the time before it.
        if group and group[-1][0] == "T" and left and left[0][:2] == ("B", 1) and following != 1:
            group.append((left.pop(0)[0], 0))
        groups.append(group)
    for item, size, _ in left:
        if size != 1:
            raise AxesError(f"a reshape to {list(target)} leaves {describe([item])} over")
        groups[-1].append((item, _piece(item, 1, pieces)))
    return _numbered(view, groups, pieces)


def merged(view: View) -> tuple[Shape, Dims]:
    """The value's shape and the view where every torch axis's run of value axes is one axis.

    The value's axes must already stand in torch's order.
    """
    shape: list[int] = []
    dims: list[tuple[Item, ...]] = []
    for group in view.dims:
        items: list[Item] = []
        for item in group:
            if isinstance(item, int) and items and isinstance(items[-1], int):
                shape[-1] *= view.shape[item]
            elif isinstance(item, int):
                items.append(len(shape))
                shape.append(view.shape[item])
            else:
                items.append(item)
        dims.append(tuple(items))
    return tuple(shape), tuple(dims)


def _take(left: list[tuple[Item, int, int]], size: int, pieces: dict[int, list[int]]) -> list[tuple[Item, int]]:
    group: list[tuple[Item, int]] = []
    need = size
    while left and (need > 1 or (left[0][1] == 1 and not group)):
        item, has, _ = left.pop(0)
        if need % has == 0:
            group.append((item, _piece(item, has, pieces)))
            need //= has
        elif has % need == 0 and isinstance(item, int):
            group.append((item, _piece(item, need, pieces)))
            left.insert(0, (item, has // need, 0))
            need = 1
        else:
            raise AxesError(f"a reshape splits {describe([item])} of size {has} into parts of {need}")
    if need != 1:
        raise AxesError(f"a reshape wants an axis of {size} where the tensor has ended")
    return group


def _piece(item: Item, size: int, pieces: dict[int, list[int]]) -> int:
    if isinstance(item, int):
        pieces[item].append(size)
        return len(pieces[item]) - 1
    return 0


def _numbered(view: View, groups: list[list[tuple[Item, int]]], pieces: dict[int, list[int]]) -> Split:
    shape: list[int] = []
    first: dict[int, int] = {}
    for axis in range(len(view.shape)):
        first[axis] = len(shape)
        shape.extend(pieces[axis] or [view.shape[axis]])
    dims = tuple(tuple(first[i] + k if isinstance(i, int) else i for i, k in group) for group in groups)
    assert prod(shape) == prod(view.shape)
    return Split(tuple(shape), dims)
