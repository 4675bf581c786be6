"""The form of each op as a standard NIR node, or the reason why it has none.

A form gives the node's type and fields. `reader.py` holds the inverse for the weights, `simulate.py` NIR's own
meaning of the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikec.backend.nir.neurons import cuba_lif, integrate_and_fire, integrator, leaky_integrator, lif
from spikec.backend.nir.numbers import full, written_threshold
from spikec.backend.nir.site import Described, Fields, Site
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.integrators import LI, I
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Delay


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
    CubaLIF: cuba_lif,
    Delay: delay,
    I: integrator,
    IF: integrate_and_fire,
    LI: leaky_integrator,
    LIF: lif,
    Linear: linear,
    Reshape: reshape,
    Scale: scale,
    SumPool: sum_pool,
    Threshold: threshold,
}


def standard(site: Site) -> Described:
    """The standard form of a node, or why it has none."""
    form = STANDARD.get(type(site.op))
    if form is None:
        return "NIR has no such node"
    return form(site) if site.node.type.shape and site.shape else "NIR's values have at least one axis"
