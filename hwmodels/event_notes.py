"""What a price on a chip that takes spikes takes for granted, as sentences of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hwmodels.counting import PRODUCTS, WEIGHTED, Operand, operand_of
from hwmodels.details import UPDATE
from hwmodels.host import host_nodes, read_out
from hwmodels.spike_tally import ACTIVE, INACTIVE, SpikeTally
from spikec.cost import Policy, Terms
from spikec.ir.graph import Graph, Node

NAMED = 3


def notes_of(graph: Graph, policy: Policy, terms: Terms, tally: SpikeTally) -> tuple[str, ...]:
    """The assumptions behind the counts and prices of a graph.

    Args:
        graph: as priced.
        policy: under which.
        terms: the prices that hold.
        tally: that counts it.
    """
    said: list[str] = []
    said += _host(graph, policy)
    said += _streams(graph, policy)
    said += _products(graph, policy, tally)
    said += _past_weights(graph, policy, tally)
    said += _updates(policy, terms)
    said += _sums(graph)
    return (*said, *_prices(terms))


def _host(graph: Graph, policy: Policy) -> Iterator[str]:
    nodes = host_nodes(graph, policy)
    if nodes:
        yield (
            f"inputs that are no spikes are multiplied by a host, outside this chip, and not priced (host_mac): "
            f"{_named(nodes)}; nor is what it sends to the neurons behind"
        )


def _streams(graph: Graph, policy: Policy) -> Iterator[str]:
    taking = [
        node
        for node in graph.nodes_of(*WEIGHTED, *PRODUCTS)
        if any(operand_of(graph.types[value]) is Operand.MULTIBIT for value in node.inputs)
    ]
    if taking:
        how = "n spikes" if policy.multibit == "unit" else "one graded spike"
        yield f"a value n of a stream of integers is {how}: {_named(taking)}"


def _products(graph: Graph, policy: Policy, tally: SpikeTally) -> Iterator[str]:
    assumed = [node for node in graph.nodes if tally.is_assumed(node)]
    if not assumed:
        return
    neurons = sum(found.neurons for node in assumed if (found := tally.product(node)))
    how = (
        f"coincidence neurons, {neurons:,} in all: one for each pair of spikes that may meet"
        if policy.attention == "coincidence"
        else "products of graded spikes in a programmable neuron, an operation for each pair that meets"
    )
    yield f"assumed: products of two activations are {how}; none was ever measured on such a chip: {_named(assumed)}"


def _past_weights(graph: Graph, policy: Policy, tally: SpikeTally) -> Iterator[str]:
    if policy.counting != "events":
        yield "spikes that reach a neuron past no weight, by a pool or a residual sum, are not counted under rates"
        return
    taking = [node for node in graph.nodes if tally.deliveries(node)]
    if taking:
        yield (
            "spikes that reach a neuron past no weight, by a pool or a residual sum, are synaptic operations there, "
            f"and that is all that pools, sums and scales cost: {_named(taking)}"
        )


def _updates(policy: Policy, terms: Terms) -> Iterator[str]:
    counted = {term.count for term in terms}
    split = counted & {ACTIVE, INACTIVE}
    if UPDATE in counted and policy.counting != "events":
        yield "rates do not say which neurons are touched: every one is taken as updated, and the bounds hold for none"
    elif UPDATE in counted:
        yield (
            "a neuron is updated where its membrane was not zero after the step before, where any spike reaches it, by "
            "a weight of zero too, or where it has a bias"
        )
    if split and policy.counting != "events":
        yield (
            "rates do not say at which steps a neuron has a drive: every update is taken as active, and the bounds "
            "hold for any share"
        )
    elif split:
        yield "an update is active where the neuron's drive, its bias included, is not zero at that step"


def _sums(graph: Graph) -> Iterator[str]:
    read = read_out(graph)
    sums = [node for node in graph.nodes_of(*WEIGHTED) if node.name in read or node.name in graph.outputs]
    if sums:
        yield f"sums that no neuron takes are read out as they are; no update is counted of them: {_named(sums)}"


def _prices(terms: Terms) -> Iterator[str]:
    for term in terms:
        if term.scope == "all-in":
            yield (
                f"the price '{term.name}' is all-in: what the chip does beside (updates, spikes, messages) is part of "
                "it, though it stands under what is left out"
            )
        if term.note:
            yield f"of the price '{term.name}': {term.note}"


def _named(nodes: Sequence[Node]) -> str:
    shown = ", ".join(f"%{node.name}" for node in nodes[:NAMED])
    return f"{shown}, and {len(nodes) - NAMED} more" if len(nodes) > NAMED else shown
