"""How a layer is cut over cores: along the axes of what drives it, a label for each coordinate of each axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from spikec.ir.graph import Node
from spikec.ir.linear import Conv1d, Conv2d
from spikec.ir.pools import Mean, Pool, Sum
from spikec.ir.types import Shape

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """A layer's result as its rule sees it: an array of these axes, in the order of its elements.

    Args:
        shape: of the view.
        channels: which axis holds the channels.
        columns: which one the columns, along which a grid is cut; None where there is none.
    """

    shape: Shape
    channels: int
    columns: int | None = None


@dataclass(frozen=True, eq=False)
class Split:
    """A layer on cores: a label for each coordinate of each axis; each combination of labels is a core.

    Args:
        view: the axes.
        labels: of each axis, [size] with values 0, 1, ..., each of which some coordinate has.
    """

    view: View
    labels: tuple[Labels, ...]

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Labels of each axis."""
        return tuple(int(labels.max(initial=-1)) + 1 for labels in self.labels)

    @property
    def cores(self) -> int:
        """Cores of the layer."""
        return prod(self.counts)

    @cached_property
    def core_of(self) -> NDArray[np.int64]:
        """[elements]: the core of each element, in the order of the result's elements."""
        grid = np.zeros((1,) * len(self.labels), dtype=np.int64)
        for axis, (labels, count) in enumerate(zip(self.labels, self.counts, strict=True)):
            shape = [1] * len(self.labels)
            shape[axis] = labels.size
            grid = grid * count + labels.reshape(shape)
        return np.ascontiguousarray(np.broadcast_to(grid, self.view.shape)).reshape(-1)


@dataclass(frozen=True, eq=False)
class Scatter:
    """A layer on cores, each element by itself.

    Args:
        view: the axes.
        core_of: [elements] of what drives the layer, with values 0, 1, ..., each of which some element has.
    """

    view: View
    core_of: NDArray[np.int64]

    @cached_property
    def cores(self) -> int:
        """Cores of the layer."""
        return int(self.core_of.max(initial=-1)) + 1


Cut = Split | Scatter


def view_of(driver: Node) -> View:
    """The view of what drives a layer: channels of a grid first, those of a Linear or product last."""
    shape = driver.type.shape
    if isinstance(driver.op, (Conv2d, Pool)):
        return View(shape, 0, 2)
    if isinstance(driver.op, Conv1d):
        return View(shape, 0, 1)
    if isinstance(driver.op, (Sum, Mean)):
        return View((driver.type.elements,), 0)
    return rows_of(shape)


def rows_of(shape: Shape) -> View:
    """The view of places and channels, the last axis."""
    *places, channels = (1, *shape)
    return View((prod(places), channels), 1, 0)


def view_of_input(shape: Shape) -> View:
    """The view of an input layer: [C, H, W], or places and channels."""
    return View(shape, 0, 2) if len(shape) == 3 else rows_of(shape)


def chunked(view: View, sizes: tuple[int, ...]) -> Split:
    """The split into boxes of these sizes, the last one along an axis taking what remains."""
    return Split(view, tuple(np.arange(n, dtype=np.int64) // size for n, size in zip(view.shape, sizes, strict=True)))


def tiled_split(view: View, columns: int, channels: int) -> Split:
    """The split into so many columns and channels, all other axes whole."""
    sizes = list(view.shape)
    if view.columns is not None:
        sizes[view.columns] = columns
    sizes[view.channels] = channels
    return chunked(view, tuple(sizes))
