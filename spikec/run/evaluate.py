"""The values of a graph, node by node, from its inputs and weights as tensors: what all runners in torch share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import torch
from torch import Tensor

from spikec.errors import UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Timing
from spikec.run.cycles import cycles_of, stepped
from spikec.run.inputs import samples_of
from spikec.run.kernels import KERNELS
from spikec.run.neurons import STEPPERS, integrate, state_of
from spikec.run.numbers import ELEMENTWISE, FLOATS, Numbers


def values_of(
    graph: Graph,
    inputs: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    steps: int,
    wanted: Set[str],
    numbers: Numbers = FLOATS,
) -> Iterator[tuple[str, Tensor]]:
    """Every value with its name as it is computed, the inputs first; each is forgotten after its last user.

    Args:
        graph: verified.
        inputs: [B, *shape] where once, [T, B, *shape] where per step.
        weights: by name, in the inputs' dtype.
        steps: T.
        wanted: names whose values are not to be forgotten before they are given.
        numbers: how it is computed with them.
    """
    yield from inputs.items()
    values = dict(inputs)
    silent = next(iter(values.values())).new_zeros(samples_of(graph, inputs))
    groups = cycles_of(graph)
    last = {value: at for at, group in enumerate(groups) for node in group for value in node.inputs}
    for at, group in enumerate(groups):
        found = _found(group, values, weights, steps, silent, numbers)
        values.update({name: value for name, value in found.items() if name in wanted or name in last})
        yield from found.items()
        for operand in [value for node in group for value in node.inputs if last[value] == at]:
            values.pop(operand, None)


def _found(
    group: Sequence[Node],
    values: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    steps: int,
    silent: Tensor,
    numbers: Numbers,
) -> dict[str, Tensor]:
    """The results of a node, or of the nodes of a cycle; `silent` is a zero for each sample."""
    if len(group) > 1 or not set(group[0].inputs).isdisjoint(group[0].results):
        return stepped(group, values, weights, steps, silent, compute, numbers)
    (node,) = group
    results = compute(node, [values[v] for v in node.inputs], weights, steps, numbers)
    if not node.inputs:
        results = tuple(value.expand(len(silent), *value.shape[1:]) for value in results)
    return dict(zip(node.results, results, strict=True))


def compute(
    node: Node,
    operands: Sequence[Tensor],
    weights: Mapping[str, Tensor],
    steps: int,
    numbers: Numbers = FLOATS,
) -> tuple[Tensor, ...]:
    """The results of one node.

    Raises:
        UnsupportedOp: there is no kernel for this op.
    """
    own = {slot: weights[name] for slot, name in node.weights.items()}
    kind = type(node.op)
    if kind in STEPPERS:
        with state_of(node.scope or node.name):
            return integrate(node.op, operands[0], own, numbers)
    if kind in ELEMENTWISE:
        return (ELEMENTWISE[kind](node.op, operands[0], own, numbers),)
    if kind in TIME:
        return (TIME[kind](operands[0], own, steps),)
    if kind not in KERNELS:
        raise UnsupportedOp("the interpreter", [(node.op.mnemonic, node.scope or node.name, "no kernel")])
    if node.type.timing is Timing.ONCE:  # so are its operands, since only the ops of TIME change it
        return (KERNELS[kind](node.op, operands, own),)
    time, batch = operands[0].shape[:2]
    flat = [x.reshape(time * batch, *x.shape[2:]) for x in operands]
    y = KERNELS[kind](node.op, flat, own)
    return (y.reshape(time, batch, *y.shape[1:]),)


def _shift(x: Tensor, weights: Mapping[str, Tensor], steps: int) -> Tensor:
    amounts = weights["steps"].to(torch.int64).expand(x.shape[2:])
    y = torch.zeros_like(x)
    for amount in torch.unique(amounts).tolist():
        if amount < steps:
            moved = torch.zeros_like(x)
            moved[amount:] = x[: steps - amount]
            y = torch.where(amounts == amount, moved, y)
    return y


TIME: dict[type[Op], Callable[[Tensor, Mapping[str, Tensor], int], Tensor]] = {
    Repeat: lambda x, w, steps: x.unsqueeze(0).expand(steps, *x.shape),
    TimeMean: lambda x, w, steps: x.mean(0),
    TimeSum: lambda x, w, steps: x.sum(0),
    TimeLast: lambda x, w, steps: x[-1],
    Delay: _shift,
}
