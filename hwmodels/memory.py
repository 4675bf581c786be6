"""The memory model: arithmetic, and each value that layers and neurons read and write, priced by the memory's size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hwmodels.accesses import Layer, layer_counts, layers_of, rules_of, seen
from hwmodels.counting import ASIDES, MACS, PRODUCTS, WEIGHTED, PerSample, SynapticTally, check_countable
from hwmodels.dense import dense_macs
from hwmodels.events import EventTally
from hwmodels.memory_sizes import NAMES, SIZES
from hwmodels.model import Pipeline, check_answers, check_rates, cost_of
from hwmodels.potentials import LEAKS, check_neurons, neuron_counts
from hwmodels.prices import price_of
from hwmodels.rates import RateTally
from hwmodels.sram import READINGS, Memory, access_term
from hwmodels.tally import probes_of
from spikec.cost import Activity, Cost, Counting, Counts, Partition, Policy, Probe, Rates, Term, Terms
from spikec.cost import Mapping as Placement
from spikec.errors import UsageError
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IntegrateAndFire
from spikec.ir.time import Delay

TALLIES: Mapping[Counting, Callable[[Graph, Policy], SynapticTally]] = {"events": EventTally, "rate": RateTally}
AS: Mapping[str, str] = {
    "bias_add": "ac",
    "reset_ac": "ac",
    "address_ac": "ac",
    "leak_mac": "mac",
    "address_mac": "mac",
}
"""Kinds of count that cost what the file's term of another kind costs."""


@dataclass(frozen=True)
class MemoryModel:
    """A chip file that prices arithmetic and memory accesses: no network, no cores, no time.

    What is counted is in `hwmodels.accesses` and `hwmodels.potentials`, what an access costs in `hwmodels.sram`.
    Source: Lemaire et al., ICONIP 2022 (arXiv 2210.13107).
    """

    name: str
    node: str
    sha256: str
    pipeline: Pipeline
    terms: Terms
    memory: Memory
    file: str = ""

    def plan(self, graph: Graph, policy: Policy) -> Partition | None:
        """See `HardwareModel`; neurons that have not one potential are refused too."""
        check_countable(graph, self.name)
        check_neurons(graph, self.name)
        return None

    def probes(self, graph: Graph, policy: Policy, partition: Partition | None = None) -> tuple[Probe, ...]:
        """See `HardwareModel`."""
        self.plan(graph, policy)
        forms = _forms(self.name, graph, policy)
        own = [probe for layers in forms.layers.values() for layer in layers for probe in layer.questions()]
        return tuple({probe.key: probe for probe in (*probes_of(graph, forms.policy), *own)}.values())

    def place(self, partition: Partition | None, counts: Counts) -> Placement | None:
        """See `HardwareModel`."""
        return None

    def prices(self, graph: Graph, policy: Policy) -> Terms:
        """See `HardwareModel`; a kind of access has a term for each size of memory that it goes to."""
        layers = _forms(self.name, graph, policy).layers
        accesses = (
            term
            for node in graph.nodes
            for layer in layers.get(node.name, (None,))
            for term in self._accesses(node, layer, policy)
        )
        return (*self._arithmetic(), *dict.fromkeys(accesses))

    def price(
        self, graph: Graph, activity: Activity, policy: Policy, mapping: Placement | None = None
    ) -> tuple[Cost, ...]:
        """See `HardwareModel`."""
        forms = _forms(self.name, graph, policy)
        self._check(graph, activity, policy, forms.policy)
        costs = []
        for node in graph.nodes:
            layer = seen(forms.layers[node.name], activity) if node.name in forms.layers else None
            counted = _counts(graph, node, layer, forms.tally, activity)
            terms = (*self._arithmetic(), *self._accesses(node, layer, policy))
            costs.append(cost_of(node, counted, terms, forms.tally.rate(node, activity), activity.samples))
        return tuple(costs)

    def ann_energy_pj(self, graph: Graph, policy: Policy) -> float:
        """The same-shape artificial network by the paper's rules for formal layers: each of them once.

        Products of two activations, of whose accesses the paper says nothing, are priced as MACs.
        """
        known = Policy(counting="rate", memory=policy.memory)
        once, tally = Rates({}, steps=1), RateTally(graph, known)
        mac_pj = price_of("mac", self.terms) or 0.0
        paid = [dense_macs(graph, node) * mac_pj for node in graph.nodes_of(MatMul)]
        for node in graph.nodes_of(*WEIGHTED):
            layer = Layer(graph, node, known, tally, formal=True, writes=True)
            terms = (*self._arithmetic(), *self._accesses(node, layer, known))
            paid += cost_of(node, layer_counts(layer, once), terms, None, 1).energy_pj.values()
        return math.fsum(paid)

    def assumptions(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """What the prices of accesses take for granted, as sentences."""
        memory, reading = self.memory, READINGS[policy.memory]
        return (
            "arithmetic of Conv, Linear and MatMul and the memory accesses of layers and neurons are priced; what is "
            "left out is listed with its counts",
            f"each value of {memory.word_bits} bits that is read or written is {_share(memory.values_an_access)}; "
            "no weight and no potential is kept for the next event (no reuse)",
            f"memory prices, reading '{policy.memory}': {reading.words}",
            *self._beyond(graph, policy),
            *_without_rule(graph),
        )

    def _check(self, graph: Graph, activity: Activity, policy: Policy, inferred: Policy) -> None:
        self.plan(graph, policy)
        if isinstance(activity, Counts):
            check_answers(activity, self.probes(graph, policy))
        else:
            check_rates(graph, activity, inferred)

    def _arithmetic(self) -> Terms:
        return (*self.terms, *(self._as(kind) for kind in AS))

    def _as(self, kind: str) -> Term:
        """The term of a kind that costs what another does."""
        pattern = next(term for term in self.terms if term.count == AS[kind])
        return Term(kind, kind, pattern.energy_pj, pattern.low_pj, pattern.high_pj, pattern.evidence, pattern.source)

    def _accesses(self, node: Node, layer: Layer | None, policy: Policy) -> tuple[Term, ...]:
        """The prices of what a node reads and writes."""
        sizes = {}
        if layer is not None:
            sizes = {kind: SIZES[kind](layer, self.memory) for kind in rules_of(layer) if kind in SIZES}
        elif type(node.op) in LEAKS:
            sizes = dict.fromkeys(("read_potential", "write_potential"), node.type.elements)
            if isinstance(node.op, IntegrateAndFire):
                sizes["spike"] = self.memory.fifo_words[policy.memory]
        return tuple(
            access_term(NAMES.get(kind, kind), kind, self.memory, policy.memory, words) for kind, words in sizes.items()
        )

    def _beyond(self, graph: Graph, policy: Policy) -> tuple[str, ...]:
        """What must be known where a memory is larger than any whose price is known."""
        bounded = [term for term in self.prices(graph, policy) if term.count in (*SIZES, "spike") and term.high_pj]
        if not bounded:
            return ()
        named = ", ".join(dict.fromkeys(f"{term.name} {term.note.removeprefix('of a memory ')}" for term in bounded))
        return (
            f"memories beyond {self.memory.largest_bytes:,.0f} bytes are priced as if they were on chip; the upper "
            f"bound has DRAM's {self.memory.dram_pj:g} pJ an access: {named}",
        )


@dataclass(frozen=True, eq=False)
class Forms:
    """A graph's layers under a policy.

    Args:
        layers: by node, each in the forms that it may turn out to have.
        tally: counts what is no layer's and no neuron's.
        policy: that of the tally; what a run's values decide, they decide for layers alone.
    """

    layers: Mapping[str, tuple[Layer, ...]]
    tally: SynapticTally
    policy: Policy


def _forms(chip: str, graph: Graph, policy: Policy) -> Forms:
    """The layers, and the tally of the rest.

    Raises:
        UsageError: the policy counts in a way of which the table says nothing.
    """
    if policy.counting not in TALLIES:
        raise UsageError(
            f"--counting {policy.counting} beside {chip}, which counts accesses",
            expected=" or ".join(TALLIES),
            mend="--counting events, or a chip without memory",
        )
    if policy.counting == "rate" and policy.zero_weights == "skip":
        raise UsageError(
            f"--zero-weights skip beside --counting rate on {chip}: its table is of dense kernels",
            mend="--counting events",
        )
    known = replace(policy, domain="inferred") if policy.counting == "rate" else policy
    tally = TALLIES[policy.counting](graph, known)
    layers = {node.name: layers_of(graph, node, policy, tally) for node in graph.nodes_of(*WEIGHTED)}
    return Forms(layers, tally, known)


def _counts(
    graph: Graph, node: Node, layer: Layer | None, tally: SynapticTally, activity: Activity
) -> dict[str, PerSample]:
    if layer is not None:
        return layer_counts(layer, activity)
    if type(node.op) in LEAKS:
        return neuron_counts(graph, node, tally, activity)
    return tally.counts(node, activity)


def _share(values: int) -> str:
    return "an access of its own" if values == 1 else f"one of {values} in an access"


def _without_rule(graph: Graph) -> tuple[str, ...]:
    """What the source gives no accesses for, by op."""
    ruled = (*WEIGHTED, *LEAKS)
    others = [
        node.op.mnemonic
        for node in graph.nodes
        if type(node.op) not in ruled and (ASIDES[type(node.op)] or type(node.op) in (*PRODUCTS, *MACS, Delay))
    ]
    if not others:
        return ()
    listed = ", ".join(f"{op} ({times})" for op, times in Counter(others).items())
    return (f"the source has no rule for the memory accesses of these nodes, which are left out: {listed}",)
