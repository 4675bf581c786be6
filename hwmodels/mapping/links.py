"""Which element of a sender stands at each place of an operand, followed through all that moves values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.paths import DRIVES, ROLES, SENDS
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, Mean, Pool, Sum, SumPool
from spikec.ir.shapes import Concat, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum

Ids = NDArray[np.int32]
"""[n, *shape]: at each place of a value up to n elements of the sender, -1 where there are fewer."""
NOBODY = -1


def ids_of(graph: Graph, sender: str, value: str, layers: Set[str] = frozenset()) -> Ids | None:
    """The elements of `sender` that stand at each place of `value`; None where it does not reach it.

    Args:
        graph: of both.
        sender: an input of the graph, or the result of a layer.
        value: an operand of what drives a layer.
        layers: the nodes of all layers. A pool that is one of them sends what it has summed itself.
    """
    return _found(graph, sender, value, layers, {})


def driver_behind(graph: Graph, neuron: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the ops that drive a neuron take, and the nodes from those ops to the neuron, which is none of them.

    A residual sum before a neuron has several such ops; what reaches it past every op (spikes, an input of the graph,
    what was delayed) is taken as it is. The nodes stand in an order in which they can be computed.
    """
    taken: dict[str, None] = {}
    through: dict[str, None] = {}

    def follow(value: str) -> None:
        node = graph.producers.get(value)
        role = None if node is None else ROLES.get(type(node.op))
        if node is None or not node.inputs or role in ("neuron", "delays"):
            taken[value] = None
        elif node.name not in through:
            if role in DRIVES:
                taken.update(dict.fromkeys(node.inputs))
            else:
                for operand in node.inputs:
                    follow(operand)
            through[node.name] = None

    follow(neuron.inputs[0])
    return tuple(taken), tuple(through)


def _found(graph: Graph, sender: str, value: str, layers: Set[str], known: dict[str, Ids | None]) -> Ids | None:
    if value == sender:
        kind = graph.types[value]
        return np.arange(kind.elements, dtype=np.int32).reshape(1, *kind.shape)
    node = graph.producers.get(value)
    if node is None or (ROLES[type(node.op)] in SENDS and (type(node.op) not in MOVES or node.name in layers)):
        return None
    if value not in known:
        known[value] = None  # a cycle without a layer in it ends here
        parts = [_found(graph, sender, operand, layers, known) for operand in node.inputs]
        if any(part is not None for part in parts):
            known[value] = MOVES[type(node.op)](graph, node, parts)
    return known[value]


def _nobody(graph: Graph, value: str) -> Ids:
    return np.full((1, *graph.types[value].shape), NOBODY, dtype=np.int32)


def _kept(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids | None:
    return parts[0]


def _reshaped(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    (ids,) = _present(parts)
    return ids.reshape(ids.shape[0], *node.type.shape)


def _transposed(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    assert isinstance(node.op, Transpose)
    (ids,) = _present(parts)
    return ids.transpose(0, *(axis + 1 for axis in node.op.axes))


def _expanded(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    (ids,) = _present(parts)
    return np.broadcast_to(ids, (ids.shape[0], *node.type.shape))


def _sliced(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    assert isinstance(node.op, Slice)
    (ids,) = _present(parts)
    axis = node.op.axis % len(node.type.shape)
    cut = [slice(None)] * ids.ndim
    cut[axis + 1] = slice(node.op.start, node.op.stop, node.op.step)
    return ids[tuple(cut)]


def _padded(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    assert isinstance(node.op, Pad)
    (ids,) = _present(parts)
    widths = [(0, 0), *zip(node.op.before, node.op.after, strict=True)]
    return np.pad(ids, widths, constant_values=NOBODY)


def _upsampled(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    (ids,) = _present(parts)
    for axis, size in enumerate(node.type.shape, start=1):
        ids = np.repeat(ids, size // ids.shape[axis], axis=axis)
    return ids


def _added(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    shape = node.type.shape
    return np.concatenate([np.broadcast_to(part, (part.shape[0], *shape)) for part in _present(parts)])


def _joined(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    assert isinstance(node.op, Concat)
    most = max(part.shape[0] for part in _present(parts))
    axis = node.op.axis % len(node.type.shape) + 1
    filled = [_nobody(graph, v) if p is None else p for v, p in zip(node.inputs, parts, strict=True)]
    even = [np.pad(p, [(0, most - p.shape[0]), *[(0, 0)] * (p.ndim - 1)], constant_values=NOBODY) for p in filled]
    return np.concatenate(even, axis=axis)


def _reduced(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    """Every value of a sum at the place of the sum."""
    assert isinstance(node.op, (Sum, Mean))
    (ids,) = _present(parts)
    axes = sorted(axis % (ids.ndim - 1) + 1 for axis in node.op.axes)
    turned = np.moveaxis(ids, axes, range(1, 1 + len(axes)))
    return turned.reshape(-1, *node.type.shape)


def _pooled(graph: Graph, node: Node, parts: list[Ids | None]) -> Ids:
    """Every value of a window at the window's place."""
    assert isinstance(node.op, Pool)
    (ids,) = _present(parts)
    (ph, pw), (sh, sw) = node.op.padding, node.op.stride
    padded = np.pad(ids, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=NOBODY)
    _, height, width = node.type.shape
    taps = [
        padded[:, :, y : y + sh * height : sh, x : x + sw * width : sw][:, :, :height, :width]
        for y in range(node.op.kernel[0])
        for x in range(node.op.kernel[1])
    ]
    return np.concatenate(taps)


def _present(parts: list[Ids | None]) -> list[Ids]:
    return [part for part in parts if part is not None]


MOVES: Mapping[type[Op], Callable[[Graph, Node, list[Any]], Any]] = {  # Any: Ids, or None where nobody is there
    **dict.fromkeys((Repeat, Delay, Scale, TimeMean, TimeSum, TimeLast), _kept),
    Reshape: _reshaped,
    Transpose: _transposed,
    Expand: _expanded,
    Slice: _sliced,
    Pad: _padded,
    Upsample: _upsampled,
    Add: _added,
    Concat: _joined,
    **dict.fromkeys((Sum, Mean), _reduced),
    **dict.fromkeys((SumPool, AvgPool), _pooled),
}
