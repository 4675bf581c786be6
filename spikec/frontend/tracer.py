"""The runtime tracer: runs a network once and records the graph that it computes.

A TorchFunctionMode sees every torch function (`spikec.frontend.mode`), module hooks say where it is called from, and
neurons are leaves (`spikec.frontend.calls`): those of snnTorch and SpikingJelly, and modules with a method
`spikec_neuron()`. The graph is always replayed against the network before it is given away
(`spikec.frontend.replay`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from spikec.errors import TraceError, UsageError, VerifyError
from spikec.frontend.axes import Dims, View
from spikec.frontend.calls import followed_modules
from spikec.frontend.firing import order_of
from spikec.frontend.mode import Mode
from spikec.frontend.naming import OwnTensors
from spikec.frontend.neurons.leaf import Neuron
from spikec.frontend.neurons.table import reset
from spikec.frontend.recorder import Recorder
from spikec.frontend.replay import replay
from spikec.frontend.results import USERS_FAULTS, results_of
from spikec.frontend.steps import stacked
from spikec.ir.builder import GraphBuilder
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph
from spikec.ir.types import REAL, Domain, TensorType, Timing

__all__ = ["Layout", "Neuron", "Traced", "trace", "traced"]

Layout = Literal["TBX", "BTX", "BX"]
HALVES = (torch.float16, torch.bfloat16)
LISTED = 6


@dataclass(frozen=True, eq=False)
class Traced:
    """A network as a graph.

    Args:
        graph: verified.
        remarks: what was assumed, left away or found to differ, a sentence each.
    """

    graph: Graph
    remarks: tuple[str, ...] = ()


def trace(
    model: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int,
    domain: Domain = REAL,
    name: str = "input",
    check: bool = True,
) -> Graph:
    """The graph that `model` computes; see `traced`, which gives the remarks with it."""
    return traced(model, shape, layout=layout, steps=steps, domain=domain, name=name, check=check).graph


def traced(
    model: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int,
    domain: Domain = REAL,
    name: str = "input",
    check: bool = True,
) -> Traced:
    """The graph that `model` computes, replayed against it on fresh inputs in fp64, or fp32 where it must be.

    Neurons that keep their state between calls are reset before each run, and left so.

    Args:
        model: in evaluation mode.
        shape: of one sample, without T and batch.
        layout: where the module takes time and batch: BX without time (it repeats the sample itself).
        steps: T; for BX, the T that the model repeats its input for.
        domain: of the input; Int for event frames.
        name: of the graph's input.
        check: whether to replay; only tests of the replay itself turn it off.

    Raises:
        TraceError: the network cannot be taken, or the graph does not do what the network does.
    """
    if model.training or any(m.training for m in model.modules()):
        raise TraceError("the network is in training mode", mend="call .eval() first")
    if steps < 1:
        raise UsageError(f"steps must be at least 1, found {steps}")
    kind = TensorType(tuple(shape), domain, Timing.ONCE if layout == "BX" else Timing.STEP)
    remarks = [STATEFUL] if reset(model) else []
    recorder = record(model, kind, layout, steps, name)
    if recorder.own.computed:
        recorder = _in_double(model, kind, layout, steps, name) or recorder
    graph = finished(recorder)
    remarks += [*_unused(recorder), *_half(recorder)]
    if check:
        remarks += replay(model, graph, recorder, layout)
    reset(model)
    return Traced(graph, tuple(remarks))


STATEFUL = (
    "neurons that keep their state from call to call were reset: an inference of the graph starts with them reset"
)


def _in_double(model: nn.Module, kind: TensorType, layout: Layout, steps: int, name: str) -> Recorder | None:
    """A recording in fp64, for the weights that the network computes; None where it does not run so."""
    formats = {path: tensor.dtype for path, tensor in model.state_dict(keep_vars=True).items()}
    try:
        return record(copy.deepcopy(model).double(), kind, layout, steps, name, formats)
    except TraceError:
        return None


def record(
    model: nn.Module,
    kind: TensorType,
    layout: Layout,
    steps: int,
    name: str,
    formats: Mapping[str, torch.dtype] | None = None,
) -> Recorder:
    """Runs the network once and gives what was recorded.

    Args:
        model: in evaluation mode.
        kind: the input's type.
        layout: where the module takes time and batch.
        steps: T.
        name: of the graph's input.
        formats: that the graph's weights have, where they are not the network's own.

    Raises:
        TraceError: the network fails, or something in it cannot be taken: all that was found.
    """
    # Unlike each other, so that time and batch cannot be mistaken; a network that brings no time of its own is
    # recorded at two steps at least, since an axis of size 1 could be any.
    time = steps if layout == "BX" else max(steps, 2)
    sizes = (time, 3 if time == 2 else 2)
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    builder = GraphBuilder(steps)
    recorder = Recorder(builder, sizes, OwnTensors(model, formats), dtype)
    view = View(builder.input(name, kind), kind.shape, input_dims(layout, len(kind.shape)), sizes)
    x = recorder.watch(torch.rand(view.torch_shape).to(dtype), view)
    with torch.no_grad(), followed_modules(model, recorder), Mode(recorder):
        try:
            y = model(x)
        except USERS_FAULTS as error:
            _raise_all(recorder)
            mend = "check the shape of one sample and the layout"
            raise TraceError(f"the network fails on an input of {list(x.shape)}: {error}", mend=mend) from error
    _raise_all(recorder)
    recorder.check_unmodified()
    for result in results_of(y):
        recorder.outputs.append(_output(recorder, result))
    _raise_all(recorder)
    _check_whole(recorder)
    return recorder


def input_dims(layout: Layout, rank: int) -> Dims:
    """The torch axes of an input of `rank` axes a sample."""
    lead: Dims = {"TBX": (("T",), ("B",)), "BTX": (("B",), ("T",)), "BX": (("B",),)}[layout]  # type: ignore[assignment]  # mypy widens the letters to str
    return (*lead, *((axis,) for axis in range(rank)))


def _raise_all(r: Recorder) -> None:
    """Raises TraceError where anything stands in the way: what it is, or a list of all."""
    if len(r.offenders) == 1:
        raise r.offenders[0]
    if r.offenders:
        lines = "".join(f"\n  {error}" for error in r.offenders)
        raise TraceError(f"the network cannot be taken, for {len(r.offenders)} reasons:{lines}")


def _output(r: Recorder, result: Tensor | Sequence[Tensor]) -> View:
    """An output of the network, settled; a list of every step's tensor is one."""
    views = [r.view(tensor) for tensor in ((result,) if isinstance(result, Tensor) else result)]
    known = [view for view in views if view is not None]
    if len(known) < len(views) or not known:
        raise TraceError("an output of the network does not come from its input by functions that were followed")
    whole = known[0] if isinstance(result, Tensor) else stacked(r, known, 0)
    if whole is None:
        raise TraceError("an output of the network is a list of tensors that are not the steps of one value")
    return r.settled(r.last(whole))


def _check_whole(r: Recorder) -> None:
    """Raises TraceError for a neuron that was not called at every step, or in an order that shows no rule."""
    for path, firings in r.firings.items():
        calls = [firing.calls for firing in firings if firing.leaf.stepped]
        if any(n != r.steps for n in calls):
            raise TraceError(
                f"a neuron that takes one step a call was called {calls[0]} times; {r.steps} steps were asked for",
                where=f"module '{path}'",
                mend="loop over the steps in forward, or ask for the steps that it loops over",
            )
        if order_of(firings, r.calls[path], r.steps) is None:
            raise TraceError(
                f"a neuron is called for {len(firings)} layers in an order that is neither by layer nor by step",
                where=f"module '{path}'",
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


def _unused(r: Recorder) -> list[str]:
    names = r.own.unused()
    if not names:
        return []
    said = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    return [f"{len(names)} of the network's parameters are never used, and not in the graph: {said}"]


def _half(r: Recorder) -> list[str]:
    return [f"the network computes in {r.dtype}; the graph has its weights as float32"] if r.dtype in HALVES else []
