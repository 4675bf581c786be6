"""The graph of a .net file while its layers are added, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from spikec.frontend.netx import neuron as neurons
from spikec.frontend.netx.fields import Layer
from spikec.frontend.netx.neuron import Neuron
from spikec.ir.builder import GraphBuilder
from spikec.ir.types import SPIKE, Shape, TensorType


@dataclass
class Building:
    """The graph so far, and what is to be said of it.

    Args:
        builder: of the graph.
        max_bytes: that weights may take which the file states once and the graph several times.
        last: the value that the last layer gave; '' before the first.
        membrane: of the last layer, where it is read by that; else ''.
        neurons: of each layer that has some, by number.
        remarks: what was assumed.
    """

    builder: GraphBuilder
    max_bytes: int
    last: str = ""
    membrane: str = ""
    neurons: dict[int, Neuron] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        """The shape of what the last layer gave."""
        return self.builder.type(self.last).shape

    def give(self, value: str, membrane: str = "") -> None:
        """Makes a value what the layer gives."""
        self.last, self.membrane = value, membrane

    def start(self, shape: Shape) -> None:
        """Declares spikes as the input, of a file without neurons before its first weights."""
        self.give(self.builder.input("spikes", TensorType(shape, SPIKE)))


def fire(building: Building, layer: Layer, neuron: Neuron, drive: str, *, current: bool = True) -> None:
    """Adds the neurons of a layer, whose spikes are what it gives.

    Args:
        building: the graph so far.
        layer: whose neurons they are.
        neuron: their numbers.
        drive: what charges them.
        current: False where that is the membrane alone.

    Raises:
        UnsupportedOp: a bias beside a current that outlasts its step.
    """
    fields = layer.fields
    if current and neuron.keeps_current and "bias" in fields and fields.array("bias").any():
        reason = "charges the membrane and not the current, which outlasts a step (iDecay < 4096)"
        raise layer.refused("bias", reason)
    spikes = neurons.fire(building.builder, drive, neuron, f"{layer.scope}.neuron", current=current)
    building.give(spikes, f"{spikes}.v" if neuron.is_silent else "")
    building.neurons[layer.number] = neuron
    building.remarks += neurons.remarks(layer, neuron)
