"""What every hardware model keeps to, as functions that a test of any package calls.

    from hwmodels.conformance import check_model
    from spikec.run.interp import Interpreter

    def test_my_chip():
        check_model(my_chip(), Interpreter().count)

Each raises AssertionError with what was broken. A model is tried on a network that it takes and under the policies
that it takes; `takes` says which these are, so that a test can say which it should take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.conformance_networks import POLICIES, Data, dense_network, spikes, spiking_network, unheard_network
from hwmodels.counting import PRODUCTS, SYNAPTIC
from hwmodels.event_kinds import BY_SYNAPSE
from hwmodels.model import HardwareModel
from hwmodels.totals import total_energy_pj
from spikec.cost import Cost, Counts, Mapping, Policy, Probe
from spikec.errors import UnsupportedOp, UsageError
from spikec.ir.graph import Graph
from spikec.ir.types import Timing

Count = Callable[[Graph, Data, Sequence[Probe]], Counts]
"""A runner: graph, data and questions to answers."""
Draw = tuple[int, float]
"""Seed and rate of random spikes."""
NEURONS = ("lif", "threshold")


@dataclass(frozen=True, eq=False)
class Priced:
    """A run that was priced."""

    graph: Graph
    counts: Counts
    costs: tuple[Cost, ...]


def check_model(model: HardwareModel, count: Count, draws: Sequence[Draw] = ((0, 0.3), (1, 0.8))) -> None:
    """Checks everything, under every policy that the model takes.

    Raises:
        AssertionError: something is broken, or it takes no network under any policy.
    """
    taken = [policy for policy in POLICIES if takes(model, policy) is not None]
    _require(bool(taken), "a network and a policy that the model takes")
    check_unknown_ops(model)
    for policy in taken:
        check_prices(model, policy)
        check_questions(model, policy)
        check_silence(model, policy, count)
        for draw in draws:
            check_energies(model, policy, count, draw)
            check_each_count(model, policy, count, draw)
            check_repeated(model, policy, count, draw)
            check_more_spikes(model, policy, count, draw, draws[-1])


def takes(model: HardwareModel, policy: Policy, *, bias: bool = True) -> Graph | None:
    """The largest network that the model takes under a policy; None where it takes none."""
    for graph in (
        dense_network(bias=bias),
        spiking_network(bias=bias, products=True),
        spiking_network(bias=bias, products=False),
    ):
        try:
            model.plan(graph, policy)
        except UnsupportedOp:
            continue
        except UsageError:
            return None
        return graph
    return None


def price(model: HardwareModel, policy: Policy, count: Count, draw: Draw, *, bias: bool = True) -> Priced:
    """A run of the largest network that the model takes, priced."""
    graph = takes(model, policy, bias=bias)
    assert graph is not None, f"{model.name} takes no network under {policy}"
    return _priced(model, policy, count, graph, spikes(*draw))


def check_prices(model: HardwareModel, policy: Policy) -> None:
    """Prices are finite, at least 0, within their bounds, and have a source; a name is one kind's."""
    graph = takes(model, policy)
    assert graph is not None
    terms = model.prices(graph, policy)
    _require(bool(terms), "a price")
    for term in terms:
        low = term.energy_pj if term.low_pj is None else term.low_pj
        high = term.energy_pj if term.high_pj is None else term.high_pj
        _require(0 <= low <= term.energy_pj <= high < math.inf, f"0 <= low <= price <= high of {term.name}")
        _require(term.time_ns is None or 0 <= term.time_ns < math.inf, f"a time of {term.name} of at least 0 ns")
        _require(bool(term.source), f"a source of {term.name}")
        _require(len({t.count for t in terms if t.name == term.name}) == 1, f"one kind of count for {term.name}")


def check_energies(model: HardwareModel, policy: Policy, count: Count, draw: Draw) -> None:
    """Energies are finite, at least 0, the sum of their terms, each a count times its price in pJ, within bounds."""
    run = price(model, policy, count, draw)
    terms = model.prices(run.graph, policy)
    names = [node.name for node in run.graph.nodes]
    _require([cost.node for cost in run.costs][: len(names)] == names, "a cost of every node, in order")
    for cost in run.costs:
        point = math.fsum(cost.energy_pj.values())
        _require(all(math.isfinite(e) and e >= 0 for e in cost.energy_pj.values()), f"energies of {cost.node}")
        _require(all(math.isfinite(n) and n >= 0 for n in cost.counts.values()), f"counts of {cost.node}")
        _require(cost.per_sample_pj.shape == (run.counts.samples,), f"an energy of each sample of {cost.node}")
        _require(math.isclose(point, float(cost.per_sample_pj.sum()), rel_tol=1e-9), f"terms of {cost.node} as a sum")
        _require(cost.low_pj is None or cost.low_pj <= point * (1 + 1e-9), f"a lower bound of {cost.node}")
        _require(cost.high_pj is None or cost.high_pj >= point * (1 - 1e-9), f"an upper bound of {cost.node}")
        _require(cost.rate is None or cost.rate >= 0, f"a rate of {cost.node} of at least 0")
        for name, energy in cost.energy_pj.items():
            paid = [cost.counts[term.count] * term.energy_pj for term in terms if term.name == name]
            _require(any(math.isclose(energy, e, rel_tol=1e-9) for e in paid), f"{name} of {cost.node} as counts in pJ")
    total = math.fsum(math.fsum(cost.energy_pj.values()) for cost in run.costs) / run.counts.samples
    _require(math.isclose(total_energy_pj(run.costs, run.counts.samples), total, rel_tol=1e-9), "nodes as a sum")


def check_more_spikes(model: HardwareModel, policy: Policy, count: Count, draw: Draw, more: Draw) -> None:
    """Further spikes cost no less, node by node; neurons aside, which may answer more drive with fewer spikes."""
    graph = takes(model, policy, bias=False)
    assert graph is not None
    few, added = spikes(*draw), spikes(*more)
    many = {name: np.maximum(value, added[name]) for name, value in few.items()}
    for less, greater in zip(*(_priced(model, policy, count, graph, d).costs for d in (few, many)), strict=True):
        if less.op in NEURONS:
            continue
        _require(synaptic(less) <= synaptic(greater) + 1e-9, f"no fewer operations of {less.node} for more spikes")
        if policy.domain != "observed":  # of Real values that all reach 1, that rule makes ACs again
            _require(_energy(less) <= _energy(greater) + 1e-9, f"no less energy of {less.node} for more spikes")


def check_each_count(model: HardwareModel, policy: Policy, count: Count, draw: Draw) -> None:
    """At a fixed mapping, half the answer to any one question costs no more.

    Pairs of coincidence neurons aside: of fewer that meet, as many more are reached by one spike alone.
    """
    graph = takes(model, policy)
    assert graph is not None
    mapping, counts = _counted(model, policy, count, graph, spikes(*draw))
    full = total_energy_pj(model.price(graph, counts, policy, mapping), counts.samples)
    for key, answer in counts.answers.items():
        if policy.attention == "coincidence" and key.startswith(("coincidence", "overlap")):
            continue
        fewer = Counts({**counts.answers, key: answer // 2}, counts.samples, counts.steps)
        less = total_energy_pj(model.price(graph, fewer, policy, mapping), counts.samples)
        _require(less <= full * (1 + 1e-12), f"no more energy for fewer {key}")


def check_repeated(model: HardwareModel, policy: Policy, count: Count, draw: Draw) -> None:
    """What every step repeats costs twice as much in twice the steps."""
    graph = takes(model, policy)
    assert graph is not None
    mapping, counts = _counted(model, policy, count, graph, spikes(*draw))
    probes = model.probes(graph, policy, model.plan(graph, policy))
    twice = Counts({probe.key: _twice(probe, counts) for probe in probes}, counts.samples, 2 * counts.steps)
    stepped = {node.name for node in graph.nodes if graph.types[node.inputs[0]].timing is Timing.STEP}
    pair = (model.price(graph, c, policy, mapping) for c in (counts, twice))
    for once, again in zip(*pair, strict=True):
        if once.node in stepped:
            _require(math.isclose(2 * _energy(once), _energy(again), rel_tol=1e-9), f"{once.node} linear in the steps")


def check_silence(model: HardwareModel, policy: Policy, count: Count) -> None:
    """Without any nonzero input there is no synaptic event; the formula of rates takes a real operand as active."""
    for bias in (False, True):
        run = price(model, policy, count, (0, 0.0), bias=bias)
        for cost, node in zip(run.costs, run.graph.nodes, strict=False):
            real = policy.counting == "rate" and node.scope == "head"
            _require(real or not synaptic(cost), f"no synaptic event of {cost.node} without a spike")


def check_questions(model: HardwareModel, policy: Policy) -> None:
    """Each question is asked once."""
    graph = takes(model, policy)
    assert graph is not None
    keys = [probe.key for probe in model.probes(graph, policy, model.plan(graph, policy))]
    _require(len(keys) == len(set(keys)), "each question once")


def check_unknown_ops(model: HardwareModel) -> None:
    """An op without a rule is refused by name and path."""
    for ask in (model.plan, model.probes):
        try:
            ask(unheard_network(), Policy())
        except UnsupportedOp as error:
            found = [(offender.op, offender.path) for offender in error.offenders]
            _require(("unheard", "blocks.0.odd") in found, "an unknown op refused by its name and path")
        else:
            _require(False, "an unknown op refused")


def with_events(graph: Graph, policy: Policy) -> frozenset[str]:
    """The scopes of a network that have synaptic operations where its inputs spike."""
    left_out = PRODUCTS if policy.attention == "skip" else ()
    scopes = {"conv", "scores", "product", "masked", "linear", "head"}
    return frozenset(node.scope for node in graph.nodes if node.scope in scopes and type(node.op) not in left_out)


def synaptic(cost: Cost) -> float:
    """Synaptic operations of a node, over all samples."""
    return sum(cost.counts.get(kind, 0) for kind in (*SYNAPTIC, *BY_SYNAPSE))


def _energy(cost: Cost) -> float:
    return math.fsum(cost.energy_pj.values())


def _counted(
    model: HardwareModel, policy: Policy, count: Count, graph: Graph, data: Data
) -> tuple[Mapping | None, Counts]:
    partition = model.plan(graph, policy)
    counts = count(graph, data, model.probes(graph, policy, partition))
    return model.place(partition, counts), counts


def _priced(model: HardwareModel, policy: Policy, count: Count, graph: Graph, data: Data) -> Priced:
    mapping, counts = _counted(model, policy, count, graph, data)
    return Priced(graph, counts, model.price(graph, counts, policy, mapping))


def _twice(probe: Probe, counts: Counts) -> NDArray[np.int64]:
    """The answer where every step is repeated."""
    answer = counts.of(probe)
    if "step" in probe.keep:
        return np.concatenate([answer, answer], axis=1)
    return answer if probe.kind == "max" else 2 * answer


def _require(holds: bool, words: str) -> None:
    if not holds:
        raise AssertionError(f"expected {words}")
