"""Spikes that reach a neuron past no stored weight: by a pool, a residual sum, or as they are. Each is an event.

On a chip such a connection is a synapse of one weight, and costs what others cost. How many neurons an element reaches
is the adjoint, on ones, of the ops between: all of them are sums and moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.counting import NEURONS, WEIGHTED
from hwmodels.events import grouped
from hwmodels.fanout import FanOut, by_reach
from hwmodels.host import INTEGRATORS
from spikec.cost import Counts, Multibit, Probe, ProbeKind
from spikec.errors import Offender, UnsupportedOp
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import window
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.types import Int, Shape

Reach = NDArray[np.int64]
Shapes = tuple[Shape, ...]


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a neuron takes of one value past no weight.

    Args:
        value: spikes, or a stream of them.
        probe: its answer [samples, groups] times `reach` is the number of events.
        reach: [groups].
    """

    value: str
    probe: Probe
    reach: Reach

    def events(self, counts: Counts) -> NDArray[np.int64]:
        """[samples]."""
        return counts.of(self.probe) @ self.reach


def deliveries(graph: Graph, node: Node, host: frozenset[str], multibit: Multibit) -> tuple[Delivery, ...]:
    """What a neuron takes past no weight, a value each; nothing for what is no neuron.

    Args:
        graph: the graph of `node`.
        node: any node.
        host: values that the chip does not compute.
        multibit: whether a value n is n events or one.
    """
    if type(node.op) not in (*NEURONS, *INTEGRATORS):
        return ()
    kind: ProbeKind = "sum" if multibit == "unit" else "nonzero"
    path = _path_to(graph, node.inputs[0], host)
    fans = _fan_outs(graph.types[node.inputs[0]].shape, path.crossed, tuple(path.ends.values()))
    return tuple(Delivery(value, grouped(value, kind, f), f.reach) for value, f in zip(path.ends, fans, strict=True))


def check_drives(graph: Graph, host: frozenset[str], chip: str) -> None:
    """Checks that synapses, spikes or the host give whatever drives a neuron.

    Raises:
        UnsupportedOp: lists every neuron that a real number drives, such as another neuron's membrane.
    """
    offenders = []
    for node in graph.nodes_of(*NEURONS, *INTEGRATORS):
        for value in _path_to(graph, node.inputs[0], host).real:
            reason = f"%{value} drives it, which is real: neither spikes nor the sums of a layer"
            offenders.append(Offender(node.op.mnemonic, graph.path_of(node), reason))
    if offenders:
        raise UnsupportedOp(chip, offenders, nodes=len(graph.nodes))


@dataclass(frozen=True)
class Crossing:
    """An op between, its values as numbers.

    Args:
        op: of a kind in ADJOINTS.
        result, operands: numbers of its values.
        shapes: of the operands.
    """

    op: Op
    result: int
    operands: tuple[int, ...]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Path:
    """What lies between a neuron's drive, which is number 0, and where its events begin.

    Args:
        ends: the numbers of the values at which events begin.
        crossed: the ops between, each before those of its operands.
        real: values that are neither events, nor a layer's sums, nor the host's.
    """

    ends: Mapping[str, int]
    crossed: tuple[Crossing, ...]
    real: tuple[str, ...]


def _path_to(graph: Graph, drive: str, host: frozenset[str]) -> Path:
    crossed: set[str] = set()
    ends: dict[str, None] = {}
    real: dict[str, None] = {}
    waiting = [drive]
    while waiting:
        at = waiting.pop()
        source = graph.producers.get(at)
        if at in crossed or at in host or (source is not None and type(source.op) in WEIGHTED):
            continue  # seen before, not the chip's, or events that are counted as the layer's
        if source is not None and type(source.op) in ADJOINTS:
            crossed.add(at)
            waiting += source.inputs
        else:
            (ends if isinstance(graph.types[at].domain, Int) else real)[at] = None
    numbers = {drive: 0}
    crossings = []
    for node in reversed(graph.nodes) if crossed else ():
        if node.name in crossed:
            operands = tuple(numbers.setdefault(value, len(numbers)) for value in node.inputs)
            shapes = tuple(graph.types[value].shape for value in node.inputs)
            crossings.append(Crossing(node.op, numbers[node.name], operands, shapes))
    return Path({value: numbers[value] for value in ends}, tuple(crossings), tuple(real))


# In the inner loop of a search the same paths come again with every candidate.
@lru_cache(maxsize=4096)
def _fan_outs(shape: Shape, crossed: tuple[Crossing, ...], ends: tuple[int, ...]) -> tuple[FanOut, ...]:
    """How many neurons each element of the ends reaches.

    Args:
        shape: of the drive.
        crossed: the ops between.
        ends: numbers of values.
    """
    reached = {0: np.ones(shape, dtype=np.int64)}
    for step in crossed:
        adjoints = ADJOINTS[type(step.op)](step.op, step.shapes, reached[step.result])
        for number, reach in zip(step.operands, adjoints, strict=True):
            reached[number] = reached[number] + reach if number in reached else reach
    return tuple(by_reach(reached[number]) for number in ends)


def _as_it_is(op: Op, shapes: Shapes, reach: Reach) -> list[Reach]:
    return [reach] * len(shapes)


def _reshape(op: Op, shapes: Shapes, reach: Reach) -> list[Reach]:
    return [reach.reshape(shapes[0])]


def _transpose(op: Transpose, shapes: Shapes, reach: Reach) -> list[Reach]:
    return [reach.transpose(np.argsort(op.axes))]


def _concat(op: Concat, shapes: Shapes, reach: Reach) -> list[Reach]:
    return np.split(reach, np.cumsum([shape[op.axis] for shape in shapes])[:-1], axis=op.axis)


def _slice(op: Slice, shapes: Shapes, reach: Reach) -> list[Reach]:
    found = np.zeros(shapes[0], dtype=np.int64)
    found[(slice(None),) * op.axis + (slice(op.start, op.stop, op.step),)] = reach
    return [found]


def _pad(op: Pad, shapes: Shapes, reach: Reach) -> list[Reach]:
    kept = tuple(slice(before, before + size) for before, size in zip(op.before, shapes[0], strict=True))
    return [reach[kept]]


def _upsample(op: Upsample, shapes: Shapes, reach: Reach) -> list[Reach]:
    (channels, height, width), (by_height, by_width) = shapes[0], op.factors
    return [reach.reshape(channels, height, by_height, width, by_width).sum((2, 4))]


def _expand(op: Expand, shapes: Shapes, reach: Reach) -> list[Reach]:
    repeated = tuple(axis for axis, size in enumerate(shapes[0]) if size != reach.shape[axis])
    return [reach.sum(repeated, keepdims=True)]


def _reduced(op: Sum | Mean, shapes: Shapes, reach: Reach) -> list[Reach]:
    return [np.broadcast_to(np.expand_dims(reach, op.axes), shapes[0])]


def _pool(op: SumPool | AvgPool, shapes: Shapes, reach: Reach) -> list[Reach]:
    _, *sizes = shapes[0]
    rows, columns = (
        _windows(size, kernel, stride, padding)
        for size, kernel, stride, padding in zip(sizes, op.kernel, op.stride, op.padding, strict=True)
    )
    return [rows.T @ reach @ columns]


def _windows(size: int, kernel: int, stride: int, padding: int) -> Reach:
    """[windows, size]: 1 where a window holds a place."""
    starts = np.arange(window(size, kernel, stride, padding)) * stride - padding
    places = np.arange(size)
    return ((places >= starts[:, None]) & (places < starts[:, None] + kernel)).astype(np.int64)


# Any: each function takes the op of its own key.
ADJOINTS: Mapping[type[Op], Callable[[Any, Shapes, Reach], list[Reach]]] = {
    Add: _as_it_is,
    Scale: _as_it_is,
    Reshape: _reshape,
    Transpose: _transpose,
    Concat: _concat,
    Slice: _slice,
    Pad: _pad,
    Upsample: _upsample,
    Expand: _expand,
    Sum: _reduced,
    Mean: _reduced,
    SumPool: _pool,
    AvgPool: _pool,
}
"""For ones on an op's result, how many of them each element of its operands adds to."""
