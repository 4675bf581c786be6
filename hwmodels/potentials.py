"""What a neuron layer reads, writes, adds and multiplies by the table of Lemaire et al. 2022, and which it knows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwmodels.accesses import constant
from hwmodels.counting import PerSample, SynapticTally
from spikec.cost import Activity, Counts, Rates
from spikec.errors import DataError, UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, IntegrateAndFire, MultiLevelSpike, Threshold
from spikec.ir.op import Op
from spikec.ir.shapes import Reshape, Transpose

LEAKS: Mapping[type[Op], bool] = {LIF: True, PLIF: True, LI: True, IF: False, I: False}
"""Neurons with one potential, and whether a step multiplies it. Integrators are neurons that send nothing."""

UNKNOWN: Mapping[type[Op], str] = {
    CubaLIF: "two states a neuron, where the source's table knows one potential",
    Alpha: "two states a neuron, where the source's table knows one potential",
    MultiLevelSpike: "no potential and no spikes, which the source's table counts",
    Threshold: "no potential, which the source's table counts",
}


def check_neurons(graph: Graph, chip: str) -> None:
    """Checks that every neuron has the one potential that the table counts.

    Raises:
        UnsupportedOp: lists every node that has not.
    """
    unknown = tuple(graph.nodes_of(*UNKNOWN))
    if unknown:
        offenders = [(node.op.mnemonic, graph.path_of(node), UNKNOWN[type(node.op)]) for node in unknown]
        raise UnsupportedOp(chip, offenders, nodes=len(graph.nodes))


def neuron_counts(graph: Graph, node: Node, tally: SynapticTally, activity: Activity) -> dict[str, PerSample]:
    """Every kind of count of a neuron layer, [samples] each.

    At each step every potential is read and written, and multiplied where it leaks; a spike is written to the queue
    and, where it resets, subtracts once.
    """
    every_step = constant(node.type.elements * tally.times(node, activity.steps), activity)
    counted: dict[str, PerSample] = {"read_potential": every_step, "write_potential": every_step}
    if LEAKS[type(node.op)]:
        counted["leak_mac"] = every_step
    if isinstance(node.op, IntegrateAndFire):
        counted["spike"] = spikes(graph, node, tally, activity)
        if node.op.reset != "none":
            counted["reset_ac"] = counted["spike"]
    return counted


def spikes(graph: Graph, node: Node, tally: SynapticTally, activity: Activity) -> PerSample:
    """th_out: the spikes that a neuron layer sends.

    Raises:
        DataError: rates were given, and none of them says it.
    """
    if isinstance(activity, Counts):
        return tally.counts(node, activity)["spike"]
    rate = _emitted(graph, node, activity)
    return np.full(activity.samples, rate * node.type.elements * tally.times(node, activity.steps))


def _emitted(graph: Graph, node: Node, rates: Rates) -> float:
    """The published rate of an operand that holds a neuron's spikes, moved at most."""
    moved = {node.name}
    for user in graph.nodes:
        for index, value in enumerate(user.inputs):
            if value in moved and isinstance(user.op, (Reshape, Transpose)):
                moved.add(user.name)
            elif value in moved and (user.name, index) in rates.rates:
                return rates.rates[user.name, index]
    raise DataError(
        "no rate of the spikes that it sends",
        where=node.place,
        expected="the rate of an operand that it feeds, straight or moved",
        mend="count events on data, or price it on a chip that asks for the rates of inputs alone",
    )
