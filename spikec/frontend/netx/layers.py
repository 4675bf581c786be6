"""The layers of .net files as nodes, one function a kind, and what of them is not taken.

The graph has no delay from layer to layer: that layer k runs k steps late is a chip's pipeline, not the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from spikec.errors import Offender, UnsupportedOp, VerifyError
from spikec.frontend.netx import neuron as neurons
from spikec.frontend.netx import synapses
from spikec.frontend.netx.building import Building, fire
from spikec.frontend.netx.dense import add_dense, add_recurrent
from spikec.frontend.netx.fields import Layer, contradiction
from spikec.frontend.netx.neuron import SHIFT
from spikec.frontend.netx.plane import add_conv, add_pool
from spikec.ir.arithmetic import Scale
from spikec.ir.pools import Mean
from spikec.ir.shapes import Reshape
from spikec.ir.time import Repeat
from spikec.ir.types import Int, TensorType, Timing

MANTISSA = Int(-4096, 4095)
"""What the 13 bits of a neuron's bias mantissa hold (lava/proc/lif/models.py)."""


def add_input(building: Building, layer: Layer) -> None:
    """The input layer: neurons that the image charges at every step, or, without neurons, the spikes themselves."""
    if building.last:
        raise layer.refused("input", "an input layer behind another layer")
    builder, shape = building.builder, layer.shape
    if "neuron" not in layer.fields:
        building.start(shape)
        return
    # Real it would be as an image; as bias mantissas it is integers, and anything else must be refused.
    image = builder.input("image", TensorType(shape, MANTISSA, Timing.ONCE))
    every = builder.add(Repeat(), image, scope=layer.scope, inner=True)
    drive = builder.add(Scale(SHIFT), every, scope=layer.scope, inner=True)
    fire(building, layer, neurons.neuron_of(layer, shape[0]), drive, current=False)


def add_flatten(building: Building, layer: Layer) -> None:
    """[C, H, W] on one axis, in that order."""
    if not building.last:
        raise layer.refused("flatten", "the first layer: nothing says what it sees")
    elements = prod(building.shape)
    if prod(layer.shape) != elements:
        raise layer.fields.bad("shape", f"is {list(layer.shape)}", f"{elements} elements, as the layer before it gives")
    building.give(building.builder.add(Reshape((elements,)), building.last, scope=layer.scope, inner=True))


def add_average(building: Building, layer: Layer) -> None:
    """The mean of each group of neighbouring neurons, a group an output (slayer/block/base.py, AbstractAverage)."""
    if not building.last:
        raise layer.refused("average", "the first layer: nothing says what it sees")
    outputs, elements = prod(layer.shape), prod(building.shape)
    if elements % outputs:
        raise layer.fields.bad("shape", f"is {list(layer.shape)}", f"a divisor of the {elements} elements before it")
    grouped = Reshape((outputs, elements // outputs))
    rows = building.builder.add(grouped, building.last, scope=layer.scope, inner=True)
    building.give(building.builder.add(Mean(axes=(1,)), rows, scope=layer.scope, inner=True))


KINDS: dict[str, Callable[[Building, Layer], None]] = {
    "average": add_average,
    "conv": add_conv,
    "dense": add_dense,
    "dense_rec": add_recurrent,
    "flatten": add_flatten,
    "input": add_input,
    "pool": add_pool,
}
REFUSED: dict[str, str] = {
    "concat": "a skip connection; the format does not say how many steps it is late",
    "convT": "a transposed convolution",
    "dense_comp": "complex weights",
    "unpool": "an unpooling",
}
"""Kinds of the format that are not taken, and why."""

_WINDOWS = ("kernelSize", "stride", "padding", "dilation")
FIELDS: dict[str, tuple[str, ...]] = {
    "average": (),
    "conv": ("neuron", "weight", "bias", "groups", "inChannels", "outChannels", *_WINDOWS),
    "dense": ("neuron", "weight", "bias", "delay", "inFeatures", "outFeatures"),
    "dense_rec": ("neuron", "weight", "weight_rec", "bias", "inFeatures", "outFeatures"),
    "flatten": (),
    "input": ("neuron", "weight", "bias"),
    "pool": ("neuron", "weight", *_WINDOWS),
}
"""By kind, what a layer may state beside type and shape; an input's weight and bias are those of its encoder."""
REFUSED_FIELDS: dict[tuple[str, str], str] = {
    ("conv", "delay"): "delays of a convolution, which lava-dl's loader leaves away",
    ("dense_rec", "delay"): "delays of a recurrent layer, which lava-dl's loader has no form for",
}


def build(building: Building, layers: Sequence[Layer]) -> list[Offender]:
    """Adds every layer and gives what is not taken, of all layers; the graph is of no use unless that is empty.

    Raises:
        ModelFileError: a layer contradicts itself or the one before it.
    """
    offenders: list[Offender] = []
    for layer in layers:
        found = _offences(layer, is_last=layer is layers[-1])
        try:
            if not found:
                KINDS[layer.kind](building, layer)
        except UnsupportedOp as error:
            found = list(error.offenders)
        except VerifyError as error:
            raise contradiction(layer, str(error), "a layer that fits itself and the one before it") from error
        if found:  # those after it are looked at on a value of the shape that it states
            offenders += found
            if "shape" not in layer.fields and not building.last:
                break  # nothing says what those after it would take
            stand_in = TensorType(layer.shape) if "shape" in layer.fields else building.builder.type(building.last)
            building.give(building.builder.input(f"after.{layer.number}", stand_in))
    return offenders


def _offences(layer: Layer, *, is_last: bool) -> list[Offender]:
    """What of a layer is not taken wherever it stands."""
    if layer.kind not in KINDS:
        return [layer.offender(layer.kind, REFUSED.get(layer.kind, "a kind of layer that spikec does not know"))]
    known = {"type", "shape", *FIELDS[layer.kind]}
    found = [
        layer.offender(name, REFUSED_FIELDS.get((layer.kind, name), "a field that spikec does not know"))
        for name in layer.fields
        if name not in known
    ]
    if layer.kind == "average" and not is_last:
        found.append(layer.offender("average", "means of spikes that another layer takes"))
    if "neuron" in FIELDS[layer.kind]:
        found += neurons.offences(layer)
    return found if layer.kind == "input" else found + synapses.offences(layer)
