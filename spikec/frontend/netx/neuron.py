"""Neurons of .net files: Loihi's current-based LIF in its integers, as a LIF or CubaLIF that rounds toward zero.

    u = trunc(u (4096 - iDecay) / 4096) + 64 2^wgtExp (w . s)
    v = trunc(v (4096 - vDecay) / 4096) + u + 64 bias
    fires at v > 64 vThMant, then v = 0

Sources: Lava 0.10's fixed-point LIF (lava/proc/lif/models.py: drives, biases and thresholds are shifted left by 6,
decays are of 4096, magnitudes are shifted right) and lava-dl's loader (netx/hdf5.py: du = iDecay - 1, to which Lava
adds 1). The file's numbers stay as they are: their factors 64, 2^wgtExp and 1/4096 are the scale of a weight's format.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikec.errors import Offender
from spikec.frontend.hdf5 import Group
from spikec.frontend.netx.fields import Layer, Whole, whole, whole_array
from spikec.ir.builder import GraphBuilder
from spikec.ir.neurons import LIF, CubaLIF
from spikec.ir.types import IntFormat, Role, Weight

TYPES = ("CUBA", "LOIHI")
DECAYS = 4096
SHIFT = 64.0
MOST_THRESHOLD = 2**18
SILENT_THRESHOLD = 2**17 - 1
"""The membrane has 24 bits, so it never exceeds a mantissa of this times 64 by more than 63."""
STATE = IntFormat(24)
"""Of current and membrane: v is clipped there and u wraps round (Lava's LIF); here a run that gets there ends."""
MEMBRANE = 2**23 - 1

# theta, tauRho and scaleRho are SLAYER's, for training: its threshold again, and the width and height of its gradient.
KNOWN = {"type", "iDecay", "vDecay", "vThMant", "refDelay", "wgtExp", "gradedSpike", "messageBits", "weight_exp"}
TRAINING = {"theta", "tauRho", "scaleRho"}
OTHER_KINDS = {
    "SDNN": "sigma-delta neurons send differences, not spikes",
    "RF": "resonate-and-fire neurons have a complex state",
    "ADRF": "resonate-and-fire neurons have a complex state",
    "ALIF": "its threshold adapts",
}


@dataclass(frozen=True, eq=False)
class Neuron:
    """The numbers of a layer's neurons, each a scalar or by channel.

    Args:
        i_decay, v_decay: of 4096, that current and membrane lose in a step.
        threshold: mantissa; 64 times it is the threshold.
        exponent: of two, that weights are multiplied by.
        refractory: steps after a spike in which the neuron rests.
    """

    i_decay: Whole
    v_decay: Whole
    threshold: Whole
    exponent: int
    refractory: int

    @property
    def keeps_current(self) -> bool:
        """Whether the current of a step is more than that step's drive."""
        return bool((self.i_decay != DECAYS).any())

    @property
    def is_silent(self) -> bool:
        """Whether its threshold is so high that it is read by its membrane."""
        return bool((self.threshold >= SILENT_THRESHOLD).all())


def offences(layer: Layer) -> list[Offender]:
    """Everything about the neurons of a layer that is not taken."""
    if "neuron" not in layer.fields:
        return []
    fields = layer.fields.group("neuron")
    kind = fields.text("type")
    if kind not in TYPES:
        family = kind.split("_")[0]
        return [layer.offender(f"neuron {kind}", OTHER_KINDS.get(family, f"no {' or '.join(TYPES)}"))]
    found = [
        layer.offender(f"neuron/{name}", "a field that spikec does not know")
        for name in fields
        if name not in KNOWN | TRAINING
    ]
    if "gradedSpike" in fields and whole(fields, "gradedSpike", 0, 1):
        found.append(layer.offender("neuron/gradedSpike", "its spikes carry a value"))
    if "messageBits" in fields and whole(fields, "messageBits", 0, 32):
        found.append(layer.offender("neuron/messageBits", "its spikes carry a value"))
    # Of a norm in training, which divided by 2^weight_exp; lava-dl's loader leaves it away.
    if "weight_exp" in fields and (fields.array("weight_exp") != 0).any():
        found.append(layer.offender("neuron/weight_exp", "a scale of training that the weights lack"))
    return found


def neuron_of(layer: Layer, channels: int) -> Neuron:
    """The neurons of a layer.

    Raises:
        ModelFileError: a number is missing, out of its range, or there are not as many as channels.
    """
    fields = layer.fields.group("neuron")
    return Neuron(
        i_decay=_by_channel(fields, "iDecay", channels, DECAYS),
        v_decay=_by_channel(fields, "vDecay", channels, DECAYS),
        threshold=_by_channel(fields, "vThMant", channels, MOST_THRESHOLD),
        exponent=whole(fields, "wgtExp", -6, 7) if "wgtExp" in fields else 0,
        # 1 is no rest: the neurons of PilotNet, which all have it, fire in consecutive steps.
        refractory=whole(fields, "refDelay", 1, 63) - 1 if "refDelay" in fields else 0,
    )


def _by_channel(fields: Group, name: str, channels: int, most: int) -> Whole:
    found = whole_array(fields, name)
    if found.size not in (1, channels):
        raise fields.bad(name, f"holds {found.size} numbers", f"one, or one for each of {channels} channels")
    if found.min() < 0 or found.max() > most:
        raise fields.bad(name, f"holds {found.min()}..{found.max()}", f"0..{most}")
    return found.reshape(()) if found.size == 1 else found.reshape(-1)


def fixed(stored: Whole, scale: float = 1.0, role: Role = Role.CONSTANT) -> Weight:
    """Integers of the file as a weight of value `stored` times `scale`, in the fewest of 8, 16 or 32 bits."""
    most = int(np.abs(stored).max())
    bits = next(bits for bits in (8, 16, 32) if most < 2 ** (bits - 1) or bits == 32)
    return Weight(stored.astype(f"int{bits}"), role, IntFormat(bits, scale))


def fire(builder: GraphBuilder, drive: str, neuron: Neuron, scope: str, *, current: bool = True) -> str:
    """Adds the neurons that `drive` charges and gives their spikes.

    Args:
        builder: of the graph.
        drive: what is added in a step, 64 (w . s + bias).
        neuron: their numbers.
        scope: module path.
        current: False where the drive charges the membrane alone, as a bias does.
    """
    axes = len(builder.type(drive).shape)
    by_element = {
        "v_threshold": fixed(_spread(neuron.threshold, axes), SHIFT),
        "beta": fixed(_spread(DECAYS - neuron.v_decay, axes), 1 / DECAYS),
    }
    if not (current and neuron.keeps_current):
        op = LIF("hard", ">", refractory=neuron.refractory, state=STATE, decay_input=False, rounding="toward_zero")
        return builder.add(op, drive, scope=scope, weights=by_element)
    by_element["alpha"] = fixed(_spread(DECAYS - neuron.i_decay, axes), 1 / DECAYS)
    cuba = CubaLIF("hard", ">", refractory=neuron.refractory, state=STATE, rounding="toward_zero")
    return builder.add(cuba, drive, scope=scope, weights=by_element)


def _spread(numbers: Whole, axes: int) -> Whole:
    """Numbers by channel with the axes of what they broadcast to, [C] or [C, 1, 1]; a scalar as it is."""
    return numbers.reshape(-1, *(1 for _ in range(axes - 1))) if numbers.ndim else numbers


def remarks(layer: Layer, neuron: Neuron) -> list[str]:
    """What of a layer's neurons is taken otherwise than by lava-dl's loader."""
    found = []
    if neuron.refractory:
        rest = f"refDelay {neuron.refractory + 1} of {layer.scope} is taken as {neuron.refractory} step(s) of rest"
        found.append(f"{rest}; lava-dl's loader does not look at it")
    if neuron.exponent:
        scaled = f"wgtExp {neuron.exponent} of {layer.scope} multiplies its weights by 2^{neuron.exponent}"
        found.append(f"{scaled}; lava-dl's loader does not look at it")
    return found
