"""Weights, biases and delays of .net layers: what is taken of them, and as which weights of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from spikec.errors import Offender
from spikec.frontend.hdf5 import Group
from spikec.frontend.netx.fields import Layer, Whole, contradiction, is_whole, whole_array
from spikec.frontend.netx.neuron import SHIFT, fixed
from spikec.ir.types import Role, Shape, Weight

LEAST_WEIGHT, MOST_WEIGHT = -256, 255
MOST_DELAY = 62

WEIGHTED = ("weight", "weight_rec", "bias")


def offences(layer: Layer) -> list[Offender]:
    """Every array of a layer that is not taken for what it holds."""
    found = []
    for name in WEIGHTED:
        if name not in layer.fields:
            continue
        if isinstance(layer.fields[name], Group):
            found.append(layer.offender(name, "complex weights"))
            continue
        array = layer.fields.array(name)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise layer.fields.bad(name, "holds NaN or infinite values", "integers")
        if not is_whole(array):
            found.append(layer.offender(name, "numbers that are no integers, which lava-dl's loader would cut off"))
        elif name != "bias" and array.size and (array.min() < LEAST_WEIGHT or array.max() > MOST_WEIGHT):
            held = f"{array.min():g}..{array.max():g}"
            found.append(layer.offender(name, f"{held}; a synapse holds {LEAST_WEIGHT}..{MOST_WEIGHT}"))
    return found


def loses_bits(layer: Layer) -> bool:
    """Whether Lava's dense synapses drop the lowest bit of some weight: of mixed signs they hold even ones beyond 127.

    Source: lava-dl, netx/utils.py, optimize_weight_bits, and Lava's weights of mixed sign, which keep 7 bits of 8.
    """
    found = whole_array(layer.fields, "weight")
    mixed = found.min() < 0 < found.max()
    return bool(mixed and (found.min() < -128 or found.max() > 127) and (found % 2).any())


def weight(layer: Layer, name: str, shape: Shape, exponent: int) -> Weight:
    """The weights of a layer in `shape`, of which the file may have dropped or added axes of size 1.

    Raises:
        ModelFileError: they are missing, or not as many.
    """
    found = whole_array(layer.fields, name)
    if found.size != prod(shape) or tuple(s for s in found.shape if s > 1) != tuple(s for s in shape if s > 1):
        raise layer.fields.bad(name, f"has shape {list(found.shape)}", str(list(shape)))
    return fixed(found.reshape(shape), SHIFT * 2.0**exponent, Role.PARAMETER)


def bias(layer: Layer, outputs: int) -> dict[str, Weight]:
    """The bias of each output by its slot; empty where there is none.

    Raises:
        ModelFileError: there are not as many as outputs, nor one for all.
        UnsupportedOp: one for each neuron of several places.
    """
    if "bias" not in layer.fields:
        return {}
    found = whole_array(layer.fields, "bias").reshape(-1)
    if found.size == prod(layer.shape) and found.size not in (1, outputs):
        raise layer.refused("bias", "one for each neuron; one for each channel is taken")
    if found.size not in (1, outputs):
        raise layer.fields.bad("bias", f"holds {found.size} numbers", f"one, or {outputs}")
    return {"bias": fixed(np.broadcast_to(found, (outputs,)), SHIFT, Role.PARAMETER)}


@dataclass(frozen=True, eq=False)
class Delays:
    """Steps that spikes take, of the inputs of a layer or of its outputs: a scalar, or one for each."""

    of: Literal["inputs", "outputs"]
    steps: Whole


def delays(layer: Layer, outputs: int, inputs: int) -> Delays | None:
    """The delays of a dense layer, or None where there are none, or 0 all over.

    One number a row or column is of an output or an input; where there are as many of both it is of the output, as
    in lava-dl's loader (netx/hdf5.py).

    Raises:
        ModelFileError: the file's shape is neither of these.
        UnsupportedOp: a delay for each synapse, or beyond 62 steps.
    """
    if "delay" not in layer.fields:
        return None
    found = whole_array(layer.fields, "delay")
    if found.min() < 0 or found.max() > MOST_DELAY:
        raise layer.refused("delay", f"{found.min()}..{found.max()} steps; 0..{MOST_DELAY} are possible")
    if (found == found.reshape(-1)[0]).all():
        return Delays("inputs", found.reshape(-1)[:1].reshape(())) if found.any() else None
    if found.ndim == 1 and found.size == outputs:
        return Delays("outputs", found)
    if found.ndim == 1 and found.size == inputs:
        return Delays("inputs", found)
    if found.shape not in ((outputs, inputs), (outputs, 1), (1, inputs)):
        raise contradiction(layer, f"delay has shape {list(found.shape)}", f"[], [{outputs}] or [{inputs}]")
    if (found == found[:, :1]).all():
        return Delays("outputs", found[:, 0])
    if (found == found[:1]).all():
        return Delays("inputs", found[0])
    raise layer.refused("delay", "one for each synapse; one for each input or output is taken")
