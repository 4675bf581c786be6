"""What the cores of a plan do in a run: the questions to a runner, and their answers as `CoreActivity`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hwmodels.mapping.core_activity import OUTSIDE, SYNAPSE_KINDS, CoreActivity, SynapseKind
from hwmodels.mapping.mesh import Places
from hwmodels.mapping.plans import Plan
from hwmodels.mapping.senders import HOST, PlacedLayer, Sender
from hwmodels.touching import touched
from spikec.cost import Counts, Probe
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv1d, Conv2d, Linear

Array = NDArray[np.int64]
_EACH: frozenset[Literal["sample", "step"]] = frozenset({"sample", "step"})


@dataclass(frozen=True, eq=False)
class CoreQuestions:
    """What must be asked of a runner so that the activity of a plan's cores is known.

    Args:
        plan: the network on cores.
    """

    plan: Plan

    @cached_property
    def sent(self) -> tuple[tuple[Sender, Probe], ...]:
        """How many elements of each group of each sender are not zero: what is sent."""
        return tuple((s, Probe((s.value,), "nonzero", groups=s.groups, keep=_EACH)) for s in self.plan.senders)

    @cached_property
    def driven(self) -> tuple[tuple[PlacedLayer, Probe], ...]:
        """How many neurons of each core are updated: have a drive that is not zero, or are touched."""
        rule = self.plan.table.active
        return tuple((layer, _updated(self.plan.graph, layer, rule)) for layer in self.plan.layers)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All questions."""
        return (*(probe for _, probe in self.sent), *(probe for _, probe in self.driven))

    @cached_property
    def pairs(self) -> Array:
        """[P, 2] the cores that a packet leaves (or OUTSIDE) and reaches."""
        codes = [_codes(sender, self.plan.cores) for sender in self.plan.senders]
        unique = np.unique(np.concatenate(codes)) if codes else np.zeros(0, dtype=np.int64)
        return np.stack([unique // self.plan.cores + OUTSIDE, unique % self.plan.cores], axis=1)

    def packets_of(self, sender: Sender, answer: Array) -> Array:
        """[..., P] packets over each pair, of answers [..., groups] to a sender's question."""
        return _times(answer, self.incidence[sender.value])

    @cached_property
    def incidence(self) -> dict[str, sparse.csr_array]:
        """By sender, [groups, P]: 1 for every pair over which an element of the group sends a packet."""
        return {sender.value: _pairs_of(self.pairs, sender) for sender in self.plan.senders}

    @cached_property
    def deeds(self) -> sparse.csr_array:
        """[groups of all senders, C kinds + C + P]: what one spike is in events a core and kind, spikes, packets."""
        cores, kinds, graph = self.plan.cores, len(SYNAPSE_KINDS), self.plan.graph
        kind = {layer.wired.node: SYNAPSE_KINDS.index(kind_of(graph, layer)) for layer in self.plan.layers}
        rows = [sparse.csr_array((0, cores * kinds + cores + len(self.pairs)), dtype=np.int64)]
        for sender in self.plan.senders:
            events = sparse.csr_array((len(sender.own), cores * kinds), dtype=np.int64)
            for node, synapses in sender.synapses.items():
                events = events + _spread(synapses, kinds, kind[node])
            fires = sender.own[0] != HOST and sender.value not in self.plan.inputs
            spikes = _indicator(sender.own, cores) if fires else sparse.csr_array((len(sender.own), cores), dtype=int)
            rows.append(sparse.hstack([events, spikes, self.incidence[sender.value]], format="csr"))
        return sparse.csr_array(sparse.vstack(rows, format="csr"))

    @cached_property
    def updates(self) -> sparse.csr_array:
        """[cores of all layers, C]: 1 where a layer's core is that core."""
        numbers = [layer.numbers for layer in self.plan.layers]
        return _indicator(np.concatenate([np.zeros(0, dtype=np.int64), *numbers]), self.plan.cores)

    @cached_property
    def neurons(self) -> Array:
        """[C] neurons that a core visits at every step."""
        plan = self.plan
        found = np.zeros(plan.cores, dtype=np.int64)
        for layer in plan.layers:
            found += np.bincount(layer.core_of, minlength=plan.cores)
        for row, first in zip(plan.rows, plan.firsts, strict=True):
            if row.wired.bank:
                even, more = divmod(row.wired.bank, row.cores)
                found[first : first + row.cores] = even + (np.arange(row.cores) < more)
        return found


@lru_cache(maxsize=4)
def questions_of(plan: Plan) -> CoreQuestions:
    """The questions about a plan; of the last few plans they are remembered."""
    return CoreQuestions(plan)


def _updated(graph: Graph, layer: PlacedLayer, rule: Literal["driven", "touched"]) -> Probe:
    node = graph.node(layer.wired.node)
    drive = node.name if layer.wired.node == layer.wired.weighted else node.inputs[0]
    local = np.zeros(int(layer.numbers.max()) + 1, dtype=np.int64)
    local[layer.numbers] = np.arange(layer.numbers.size)
    groups = local[layer.core_of].reshape(graph.types[drive].shape)
    found = touched(graph, node, skip_zeros=layer.skip_zeros, groups=groups, keep=_EACH) if rule == "touched" else None
    if found is not None:
        return found
    return Probe((drive,), "nonzero", groups=groups, keep=_EACH)


def activity_of(questions: CoreQuestions, counts: Counts, places: Places, samples: slice) -> CoreActivity:
    """What the cores did, of some of the samples.

    Args:
        questions: of a plan, whose cores are those of the activity.
        counts: the answers.
        places: where the cores stand.
        samples: which.
    """
    cores, kinds = questions.plan.cores, len(SYNAPSE_KINDS)
    answers = _joined([probe for _, probe in questions.sent], counts, samples)
    lead = answers.shape[:2]
    events, spikes, packets = np.split(_times(answers, questions.deeds), [cores * kinds, cores * (kinds + 1)], axis=-1)
    return CoreActivity(
        events=events.reshape(*lead, cores, kinds),
        neurons=questions.neurons,
        updated=_times(_joined([probe for _, probe in questions.driven], counts, samples), questions.updates),
        spikes=spikes,
        pairs=questions.pairs,
        packets=packets,
        places=places,
    )


def kind_of(graph: Graph, layer: PlacedLayer) -> SynapseKind:
    """How the synapses of a layer are stored: a kernel, those that are not zero, or every pair."""
    if layer.wired.weighted is None:
        return "dense"
    driver = graph.node(layer.wired.weighted)
    if isinstance(driver.op, (Conv1d, Conv2d)):
        return "conv"
    zeros = isinstance(driver.op, Linear) and not graph.weights[driver.weights["weight"]].array.all()
    if zeros and layer.skip_zeros:
        return "sparse"
    return "dense"


def _joined(probes: Sequence[Probe], counts: Counts, samples: slice) -> Array:
    """[samples, T, groups of all] the answers to questions, one behind the other."""
    nothing = np.zeros((len(range(*samples.indices(counts.samples))), counts.steps, 0), dtype=np.int64)
    return np.concatenate([nothing, *(_stepped(counts.of(probe)[samples], counts.steps) for probe in probes)], axis=-1)


def _stepped(answer: Array, steps: int) -> Array:
    """[samples, T, groups]: what is there once is sent at the first step."""
    if answer.shape[1] == steps:
        return answer
    found = np.zeros((answer.shape[0], steps, answer.shape[2]), dtype=np.int64)
    found[:, : answer.shape[1]] = answer
    return found


def _times(answer: Array, matrix: sparse.csr_array) -> Array:
    """[S, T, groups] times [groups, n]."""
    flat = answer.reshape(-1, answer.shape[-1])
    return np.asarray((matrix.T @ flat.T).T, dtype=np.int64).reshape(*answer.shape[:-1], matrix.shape[1])


def _codes(sender: Sender, cores: int) -> Array:
    """The pairs of a sender's groups with the cores that they reach, as single numbers; several may be one."""
    if not sender.synapses:
        return np.zeros(0, dtype=np.int64)
    reached = sparse.coo_array(sender.reaches)
    return (sender.own[reached.row] - OUTSIDE) * cores + reached.col


def _pairs_of(pairs: Array, sender: Sender) -> sparse.csr_array:
    """[groups, P]: 1 for every pair over which an element of the group sends a packet."""
    shape = (len(sender.own), len(pairs))
    if not sender.synapses:
        return sparse.csr_array(shape, dtype=np.int64)
    reached = sparse.coo_array(sender.reaches)
    known = (pairs[:, 0] - OUTSIDE) * sender.cores + pairs[:, 1]
    at = np.searchsorted(known, _codes(sender, sender.cores))
    return sparse.csr_array((np.ones(at.size, dtype=np.int64), (reached.row, at)), shape=shape)


def _spread(synapses: sparse.csr_array, kinds: int, kind: int) -> sparse.csr_array:
    """[groups, cores] as [groups, cores * kinds], at one of the kinds."""
    rows, cores = synapses.shape
    entries = (synapses.data, synapses.indices.astype(np.int64) * kinds + kind, synapses.indptr)
    return sparse.csr_array(entries, shape=(rows, cores * kinds))


def _indicator(own: Array, cores: int) -> sparse.csr_array:
    """[groups, cores]: 1 where a group stands."""
    numbers = np.arange(own.size)
    return sparse.csr_array((np.ones(own.size, dtype=np.int64), (numbers, own)), shape=(own.size, cores))
