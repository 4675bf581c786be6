"""Networks of integers that SANA-FE and spikec both run, each neuron on a given core, and random ones from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.core_activity import SynapseKind
from hwmodels.mapping.mesh import Mesh

MESH = Mesh(columns=8, rows=4, cores_a_tile=4)
INPUT = "input"
UNIT = 64
"""Weights and thresholds are whole multiples of 1/64: SANA-FE's LIF cuts its membrane to that after the leak."""

Cores = NDArray[np.int64]
Reset = Literal["hard", "soft"]


@dataclass(frozen=True, eq=False)
class Layer:
    """Neurons, and the synapses that drive them.

    Args:
        name: of the layer.
        kind: how the synapses are stored. `dense` and `conv` store zeros as well, `sparse` does not.
        source: the layer that drives it, or INPUT.
        shape: of its neurons, (N,) or (C, H, W).
        weights: [O, I], or [O, C, KH, KW] of a convolution without padding; in units of 1/UNIT.
        stride: of the convolution, along both axes.
        threshold: which the membrane must exceed; in units of 1/UNIT.
        decay: the share of the membrane that a step leaves, in float32: SANA-FE 2.2.9 keeps what Python gives it so.
        reset: to zero, or by the threshold.
        cores: the core of each neuron, a number on MESH.
    """

    name: str
    kind: SynapseKind
    source: str
    shape: tuple[int, ...]
    weights: NDArray[np.int64]
    stride: int
    threshold: int
    decay: float
    reset: Reset
    cores: Cores

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Case:
    """A network, the spikes of its inputs [T, *shape], and the core of each input."""

    name: str
    spikes: NDArray[np.bool_]
    input_cores: Cores
    layers: tuple[Layer, ...]

    @property
    def steps(self) -> int:
        return len(self.spikes)

    def shape_of(self, source: str) -> tuple[int, ...]:
        """The shape of the inputs or of a layer."""
        return self.spikes.shape[1:] if source == INPUT else self.layer(source).shape

    def layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)

    def depth(self, name: str) -> int:
        """Layers from the inputs to this one, itself among them."""
        source = self.layer(name).source
        return 1 if source == INPUT else 1 + self.depth(source)


def filled(neurons: int, cores: Sequence[int]) -> Cores:
    """Neurons in order on these cores, as many on each as go round."""
    return np.asarray(cores, np.int64)[np.arange(neurons) * len(cores) // neurons]


def boxed(shape: tuple[int, ...], parts: tuple[int, int], cores: Sequence[int]) -> Cores:
    """Neurons [C, H, W] in so many parts of the channels and of the columns, a core for each box of the two."""
    channel, _, column = np.indices(shape)
    box = channel * parts[0] // shape[0] * parts[1] + column * parts[1] // shape[2]
    return np.asarray(cores, np.int64)[box.ravel()]


@dataclass
class Drawn:
    """A case as it is drawn: each layer takes its weights from the generator and follows the last unless said."""

    rng: np.random.Generator
    name: str
    shape: tuple[int, ...]
    cores: Sequence[int] | None
    steps: int = 12
    rate: float = 0.35
    layers: list[Layer] = field(default_factory=list)

    def dense(self, outputs: int, cores: Sequence[int] | None, threshold: int, **options) -> Drawn:
        weights = self._weights((outputs, int(np.prod(self._source(options)))))
        return self._add("dense", (outputs,), weights, cores, threshold, **options)

    def sparse(self, outputs: int, cores: Sequence[int] | None, threshold: int, **options) -> Drawn:
        weights = self._weights((outputs, int(np.prod(self._source(options)))))
        kept = self.rng.random(weights.shape) < 0.3
        return self._add("sparse", (outputs,), weights * kept, cores, threshold, **options)

    def conv(self, channels: int, kernel: int, cores: Sequence[int] | None, threshold: int, **options) -> Drawn:
        given, height, width = self._source(options)
        stride = options.get("stride", 1)
        shape = (channels, *((size - kernel) // stride + 1 for size in (height, width)))
        return self._add("conv", shape, self._weights((channels, given, kernel, kernel)), cores, threshold, **options)

    def case(self) -> Case:
        spikes = self.rng.random((self.steps, *self.shape)) < self.rate
        return Case(self.name, spikes, self._placed(int(np.prod(self.shape)), self.cores), tuple(self.layers))

    def _source(self, options) -> tuple[int, ...]:
        name = options.get("source", self.layers[-1].name if self.layers else INPUT)
        return self.shape if name == INPUT else next(each.shape for each in self.layers if each.name == name)

    def _weights(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """None is zero, so that whether zeros are stored may be one policy for a network with layers of both kinds."""
        found = self.rng.integers(-24, 41, shape)
        return np.where(found == 0, 1, found)

    def _placed(self, neurons: int, cores: Sequence[int] | None) -> Cores:
        """On these cores in order, or anywhere on the mesh."""
        return self.rng.integers(0, MESH.cores, neurons) if cores is None else filled(neurons, cores)

    def _add(
        self,
        kind: SynapseKind,
        shape: tuple[int, ...],
        weights: NDArray[np.int64],
        cores: Sequence[int] | None,
        threshold: int,
        *,
        source: str | None = None,
        decay: float = 1.0,
        reset: Reset = "hard",
        stride: int = 1,
        parts: tuple[int, int] | None = None,
    ) -> Drawn:
        source = source or (self.layers[-1].name if self.layers else INPUT)
        placed = boxed(shape, parts, cores or ()) if parts else self._placed(int(np.prod(shape)), cores)
        name = f"layer{len(self.layers)}"
        kept = float(np.float32(decay))
        self.layers.append(Layer(name, kind, source, shape, weights, stride, threshold, kept, reset, placed))
        return self
