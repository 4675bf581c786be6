"""The form of each op as a standard NIR node, or the reason why it has none.

A form gives the node's type and fields. `reader.py` holds the inverse for the weights, `simulate.py` NIR's own
meaning of the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.numbers import Array, full, tau_of, written_threshold
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Delay
from spikec.ir.types import Shape

Fields = dict[str, object]
Described = tuple[str, Fields] | str
"""Type and fields, or why there is none."""


@dataclass(frozen=True)
class Site:
    """A node where it stands: its graph, and the seconds a step.

    `op` is the node's own op; each form takes the one of its key.
    """

    graph: Graph
    node: Node
    dt: float

    @property
    def op(self) -> Any:  # Any: see above
        """The node's op."""
        return self.node.op

    @property
    def shape(self) -> Shape:
        """The shape of the first operand."""
        return self.graph.types[self.node.inputs[0]].shape

    def array(self, slot: str) -> NDArray[np.generic] | None:
        """A weight's numbers; None where the slot is empty."""
        name = self.node.weights.get(slot)
        return None if name is None else self.graph.weights[name].values

    def floats(self, slot: str) -> NDArray[np.floating[Any]]:  # Any: float32 or float64
        """A weight in its own floating dtype; integers as float64."""
        array = self.graph.weights[self.node.weights[slot]].values
        return array.astype(array.dtype if array.dtype in (np.float32, np.float64) else np.float64)

    def full(self, *slots: str) -> Array:
        """The first of the slots that is filled, one number an element; zeros where none is."""
        found = next((array for slot in slots if (array := self.array(slot)) is not None), np.zeros(()))
        return full(found, self.shape)

    def bias(self, outputs: int, like: NDArray[np.generic]) -> NDArray[np.generic]:
        """The bias; zeros of the weight's dtype where there is none."""
        return np.zeros(outputs, like.dtype) if self.array("bias") is None else self.floats("bias")


def linear(site: Site) -> Described:
    """Affine with a bias, Linear without; both take one vector."""
    if len(site.shape) != 1:
        return "NIR's Affine takes a vector, not one for each token"
    weight = site.floats("weight")
    if site.array("bias") is None:
        return "Linear", {"weight": weight}
    return "Affine", {"weight": weight, "bias": site.floats("bias")}


def conv1d(site: Site) -> Described:
    """Conv1d, groups expanded."""
    weight = expanded(site.floats("weight"), site.op.groups)
    return "Conv1d", {
        "input_shape": site.shape[1],
        "weight": weight,
        "bias": site.bias(weight.shape[0], weight),
        "stride": site.op.stride[0],
        "padding": site.op.padding[0],
        "dilation": site.op.dilation[0],
        "groups": 1,
    }


def conv2d(site: Site) -> Described:
    """Conv2d, groups expanded; NIR's own shape check knows square kernels only."""
    weight = expanded(site.floats("weight"), site.op.groups)
    if weight.shape[2] != weight.shape[3]:
        return "NIR 1.0.8 computes the shape of a kernel that is not square wrongly"
    return "Conv2d", _conv2d(site, weight, site.bias(weight.shape[0], weight), site.op.dilation)


def _conv2d(site: Site, weight: NDArray[np.generic], bias: NDArray[np.generic], dilation: tuple[int, int]) -> Fields:
    return {
        "input_shape": np.array(site.shape[1:]),
        "weight": weight,
        "bias": bias,
        "stride": np.array(site.op.stride),
        "padding": np.array(site.op.padding),
        "dilation": np.array(dilation),
        "groups": 1,
    }


def expanded(weight: NDArray[Any], groups: int) -> NDArray[Any]:  # Any: float32 or float64
    """A grouped kernel as the kernel of one group, zero across groups: NIR's check and SpikingJelly know no groups."""
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    whole = np.zeros((weight.shape[0], inputs * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        rows = slice(g * outputs, (g + 1) * outputs)
        whole[rows, g * inputs : (g + 1) * inputs] = weight[rows]
    return whole


def sum_pool(site: Site) -> Described:
    """SumPool2d; with padding a Conv2d of ones, since nirtorch drops a SumPool2d's padding without saying so."""
    if not any(site.op.padding):
        return "SumPool2d", _windows(site)
    if site.op.kernel[0] != site.op.kernel[1]:
        return "NIR 1.0.8 computes the shape of a window that is not square wrongly"
    weight = expanded(np.ones((site.shape[0], 1, *site.op.kernel)), site.shape[0])
    return "Conv2d", _conv2d(site, weight, np.zeros(site.shape[0]), (1, 1))


def avg_pool(site: Site) -> Described:
    """AvgPool2d, zeros of the padding counted."""
    return "AvgPool2d", _windows(site)


def _windows(site: Site) -> Fields:
    op = site.op
    return {"kernel_size": np.array(op.kernel), "stride": np.array(op.stride), "padding": np.array(op.padding)}


def lif(site: Site) -> Described:
    """LIF: tau = dt times steps; r = 1 with input decay, so that r dt/tau = 1/steps, else steps, so that it is 1."""
    fault = _neuron_fault(site, "v0", "v_leak", "v_reset")
    if fault:
        return fault
    beta = site.array("beta")
    if beta is not None and not (site.full("beta") < 1).all():
        return "NIR's LIF has a time constant, which a beta of 1 or more is not"
    steps = site.full("tau") if beta is None else tau_of(site.full("beta"))
    return "LIF", {
        "tau": steps * site.dt,
        "r": np.ones(site.shape) if site.op.decay_input else steps,
        "v_leak": site.full("v_leak", "v_reset"),
        "v_reset": site.full("v_reset"),
        "v_threshold": written_threshold(site.full("v_threshold"), site.op.fires_at),
    }


def integrate_and_fire(site: Site) -> Described:
    """IF, with r = 1/dt so that r dt = 1."""
    fault = _neuron_fault(site, "v0", "v_reset")
    if fault:
        return fault
    return "IF", {
        "r": full(1.0 / site.dt, site.shape),
        "v_reset": site.full("v_reset"),
        "v_threshold": written_threshold(site.full("v_threshold"), site.op.fires_at),
    }


def _neuron_fault(site: Site, *first_membrane: str) -> str:
    """Why NIR cannot say this neuron. A delayed reset gives the same spikes; metadata say which membrane is meant."""
    op = site.op
    faults = {
        f"NIR's neurons reset to a value; this one has reset '{op.reset}'": op.reset != "hard",
        "NIR's neurons do not round; this one does": getattr(op, "rounding", "none") != "none",
        f"NIR has no refractory steps; this neuron has {op.refractory}": op.refractory != 0,
        "NIR has no first membrane; runtimes start at 0, this neuron does not": site.full(*first_membrane).any(),
        f"its membrane %{site.node.name}.v is used, and NIR's neurons give spikes only": _gives_membrane(site),
    }
    return next((fault for fault, applies in faults.items() if applies), "")


def _gives_membrane(site: Site) -> bool:
    value = f"{site.node.name}.v"
    return bool(site.graph.users(value)) or value in site.graph.outputs


def threshold(site: Site) -> Described:
    """Threshold."""
    return "Threshold", {"threshold": written_threshold(site.full("v_threshold"), site.op.fires_at)}


def scale(site: Site) -> Described:
    """Scale, the factor at every element."""
    return "Scale", {"scale": full(site.op.factor, site.shape)}


def add(site: Site) -> Described:
    """Scale by 1 of what its edges sum; only an Add that its users' edges cannot say by themselves comes here."""
    return "Scale", {"scale": np.ones(site.shape)}


def reshape(site: Site) -> Described:
    """Flatten, where neighbouring axes become one."""
    before, after = site.shape, site.op.shape
    merged = len(before) - len(after)
    for start in range(len(after) if merged >= 0 else 0):
        end = start + merged
        if before[:start] == after[:start] and before[end + 1 :] == after[start + 1 :]:
            ends = -1 if end == len(before) - 1 else end
            return "Flatten", {"input_type": np.array(before), "start_dim": start, "end_dim": ends}
    return f"NIR merges neighbouring axes only; this takes {list(before)} to {list(after)}"


def delay(site: Site) -> Described:
    """Delay, in seconds."""
    return "Delay", {"delay": site.full("steps") * site.dt}


STANDARD: Mapping[type[Op], Callable[[Site], Described]] = {
    Add: add,
    AvgPool: avg_pool,
    Conv1d: conv1d,
    Conv2d: conv2d,
    Delay: delay,
    IF: integrate_and_fire,
    LIF: lif,
    Linear: linear,
    Reshape: reshape,
    Scale: scale,
    SumPool: sum_pool,
    Threshold: threshold,
}


def standard(site: Site) -> Described:
    """The standard form of a node, or why it has none."""
    if not site.node.type.shape or not site.shape:
        return "NIR's values have at least one axis"
    form = STANDARD.get(type(site.op))
    return "NIR has no such node" if form is None else form(site)
