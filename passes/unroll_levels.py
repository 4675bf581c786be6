"""unroll-levels: an integer neuron as spikes in space, one binary neuron a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from passes.algebra import MOVES, STORED
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import MultiLevelSpike, Threshold
from spikec.ir.types import FLOAT64, IntFormat, Weight, constant


@dataclass(frozen=True)
class UnrollLevels:
    """Turns a MultiLevelSpike of D levels into D Thresholds, and the linear op behind it into D of the same weights.

        round(min(max(x, 0), D)) = [x > 1/2] + [x >= 3/2] + [x > 5/2] + ...      ties go to the even level
        W s (q_1 + ... + q_D) + b = s (W q_1 + b / s + W q_2 + ... + W q_D)

    Each level is binary, so the linear op meets spikes alone; T does not change. Moves of values between neuron and
    linear op are made on each level. Whatever else takes the neuron (a residual add, a product, a pool, an output)
    gets s (q_1 + ... + q_D), which has the codes that it had. Source: Yao et al. 2025 (SDT v3), which trains on
    integers and runs on spikes; there D = 4 and s = 1/4.

    Keeps: function, to rounding of sums (bit for bit where they are exact); result types; names and scopes of the
    results; the weight, which all levels share by its name.
    Changes: ops; a bias, which becomes b / s of the first level (float64, or fixed point of the scale over s). No
    count of synaptic operations where a value n counts n: n of its levels fire.
    Leaves alone: everything but integer neurons, linear ops that take them, and moves between the two.
    """

    name: ClassVar[str] = "unroll-levels"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without integer neurons."""
        edit = Edit(graph)
        split, whole = _sought(graph)
        levels: dict[str, _Levels] = {}
        for node in graph.nodes:
            taken = levels.get(node.inputs[0]) if node.inputs else None
            if isinstance(node.op, MultiLevelSpike):
                made, levels[node.name] = _thresholds(edit, node, node.op)
                edit.replace(node, *made, *(_summed(edit, node, levels[node.name]) if node.name in whole else ()))
            elif taken is not None and isinstance(node.op, STORED):
                made, own = _on_each(edit, node, taken)
                edit.replace(node, *_with_bias(edit, node, taken.scale, made), *_summed(edit, node, own))
            elif taken is not None and node.name in split:
                made, levels[node.name] = _on_each(edit, node, taken)
                plain = node.name in whole and node.name not in levels[node.name].names
                edit.replace(node, *made, *([node] if plain else ()))
        return edit.graph()


@dataclass(frozen=True)
class _Levels:
    """A value as scale times the sum of binary ones; one of scale 1 bears the value's own name."""

    names: Sequence[str]
    scale: float


def _sought(graph: Graph) -> tuple[set[str], set[str]]:
    """The values of integer neurons, moved or not, that are wanted level by level, and those wanted as they are."""
    moved: list[Node] = []
    found: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, MultiLevelSpike) or (isinstance(node.op, MOVES) and node.inputs[0] in found):
            moved.append(node)
            found.add(node.name)
    split: set[str] = set()
    whole: set[str] = set()
    for node in reversed(moved):
        users = graph.users(node.name)
        if any(isinstance(user.op, STORED) or user.name in split for user in users):
            split.add(node.name)
        # A move that is not wanted level by level takes the whole as any other op does.
        others = [user for user in users if not isinstance(user.op, STORED) and user.name not in split - whole]
        if others or not users or node.name in graph.outputs:
            whole.add(node.name)
    return split, whole


def _named(edit: Edit, node: Node, count: int, scale: float) -> _Levels:
    if count == 1 and scale == 1.0:
        return _Levels([node.name], scale)
    return _Levels([edit.value_name(f"{node.name}.{level}") for level in range(1, count + 1)], scale)


def _thresholds(edit: Edit, node: Node, op: MultiLevelSpike) -> tuple[list[Node], _Levels]:
    levels = _named(edit, node, op.levels, op.scale)
    nodes = []
    for level, name in enumerate(levels.names, start=1):
        # Half way between two levels the even one wins: the upper one where its number is even.
        made = Node(name, Threshold(">=" if level % 2 == 0 else ">"), node.inputs, scope=node.scope)
        weight = edit.weight_for(replace(made, scope=""), "v_threshold", constant(level - 0.5))
        nodes.append(replace(made, weights={"v_threshold": weight}))
    return nodes, levels


def _on_each(edit: Edit, node: Node, taken: _Levels) -> tuple[list[Node], _Levels]:
    """The node on each level, as nodes and as levels of its result."""
    levels = _named(edit, node, len(taken.names), taken.scale)
    pairs = zip(levels.names, taken.names, strict=True)
    return [replace(node, name=name, inputs=(value,)) for name, value in pairs], levels


def _with_bias(edit: Edit, node: Node, scale: float, made: Sequence[Node]) -> list[Node]:
    """The linear op on each level, the first one with the bias over the scale that comes behind."""
    if "bias" not in node.weights:
        return list(made)
    without = {slot: name for slot, name in node.weights.items() if slot != "bias"}
    bias = edit.source.weights[node.weights["bias"]]
    name = node.weights["bias"] if scale == 1.0 else edit.weight_for(node, "bias", _over(bias, scale))
    first, *others = (replace(each, weights=without) for each in made)
    return [replace(first, weights={**without, "bias": name}), *others]


def _over(weight: Weight, scale: float) -> Weight:
    if isinstance(weight.format, IntFormat):
        return replace(weight, format=replace(weight.format, scale=weight.format.scale / scale))
    return Weight(weight.array.astype(np.float64) / scale, weight.role, FLOAT64)


def _summed(edit: Edit, node: Node, levels: _Levels) -> list[Node]:
    """The sum of the levels times their scale, under the node's name."""
    total, *rest = levels.names
    nodes: list[Node] = []
    for level, name in enumerate(rest, start=2):
        last = level == len(levels.names) and levels.scale == 1.0
        reached = node.name if last else edit.value_name(f"{node.name}.to_{level}")
        nodes.append(Node(reached, Add(), (total, name), scope=node.scope))
        total = reached
    if levels.scale != 1.0:
        nodes.append(Node(node.name, Scale(levels.scale), (total,), scope=node.scope))
    return nodes
