"""Reads .net files, lava-dl's netx: layers of integer weights and Loihi neurons in HDF5, taken bit for bit.

Sources: the protocol in lava-dl's netx README, its loader (netx/hdf5.py, commit d825ac5) and what its training writes
(slayer/block/base.py). The graph's spikes are those of Lava for PilotNet, in every layer; see docs/from-netx.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spikec.errors import ModelFileError, UnsupportedOp
from spikec.frontend.foreign import Reading, Taken
from spikec.frontend.hdf5 import Group, read_tree
from spikec.frontend.netx import synapses
from spikec.frontend.netx.building import Building
from spikec.frontend.netx.fields import MOST_NUMBER, WHAT, Layer, whole
from spikec.frontend.netx.layers import build
from spikec.frontend.netx.neuron import DECAYS, MEMBRANE, Neuron
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph

STEPS = 16
MOST_STEPS = 2**16


def read(path: Path, reading: Reading) -> Taken:
    """The network in a .net file.

    Its input is the image as bias mantissas of the input layer, or spikes where no input layer has neurons.

    Raises:
        ModelFileError: the file cannot be read, or contradicts itself.
        UnsupportedOp: it holds what is not taken; every such layer is listed.
    """
    tree = read_tree(path, reading.max_bytes, "a .net file of lava-dl")
    layers = layers_of(tree)
    steps, remarks = _steps(tree, reading)
    building = Building(GraphBuilder(steps), reading.max_bytes)
    offenders = build(building, layers)
    if offenders:
        raise UnsupportedOp(WHAT, offenders)
    if building.membrane:
        remarks.append("the last layer's threshold is out of reach: its membrane is the second output")
    outputs = (building.last, *([building.membrane] if building.membrane else ()))
    graph = building.builder.graph(*outputs)
    remarks += [*building.remarks, *_precision(graph, layers, building.neurons)]
    facts = {"layers": [layer.kind for layer in layers]}
    if "image" not in graph.inputs:
        return Taken(graph, "frames", (*remarks, "no input layer has neurons: the input is spikes"), "spikes", facts)
    encoder = _encoder(layers[0])
    return Taken(graph, "direct", tuple(remarks), _encoded(encoder), {**facts, "encoder": dict(encoder)})


def layers_of(tree: Group) -> list[Layer]:
    """The layers of a file, in the order of their numbers.

    Raises:
        ModelFileError: there are none, their numbers have gaps, or one states no type.
    """
    group = tree.group("layer")
    if not group or set(group) != {str(number) for number in range(len(group))}:
        names = sorted(group)[:8]
        raise ModelFileError(f"/layer holds {names}", where=tree.file, expected="layers 0, 1, 2, ... without a gap")
    found = [(number, group.group(str(number))) for number in range(len(group))]
    return [Layer(number, fields.text("type"), fields) for number, fields in found]


def _steps(tree: Group, reading: Reading) -> tuple[int, list[str]]:
    """T, and what is to be said of it."""
    if reading.steps is not None:
        return reading.steps, []
    if "simulation" in tree and "tSample" in tree.group("simulation"):
        steps = whole(tree.group("simulation"), "tSample", 1, MOST_STEPS)
        return steps, [f"T = {steps} is the file's simulation/tSample"]
    return STEPS, [f"the file states no number of steps: T = {STEPS} is taken; --steps says another"]


def _encoder(layer: Layer) -> Mapping[str, int]:
    """Weight and bias of the image's encoder, with the defaults of lava-dl's loader."""
    return {
        name: whole(layer.fields, name, -MOST_NUMBER, MOST_NUMBER) if name in layer.fields else default
        for name, default in (("weight", 64), ("bias", 0))
    }


def _encoded(encoder: Mapping[str, int]) -> str:
    """How images become the graph's input. Source: lava-dl's tutorials, netx/pilotnet_snn/dataset.py."""
    w, b = encoder["weight"], encoder["bias"]
    return f"integers, the bias mantissas of the input layer; lava-dl makes 2*{w}*x - {w} + {b} of an image x in 0..1"


def _precision(graph: Graph, layers: list[Layer], neurons: Mapping[int, Neuron]) -> list[str]:
    """Where a chip's numbers are narrower than the graph's."""
    wide = [layers[n].scope for n, neuron in neurons.items() if _reach(graph, layers[n], neuron) > MEMBRANE]
    dropped = [layer.scope for layer in layers if layer.kind.startswith("dense") and synapses.loses_bits(layer)]
    found = []
    if wide:
        found.append(
            f"membranes may pass 24 bits, at which a chip holds them and the graph does not: {', '.join(wide)}"
        )
    if dropped:
        found.append(f"odd weights of mixed signs beyond 127, whose lowest bit a chip drops: {', '.join(dropped)}")
    return found


def _reach(graph: Graph, layer: Layer, neuron: Neuron) -> float:
    """The greatest magnitude that a membrane of the layer may come to in T steps, if every input always fires."""
    drive = 0.0
    for name, weight in graph.weights.items():
        if name.startswith(f"{layer.scope}.") and name.endswith((".weight", ".bias")):
            drive += float(np.abs(weight.values).reshape(weight.array.shape[0], -1).sum(1).max())
    for decays in (neuron.i_decay, neuron.v_decay):
        least = int(decays.min())
        drive *= min(graph.steps, DECAYS / least) if least else graph.steps
    return drive
