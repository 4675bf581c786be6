"""quantize: weights, leaks and thresholds as the integers that a neuromorphic chip holds."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from passes.algebra import STORED
from passes.feeders import feeders
from passes.fixed_point import fitted
from passes.grid import Grid, OffGrid, Spacing, grids
from passes.integer_neurons import LEAKS, IntegerNeuron, integer_neuron
from spikec.errors import Offender, UnsupportedOp, UsageError
from spikec.ir.arithmetic import Scale
from spikec.ir.edit import Edit
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI
from spikec.ir.linear import BatchNorm
from spikec.ir.neurons import Alpha, Threshold
from spikec.ir.shapes import Constant
from spikec.ir.types import FloatFormat, IntFormat, Weight

BIAS_BITS = 13
"""Of a bias mantissa on Loihi."""
WITHOUT_INTEGERS = (Alpha, LI)


@dataclass(frozen=True)
class Quantize:
    """Puts a network into Lava's fixed point: integer weights, leaks in 4096ths, whole thresholds, no tau.

        w, b      weight_bits and 13 bits, times a power of two
        v = trunc(v m / 4096) + 64 x / u                    x the drive, u the power of two it is a multiple of
        q = [v > 64 M],  v = 0 where q                      M whole, of 17 bits

    - A Conv's or Linear's weights (and a Constant) have the finest scale 2^-k at which none is clipped, a layer each;
      its bias the same in 13 bits, but no finer than the sum that it joins. Both round to the nearest.
    - What a step leaves, beta or 1 - 1/tau, becomes the nearest m / 4096, a PLIF a LIF. With decay_input the membrane
      is held tau times as large, so that the drive enters whole: its threshold is tau v_threshold. A rest other
      than 0 is subtracted.
    - A threshold that fires at >= becomes the next whole number below it, which fires at >; one that fires at > the
      whole number at or below it. So no membrane without a fraction fires otherwise. One that a soft reset subtracts
      is rounded to the nearest and keeps its convention.
    - The factor 64 / u goes into the scale of the weights that alone make up the drive (w then counts 64 to a unit
      of membrane, as in netx), else into a Scale before the neuron. A membrane that others take is given back its
      units by a Scale.

    Run after fold-batchnorm and fold-scale (and unroll-levels, where integer neurons are to be spikes).

    Keeps: result types; names and scopes; the convention of reset, its delay, refractory steps.
    Changes: the function, by all that rounds above, and the membranes' units. Spikes of a float32 run may differ from
    those of integers or float64, which are exact. A neuron's state is of 24
    bits: a run on data that needs more ends in an error.
    Leaves alone: what is in fixed point already; neurons whose drive stems from a real input without a neuron
    between, such as the first ones on an image, which no chip runs: their voltages stay floating point.
    Refuses, by name: an Alpha or LI; a neuron driven by what lies on no grid, such as a BatchNorm, a Scale by no
    power of two, a mean of 49 (what its network is given excepted); a soft reset with a rest other than 0; numbers
    beyond their bits; a membrane that others take and whose tau or rest differ from element to element or from 0.
    """

    name: ClassVar[str] = "quantize"

    weight_bits: int = 8
    decay_bits: int = 12

    def __post_init__(self) -> None:
        for key, (least, most) in {"weight_bits": (2, 16), "decay_bits": (1, 24)}.items():
            value = getattr(self, key)
            if not least <= value <= most:
                raise UsageError(f"{key} = {value}", where=f"pass '{self.name}'", expected=f"{least} to {most}")

    def __call__(self, graph: Graph) -> Graph:
        """The graph in fixed point.

        Raises:
            UnsupportedOp: nodes that have none; all of them are listed.
        """
        return _with_integer_neurons(_with_integer_weights(graph, self.weight_bits), self.decay_bits)


def _with_integer_weights(graph: Graph, bits: int) -> Graph:
    edit = Edit(graph)
    for node in graph.nodes_of(*STORED, Constant):
        name = node.weights["value" if isinstance(node.op, Constant) else "weight"]
        weight = graph.weights[name]
        if not isinstance(weight.format, IntFormat):
            edit.weight(name, fitted(weight.values.astype(np.float64), bits, weight.role))
    return edit.graph()


def _with_integer_neurons(graph: Graph, decay_bits: int) -> Graph:
    found = grids(graph)
    neurons = _converted(graph, found, decay_bits)
    edit = Edit(graph)
    scaled: dict[str, float] = {}  # a drive -> the factor that a Scale must give it
    multiplied: dict[str, float] = {}  # a linear op -> the factor that its weights take
    for name, neuron in neurons.items():
        drive = graph.node(name).inputs[0]
        takers = {user.name for user in graph.users(drive) if _factor(neurons, user) == neuron.factor}
        fed = feeders(graph, drive, takers)
        multiplied |= dict.fromkeys(fed or {}, neuron.factor)
        if fed is None and neuron.factor != 1.0:
            scaled[drive] = neuron.factor
    for node in graph.nodes_of(*STORED):
        _multiply(edit, node, multiplied.get(node.name, 1.0), found[node.name])
    drives: dict[str, str] = {}  # a drive -> itself times its factor
    for name, neuron in neurons.items():
        _put(edit, graph.node(name), neuron, scaled, drives)
    return edit.graph()


def _factor(neurons: Mapping[str, IntegerNeuron], node: Node) -> float | None:
    return neurons[node.name].factor if node.name in neurons else None


def _converted(graph: Graph, found: Mapping[str, Spacing], decay_bits: int) -> dict[str, IntegerNeuron]:
    """What every neuron becomes that is to be in integers, in the graph's order.

    Raises:
        UnsupportedOp: some cannot be.
    """
    neurons: dict[str, IntegerNeuron] = {}
    offenders: list[Offender] = []
    for node in graph.nodes_of(Threshold, *LEAKS, *WITHOUT_INTEGERS):
        spacing = found[node.inputs[0]]
        if spacing == OffGrid(None) or not _has_floats(graph, node):
            continue
        neuron = _in_integers(graph, node, spacing, decay_bits)
        if isinstance(neuron, Offender):
            offenders.append(neuron)
        else:
            neurons[node.name] = neuron
    if offenders:
        folds = sorted({FOLDS[offender.op] for offender in offenders if offender.op in FOLDS})
        mend = f"--passes {','.join(folds)},quantize" if folds else ""
        raise UnsupportedOp("quantize", dict.fromkeys(offenders), mend, nodes=len(graph.nodes))
    return neurons


def _in_integers(graph: Graph, node: Node, spacing: Spacing, decay_bits: int) -> IntegerNeuron | Offender:
    if isinstance(spacing, OffGrid):
        assert spacing.node is not None
        return _offender(
            graph, spacing.node, f"it gives no multiples of a power of two, and drives {graph.path_of(node)}"
        )
    if isinstance(node.op, WITHOUT_INTEGERS):
        return _offender(graph, node, "there is no such neuron in fixed point")
    if getattr(node.op, "rounding", "none") != "none":
        return _offender(graph, node, "it rounds already, and some of its numbers are floating point")
    neuron = integer_neuron(graph, node, spacing.unit, decay_bits)
    return _offender(graph, node, neuron) if isinstance(neuron, str) else neuron


def _has_floats(graph: Graph, node: Node) -> bool:
    return any(isinstance(weight.format, FloatFormat) for weight in graph.weight_types(node).values())


def _offender(graph: Graph, node: Node, reason: str) -> Offender:
    return Offender(node.op.mnemonic, graph.path_of(node), reason)


def _multiply(edit: Edit, node: Node, factor: float, spacing: Spacing) -> None:
    """Gives a linear op's weights the factor, and its bias integers."""
    weights = dict(node.weights)
    weight = edit.source.weights[weights["weight"]]
    if factor != 1.0:
        edit.weight(weights["weight"], _times(weight, factor))
    if "bias" in weights:
        bias = edit.source.weights[weights["bias"]]
        if isinstance(bias.format, FloatFormat):
            finest = spacing.unit if isinstance(spacing, Grid) else 0.0
            whole = fitted(bias.values.astype(np.float64), BIAS_BITS, bias.role, coarser_than=finest)
            weights["bias"] = edit.weight_for(node, "bias", _times(whole, factor))
            edit.replace(node, replace(node, weights=weights))
        elif factor != 1.0:
            edit.weight(weights["bias"], _times(bias, factor))


def _times(weight: Weight, factor: float) -> Weight:
    assert isinstance(weight.format, IntFormat)
    return replace(weight, format=replace(weight.format, scale=weight.format.scale * factor))


def _put(
    edit: Edit, node: Node, neuron: IntegerNeuron, scaled: Mapping[str, float], drives: MutableMapping[str, str]
) -> None:
    """Puts the neuron in the place of `node`, with the Scales that its drive and its further results need."""
    drive = node.inputs[0]
    nodes: list[Node] = []
    if neuron.factor != 1.0 and drive in scaled and drive not in drives:
        drives[drive] = edit.value_name(f"{drive}.drive")
        nodes.append(Node(drives[drive], Scale(scaled[drive]), (drive,), scope=node.scope))
    names = {slot: edit.weight_for(node, slot, weight) for slot, weight in neuron.weights.items()}
    taken = drive if neuron.factor == 1.0 else drives.get(drive, drive)
    nodes.append(replace(node, op=neuron.op, inputs=(taken,), weights=names))
    for suffix, factor in neuron.shown.items():
        state = f"{node.name}.{suffix}"
        shown = edit.value_name(f"{state}.given_back")
        nodes.append(Node(shown, Scale(factor), (state,), scope=node.scope))
        edit.redirect(state, shown)
    edit.replace(node, *nodes, value=node.name)


FOLDS = {BatchNorm.mnemonic: "fold-batchnorm", Scale.mnemonic: "fold-scale"}
"""The pass that takes an op away which keeps values off the grid."""
