"""Runs a NIR tree by what NIR says of its nodes, without a Graph: the second opinion on what the writer wrote.

Standard nodes are computed from their fields alone, at the file's dt, by forward Euler: a LIF of tau seconds does
v += dt/tau ((v_leak - v) + r x), fires at v > v_threshold, and resets to v_reset; the edges into a node are summed.
Of the metadata only labels are used: names, which membrane is meant, and which of two roundings of the same sum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.backend.nir.dialect import CONSTANT, LABELS, OPERAND, RESULT
from spikec.backend.nir.hdf5 import Tree
from spikec.backend.nir.numbers import steps_of
from spikec.backend.nir.restore import stated
from spikec.backend.nir.stepping import STEPPED, Results, Rule, tensor
from spikec.backend.plain import op_from
from spikec.ir.time import Delay, Repeat
from spikec.run.interp import TIME
from spikec.run.kernels import KERNELS
from spikec.run.neurons import STEPPERS, integrate


def simulate(tree: Tree, fed: Mapping[str, Tensor], dt: float) -> dict[str, Results]:
    """What every node gives.

    A cycle goes through Delays of at least a step. It is run over and over, from silent Delays: each time, what they
    hold is right for one step more.

    Args:
        tree: as `read_tree` gives it.
        fed: what each Input holds, [T, B, *shape] in float64.
        dt: seconds a step.

    Raises:
        ValueError: the edges form a cycle without a Delay, or a node has no rule.
    """
    into: dict[str, list[str]] = {name: [] for name in tree["nodes"]}
    for source, target in tree["edges"]:
        into[target].append(source)
    closing = _closing(tree)
    try:
        order = list(TopologicalSorter({n: [] if n in closing else into[n] for n in into}).static_order())
    except CycleError as error:
        raise ValueError(f"the edges form a cycle: {error.args[1]}") from error
    steps, batch = next(iter(fed.values())).shape[:2]
    found: dict[str, Results] = {name: (value,) for name, value in fed.items()}
    for name in closing:
        found[name] = (torch.zeros(steps, batch, *np.shape(tree["nodes"][name]["delay"]), dtype=torch.float64),)
    rest = [name for name in order if name not in found]
    for _ in range(steps if closing else 1):
        for name in rest:
            found[name] = _give(tree, tree["nodes"][name], into[name], found, dt)
        later = {name: _give(tree, tree["nodes"][name], into[name], found, dt) for name in closing}
        found.update(later)
    return found


def _closing(tree: Tree) -> list[str]:
    """The Delays that lie on a cycle."""
    edges: nx.DiGraph[str] = nx.DiGraph(tree["edges"])
    cyclic = [names for names in nx.strongly_connected_components(edges) if len(names) > 1]
    return sorted(name for names in cyclic for name in names if tree["nodes"][name]["type"] == "Delay")


def _give(tree: Tree, node: Tree, sources: Sequence[str], found: Mapping[str, Results], dt: float) -> Results:
    if node["type"] == RESULT:
        return (found[sources[0]][node["index"]],)
    if node["type"] == CONSTANT:
        value = tensor(node["value"])
        return (value.expand(*next(iter(found.values()))[0].shape[:2], *value.shape),)
    ports = [source for source in sources if tree["nodes"][source]["type"] == OPERAND]
    if node["type"] in LABELS:
        ordered = sorted(ports, key=lambda port: int(tree["nodes"][port]["index"]))
        return _labelled(node, [found[port][0] for port in ordered] or [_sum(sources, found)])
    if node["type"] not in RULES:
        raise ValueError(f"no rule for a node of type '{node['type']}'")
    return RULES[node["type"]](node, _sum(sources, found), dt)


def _sum(sources: Sequence[str], found: Mapping[str, Results]) -> Tensor:
    total = found[sources[0]][0]
    for source in sources[1:]:
        total = total + found[source][0]
    return total


def _labelled(node: Tree, operands: list[Tensor]) -> Results:
    """What spikec's op of that name computes."""
    op = op_from(LABELS[node["type"]], json.loads(node["fields"]))
    weights = {slot: tensor(node[slot]) for slot in (*op.slots, *op.optional) if slot in node}
    if type(op) in STEPPERS:
        return integrate(op, operands[0], weights)
    if isinstance(op, Delay):
        return (TIME[Delay](operands[0], weights, operands[0].shape[0]),)
    if isinstance(op, Repeat):  # of a constant, which stands at every step already
        return (operands[0],)
    return (_each(lambda *x: KERNELS[type(op)](op, x, weights), *operands),)


def _each(compute: Callable[..., Tensor], *operands: Tensor) -> Tensor:
    """A stateless function applied to every step and sample alike."""
    steps, batch = operands[0].shape[:2]
    y = compute(*(x.reshape(steps * batch, *x.shape[2:]) for x in operands))
    return y.reshape(steps, batch, *y.shape[1:])


def _pair(value: Any) -> tuple[int, ...]:  # Any: a number or an array of them
    return tuple(int(v) for v in np.atleast_1d(value))


def _conv(function: Callable[..., Tensor]) -> Rule:
    def rule(node: Tree, x: Tensor, dt: float) -> Results:
        windows = (_pair(node[key]) for key in ("stride", "padding", "dilation"))
        weight, bias, groups = tensor(node["weight"]), tensor(node["bias"]), int(node["groups"])
        return (_each(lambda each: function(each, weight, bias, *windows, groups), x),)

    return rule


def _linear(node: Tree, x: Tensor, dt: float) -> Results:
    bias = tensor(node["bias"]) if "bias" in node else None
    return (_each(lambda each: F.linear(each, tensor(node["weight"]), bias), x),)


def _pool(divisor: int | None) -> Rule:
    def rule(node: Tree, x: Tensor, dt: float) -> Results:
        kernel, stride, padding = (_pair(node[key]) for key in ("kernel_size", "stride", "padding"))
        return (_each(lambda each: F.avg_pool2d(each, kernel, stride, padding, divisor_override=divisor), x),)

    return rule


def _flatten(node: Tree, x: Tensor, dt: float) -> Results:
    # Time and batch stand before the axes that NIR counts.
    start, end = (int(node[key]) for key in ("start_dim", "end_dim"))
    return (x.flatten(start + 2, end + 2 if end >= 0 else end),)


def _delay(node: Tree, x: Tensor, dt: float) -> Results:
    steps = torch.round(tensor(steps_of(node["delay"], dt, stated(node, "steps"))))
    return (TIME[Delay](x, {"steps": steps}, x.shape[0]),)


RULES: Mapping[str, Rule] = {
    "Affine": _linear,
    "AvgPool2d": _pool(None),
    "Conv1d": _conv(F.conv1d),
    "Conv2d": _conv(F.conv2d),
    "Delay": _delay,
    "Flatten": _flatten,
    "Linear": _linear,
    "Output": lambda node, x, dt: (x,),
    OPERAND: lambda node, x, dt: (x,),
    "Scale": lambda node, x, dt: (x * tensor(node["scale"]),),
    "SumPool2d": _pool(1),
    "Threshold": lambda node, x, dt: ((x > tensor(node["threshold"])).to(x.dtype),),
    **STEPPED,
}
