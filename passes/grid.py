"""On which grid every value lies: of which power of two it is a whole multiple, however a network is run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import frexp, inf, prod

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import I
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeSum
from spikec.ir.types import Int, IntFormat, TensorType


@dataclass(frozen=True)
class Grid:
    """Whole multiples of `unit`, a power of two."""

    unit: float


@dataclass(frozen=True)
class OffGrid:
    """Values between the points of any grid: `node` gives such, or, with None, the network is given such."""

    node: Node | None


Spacing = Grid | OffGrid


def is_power_of_two(x: float) -> bool:
    """Whether x is 2^n, n whole."""
    return frexp(x)[0] == 0.5


def grids(graph: Graph) -> dict[str, Spacing]:
    """The grid of every value.

    A bias in floating point is taken to be put on the grid of the sum that it joins, as quantising does.
    """
    found: dict[str, Spacing] = {name: _typed(kind) or OffGrid(None) for name, kind in graph.inputs.items()}
    delays = [node for node in graph.nodes if isinstance(node.op, Delay)]
    # What a delay takes that is defined after it: zeros at first, on every grid, then what the loop makes of them.
    found.update({node.inputs[0]: Grid(inf) for node in delays if node.inputs[0] not in found})
    finer = _settled(graph, found, len(delays), frozenset())
    if finer:
        found.update({node.name: OffGrid(node) for node in finer})
        _settled(graph, found, len(delays), {node.name for node in finer})
    return {name: Grid(1.0) if spacing == Grid(inf) else spacing for name, spacing in found.items()}


def _settled(graph: Graph, found: dict[str, Spacing], loops: int, fixed: Collection[str]) -> list[Node]:
    """Follows the grids round the loops until they stay; gives the delays whose grid gets finer for ever."""
    changed: list[Node] = []
    for _ in range(loops + 2):
        before = dict(found)
        for node in graph.nodes:
            if node.name not in fixed:
                found.update(_results(graph, node, found))
        changed = [node for node in graph.nodes_of(Delay) if found[node.name] != before.get(node.name)]
        if not changed:
            break
    return changed


def _results(graph: Graph, node: Node, found: Mapping[str, Spacing]) -> dict[str, Spacing]:
    """The grids of a node's results, from those of its operands."""
    operands = [found[value] for value in node.inputs]
    units = [spacing.unit for spacing in operands if isinstance(spacing, Grid)]
    first: Spacing | None = _typed(node.type)
    if first is None and len(units) < len(operands):
        lost = [spacing for spacing in operands if isinstance(spacing, OffGrid)]
        first = next((spacing for spacing in lost if spacing.node is not None), lost[0])
    elif first is None:
        unit = RULES[type(node.op)](graph, node, units) if type(node.op) in RULES else None
        first = OffGrid(node) if unit is None else Grid(unit)
    assert first is not None
    name, *others = node.results
    return {name: first, **dict.fromkeys(others, OffGrid(node))}


def _typed(kind: TensorType) -> Grid | None:
    """The grid that the type says, of integers."""
    if isinstance(kind.domain, Int) and is_power_of_two(kind.domain.scale):
        return Grid(kind.domain.scale)
    return None


def _of_weight(graph: Graph, node: Node, slot: str) -> float | None:
    form = graph.weights[node.weights[slot]].format
    return form.scale if isinstance(form, IntFormat) and is_power_of_two(form.scale) else None


def _linear(graph: Graph, node: Node, units: Sequence[float]) -> float | None:
    unit = _of_weight(graph, node, "weight")
    if unit is None:
        return None
    bias = graph.weights[node.weights["bias"]] if "bias" in node.weights else None
    if bias is None or not isinstance(bias.format, IntFormat):
        return units[0] * unit
    return min(units[0] * unit, bias.format.scale) if is_power_of_two(bias.format.scale) else None


def _scaled(graph: Graph, node: Node, units: Sequence[float]) -> float | None:
    assert isinstance(node.op, Scale)
    factor = abs(node.op.factor)
    return units[0] * factor if is_power_of_two(factor) else None


def _averaged(graph: Graph, node: Node, units: Sequence[float]) -> float | None:
    over = node.op.kernel if isinstance(node.op, AvgPool) else graph.types[node.inputs[0]].shape
    terms = prod(over) if isinstance(node.op, AvgPool) else prod(over) // node.type.elements
    return units[0] / terms if is_power_of_two(terms) else None


def _integrated(graph: Graph, node: Node, units: Sequence[float]) -> float | None:
    unit = _of_weight(graph, node, "v0") if "v0" in node.weights else units[0]
    return None if unit is None else min(units[0], unit)


Rule = Callable[[Graph, Node, Sequence[float]], float | None]
RULES: dict[type[Op], Rule] = {
    **dict.fromkeys((Add, Concat), lambda graph, node, units: min(units)),
    **dict.fromkeys((Delay, Repeat, TimeLast, TimeSum), lambda graph, node, units: units[0]),
    **dict.fromkeys((Expand, Pad, Reshape, Slice, Transpose, Upsample), lambda graph, node, units: units[0]),
    **dict.fromkeys((MaxPool, Sum, SumPool), lambda graph, node, units: units[0]),
    **dict.fromkeys((AvgPool, Mean), _averaged),
    **dict.fromkeys((MatMul, Mul), lambda graph, node, units: prod(units)),
    **dict.fromkeys((Conv1d, Conv2d, Linear), _linear),
    Constant: lambda graph, node, units: _of_weight(graph, node, "value"),
    I: _integrated,
    Scale: _scaled,
}
"""The unit of a real result from its operands' units; None where it lies on no grid, as does that of any other op."""
