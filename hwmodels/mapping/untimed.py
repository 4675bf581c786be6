"""What a latency leaves out, since the chip's file has no time of it, in words."""

from __future__ import annotations

from collections.abc import Iterator

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.runs import times_of
from spikec.cost import Terms

EVERY_STEP = frozenset(("neuron_update_inactive", "soma_access"))
"""Counts that a core has at a step in which nothing happens."""
WORDS = {
    "ac": "synaptic events",
    "synapse_dense": "synaptic events of dense layers",
    "synapse_sparse": "synaptic events of sparse layers",
    "synapse_conv": "synaptic events of convolutions",
    "neuron_update_active": "updates of neurons that are active",
    "soma_update": "neuron updates",
    "soma_spike": "spikes",
    "message": "packets sent",
    "message_in": "packets taken in",
}
HOPS = {"hop_ew": "east-west", "hop_ns": "north-south"}


def untimed(table: CoresTable, terms: Terms) -> tuple[str, ...]:
    """The sentences that must stand beside a latency; none where nothing that it leaves out could be missed.

    Args:
        table: the chip's cores.
        terms: its prices, with their times.
    """
    return (*_silent(table, terms), *_links(table, terms))


def _silent(table: CoresTable, terms: Terms) -> Iterator[str]:
    times = times_of(table, terms)
    if times is None or any(times.barrier_ns) or EVERY_STEP & set(times.count_ns):
        return
    timed = " and ".join(WORDS.get(name, name.replace("_", " ")) for name in times.count_ns)
    yield (
        f"latency is that of {timed} alone: the chip's file has no other time and no barrier, so that a step in which "
        "nothing spikes takes 0 ns"
    )


def _links(table: CoresTable, terms: Terms) -> Iterator[str]:
    timed = {term.count for term in terms if term.time_ns is not None}
    missing = [words for count, words in HOPS.items() if count not in timed]
    if table.latency == "slowest" and missing:
        which = "" if len(missing) == len(HOPS) else f" {missing[0]}"
        yield f"a hop{which} takes 0 ns: the chip's file has no time of it, so that no such link is waited for"
