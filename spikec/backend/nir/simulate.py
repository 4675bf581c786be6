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

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from spikec.backend.nir.dialect import LABELS, METADATA, OPERAND, RESULT
from spikec.backend.nir.hdf5 import Tree
from spikec.backend.nir.numbers import steps_of
from spikec.backend.nir.restore import stated, stated_beta
from spikec.backend.plain import op_from
from spikec.ir.time import Delay
from spikec.run.interp import TIME
from spikec.run.kernels import KERNELS
from spikec.run.neurons import STEPPERS, integrate

Results = tuple[Tensor, ...]
"""What a node gives, [T, B, *shape]: its value, and its membrane where it has one."""

Rule = Callable[[Tree, Tensor, float], Results]


def simulate(tree: Tree, fed: Mapping[str, Tensor], dt: float) -> dict[str, Results]:
    """What every node gives.

    Args:
        tree: as `read_tree` gives it.
        fed: what each Input holds, [T, B, *shape] in float64.
        dt: seconds a step.

    Raises:
        ValueError: the edges form a cycle, or a node has no rule.
    """
    into: dict[str, list[str]] = {name: [] for name in tree["nodes"]}
    for source, target in tree["edges"]:
        into[target].append(source)
    try:
        order = list(TopologicalSorter(into).static_order())
    except CycleError as error:
        raise ValueError(f"the edges form a cycle: {error.args[1]}") from error
    found: dict[str, Results] = {}
    for name in order:
        node = tree["nodes"][name]
        found[name] = (fed[name],) if node["type"] == "Input" else _give(tree, node, into[name], found, dt)
    return found


def _give(tree: Tree, node: Tree, sources: Sequence[str], found: Mapping[str, Results], dt: float) -> Results:
    if node["type"] == RESULT:
        return (found[sources[0]][node["index"]],)
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
    weights = {slot: _tensor(node[slot]) for slot in (*op.slots, *op.optional) if slot in node}
    if type(op) in STEPPERS:
        return integrate(op, operands[0], weights)
    if isinstance(op, Delay):
        return (TIME[Delay](operands[0], weights, operands[0].shape[0]),)
    return (_each(lambda *x: KERNELS[type(op)](op, x, weights), *operands),)


def _each(compute: Callable[..., Tensor], *operands: Tensor) -> Tensor:
    """A stateless function applied to every step and sample alike."""
    steps, batch = operands[0].shape[:2]
    y = compute(*(x.reshape(steps * batch, *x.shape[2:]) for x in operands))
    return y.reshape(steps, batch, *y.shape[1:])


def _tensor(array: Any) -> Tensor:  # Any: numbers of any dtype
    return torch.as_tensor(np.array(array, dtype=np.float64))


def _pair(value: Any) -> tuple[int, ...]:  # Any: a number or an array of them
    return tuple(int(v) for v in np.atleast_1d(value))


def _conv(function: Callable[..., Tensor]) -> Rule:
    def rule(node: Tree, x: Tensor, dt: float) -> Results:
        windows = (_pair(node[key]) for key in ("stride", "padding", "dilation"))
        weight, bias, groups = _tensor(node["weight"]), _tensor(node["bias"]), int(node["groups"])
        return (_each(lambda each: function(each, weight, bias, *windows, groups), x),)

    return rule


def _linear(node: Tree, x: Tensor, dt: float) -> Results:
    bias = _tensor(node["bias"]) if "bias" in node else None
    return (_each(lambda each: F.linear(each, _tensor(node["weight"]), bias), x),)


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
    steps = torch.round(_tensor(steps_of(node["delay"], dt, stated(node))))
    return (TIME[Delay](x, {"steps": steps}, x.shape[0]),)


def _lif(node: Tree, x: Tensor, dt: float) -> Results:
    tau = _tensor(steps_of(node["tau"], dt, stated(node)))
    r, v_leak = _tensor(node["r"]), _tensor(node["v_leak"])

    def divided(v: Tensor, x: Tensor) -> Tensor:
        return v + (r * x - (v - v_leak)) / tau

    def undecayed(v: Tensor, x: Tensor) -> Tensor:
        return v - (v - v_leak) / tau + (r / tau) * x

    def multiplied(v: Tensor, x: Tensor) -> Tensor:
        assert beta is not None
        return v_leak + (v - v_leak) * _tensor(beta) + (r / tau) * x

    beta = stated_beta(node, dt)
    if beta is not None:
        return _fire(node, x, multiplied)
    return _fire(node, x, divided if _said(node, "decay_input") else undecayed)


def _if(node: Tree, x: Tensor, dt: float) -> Results:
    gain = _tensor(node["r"]) * dt
    return _fire(node, x, lambda v, x: v + gain * x)


def _fire(node: Tree, drive: Tensor, charge: Callable[[Tensor, Tensor], Tensor]) -> Results:
    """Spikes and membranes; the membrane is 0 before the first step."""
    threshold, v_reset = _tensor(node["v_threshold"]), _tensor(node["v_reset"])
    before = _said(node, "reset_delay")
    v = torch.zeros_like(drive[0])
    spikes, membranes = torch.empty_like(drive), torch.empty_like(drive)
    for t in range(drive.shape[0]):
        h = charge(v, drive[t])
        fired = h > threshold
        v = torch.where(fired, v_reset, h)
        spikes[t], membranes[t] = fired, h if before else v
    return spikes, membranes


def _said(node: Tree, field: str) -> bool:
    """A field of the op that NIR has no word for, and that changes no spike."""
    return bool(json.loads(node["metadata"][METADATA])["fields"][field])


RULES: Mapping[str, Rule] = {
    "Affine": _linear,
    "AvgPool2d": _pool(None),
    "Conv1d": _conv(F.conv1d),
    "Conv2d": _conv(F.conv2d),
    "Delay": _delay,
    "Flatten": _flatten,
    "IF": _if,
    "LIF": _lif,
    "Linear": _linear,
    "Output": lambda node, x, dt: (x,),
    OPERAND: lambda node, x, dt: (x,),
    "Scale": lambda node, x, dt: (x * _tensor(node["scale"]),),
    "SumPool2d": _pool(1),
    "Threshold": lambda node, x, dt: ((x > _tensor(node["threshold"])).to(x.dtype),),
}
