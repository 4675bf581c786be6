"""The proof that a recorded graph does what its network does: both run in fp64 on inputs not seen before.

Run freely, every spike must be equal. But untrained layers are often silent, and silent layers prove nothing about
what follows them, so both are also run with every neuron made to emit the same random spikes: then the drive of
each neuron must be equal, and each neuron is compared with its op on drives that make it fire.

A network that does not run in fp64 is compared in fp32, where rounding differs: how many spikes differ and by how much
the real values do is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from spikec.frontend.firing import Firing
from spikec.frontend.measure import DOUBLE, SINGLE, Bounds, Measure
from spikec.frontend.preconditions import copied
from spikec.frontend.recorder import Recorder
from spikec.frontend.rerun import Rerun, as_torch
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph, Node
from spikec.ir.types import Int, Real, TensorType, Timing
from spikec.run.interp import Interpreter

BATCHES = (1, 4)
SCALES = (-1.0, -1e2, -1e4)
"""Of samples that are far from the others, on both sides of 0: what depends on data shows there."""
LEAST_DRIVES = 4096  # that a neuron is compared on, each step
MOST_DRIVES = 2**22  # in all, beyond which steps are no more than the network's
LONG = 32  # steps that a neuron is compared on, where it is small enough
HELD = 5  # steps for which a far drive stays


def replay(
    model: nn.Module, graph: Graph, recorder: Recorder, layout: str, sizes: Sequence[tuple[int, int]] = ()
) -> tuple[str, list[str]]:
    """Compares graph and network at two batch sizes and, where the input has time, at another T.

    Gives the precision in which it did, and remarks.

    Args:
        model: the network.
        graph: of it.
        recorder: of it.
        layout: where it takes time and batch.
        sizes: T and B to compare at instead, of a network that runs at no others.

    Raises:
        TraceError: a spike differs in fp64, or a real value by more than 1e-9, or in fp32 by more than rounding;
            names the first layer that does.
    """
    double = Rerun(copied(model, torch.float64), recorder, layout, torch.float64)
    steps, batch = recorder.sizes
    ((_, kind),) = graph.inputs.items()
    reason = double.why_not(_sample(double, kind, steps, batch), steps)
    if not reason:
        _compare_all(double, graph, Measure(DOUBLE), sizes)
        return DOUBLE.name, []
    single, measure = Rerun(copied(model, torch.float32), recorder, layout, torch.float32), Measure(SINGLE)
    _compare_all(single, graph, measure, sizes)
    return SINGLE.name, [f"the network does not run in fp64 ({reason}), so it was replayed in fp32: {measure.said()}"]


def in_own_format(model: nn.Module, graph: Graph, recorder: Recorder, layout: str) -> list[str]:
    """How far a network of half precision differs from its graph in that precision; a remark."""
    measure = Measure(Bounds(str(recorder.dtype), float("inf"), 1.0))
    _free(Rerun(copied(model), recorder, layout, recorder.dtype), graph, measure, graph.steps, BATCHES[1])
    return [f"run as it is, in {recorder.dtype}, the network differs from the graph: {measure.said()}"]


def _compare_all(run: Rerun, graph: Graph, measure: Measure, sizes: Sequence[tuple[int, int]]) -> None:
    ((_, kind),) = graph.inputs.items()
    longer = [(graph.steps + 1, 3)] if kind.timing is Timing.STEP else []
    for steps, batch in sizes or [*((graph.steps, batch) for batch in BATCHES), *longer]:
        _free(run, graph, measure, steps, batch)
        _forced(run, graph, measure, steps, batch)
    if longer and not sizes:
        for steps in sorted({1, 2, graph.steps - 1} & set(range(1, graph.steps))):
            _shorter(run, graph, measure, steps)
    if not sizes:
        _free(run, graph, measure, graph.steps, len(SCALES), SCALES)
    else:  # as many samples a run as the network takes
        steps, batch = max(sizes, key=lambda size: size[1])
        for first in range(0, len(SCALES), batch):
            _free(run, graph, measure, steps, batch, [SCALES[(first + n) % len(SCALES)] for n in range(batch)])


def _shorter(run: Rerun, graph: Graph, measure: Measure, steps: int) -> None:
    """Compares at fewer steps than the network was recorded on, unless it does not run at so few."""
    ((_, kind),) = graph.inputs.items()
    if not run.why_not(_sample(run, kind, steps, 2), steps):
        _free(run, graph, measure, steps, 2)
        _forced(run, graph, measure, steps, 2)


def _free(run: Rerun, graph: Graph, measure: Measure, steps: int, batch: int, scales: Sequence[float] = ()) -> None:
    """Compares every spike, state and output of an undisturbed run."""
    ((name, kind),) = graph.inputs.items()
    x = _sample(run, kind, steps, batch)
    if scales and isinstance(kind.domain, Real):
        x = (2 * x - 1) * torch.tensor(scales, dtype=x.dtype).reshape(-1, *(1 for _ in kind.shape))
    seen = run.network(x, steps)
    known = {view.value: view for firing in run.firings for view in (firing.spikes, *firing.states.values())}
    keep = [value for value in known if value in graph.types]
    exact = torch.float32 if run.dtype.itemsize < 4 else run.dtype
    values = Interpreter(exact).run(graph, {name: x.to(exact).numpy()}, steps, [*keep, *graph.outputs])
    for firing in run.firings:
        place = f"module '{firing.path}', {steps} steps, batch {batch}{_line(run, firing.spikes.value)}"
        measure.spikes(place, as_torch(values[firing.spikes.value], firing.spikes), seen.spikes(firing))
        for suffix, theirs in seen.states(firing).items():
            view = firing.states[suffix]
            measure.reals(
                f"the state '{suffix}' of neuron '{firing.path}'{_line(run, view.value)}",
                as_torch(values[view.value], view),
                theirs,
            )
    _check_outputs(run, measure, values, seen.outputs)


def _forced(run: Rerun, graph: Graph, measure: Measure, steps: int, batch: int) -> None:
    """Compares the drive of every neuron, and the outputs, where all neurons emit random spikes."""
    cut, names = _without_neurons(run, graph)
    data = {name: _sample(run, kind, steps, batch) for name, kind in cut.inputs.items()}
    seen = run.network(data[next(iter(graph.inputs))], steps, data)
    values = Interpreter(run.dtype).run(cut, {name: x.numpy() for name, x in data.items()}, steps, names)
    for firing in run.firings:
        ours = as_torch(values[firing.drive.value], firing.drive)
        measure.reals(f"the input of neuron '{firing.path}'{_line(run, firing.spikes.value)}", ours, seen.drive(firing))
    _check_outputs(run, measure, values, seen.outputs)
    for firing in run.firings:
        _compare_neuron(run, graph, measure, firing, steps, batch)


def _without_neurons(run: Rerun, graph: Graph) -> tuple[Graph, list[str]]:
    """The graph without its neurons, whose results are inputs, and the values to look at: drives and outputs."""
    gone = {name for firing in run.firings for name in firing.nodes}
    nodes = [node for node in graph.nodes if node.name not in gone]
    taken = {*graph.outputs, *(value for node in nodes for value in node.inputs)}
    taken.update(firing.drive.value for firing in run.firings)
    states = [view.value for firing in run.firings for view in firing.states.values() if view.value in taken]
    forced = [*(firing.spikes.value for firing in run.firings), *states]
    names = list(dict.fromkeys([*(firing.drive.value for firing in run.firings), *graph.outputs]))
    inputs = {**graph.inputs, **{value: graph.types[value] for value in forced}}
    return assemble(inputs, nodes, graph.outputs, graph.weights, graph.steps), names


def _compare_neuron(run: Rerun, graph: Graph, measure: Measure, firing: Firing, steps: int, batch: int) -> None:
    """Compares spikes of the module and of its op, bit by bit, on drives that hit the threshold and its neighbours."""
    kind = TensorType(firing.drive.shape)
    batch = max(batch, LEAST_DRIVES // kind.elements)
    steps = max(steps, 4, min(LONG, MOST_DRIVES // (kind.elements * batch)))
    nodes = [graph.node(name) for name in firing.nodes]
    (neuron,) = (node for node in nodes if type(node.op) is type(firing.leaf.op))
    drive = _drives(run, graph, firing, neuron, kind, steps, batch)
    name, spikes = firing.drive.value, firing.spikes
    alone = assemble({name: kind}, nodes, (spikes.value,), graph.weights, graph.steps)
    ours = Interpreter(run.dtype).run(alone, {name: drive.numpy()}, steps)[spikes.value]
    measure.neuron(firing.path, neuron.op, as_torch(ours, spikes), run.neuron(firing, as_torch(drive, firing.drive)))


def _drives(run: Rerun, graph: Graph, firing: Firing, neuron: Node, kind: TensorType, steps: int, batch: int) -> Tensor:
    """Drives of a neuron: multiples of an eighth of its threshold, at times of its tau, and what lies beside them."""
    weights = {slot: torch.as_tensor(graph.weights[name].values.astype(float)) for slot, name in neuron.weights.items()}
    threshold, tau = (weights.get(slot, torch.ones(())).to(run.dtype) for slot in ("v_threshold", "tau"))
    grid, of_tau, off = (_random(run, kind, steps, batch) for _ in range(3))
    unit = torch.where(threshold == 0, 1.0, threshold) * torch.where(of_tau < 0.5, 1.0, tau)
    if (state := getattr(neuron.op, "state", None)) is not None:
        most = min(float(threshold.max()) * 2, -state.range[0] * state.scale / (2 * steps))
        whole: Tensor = ((grid * 3 - 1) * most / 2 / state.scale).round() * state.scale
        return whole
    # what rounds otherwise, as sums in another order do, shows it beside the threshold
    if firing.leaf.recurrent is not None or not firing.leaf.exact:
        return (grid * 5 - 1) * unit
    drive = (grid * 40 - 8).round() / 8 * unit
    beside = torch.nextafter(drive, torch.where(off < 0.25, -torch.inf, torch.inf).to(drive.dtype))
    near = torch.where(off < 0.5, beside, drive)
    # far below, then far above: a membrane with bounds, or a count of spikes, shows there
    held = _random(run, kind, steps, batch)[torch.arange(steps) // HELD * HELD] * 2 - 1
    far = (held.sign() * 10 ** (held.abs() * 4) * 8).round() / 8 * unit
    every = torch.arange(batch).reshape(1, batch, *[1] * len(kind.shape))
    return torch.where(every % 4 == 0, far, near)


def _random(run: Rerun, kind: TensorType, steps: int, batch: int) -> Tensor:
    shape = [steps, batch] if kind.timing is Timing.STEP else [batch]
    return torch.rand([*shape, *kind.shape], generator=run.generator, dtype=run.dtype)


def _sample(run: Rerun, kind: TensorType, steps: int, batch: int) -> Tensor:
    """Random values of the domain: a few codes of an Int."""
    x = _random(run, kind, steps, batch)
    if isinstance(kind.domain, Int):
        codes = min(kind.domain.hi - kind.domain.lo + 1, 8)
        return (kind.domain.lo + (x * codes).floor()) * kind.domain.scale
    return x


def _check_outputs(run: Rerun, measure: Measure, values: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
    for view, theirs in zip(run.recorder.outputs, outputs, strict=True):
        what = f"the output '{view.value}'{_line(run, view.value)}"
        measure.reals(what, as_torch(values[view.value], view), theirs)


def _line(run: Rerun, value: str) -> str:
    """Where a value is computed, to be said behind what it is."""
    line = run.recorder.line_of(value)
    return f" ({line})" if line else ""
