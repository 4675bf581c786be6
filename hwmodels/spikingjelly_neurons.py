"""What SpikingJelly's neurons count: the additions that its torch backend runs for a step, as data.

A step of a layer is one call of each operator with all samples. An addition of a number counts every element; one of
two tensors counts every element too, but where both hold nothing but 0 and 1 the nonzero elements of both. With x the
drive, v the membrane before the step (0 before the first), h the charged one and q the spikes:

    LIF, decay_input     v - 0    x - v        v + (x - v) / tau    h - v_threshold    reset
    LIF without          v - 0    v - v / tau  (v - v / tau) + x    h - v_threshold    reset
    IF                   v + x    h - v_threshold    reset
    reset 'hard' to 0    1 - q    (q * 0) + ((1 - q) * h)
    reset 'soft'         h - v_threshold * q

PLIF is LIF with 1 / tau = sigmoid(w). Counted from v after a step (what hard reset leaves is (1 - q) * h), x and q.
Source: spikingjelly 2.0.0, `activation_based/functional` as its dispatcher runs it, backend 'torch', on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.calls import BINARY, Seen, Site, nonzero, outside
from hwmodels.counting import PerSample
from spikec.cost import Probe
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IF, LIF, PLIF, IntegrateAndFire
from spikec.ir.op import Op

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tensors:
    """A tensor at every step of a run.

    Args:
        binary: [steps], whether it held nothing but 0 and 1, of all samples.
        nonzero: [samples, steps], elements that are not zero; read only where it is binary.
    """

    binary: Flags
    nonzero: Numbers

    def before(self) -> Tensors:
        """The same one step earlier, all zero at the first."""
        binary, numbers = np.roll(self.binary, 1), np.roll(self.nonzero, 1, axis=1)
        binary[0], numbers[:, 0] = True, 0
        return Tensors(binary, numbers)

    def where(self, holds: Flags) -> Tensors:
        """The same, binary only at steps at which `holds`."""
        return Tensors(self.binary & holds, self.nonzero)

    @property
    def silent(self) -> Flags:
        """[steps]: whether it was zero everywhere, of all samples."""
        return np.asarray(self.binary & (self.nonzero.sum(0) == 0))


def why_not(graph: Graph, node: Node) -> str:
    """Why this neuron is none of SpikingJelly's, or ''."""
    assert isinstance(node.op, IntegrateAndFire)
    site = Site(graph, node)
    if node.op.reset == "none" or node.op.reset_delay or node.op.refractory or "beta" in node.weights:
        return "a neuron that SpikingJelly does not have: reset 'none', reset_delay, refractory steps, or beta"
    rests = [slot for slot in ("v_reset", "v_leak", "v0") if slot in node.weights and site.values_of(slot).any()]
    if rests:
        return f"its membrane does not rest at 0 ({', '.join(rests)}): the operands of its sums are then no values here"
    if "tau" in node.weights and np.less_equal(site.values_of("tau"), 1).any():
        return "SpikingJelly's LIF has a tau above 1"
    if any(slot in node.weights and site.values_of(slot).size > 1 for slot in ("v_threshold", "tau", "w")):
        return "SpikingJelly's neurons have one threshold and one time constant a layer"
    return ""


@dataclass(frozen=True)
class NeuronRule:
    """A neuron: its additions a step, 6 of a LIF or PLIF, 4 of an IF, one less with soft reset, or of binary tensors.

    The membrane is read and written once a step.
    """

    def probes(self, site: Site) -> tuple[Probe, ...]:
        """See `Rule`."""
        x, q, v = _values(site)
        asked = [outside(value, BINARY, each_step=True) for value in (x, v)]
        if not isinstance(site.node.op, IF):
            asked += [outside(value, _extremes(site, value), each_step=True) for value in (x, v)]
        return (*asked, *(nonzero(value, each_step=True) for value in (x, v, q)))

    def counts(self, seen: Seen) -> dict[str, PerSample]:
        """See `Rule`."""
        op, elements = seen.site.node.op, seen.site.node.type.elements
        assert isinstance(op, IntegrateAndFire)
        updates = seen.alike(elements * seen.times)
        every = updates * (2 if op.reset == "hard" else 1)  # h - v_threshold; 1 - q
        for a, b in (*CHARGES[type(op)](seen), RESETS[op.reset](seen)):
            both = a.binary & b.binary
            every = every + np.where(both, a.nonzero + b.nonzero, elements).sum(1)
        if not isinstance(op, IF):
            every = every + updates  # v - 0
        return {"ac": every, "read_potential": updates, "write_potential": updates}


Sum = tuple[Tensors, Tensors]


def _of_lif(seen: Seen) -> tuple[Sum, ...]:
    x, _, v = _values(seen.site)
    drive, before = _tensors(seen, x), _tensors(seen, v).before()
    assert isinstance(seen.site.node.op, LIF | PLIF)
    if seen.site.node.op.decay_input:
        # (x - v) / tau is binary where v is silent and x holds 0 and tau. Where v is binary and not silent, x and v
        # apart do not tell: it is taken for not binary.
        change = _tensors(seen, x, _extremes(seen.site, x)).where(before.silent)
        return (drive, before), (before, change)
    # v and v / tau are both binary where v is silent.
    leaked = _tensors(seen, v, _extremes(seen.site, v)).before()
    return (before, before.where(before.silent)), (leaked, drive)


def _of_if(seen: Seen) -> tuple[Sum, ...]:
    x, _, v = _values(seen.site)
    return ((_tensors(seen, v).before(), _tensors(seen, x)),)


def _hard(seen: Seen) -> Sum:
    """(q * 0) + ((1 - q) * h): zeros, and the membrane that is left."""
    left = _tensors(seen, _values(seen.site)[2])
    return Tensors(np.ones_like(left.binary), np.zeros_like(left.nonzero)), left


def _soft(seen: Seen) -> Sum:
    """h - v_threshold * q, of which without spikes h is the membrane that is left.

    With a threshold of 1, where nothing is left h is q, and both are binary; else spikes make one of them not binary.
    """
    _, q, v = _values(seen.site)
    spikes, left = _tensors(seen, q), _tensors(seen, v)
    if float(seen.site.values_of("v_threshold").item()) != 1.0:
        return spikes.where(spikes.silent), left
    same = left.silent[None] & (spikes.nonzero > 0)
    return spikes.where(spikes.silent | left.silent), Tensors(left.binary, np.where(same, spikes.nonzero, left.nonzero))


CHARGES: dict[type[Op], Callable[[Seen], tuple[Sum, ...]]] = {LIF: _of_lif, PLIF: _of_lif, IF: _of_if}
RESETS: dict[str, Callable[[Seen], Sum]] = {"hard": _hard, "soft": _soft}


def _values(site: Site) -> tuple[str, str, str]:
    """Drive, spikes, and the membrane after a step."""
    q, v = site.node.results
    return site.node.inputs[0], q, v


def _extremes(site: Site, value: str) -> tuple[float, float]:
    """The numbers of which the leak makes 0 and 1: of the drive 0 and tau, of the membrane 0 and tau / (tau - 1)."""
    if "tau" in site.node.weights:
        tau = float(site.values_of("tau").item())
    else:
        tau = 1.0 + math.exp(-float(site.values_of("w").item()))
    return 0.0, tau if value == site.node.inputs[0] else tau / (tau - 1.0)


def _tensors(seen: Seen, value: str, levels: tuple[float, ...] = BINARY) -> Tensors:
    """What a value was at every step; binary means here: none but `levels`."""
    if value == seen.site.node.name:
        binary = np.ones(seen.counts.steps, dtype=np.bool_)
    else:
        binary = seen.counts.of(outside(value, levels, each_step=True))[0, :, 0] == 0
    return Tensors(binary, seen.counts.of(nonzero(value, each_step=True))[..., 0])
