"""What passes do on data: accuracy, spikes and firing rates before and after, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikec.data import source
from spikec.data.source import Samples
from spikec.errors import UsageError
from spikec.ir.graph import Graph
from spikec.ir.neurons import MultiLevelSpike, Neuron, Threshold
from spikec.ir.types import Int, Timing
from spikec.run.inputs import only_input
from spikec.run.interp import Interpreter
from spikec.tasks.pricing import BATCH, feed, one_thread
from spikec.tasks.subnets import correct

SPIKING = (Neuron, Threshold, MultiLevelSpike)
MAX_SAMPLES = 1024
HELD = 2**25
"""Numbers that a batch may hold at once: 256 MB in float64."""


@dataclass(frozen=True)
class Layer:
    """One layer of spiking neurons.

    Args:
        name: of the node.
        scope: its module path.
        rate_before, rate_after: spikes (of an integer neuron codes) an element and step; None in a graph without it.
        differing: spikes that are not equal; None where one graph lacks the layer, or has it in another shape.
        compared: spikes that were compared, over samples, steps and elements.
    """

    name: str
    scope: str
    rate_before: float | None
    rate_after: float | None
    differing: int | None
    compared: int


@dataclass(frozen=True)
class Effect:
    """What passes did on data.

    Args:
        spec: of the data.
        samples, steps: of the run.
        layers: in the order of the graph before, then those that are new.
        right_before, right_after: samples whose greatest output is their label's; None where none are known.
        remarks: what was assumed, a sentence each.
    """

    spec: str
    samples: int
    steps: int
    layers: tuple[Layer, ...]
    right_before: int | None
    right_after: int | None
    remarks: tuple[str, ...]


def effect(before: Graph, after: Graph, spec: str, samples: int | None = None) -> Effect:
    """Runs both graphs on the same data, in float64 and on one thread, and compares them.

    Args:
        before: with one input.
        after: the same graph after passes.
        spec: data, as `spikec.data.source.load` takes it.
        samples: how many of them, from the first on; at most `MAX_SAMPLES` unless given.

    Raises:
        DataError: the data cannot be read, or do not fit the graphs' input.
        UsageError: samples below 1.
    """
    if samples is not None and samples < 1:
        raise UsageError(f"--samples {samples}", expected="1 or more")
    _, kind = only_input(before)
    data = source.load(spec).take(samples or MAX_SAMPLES)
    steps = before.steps if kind.timing is Timing.ONCE or data.inputs.ndim < 2 else int(data.inputs.shape[1])
    sides = [_Side(graph, steps) for graph in (before, after)]
    size = max(1, min(BATCH, HELD // max(1, sum(side.held for side in sides))))
    differing: dict[str, int] = {}
    with one_thread():
        for at in range(0, len(data.ids), size):
            fed = feed(before, data.inputs[at : at + size])
            values = [side.run(fed) for side in sides]
            for name in sides[0].comparable(sides[1]):
                differing[name] = differing.get(name, 0) + int((values[0][name] != values[1][name]).sum())
    right, remarks = _right(sides, data)
    layers = tuple(
        _layer(name, sides, differing, len(data.ids)) for name in dict.fromkeys([*sides[0].layers, *sides[1].layers])
    )
    return Effect(data.spec, len(data.ids), steps, layers, *right, remarks)


class _Side:
    """One of the graphs, with what its runs have given so far."""

    def __init__(self, graph: Graph, steps: int) -> None:
        self.graph, self.steps = graph, steps
        self.layers = [node.name for node in graph.nodes_of(*SPIKING)]
        self.codes = dict.fromkeys(self.layers, 0.0)
        self.outputs: list[Tensor] = []

    @property
    def held(self) -> int:
        """Numbers that a sample's run keeps."""
        return sum(self.elements(name) for name in self.layers)

    def elements(self, name: str) -> int:
        """Numbers of a layer in a sample's run."""
        kind = self.graph.types[name]
        return kind.elements * (self.steps if kind.timing is Timing.STEP else 1)

    def comparable(self, other: _Side) -> list[str]:
        """The layers that the other graph has in the same shape."""
        types, others = self.graph.types, other.graph.types
        return [n for n in self.layers if n in other.codes and types[n] == others[n]]

    def run(self, fed: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
        """The values of layers on a batch; their codes are added up, and outputs kept."""
        wanted = [*self.layers, self.graph.outputs[0]]
        values = Interpreter(torch.float64).run(self.graph, fed, self.steps, keep=wanted)
        for name in self.layers:
            domain = self.graph.types[name].domain
            assert isinstance(domain, Int)
            self.codes[name] += float(values[name].sum()) / domain.scale
        self.outputs.append(values[self.graph.outputs[0]])
        return values

    def rate(self, name: str, samples: int) -> float | None:
        """Spikes an element and step."""
        return self.codes[name] / (samples * self.elements(name)) if name in self.codes else None

    def scores(self) -> NDArray[np.float64]:
        """The first output of every sample [n, ...], averaged over the steps where it has them."""
        if self.graph.types[self.graph.outputs[0]].timing is Timing.ONCE:
            return torch.cat(self.outputs).numpy()
        return torch.cat([output.mean(0) for output in self.outputs]).numpy()


def _layer(name: str, sides: Sequence[_Side], differing: Mapping[str, int], samples: int) -> Layer:
    before, after = sides
    scope = next(side.graph.node(name).scope for side in sides if name in side.codes)
    compared = samples * before.elements(name) if name in differing else 0
    return Layer(name, scope, before.rate(name, samples), after.rate(name, samples), differing.get(name), compared)


def _right(sides: Sequence[_Side], data: Samples) -> tuple[tuple[int | None, int | None], tuple[str, ...]]:
    """The samples that each graph puts into their class, and what was assumed to say so."""
    if data.labels is None:
        return (None, None), ("the data have no labels: no accuracy (of an .npz they are an array 'labels')",)
    kinds = [side.graph.types[side.graph.outputs[0]] for side in sides]
    if any(len(kind.shape) != 1 for kind in kinds):
        return (None, None), (f"the first output is {kinds[0]}, no score for each class: no accuracy",)
    if beyond := _beyond(data.labels, min(kind.shape[0] for kind in kinds)):
        return (None, None), (beyond,)
    before, after = (int(correct(side.scores(), data.labels).sum()) for side in sides)
    remarks = []
    if len(sides[0].graph.outputs) > 1:
        remarks.append(f"accuracy is that of the first of {len(sides[0].graph.outputs)} outputs")
    if any(kind.timing is Timing.STEP for kind in kinds):
        remarks.append("where the output is per step, its mean over the steps is the score")
    return (before, after), tuple(remarks)


def _beyond(labels: NDArray[np.int64], classes: int) -> str:
    """Which labels no score is of; empty where every label is a class."""
    found = labels[(labels < 0) | (labels >= classes)]
    if not found.size:
        return ""
    which = f"{found.min()}" if found.min() == found.max() else f"{found.min()} to {found.max()}"
    return (
        f"{found.size} of {labels.size} labels are out of range ({which}): the first output has a score for each of "
        f"{classes} classes, 0 to {classes - 1}: no accuracy"
    )
