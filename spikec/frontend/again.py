"""Further recordings of a network, at other batch sizes and T: what is not the same was baked into its code."""

from __future__ import annotations

from itertools import zip_longest
from math import prod

from torch import nn

from spikec.errors import TraceError
from spikec.frontend.neurons.table import maker_of, reset
from spikec.frontend.recorder import Recorder
from spikec.frontend.recording import Asked, finished, record
from spikec.frontend.results import flat
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Delay

MEND = "take sizes from the input (x.shape), and numbers from neither T nor the batch; let every call do the same"


MOST_WORK = 10**11
"""Multiplications for which a network is recorded far beyond its sizes: half a minute of one core."""


def check_again(model: nn.Module, asked: Asked, first: Recorder) -> list[tuple[int, int]]:
    """Records the network again, on sizes unlike those of the first recording, compares, and gives those sizes.

    Where its modules hold tensors of the first run, that is done on the same sizes too, which may be what they fit;
    and on far greater ones, where a bound on them shows, unless the network is too large for it.

    Raises:
        TraceError: it fails there, or does something else; names the first line that does.
    """
    ours = finished(first)
    far = asked.far_sizes if _work(ours) * sum(map(prod, asked.far_sizes)) <= MOST_WORK else ()
    done = [*([first.sizes] if _kept(model, first) else []), asked.other_sizes, *far]
    for sizes in done:
        reset(model)
        _check_at(sizes, model, asked, first, ours)
    return done


def _work(graph: Graph) -> int:
    """Multiplications with weights of a sample and a step, roughly: what a recording takes."""
    return sum(
        node.type.elements * max([prod(graph.weights[name].array.shape[1:]) for name in node.weights.values()] or [1])
        for node in graph.nodes
    )


def _kept(model: nn.Module, first: Recorder) -> bool:
    """Whether a module that is no neuron holds a tensor of the first run."""
    modules = (module for module in model.modules() if maker_of(module) is None)
    return any(first.follows(value) for module in modules for value in flat(list(vars(module).values())))


def _check_at(sizes: tuple[int, int], model: nn.Module, asked: Asked, first: Recorder, ours: Graph) -> None:
    apart = f"on {_said(sizes)}, not on {_said(first.sizes)}"
    try:
        second = record(model, asked, sizes, before=first)
        graph = finished(second)
    except TraceError as error:
        raise TraceError(f"{error.found} ({apart})", where=error.where, mend=MEND) from error
    _compare(first, ours, second, graph)


def _said(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]} steps of {sizes[1]} samples"


def _compare(first: Recorder, ours: Graph, second: Recorder, theirs: Graph) -> None:
    pairs = list(zip_longest(ours.nodes, theirs.nodes))
    names = dict(zip(ours.inputs, theirs.inputs, strict=True))
    for one, other in pairs:
        if one is None or other is None or not _same(ours, one, theirs, other):
            raise _differing(first, one, second, other)
        names.update(zip(one.results, other.results, strict=True))
    for one, other in pairs:
        if [names[value] for value in one.inputs] != list(other.inputs):
            raise _differing(first, one, second, other)
    dims = [[view.dims for view in r.outputs] for r in (first, second)]
    if dims[0] != dims[1] or [names[value] for value in ours.outputs] != list(theirs.outputs):
        value = next((v.value for v, dim in zip(second.outputs, dims[0], strict=False) if v.dims != dim), "")
        found = f"the outputs differ in their axes on {_said(first.sizes)} and on {_said(second.sizes)}"
        raise TraceError(found, where=second.line_of(value), mend=MEND)


def _same(ours: Graph, one: Node, theirs: Graph, other: Node) -> bool:
    """Whether two nodes do the same, with the same weights."""
    alike = (one.op, one.scope, one.types, one.weights.keys()) == (
        other.op,
        other.scope,
        other.types,
        other.weights.keys(),
    )
    pairs = ((ours.weights[name], theirs.weights[other.weights[slot]]) for slot, name in one.weights.items())
    return alike and all(mine.same_as(their) for mine, their in pairs)


def _differing(first: Recorder, one: Node | None, second: Recorder, other: Node | None) -> TraceError:
    """Names the line of the second recording, or of the first where the second has ended."""
    at, node = (second, other) if other is not None else (first, one)
    assert node is not None
    line, module = at.line_of(node.name), f"module '{node.scope}'" if node.scope else "the network"
    did, does = (f"{n.op}" if n is not None else "nothing" for n in (one, other))
    unlike = "other numbers" if did == does else f"{does} in the place of {did}"
    late = any(n is not None and isinstance(n.op, Delay) for n in (one, other))
    return TraceError(
        f"what it does differs from call to call: {unlike} on {_said(second.sizes)} after {_said(first.sizes)}",
        where=f"{module}, {line}" if line else module,
        mend="ask for more steps: what comes back later than at the last one does not show" if late else MEND,
    )
