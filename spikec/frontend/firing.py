"""A neuron layer as recorded: what it took in and what it emitted, of all steps, and which nodes it became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spikec.frontend.axes import View
from spikec.frontend.neurons.leaf import Leaf


@dataclass(eq=False)
class Firing:
    """One neuron layer in one place of the network: one call of all steps, or T calls of one.

    Args:
        path: of its module.
        leaf: what the module is.
        drive: all steps of what it takes, time first where a call is one step.
        spikes: all steps of what it emits, likewise.
        states: the op's further results, likewise, by suffix.
        nodes: names of the nodes that it became.
        calls: how many there were.
    """

    path: str
    leaf: Leaf
    drive: View
    spikes: View
    states: Mapping[str, View]
    nodes: tuple[str, ...]
    calls: int = 0

    def drive_at(self, step: int) -> View:
        """What a call of one step takes."""
        return _step(self.drive, step)

    def spikes_at(self, step: int) -> View:
        """What a call of one step emits."""
        return _step(self.spikes, step)

    def state_at(self, suffix: str, step: int) -> View:
        """A state after a call of one step; the spikes where `suffix` is empty."""
        return _step(self.states[suffix] if suffix else self.spikes, step)


Place = tuple[Firing, int | None]
"""Which layer a call of a neuron belongs to, and which step it is; None where it is all of them."""


def order_of(firings: Sequence[Firing], recorded: Sequence[Place], steps: int) -> list[Place] | None:
    """Which call of a neuron module is which, in a run of T `steps`; None where the recorded order shows no rule.

    Args:
        firings: of the module, in the order of their first calls.
        recorded: its calls.
        steps: T.
    """
    if not all(firing.leaf.stepped for firing in firings):
        return [(firing, None) for firing in firings]
    for layers_first in (True, False):
        if list(recorded) == _ordered(firings, firings[0].calls, layers_first):
            return _ordered(firings, steps, layers_first)
    return None


def _ordered(firings: Sequence[Firing], steps: int, layers_first: bool) -> list[Place]:
    if layers_first:
        return [(firing, step) for firing in firings for step in range(steps)]
    return [(firing, step) for step in range(steps) for firing in firings]


def _step(whole: View, step: int) -> View:
    return replace(whole, dims=whole.dims[1:], at=step)
