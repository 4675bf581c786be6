"""The proof that a recorded graph does what its network does: both run in fp64 on inputs not seen before.

Run freely, every spike must be equal. But untrained layers are often silent, and silent layers prove nothing about
what follows them, so both are also run with every neuron made to emit the same random spikes: then the drive of
each neuron must be equal, and each neuron is compared with its op on drives that make it fire.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.axes import View
from spikec.frontend.recorder import Firing, Recorder
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph
from spikec.ir.types import SPIKE, Int, TensorType, Timing
from spikec.run.interp import Interpreter, compute

TOLERANCE = 1e-9
BATCHES = (1, 4)
LEAST_DRIVES = 4096  # that a neuron is compared on, each step
USERS_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a network's own code raises on an input that it does not take."""

Hook = Callable[[str, Tensor, Tensor], Tensor | None]


@dataclass
class Replay:
    """What both are run with.

    Args:
        model: in fp64.
        graph: as recorded.
        recorder: knows the torch axes of values.
        layout: where the model takes time and batch.
    """

    model: nn.Module
    graph: Graph
    recorder: Recorder
    layout: str
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(1))

    @property
    def firings(self) -> Iterator[tuple[str, int, Firing]]:
        """Path, number of the call, and views of every call of a neuron."""
        return ((path, i, call) for path, calls in self.recorder.neurons.items() for i, call in enumerate(calls))


def replay(model: nn.Module, graph: Graph, recorder: Recorder, layout: str) -> None:
    """Compares graph and network at two batch sizes and, where the input has time, at another T.

    Raises:
        TraceError: a spike differs, or a real value by more than 1e-9; names the first layer that does.
    """
    run = Replay(copy.deepcopy(model).double(), graph, recorder, layout)
    ((_, kind),) = graph.inputs.items()
    longer = [(graph.steps + 1, 3)] if kind.timing is Timing.STEP else []
    for steps, batch in [*((graph.steps, batch) for batch in BATCHES), *longer]:
        _free(run, steps, batch)
        _forced(run, steps, batch)


def _free(run: Replay, steps: int, batch: int) -> None:
    """Compares every spike and output of an undisturbed run."""
    x = _sample(run, next(iter(run.graph.inputs.values())), steps, batch)
    spikes: dict[str, list[Tensor]] = {}
    outputs = _network(run, x, lambda path, drive, y: spikes.setdefault(path, []).append(y))
    keep = [call.spikes.value for _, _, call in run.firings]
    values = Interpreter().run(run.graph, {next(iter(run.graph.inputs)): x.numpy()}, steps, [*keep, *run.graph.outputs])
    _check_calls(run, spikes)
    for path, i, call in run.firings:
        ours, theirs = as_torch(values[call.spikes.value], call.spikes), spikes[path][i]
        if ours.shape != theirs.shape:
            raise _baked(path, ours.shape, theirs.shape)
        differing = int((ours != theirs).sum())
        if differing:
            raise TraceError(
                f"{differing} of {theirs.numel()} spikes differ between network and graph in fp64",
                where=f"module '{path}', {steps} steps, batch {batch}",
                mend="report the network: this is a fault of the tracer, or of the neuron's spikec_neuron()",
            )
    _check_outputs(run, values, outputs)


def _forced(run: Replay, steps: int, batch: int) -> None:
    """Compares the drive of every neuron, and the outputs, where all neurons emit random spikes."""
    cut, names = _without_neurons(run)
    data = {name: _sample(run, kind, steps, batch) for name, kind in cut.inputs.items()}
    for _, _, call in run.firings:
        data[call.spikes.value] = (data[call.spikes.value] < 0.5).double()
    drives: dict[str, list[Tensor]] = {}

    def force(path: str, drive: Tensor, y: Tensor) -> Tensor:
        calls = drives.setdefault(path, [])
        calls.append(drive)
        expected = run.recorder.neurons[path][len(calls) - 1 : len(calls)]
        return as_torch(data[expected[0].spikes.value], expected[0].spikes) if expected else y

    outputs = _network(run, data[next(iter(run.graph.inputs))], force)
    values = Interpreter().run(cut, {name: x.numpy() for name, x in data.items()}, steps, names)
    _check_calls(run, drives)
    for path, i, call in run.firings:
        _compare(f"the input of neuron '{path}'", as_torch(values[call.drive.value], call.drive), drives[path][i])
    _check_outputs(run, values, outputs)
    for path, _, call in run.firings:
        _compare_neuron(run, path, call, steps, batch)


def _without_neurons(run: Replay) -> tuple[Graph, list[str]]:
    """The graph with every neuron's spikes as an input, and the values to look at: drives and outputs."""
    spikes = {call.spikes.value: TensorType(call.spikes.shape, SPIKE) for _, _, call in run.firings}
    nodes = [node for node in run.graph.nodes if node.name not in spikes]
    names = list(dict.fromkeys([*(call.drive.value for _, _, call in run.firings), *run.graph.outputs]))
    graph = run.graph
    return assemble({**graph.inputs, **spikes}, nodes, tuple(names), graph.weights, graph.steps), names


def _compare_neuron(run: Replay, path: str, call: Firing, steps: int, batch: int) -> None:
    """Compares spikes of the module and of its op, bit by bit, on drives that hit the threshold and its neighbours."""
    node = run.graph.node(call.spikes.value)
    weights = {name: torch.from_numpy(run.graph.weights[name].values.astype(float)) for name in node.weights.values()}
    kind = TensorType(call.drive.shape)
    steps, batch = max(steps, 4), max(batch, LEAST_DRIVES // kind.elements)
    grid, of_tau, off = (_rand(run, kind, steps, batch) for _ in range(3))
    threshold = weights[node.weights["v_threshold"]]
    tau = weights[node.weights["tau"]] if "tau" in node.weights else torch.ones(())
    drive = (
        (grid * 40 - 8).round() / 8 * torch.where(threshold == 0, 1.0, threshold) * torch.where(of_tau < 0.5, 1.0, tau)
    )
    beside = torch.nextafter(drive, torch.where(off < 0.25, -torch.inf, torch.inf).to(drive.dtype))
    drive = torch.where(off < 0.5, beside, drive)
    ours = as_torch(compute(node, [drive], weights, steps)[0], call.spikes)
    with torch.no_grad():
        theirs = run.model.get_submodule(path)(as_torch(drive, call.drive))
    if not torch.equal(ours, theirs):
        raise TraceError(f"the neuron '{path}' does not do what its spikec_neuron() says: {node.op}")


def _network(run: Replay, x: Tensor, seen: Hook) -> list[Tensor]:
    """The network's outputs; `seen` is told each recorded neuron's drive and spikes, and may replace them."""
    with torch.no_grad(), _hooks(run, seen):
        try:
            y = run.model(x.transpose(0, 1) if run.layout == "BTX" else x)
        except USERS_FAULTS as error:
            raise TraceError(
                f"the network fails on an input of {list(x.shape)} in fp64: {error}",
                mend="take sizes from the input (x.shape), not from numbers in the code",
            ) from error
    return list(y) if isinstance(y, (tuple, list)) else [y]


@contextmanager
def _hooks(run: Replay, seen: Hook) -> Iterator[None]:
    def hook(path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:  # Any: forward's arguments
        return lambda module, args, y: seen(path, args[0], y)

    handles = [run.model.get_submodule(path).register_forward_hook(hook(path)) for path in run.recorder.neurons]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _rand(run: Replay, kind: TensorType, steps: int, batch: int) -> Tensor:
    shape = [steps, batch] if kind.timing is Timing.STEP else [batch]
    return torch.rand([*shape, *kind.shape], generator=run.generator, dtype=torch.float64)


def _sample(run: Replay, kind: TensorType, steps: int, batch: int) -> Tensor:
    """Random values of the domain: a few codes of an Int."""
    x = _rand(run, kind, steps, batch)
    if isinstance(kind.domain, Int):
        codes = min(kind.domain.hi - kind.domain.lo + 1, 8)
        return (kind.domain.lo + (x * codes).floor()) * kind.domain.scale
    return x


def _check_calls(run: Replay, seen: Mapping[str, Sequence[Tensor]]) -> None:
    for path, calls in run.recorder.neurons.items():
        if len(seen.get(path, ())) != len(calls):
            raise TraceError(f"the neuron '{path}' was called {len(calls)} times, then {len(seen.get(path, ()))}")


def _check_outputs(run: Replay, values: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
    for view, theirs in zip(run.recorder.outputs, outputs, strict=True):
        _compare(f"the output '{view.value}'", as_torch(values[view.value], view), theirs)


def _compare(what: str, ours: Tensor, theirs: Tensor) -> None:
    if ours.shape != theirs.shape:
        raise _baked(what, ours.shape, theirs.shape)
    difference = float((ours - theirs).abs().max())
    if not difference <= TOLERANCE * max(1.0, float(theirs.abs().max())):
        raise TraceError(f"{what} differs by {difference:.3g} between network and graph in fp64")


def _baked(where: str, ours: object, theirs: object) -> TraceError:
    return TraceError(
        f"network and graph differ in shape at another batch size or T: {ours} and {theirs}",
        where=where,
        mend="take sizes from the input (x.shape), not from numbers in the code",
    )


def as_torch(value: Tensor, view: View) -> Tensor:
    """A graph value [T, B, *shape] (or [B, *shape]) in the torch axes of its view."""
    timed = value.ndim == len(view.shape) + 2
    place = {"T": 0, "B": 1} if timed else {"B": 0}
    lead = 2 if timed else 1
    flat = [place[i] if isinstance(i, str) else i + lead for group in view.dims for i in group]
    sizes = []
    for group in view.dims:
        size = 1
        for item in group:
            size *= value.shape[place[item] if isinstance(item, str) else item + lead]
        sizes.append(size)
    return value.permute(flat).reshape(sizes)
