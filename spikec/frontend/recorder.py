"""Turns what torch computes into graph nodes, while it computes it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.axes import AxesError, Dims, View, merged, regroup
from spikec.ir.builder import GraphBuilder, WeightLike
from spikec.ir.op import Op
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.types import Role, weight_of

_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


class Firing(NamedTuple):
    """One call of a neuron: what it took in and what it emitted."""

    drive: View
    spikes: View


@dataclass
class Recorder:
    """The state of one recording: the graph so far, and which tensor is which value.

    Args:
        builder: receives the nodes.
        sizes: T and B of the recording.
        named: name and role of each parameter and buffer, by identity.
        scopes: module paths now being executed, with whether each is a leaf.
    """

    builder: GraphBuilder
    sizes: tuple[int, int]
    named: Mapping[int, tuple[str, Role]]
    scopes: list[tuple[str, bool]] = field(default_factory=lambda: [("", False)])
    hidden: int = 0  # above 0 while inside a neuron, whose own arithmetic is no part of the graph
    neurons: dict[str, list[Firing]] = field(default_factory=dict)
    outputs: list[View] = field(default_factory=list)
    _derived: dict[int, Tensor] = field(default_factory=dict)
    _views: dict[int, tuple[Tensor, View, int]] = field(default_factory=dict)
    _moves: dict[tuple[str, Op], str] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """The module path now being executed."""
        return self.scopes[-1][0]

    @property
    def container(self) -> str:
        """The innermost module path that is no leaf."""
        return next(path for path, leaf in reversed(self.scopes) if not leaf)

    def view(self, tensor: object) -> View | None:
        """How `tensor` is seen, or None where it does not come from the input."""
        found = self._views.get(id(tensor))
        return found[1] if found else None

    def watch(self, tensor: Tensor, view: View) -> Tensor:
        """Remembers what `tensor` is and gives it back.

        Raises:
            TraceError: the view and the tensor differ in shape: our own bookkeeping failed.
        """
        sizes = [int(np.prod([view.size(item) for item in group], dtype=np.int64)) for group in view.dims]
        if sizes != list(tensor.shape):
            raise self.error(f"axes were lost: {list(tensor.shape)} is followed as {sizes}")
        if id(tensor) in self._views:
            self.check_unmodified()  # a neuron may write into what it takes and give that
        # the tensor is held, so that its id stays its own; its version counts writes, those through aliases too
        self._views[id(tensor)] = (tensor, view, tensor._version)
        return tensor

    def derived(self, result: object, of: Iterable[object]) -> object:
        """Remembers a tensor that was computed from parameters alone, and gives it back."""
        if isinstance(result, Tensor) and any(self._role(value) is Role.PARAMETER for value in of):
            self._derived[id(result)] = result
        return result

    def _role(self, tensor: object) -> Role:
        _, role = self.named.get(id(tensor), ("", Role.CONSTANT))
        return Role.PARAMETER if id(tensor) in self._derived else role

    def check_unmodified(self) -> None:
        """Checks that no followed tensor was written to after it was recorded.

        Raises:
            TraceError: one was, by an in-place function or through an alias.
        """
        for tensor, view, version in self._views.values():
            if tensor._version != version:
                raise TraceError(
                    f"the tensor of '%{view.value}' was written to in place after it was computed",
                    mend="write x = x + y in the place of x += y, and copy before writing",
                )

    def add(
        self,
        op: Op,
        *operands: View,
        dims: Dims | None = None,
        weights: Mapping[str, Tensor | float | None] | None = None,
    ) -> View:
        """Adds a node in the current scope and gives the view of its first result, in `dims`."""
        leaf = self.scopes[-1][1]
        names, values = self._weights(weights or {})
        name = self.builder.add(
            op,
            *(view.value for view in operands),
            scope=self.scope,
            inner=not leaf,
            weights=values,
            names=names,
        )
        shape = self.builder.type(name).shape
        return View(name, shape, operands[0].dims if dims is None else dims, self.sizes)

    def settled(self, view: View) -> View:
        """The view with the value's axes in torch's order, each torch axis one of them: Transpose and Reshape."""
        if view.order != tuple(range(len(view.shape))):
            view = self._moved(view, Transpose(view.order))
            number = {axis: place for place, axis in enumerate(view.order)}
            view = replace(
                view, dims=tuple(tuple(number[i] if isinstance(i, int) else i for i in g) for g in view.dims)
            )
        shape, dims = merged(view)
        if shape == view.shape:
            return view
        return replace(self._moved(view, Reshape(shape)), dims=dims)

    def reshaped(self, view: View, target: Sequence[int]) -> View:
        """The view after a torch reshape to `target`; a Reshape where axes of the value are cut."""
        split = regroup(view, target)
        if split.shape == view.shape:
            return replace(view, dims=split.dims)
        return replace(self._moved(view, Reshape(split.shape)), dims=split.dims)

    def _moved(self, view: View, op: Op) -> View:
        """The view after a Transpose or Reshape, which is added once however often it is wanted."""
        name = self._moves.get((view.value, op))
        if name is None:
            name = self.builder.add(op, view.value, scope=self.container, inner=True)
            self._moves[view.value, op] = name
        return View(name, self.builder.type(name).shape, view.dims, self.sizes)

    def _weights(self, given: Mapping[str, Tensor | float | None]) -> tuple[dict[str, str], dict[str, WeightLike]]:
        names: dict[str, str] = {}
        values: dict[str, WeightLike] = {}
        for slot, value in given.items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                values[slot] = float(value)
                continue
            name, _ = self.named.get(id(value), ("", Role.CONSTANT))
            values[slot] = weight_of(value.detach().cpu().numpy(), self._role(value))
            if name:
                names[slot] = name
        return names, values

    def error(self, message: str, mend: str = "") -> TraceError:
        """A TraceError with the module path and the line of user code that is running."""
        where = f"module '{self.scope}'" if self.scope else "the network"
        for frame in reversed(traceback.extract_stack()):
            if not frame.filename.startswith(_OWN) and "<" not in frame.filename:
                where += f", {Path(frame.filename).name}:{frame.lineno}: {frame.line}"
                break
        return TraceError(message, where=where, mend=mend)

    def following(self, error: AxesError) -> TraceError:
        """The same error as a TraceError that says where."""
        return self.error(str(error), mend="keep time and batch as whole axes")


def named_tensors(model: nn.Module) -> dict[int, tuple[str, Role]]:
    """Name and role of each parameter and buffer, by identity."""
    found = {id(p): (name, Role.PARAMETER) for name, p in model.named_parameters()}
    found.update({id(b): (name, Role.STATISTIC) for name, b in model.named_buffers()})
    return found
