"""All that a graph's nodes count, synaptic or not, under a policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from hwmodels.counting import Tally
from hwmodels.events import EventTally
from hwmodels.rates import RateTally
from hwmodels.spikingjelly import SpikingJellyTally
from hwmodels.syops import SyopsTally
from spikec.cost import Counting, Policy, Probe, Terms
from spikec.ir.graph import Graph

TALLIES: dict[Counting, Callable[[Graph, Policy], Tally]] = {
    "events": EventTally,
    "rate": RateTally,
    "spikingjelly": SpikingJellyTally,
    "syops": SyopsTally,
}

_ARITHMETIC = "arithmetic of Conv, Linear and MatMul is priced; what is left out is listed with its counts"
_ONE_CALL = "all samples are taken as one call of each layer, so that their number and their values decide together"
WORDS: dict[Counting, tuple[str, ...]] = {
    "events": (_ARITHMETIC,),
    "rate": (_ARITHMETIC,),
    "spikingjelly": (
        "counted by the rules of SpikingJelly 2.0.0 (docs/counters.md): what norms, neurons, sums and means add is "
        "priced as accumulates too; no other field of the policy has a say",
        _ONE_CALL,
    ),
    "syops": (
        "counted by the rules of syops 0.0.5 (docs/counters.md): norms, neurons and pools are priced too; attention's "
        "products, sums and means are not seen; no other field of the policy has a say",
        _ONE_CALL,
    ),
}
"""What a report says of each way of counting."""
OF_SPIKINGJELLY = ("read_weight", "read_bias", "read_potential", "write_potential")
"""Kinds that one way of counting alone has, whatever the chip."""


def words_of(policy: Policy, terms: Terms) -> tuple[str, ...]:
    """What a report says of the way of counting, and of prices of which it counts nothing."""
    idle = [term.name for term in terms if term.count in OF_SPIKINGJELLY]
    if policy.counting == "spikingjelly" or not idle:
        return WORDS[policy.counting]
    return (*WORDS[policy.counting], f"nothing is counted of {', '.join(idle)}: --policy spikingjelly counts them")


Thing = TypeVar("Thing")


class Same(Generic[Thing]):
    """A thing as a key: equal to itself alone, which spares comparing it."""

    def __init__(self, thing: Thing) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        """By identity."""
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same thing."""
        return isinstance(other, Same) and other.thing is self.thing


def tally_of(graph: Graph, policy: Policy) -> Tally:
    """The way of counting that the policy names; of the last few graphs it is remembered.

    What is asked of a runner and what is then priced are of one tally, so that pricing need not make it again.
    """
    return _tally(Same(graph), policy)


@lru_cache(maxsize=4)
def _tally(same: Same[Graph], policy: Policy) -> Tally:
    return TALLIES[policy.counting](same.thing, policy)


def probes_of(graph: Graph, policy: Policy) -> tuple[Probe, ...]:
    """What must be asked of a runner, each question once, in the order of the nodes."""
    return _asked(Same(graph), policy)


@lru_cache(maxsize=4)
def _asked(same: Same[Graph], policy: Policy) -> tuple[Probe, ...]:
    tally = _tally(same, policy)
    return tuple({probe.key: probe for node in same.thing.nodes for probe in tally.probes(node)}.values())
