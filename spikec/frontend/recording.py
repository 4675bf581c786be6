"""One run of a network, recorded: the graph so far, and everything that stands in the way."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikec.errors import TraceError, VerifyError
from spikec.frontend import lines
from spikec.frontend.axes import Dims, View
from spikec.frontend.calls import followed_modules
from spikec.frontend.escapes import Escapes
from spikec.frontend.feedback import Feedback, Found, Known
from spikec.frontend.firing import order_of
from spikec.frontend.mode import Mode
from spikec.frontend.naming import OwnTensors
from spikec.frontend.neurons.table import reset
from spikec.frontend.recorder import Recorder
from spikec.frontend.results import results_of
from spikec.frontend.steps import stacked
from spikec.frontend.users_code import users_code
from spikec.ir.builder import GraphBuilder
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph
from spikec.ir.types import TensorType

FAR_STEPS, FAR_BATCH = 4, 17
"""How many times T, and how many samples, a network is recorded on to see what it does beyond the usual sizes."""
MOST_RECORDINGS = 40
"""Of one run: each finds more of what is fed back."""
OF_SHAPES = (RuntimeError, ValueError, IndexError, TypeError)
"""What torch and Python raise for a shape that does not fit."""
OTHER_INPUT = "check the shape of one sample and the layout"


@dataclass(frozen=True)
class Asked:
    """What a network is recorded on.

    Args:
        kind: the input's type.
        layout: where the module takes time and batch.
        steps: T.
        name: of the graph's input.
    """

    kind: TensorType
    layout: str
    steps: int
    name: str

    @property
    def sizes(self) -> tuple[int, int]:
        """T and B of the recording.

        Unlike each other, so that time and batch cannot be mistaken; a network that brings no time of its own is
        recorded at two steps at least, since an axis of size 1 could be any.
        """
        time = self.steps if self.layout == "BX" else max(self.steps, 2)
        return time, 3 if time == 2 else 2

    @property
    def other_sizes(self) -> tuple[int, int]:
        """Another batch size and, where the module takes time, another T."""
        time = self.steps if self.layout == "BX" else self.sizes[0] + 1
        return time, 4 if time == 5 else 5

    @property
    def far_sizes(self) -> tuple[tuple[int, int], ...]:
        """Many more samples and, where the module takes time, many more steps: T and B of a recording each."""
        time = self.sizes[0]
        many = time, FAR_BATCH if time != FAR_BATCH else FAR_BATCH + 2
        return (many,) if self.layout == "BX" else ((FAR_STEPS * time + 1, 2), many)


def record(
    model: nn.Module,
    asked: Asked,
    sizes: tuple[int, int],
    formats: Mapping[str, torch.dtype] | None = None,
    before: Recorder | None = None,
) -> Recorder:
    """Runs the network once and gives what was recorded; again where its loop over time writes out feedback.

    Args:
        model: in evaluation mode.
        asked: what it takes.
        sizes: T and B.
        formats: that the graph's weights have, where they are not the network's own.
        before: a recording of an earlier run.

    Raises:
        TraceError: the network fails, or something in it cannot be taken: all that was found.
    """
    known, surely = Known(), None
    for left in reversed(range(MOST_RECORDINGS)):
        found = Found()
        try:
            return _record(model, asked, sizes, formats, before, known, found)
        except TraceError as error:
            following = known.followed_by(found, sizes[0])
            if following is None or not left:
                raise (surely or error) from (surely or error).__cause__
            # what is in the way before what is perhaps feedback is taken for it says more than what is then
            surely = error if following.unsure > known.unsure else surely
            known = following
        reset(model)
    raise AssertionError("the last recording gives or raises")


def _record(
    model: nn.Module,
    asked: Asked,
    sizes: tuple[int, int],
    formats: Mapping[str, torch.dtype] | None,
    before: Recorder | None,
    known: Known,
    fed_back: Found,
) -> Recorder:
    """One run, with Delays where feedback is known; what else may be feedback is put into `fed_back`."""
    own = OwnTensors(model, formats)
    builder = GraphBuilder(asked.steps)
    r = Recorder(builder, sizes, own, format_of(model), before=before)
    kind = asked.kind
    view = View(builder.input(asked.name, kind), kind.shape, input_dims(asked.layout, len(kind.shape)), sizes)
    x = r.watch(torch.rand(view.torch_shape).to(r.dtype), view)
    feedback = Feedback(r, known, fed_back)
    with torch.no_grad(), uncompiled(), followed_modules(model, r, feedback), Escapes(r), Mode(r, feedback):
        y = _called(r, model, x)
    _raise_all(r)
    _take_outputs(r, y, _forward_of(model))
    _raise_all(r)
    _check_calls(r)
    feedback.check_closed()
    return r


def _called(r: Recorder, model: nn.Module, x: Tensor) -> object:
    """What the network gives.

    Raises:
        TraceError: it fails; or what stood in the way before it did.
    """
    try:
        with users_code(TraceError, f"the network, on an input of {list(x.shape)},"):
            return model(x)
    except TraceError as error:
        if error.__cause__ is not None:
            _raise_all(r)
            error.mend = OTHER_INPUT if isinstance(error.__cause__, OF_SHAPES) else ""
        raise


def format_of(model: nn.Module) -> torch.dtype:
    """The format that a network computes in: that of its first tensor of real numbers."""
    tensors = (*model.parameters(), *model.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


def uncompiled() -> AbstractContextManager[object]:
    """Lets what torch.compile made run as it was written; it is no other network, and hides what it computes."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    eager: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return eager


def input_dims(layout: str, rank: int) -> Dims:
    """The torch axes of an input of `rank` axes a sample."""
    lead: Dims = {"TBX": (("T",), ("B",)), "BTX": (("B",), ("T",)), "BX": (("B",),)}[layout]  # type: ignore[assignment]  # mypy widens the letters to str
    return (*lead, *((axis,) for axis in range(rank)))


def _raise_all(r: Recorder) -> None:
    """Raises TraceError where anything stands in the way: what it is, or a list of all."""
    if len(r.offenders) == 1:
        raise r.offenders[0]
    if r.offenders:
        reasons = "".join(f"\n  {error}" for error in r.offenders)
        raise TraceError(f"the network cannot be taken, for {len(r.offenders)} reasons:{reasons}")


def _forward_of(model: nn.Module) -> str:
    """Where the network's forward is defined."""
    code = getattr(model.forward, "__code__", None)
    return lines.said([(code.co_filename, code.co_firstlineno)]) if code is not None else ""


def _take_outputs(r: Recorder, y: object, forward: str) -> None:
    """Takes down the views of what the network gives."""
    with users_code(TraceError, "what the network gives", forward):  # it may be nested deeper than Python follows
        results = results_of(y, forward)
    for result in results:
        try:
            r.outputs.append(_output(r, result))
        except TraceError as error:
            if error.where in ("", "the network"):
                error.where = forward
            r.refuse(error)


def _output(r: Recorder, result: Tensor | Sequence[Tensor]) -> View:
    """An output of the network, settled; a list of every step's tensor is one."""
    tensors = (result,) if isinstance(result, Tensor) else result
    for tensor in tensors:
        r.check_whole(tensor)
    views = [view for tensor in tensors if (view := r.view(tensor)) is not None]
    if len(views) < len(tensors) or not views:
        raise TraceError("an output of the network does not come from its input by functions that were followed")
    whole = views[0] if isinstance(result, Tensor) else stacked(r, views, 0)
    if whole is None:
        raise TraceError("an output of the network is a list of tensors that are not the steps of one value")
    return r.settled(r.last(whole))


def _check_calls(r: Recorder) -> None:
    """Raises TraceError for a neuron that was not called at every step, or in an order that shows no rule."""
    for path, firings in r.firings.items():
        line = r.line_of(firings[-1].spikes.value)
        where = f"module '{path}'" + (f", {line}" if line else "")
        calls = [firing.calls for firing in firings if firing.leaf.stepped]
        if any(n != r.steps for n in calls):
            raise TraceError(
                f"a neuron that takes one step a call was called {calls[0]} times; {r.steps} steps were asked for",
                where=where,
                mend="loop over the steps in forward, or ask for the steps that it loops over",
            )
        if order_of(firings, r.calls[path], r.steps) is None:
            raise TraceError(
                f"a neuron is called for {len(firings)} layers in an order that is neither by layer nor by step",
                where=where,
                mend="use a module of its own in each place",
            )


def finished(r: Recorder) -> Graph:
    """The verified graph, without the nodes that a loop over time computed anew in each step.

    Raises:
        TraceError: the graph breaks a rule.
    """
    try:
        graph = r.builder.graph(*(view.value for view in r.outputs))
        return _without(graph, r.dead) if r.dead else graph
    except VerifyError as error:
        raise TraceError(f"the recorded graph breaks a rule: {error}") from error


def _without(graph: Graph, spares: set[str]) -> Graph:
    """The graph without those of the nodes that nothing takes."""
    taken, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.name not in spares or not taken.isdisjoint(node.results):
            taken.update(node.inputs)
            kept.append(node)
    if len(kept) == len(graph.nodes):
        return graph
    return assemble(graph.inputs, kept[::-1], graph.outputs, graph.weights, graph.steps)
