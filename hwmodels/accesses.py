"""What a layer and a neuron read, write, add and multiply: the table of Lemaire et al. 2022, one rule a kind of count.

With th_in the events that a layer takes in per inference, K the offsets of its kernel, S its stride, N_out the elements
of its result, T the steps and th_out the spikes of a neuron layer (docs/memory.md has the table). Under
counting = 'rate' the counts are the table's; under 'events' an event is charged for the outputs that it really
reaches, borders included. Under 'rate' a layer whose operand is no spikes has the paper's rules for formal networks,
which use every value: one of Real type or, with domain = 'observed', one that holds a value other than -1, 0, 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from hwmodels.counting import ASKS, Operand, PerSample, Synaptic, SynapticTally, operand_of_node, row_of
from hwmodels.dense import dense_macs
from hwmodels.events import events_only, grouped
from hwmodels.fanout import FanOut, fan_out
from hwmodels.rates import published
from hwmodels.sram import READINGS, Reading
from spikec.cost import Activity, Policy, Probe, Rates
from spikec.errors import UsageError
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import Neuron
from spikec.ir.types import Timing


@dataclass(frozen=True, eq=False)
class Layer:
    """A Conv or Linear as it is counted under a policy.

    Args:
        graph, node: which.
        policy, tally: how its events are counted.
        formal: whether every value is used, active or not.
        writes: whether a formal layer writes its results; those before a neuron go straight into its potential, for
            whose writing the neuron is charged.
    """

    graph: Graph
    node: Node
    policy: Policy
    tally: SynapticTally
    formal: bool
    writes: bool

    @property
    def reading(self) -> Reading:
        """The reading of the paper that the policy names."""
        return READINGS[self.policy.memory]

    @property
    def operand(self) -> Operand:
        """The class that decides how the operand is counted."""
        return Operand.UNARY if self.policy.domain == "observed" else operand_of_node(self.graph, self.node)

    @property
    def conv(self) -> bool:
        """Whether a kernel slides."""
        return not isinstance(self.node.op, Linear)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """[O, I / groups, *kernel] or [O, I]."""
        return self.graph.weights[self.node.weights["weight"]].array.shape

    @property
    def channels(self) -> int:
        """Output channels that one input element feeds."""
        return self.weight_shape[0] // (self.node.op.groups if isinstance(self.node.op, (Conv1d, Conv2d)) else 1)

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias to read."""
        return "bias" in self.node.weights

    @property
    def adds(self) -> bool:
        """Whether a value is added to each result, as a bias is."""
        return self.has_bias or self.reading.adds_without_bias

    def fan(self, *, whole: bool = False) -> FanOut:
        """The outputs that each input element reaches; of zero weights too where `whole`."""
        return fan_out(self.graph, self.node, skip_zeros=self.policy.zero_weights == "skip" and not whole)

    def question(self, *, whole: bool = False) -> Probe:
        """The operand's events by fan-out under 'events', all of them together under 'rate'."""
        value = self.node.inputs[0]
        if self.policy.counting == "rate":
            return Probe((value,), "sum" if self.policy.rate_of == "mean" else "nonzero")
        size = row_of(self.operand, self.policy.multibit).size
        return grouped(value, ASKS[type(self.node.op)][size], self.fan(whole=whole))

    def questions(self) -> tuple[Probe, ...]:
        """What must be counted of the operand."""
        if self.formal:
            return (other(self.node),) if self.policy.domain == "observed" else ()
        found = (self.question(), self.question(whole=True))
        return found if self.conv and not self.reading.addresses_channels else found[:1]


Rule = Callable[[Layer, Activity], PerSample]


def layers_of(graph: Graph, node: Node, policy: Policy, tally: SynapticTally) -> tuple[Layer, ...]:
    """A layer in the forms that it may turn out to have: both where the values of a run decide."""
    if policy.counting == "rate" and policy.domain == "observed":
        forms: tuple[bool, ...] = (False, True)
    else:
        forms = (policy.counting == "rate" and operand_of_node(graph, node) is Operand.REAL,)
    writes = not any(graph.nodes_of(Neuron))
    return tuple(Layer(graph, node, policy, tally, formal, writes) for formal in forms)


def seen(forms: tuple[Layer, ...], activity: Activity) -> Layer:
    """The form that a layer has in a run.

    Raises:
        UsageError: rates are given, and the values decide.
    """
    if len(forms) == 1:
        return forms[0]
    if isinstance(activity, Rates):
        raise UsageError("published rates tell no values, which domain 'observed' asks for", mend="--domain inferred")
    formal = bool(activity.of(other(forms[0].node)).any())
    return next(layer for layer in forms if layer.formal is formal)


def other(node: Node) -> Probe:
    """Whether a layer's operand holds anything but -1, 0 and 1, in the whole run."""
    return Probe((node.inputs[0],), "other", keep=frozenset())


def answer(layer: Layer, activity: Activity, *, whole: bool = False) -> NDArray[np.int64]:
    """[samples, groups]: the operand's events by fan-out."""
    return events_only(activity).of(layer.question(whole=whole))


def arrivals(layer: Layer, activity: Activity) -> PerSample:
    """th_in: the events that reach the layer."""
    if layer.policy.counting == "events":
        events: PerSample = answer(layer, activity).sum(-1)
        return events
    kind = layer.graph.types[layer.node.inputs[0]]
    times = layer.tally.times(layer.node, activity.steps)
    if isinstance(activity, Rates):
        rate = published(layer.graph, layer.node, 0, activity)
        return np.full(activity.samples, rate * kind.elements * times)
    # Of an operand that is the same at every step, and is computed with once, one step's events are left.
    total: PerSample = activity.of(layer.question()).sum(-1)
    return total * times // (activity.steps if kind.timing is Timing.STEP else 1)


def deliveries(layer: Layer, activity: Activity) -> PerSample:
    """Weights that the events use: a kernel for each output channel, or what of it they reach."""
    if layer.policy.counting == "events":
        reached: PerSample = answer(layer, activity) @ layer.fan().reach
        return reached
    return arrivals(layer, activity) * layer.channels * prod(layer.weight_shape[2:])


def operations(layer: Layer, activity: Activity) -> PerSample:
    """Synaptic operations: of a strided kernel the table counts the offsets that meet an output, rounded up."""
    if layer.policy.counting == "events" or not isinstance(layer.node.op, (Conv1d, Conv2d)):
        return deliveries(layer, activity)
    met = (ceil(size / step) for size, step in zip(layer.weight_shape[2:], layer.node.op.stride, strict=True))
    return arrivals(layer, activity) * layer.channels * prod(met)


def addresses(layer: Layer, activity: Activity) -> PerSample:
    """Addresses that the events compute, one for each weight or, of a Conv, for each place that they reach."""
    if layer.reading.addresses_channels or not layer.conv:
        return deliveries(layer, activity)
    if layer.policy.counting == "events":
        places: PerSample = answer(layer, activity, whole=True) @ (layer.fan(whole=True).reach // layer.channels)
        return places
    return arrivals(layer, activity) * prod(layer.weight_shape[2:])


def first_addresses(layer: Layer, activity: Activity) -> PerSample:
    """Multiplications that find where an event begins to write: one for each of two axes."""
    return arrivals(layer, activity) * 2


def results(layer: Layer, activity: Activity) -> PerSample:
    """Elements of the result over all steps."""
    return constant(layer.node.type.elements * layer.tally.times(layer.node, activity.steps), activity)


def dense(layer: Layer, activity: Activity) -> PerSample:
    """Products of a formal layer, its border included."""
    return constant(dense_macs(layer.graph, layer.node) * layer.tally.times(layer.node, activity.steps), activity)


def formal_inputs(layer: Layer, activity: Activity) -> PerSample:
    """Values that a formal layer reads: each once, or once a product in a Conv."""
    if layer.conv:
        return dense(layer, activity)
    return constant(_operands(layer) * layer.tally.times(layer.node, activity.steps), activity)


def formal_addresses(layer: Layer, activity: Activity) -> PerSample:
    """Addresses that a formal layer steps through: of inputs, results and, in a Conv, weights."""
    weights = layer.weight_shape[0] * prod(layer.weight_shape[2:]) if layer.conv else 0
    number = _operands(layer) + layer.node.type.elements + weights
    return constant(number * layer.tally.times(layer.node, activity.steps), activity)


SPIKING: Mapping[str, Rule] = {
    "read_input": arrivals,
    "read_weight": deliveries,
    "read_bias": results,
    "read_potential": deliveries,
    "write_potential": deliveries,
    "bias_add": results,
    "address_ac": addresses,
    "address_mac": first_addresses,
}
FORMAL: Mapping[str, Rule] = {
    "read_input": formal_inputs,
    "read_weight": dense,
    "read_bias": results,
    "write_output": results,
    "bias_add": results,
    "address_ac": formal_addresses,
}


def rules_of(layer: Layer) -> dict[str, Rule]:
    """The kinds of a layer beside its synaptic operations, and how each is counted."""
    absent = set()
    if not layer.has_bias:
        absent.add("read_bias")
    if not layer.adds or layer.policy.bias == "in-ops":
        absent.add("bias_add")
    if not layer.conv:
        absent.add("address_mac")
    if not layer.writes:
        absent.add("write_output")
    rules = FORMAL if layer.formal else SPIKING
    return {kind: rule for kind, rule in rules.items() if kind not in absent}


def layer_counts(layer: Layer, activity: Activity) -> dict[str, PerSample]:
    """Every kind of count of a layer, [samples] each."""
    synaptic = dense(layer, activity) if layer.formal else operations(layer, activity)
    if layer.policy.bias == "in-ops" and layer.adds:
        synaptic = synaptic + results(layer, activity)
    return {
        _bills(layer, activity): synaptic,
        **{kind: rule(layer, activity) for kind, rule in rules_of(layer).items()},
    }


def constant(number: int, activity: Activity) -> NDArray[np.int64]:
    """[samples] of one number."""
    return np.full(activity.samples, number, dtype=np.int64)


def _operands(layer: Layer) -> int:
    return layer.graph.types[layer.node.inputs[0]].elements


def _bills(layer: Layer, activity: Activity) -> Synaptic:
    if layer.formal:
        return "mac"
    if layer.policy.counting == "rate":
        return row_of(layer.operand, layer.policy.multibit).bills
    return "mac" if "mac" in layer.tally.counts(layer.node, activity) else "ac"
