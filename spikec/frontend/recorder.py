"""Turns what torch computes into graph nodes, while it computes it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from spikec.errors import TraceError
from spikec.frontend import lines
from spikec.frontend.axes import AxesError, Dims, View, merged, regroup
from spikec.frontend.firing import Firing, Place
from spikec.frontend.following import Following
from spikec.frontend.naming import Given, OwnTensors
from spikec.ir.builder import GraphBuilder
from spikec.ir.op import Op
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Repeat, TimeLast, TimeSum
from spikec.ir.types import Timing

SAME_EACH_STEP = (
    "do the same at every step, on that step's tensors; feedback is a neuron's (snn.RLeaky), or begins as zeros of the"
    " shape that it will have"
)


@dataclass
class Recorder(Following):
    """The state of one recording: the graph so far, and which tensor is which value.

    Of a loop over time in Python the first step is recorded. Every later one must do the same: each op of it is looked
    up by what it is, where it stands and what it takes, and found to be a node that is there already. What is
    computed for the inference in each step anew is found to be a twin of a node, which `dead` names in the end.

    Args:
        builder: receives the nodes.
        sizes: T and B of the recording.
        own: the network's own tensors.
        dtype: in which the network computes.
        before: an earlier recording of the network, whose tensors this one must not meet.
        firings: of each neuron, by its path.
        calls: of each neuron, by its path.
        outputs: views of the network's results.
        offenders: everything that stands in the way.
        remarks: what is to be said of the network, by what it is about.
        printed: lines that turn a tensor's numbers into text.
        added: names of the nodes, in order.
    """

    builder: GraphBuilder
    sizes: tuple[int, int]
    own: OwnTensors
    dtype: torch.dtype = torch.float32
    before: Recorder | None = None
    firings: dict[str, list[Firing]] = field(default_factory=dict)
    calls: dict[str, list[Place]] = field(default_factory=dict)
    outputs: list[View] = field(default_factory=list)
    offenders: list[TraceError] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    printed: dict[str, None] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    _moves: dict[tuple[str, Op], str] = field(default_factory=dict)
    _states: dict[int, tuple[Tensor, str, Firing, int]] = field(default_factory=dict)
    _carried: dict[str, tuple[str, Firing]] = field(default_factory=dict)
    _sums: dict[str, str] = field(default_factory=dict)
    _first: dict[Hashable, str] = field(default_factory=dict)
    _twins: dict[str, str] = field(default_factory=dict)
    _spares: set[str] = field(default_factory=set)

    @property
    def steps(self) -> int:
        """T of the recording."""
        return self.sizes[0]

    @property
    def container(self) -> str:
        """The innermost module path that is no leaf."""
        return next(path for path, leaf in reversed(self.scopes) if not leaf)

    def canonical(self, value: str) -> str:
        """The node of which `value` is a twin, or itself."""
        return self._twins.get(value, value)

    def alike(self, a: View, b: View) -> bool:
        """Whether both see the same value through the same axes, be it at other steps."""
        return self.canonical(a.value) == self.canonical(b.value) and a.dims == b.dims

    def spare(self, view: View) -> View:
        """Remembers that the node of `view` is no work that the network does, unless something takes it."""
        self._spares.add(view.value)
        return view

    @property
    def dead(self) -> set[str]:
        """Nodes that are left away where nothing takes them: they repeat another one, or are no work; no neurons."""
        neurons = {name for firings in self.firings.values() for firing in firings for name in firing.nodes}
        return (self._spares | self._twins.keys()) - neurons

    def add(
        self,
        op: Op,
        *operands: View,
        dims: Dims | None = None,
        weights: Mapping[str, Given | None] | None = None,
        inner: bool | None = None,
    ) -> View:
        """Adds a node in the current scope and gives the view of its first result, in `dims`.

        Args:
            op: the operation.
            operands: their views; of one step, where the node is met in a loop over time.
            dims: of the result; the first operand's unless given.
            weights: by slot.
            inner: see `GraphBuilder.add`; whether the module now running has others inside unless given.

        Raises:
            TraceError: the operands are of different steps, or a later step does what the first did not.
        """
        at, met = self._met(operands)
        weights = weights or {}
        dims = operands[0].dims if dims is None else dims
        own = {slot: self.own.key(value) for slot, value in weights.items()}
        key = (self.scope, op, *(self.canonical(view.value) for view in met), *own.items())
        known = self._first.get(key)
        if at and known is None:
            if at < self.steps - 1:
                raise self.error(f"a later step of the loop does what the first did not: {op.mnemonic}", SAME_EACH_STEP)
            return self.add(op, *map(self.last, operands), dims=dims, weights=weights, inner=inner)
        if not at:
            inner = (not self.scopes[-1][1]) if inner is None else inner
            names, values = self.own.weights(weights, self.scope)
            inputs = [view.value for view in met]
            name = self.builder.add(op, *inputs, scope=self.scope, inner=inner, weights=values, names=names)
            self.note(name)
            if self._first.setdefault(key, name) != name:
                self._twins[name] = self._first[key]
            if isinstance(op, TimeSum):
                self._sums[name] = inputs[0]
            known = name
        assert known is not None
        return View(known, self.builder.type(known).shape, dims, self.sizes, at)

    def _met(self, operands: Sequence[View]) -> tuple[int | None, Sequence[View]]:
        """The step that operands are of, and the operands with those of the inference repeated at it."""
        operands = [self.settled_sum(view) for view in operands]
        steps = {view.at for view in operands if view.at is not None}
        if not steps:
            return None, operands
        if len(steps) > 1:
            raise self.error(f"values of steps {sorted(steps)} meet in one function", SAME_EACH_STEP)
        (at,) = steps
        return at, [view if view.at is not None else self._at(view, at) for view in operands]

    def _at(self, view: View, at: int) -> View:
        """A value for the inference as one of step `at`."""
        if self.builder.type(view.value).timing is Timing.STEP:
            raise self.error(f"a value of all steps meets one of step {at}", "index it by the step, x[t]")
        view = replace(view, value=self.canonical(view.value)) if at else view
        return replace(self.repeated(view), at=at)

    def repeated(self, view: View) -> View:
        """A value for the inference as one of every step, its axes as they were: Repeat, once however often wanted."""
        return self.spare(self.moved(view, Repeat()))

    def last(self, view: View) -> View:
        """What a tensor of the last step is after the loop: TimeLast; any other view as it is.

        Raises:
            TraceError: it is of another step.
        """
        view = self.settled_sum(view)
        if view.at is None:
            return view
        if view.at != self.steps - 1:
            raise self.error(f"the value of step {view.at} alone is used, of {self.steps} steps", "use the last step's")
        return replace(self.moved(view, TimeLast()), at=None)

    def settled_sum(self, view: View) -> View:
        """A sum that a loop has gathered over all steps as TimeSum; any other view as it is.

        Raises:
            TraceError: it is a sum over some of the steps.
        """
        if not view.summed:
            return view
        if view.at != self.steps - 1:
            raise self.error(f"a sum of the steps up to {view.at} is used, of {self.steps}", "sum all of them")
        return replace(self.moved(view, TimeSum()), at=None, summed=False)

    def settled(self, view: View) -> View:
        """The view with the value's axes in torch's order, each torch axis one of them: Transpose and Reshape."""
        view = self.settled_sum(view)
        if view.order != tuple(range(len(view.shape))):
            number = {axis: place for place, axis in enumerate(view.order)}
            view = self.moved(view, Transpose(view.order))
            view = replace(
                view, dims=tuple(tuple(number[i] if isinstance(i, int) else i for i in g) for g in view.dims)
            )
        shape, dims = merged(view)
        if shape == view.shape:
            return view
        return replace(self.moved(view, Reshape(shape)), dims=dims)

    def reshaped(self, view: View, target: Sequence[int]) -> View:
        """The view after a torch reshape to `target`; a Reshape where axes of the value are cut."""
        view = self.settled_sum(view)
        split = regroup(view, target)
        if split.shape == view.shape:
            return replace(view, dims=split.dims)
        return replace(self.moved(view, Reshape(split.shape)), dims=split.dims)

    def shaped(self, view: View, shape: Sequence[int], dims: Dims) -> View:
        """The settled view of a value reshaped to `shape`, seen through `dims`."""
        if tuple(shape) == view.shape:
            return replace(view, dims=dims)
        return replace(self.moved(view, Reshape(tuple(shape))), dims=dims)

    def moved(self, view: View, op: Op) -> View:
        """The view after an op that moves its value, which is added once however often it is wanted."""
        name = self._moves.get((view.value, op))
        if name is None:
            name = self.builder.add(op, view.value, scope=self.container, inner=True)
            self.note(name)
            self._moves[view.value, op] = name
            twin = self._moves.setdefault((self.canonical(view.value), op), name)
            if twin != name:
                self._twins[name] = twin
        return replace(view, value=name, shape=self.builder.type(name).shape)

    def keep_state(self, tensor: Tensor, name: str, firing: Firing, at: int) -> None:
        """Remembers the tensor as a neuron's state `name` after step `at`."""
        self._states[id(tensor)] = (tensor, name, firing, at)
        suffix = firing.leaf.states[name]
        if suffix is not None:
            self._carried[firing.state_at(suffix, at).value] = (name, firing)

    def state(self, tensor: object, name: str) -> tuple[Firing, int] | None:
        """Whose state `name` the tensor is and after which step; None for one that is no neuron's state.

        Raises:
            TraceError: it is another state.
        """
        found, view = self._states.get(id(tensor)), self.view(tensor)
        if found is not None:
            _, known, firing, at = found
        elif view is not None and view.at is not None and view.value in self._carried:
            (known, firing), at = self._carried[view.value], view.at
        else:
            return None
        if known != name:
            raise self.error(f"a neuron is given a state '{known}' as its '{name}'")
        return firing, at

    def derived(self, result: object, of: Sequence[object]) -> object:
        """Remembers what was computed from parameters alone, and gives it back."""
        for part in result if isinstance(result, (list, tuple)) else (result,):
            self.own.derive(part, of)
        return result

    def summed(self, value: str) -> str | None:
        """The value of which `value` is the sum over the steps; None where it is none."""
        return self._sums.get(value)

    def refuse(self, error: TraceError) -> None:
        """Takes down what stands in the way; the network runs on, so that all of it is found."""
        if str(error) not in map(str, self.offenders):
            self.offenders.append(error)

    def remark_printed(self) -> None:
        """Remembers that the running line turns a tensor's numbers into text."""
        self.printed.setdefault(lines.said(lines.running()))

    def remark_format(self, dtype: torch.dtype) -> None:
        """Remembers that the running line computes in a smaller format than the network has."""
        line = lines.said(lines.running())
        self.remarks.setdefault(str(dtype), f"{line} computes in {dtype}, to which the graph does not round")

    def note(self, name: str) -> None:
        """Remembers that the running line added the node."""
        self.added.append(name)
        self.lines[name] = lines.running()

    def following(self, error: AxesError) -> TraceError:
        """The same error as a TraceError that says where."""
        return self.error(str(error), mend="keep time and batch as whole axes")
