"""Layers as cores see them: neurons and the connections that drive them, in numbers alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from spikec.errors import UsageError

Pair = tuple[int, int]


@dataclass(frozen=True)
class _Sizes:
    """Refuses sizes below 1."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if min(value if isinstance(value, tuple) else (value,)) < 1:
                raise UsageError(f"{field.name} = {value}", where=type(self).__name__, expected="1 or more")


@dataclass(frozen=True)
class InputLayer(_Sizes):
    """Neurons on a grid that nothing drives but the input, as their bias.

    Args:
        width, height, channels: neurons, W x H x C.
        slots: slots a neuron.
    """

    width: int
    height: int
    channels: int
    slots: int = 1


@dataclass(frozen=True)
class ConvLayer(_Sizes):
    """Neurons on a grid, driven by a convolution whose weights are stored once a core.

    Args:
        width, height, channels: the neurons, W x H x C.
        kernel: taps (along W, along H).
        inputs: input channels, all groups together.
        weight_bits: width of a weight.
        groups: groups of the channels.
        dilation: (along W, along H).
        slots: slots a neuron.
    """

    width: int
    height: int
    channels: int
    kernel: Pair
    inputs: int
    weight_bits: int
    groups: int = 1
    dilation: Pair = (1, 1)
    slots: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.groups or self.inputs % self.groups:
            raise UsageError(f"{self.inputs} and {self.channels} channels do not divide into {self.groups} groups")


@dataclass(frozen=True)
class DenseLayer(_Sizes):
    """Neurons that each have a weight from every input; zeros are stored.

    Args:
        outputs: neurons.
        inputs: input axons.
        weight_bits: width of a weight.
        slots: slots a neuron.
    """

    outputs: int
    inputs: int
    weight_bits: int
    slots: int = 1


@dataclass(frozen=True)
class BlockDiagonalLayer(_Sizes):
    """Neurons in blocks: contracting, each from `inputs / outputs` inputs; expanding, each input to that many neurons.

    Args:
        outputs: neurons.
        inputs: input axons.
        slots: slots a neuron.
    """

    outputs: int
    inputs: int
    slots: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.outputs, self.inputs) % min(self.outputs, self.inputs):
            raise UsageError(f"{self.inputs} inputs and {self.outputs} outputs do not divide into blocks")


Layer = InputLayer | ConvLayer | DenseLayer | BlockDiagonalLayer


@dataclass(frozen=True)
class Form:
    """What a chip's cores take.

    Args:
        weight_bits: the widths that a weight can have, ascending; empty where no width is asked for.
        graded: whether numbers are sent, so that what gives sums and no spikes (a pool, a product of activations) is a
            layer of neurons without a state.
        products: of two activations: refused, done by programmable neurons (which is assumed), or by coincidence
            neurons, one for each pair of values that meet.
        host: whether what real inputs of the graph drive is computed off chip.
    """

    weight_bits: tuple[int, ...] = ()
    graded: bool = False
    products: Literal["refused", "programmable", "coincidence"] = "refused"
    host: bool = False
