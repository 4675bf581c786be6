"""Which neurons have something to do at a step: a membrane left over, a spike that reaches them, or a bias."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spikec.cost import Probe
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.run.evaluate import compute

STORED = (Conv1d, Conv2d, Linear)


def touched(graph: Graph, probe: Probe, values: Sequence[Tensor]) -> Tensor:
    """[T, B, *shape] of the membrane: 1 where the neuron is touched, else 0, as int64.

    That is where its membrane after the step before (v0 before the first) is not zero, or an element that is not zero
    reaches it by a connection of `probe.through`, whatever its weight, or a bias there is not zero.

    Args:
        graph: of the probe.
        probe: of kind `touched`.
        values: the membrane, and what the nodes of `probe.through` take of others, [T, B, *shape] each.
    """
    membrane, *taken = values
    steps = membrane.shape[0]
    neuron = graph.producers[probe.values[0]]
    before = torch.zeros_like(membrane)
    before[1:] = membrane[:-1]
    if "v0" in neuron.weights:
        before[0] = torch.as_tensor(np.array(graph.weights[neuron.weights["v0"]].values)).to(membrane.dtype)
    reached = {name: (value != 0).to(torch.float64) for name, value in zip(probe.values[1:], taken, strict=True)}
    for name in probe.through:
        node = graph.node(name)
        operands = [reached[value] for value in node.inputs]
        (reached[name],) = compute(node, operands, _connections(graph, node, probe), steps)
    drive = reached[neuron.inputs[0]].reshape(membrane.shape)
    return ((before != 0) | (drive != 0)).to(torch.int64)


def _connections(graph: Graph, node: Node, probe: Probe) -> dict[str, Tensor]:
    """A weight of 1 for every connection that is stored, and for every bias that is not zero."""
    found = {}
    for slot, name in node.weights.items():
        values = torch.as_tensor(np.array(graph.weights[name].values)).to(torch.float64)
        stored = type(node.op) in STORED and slot == "weight" and not probe.skip_zeros
        found[name] = torch.ones_like(values) if stored else (values != 0).to(torch.float64)
    return found
