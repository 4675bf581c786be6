"""SpikingJelly's neurons (2.x, `activation_based.neuron`): what each class is as an op.

They fire at `>=`. With v_reset None the reset is soft and the membrane leaks towards 0, else hard, and it leaks towards
v_reset, where it starts. The surrogate function decides gradients alone, unless its `spiking` is off. The functions
read attributes only, so nothing here imports SpikingJelly. Source: `reference.py` of its `_ops/if_`, `_ops/lif` and
`_ops/plif`, and `_ops/reset.py`, 2.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from spikec.errors import TraceError
from spikec.frontend.naming import Given
from spikec.frontend.neurons.leaf import Leaf
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.op import Op


def if_node(module: Any) -> Leaf:  # Any: its package is not imported
    """IFNode: h = v + x."""
    return _leaf(module, IF(reset=_reset(module)), {})


def lif_node(module: Any) -> Leaf:  # Any: see if_node
    """LIFNode: tau in steps, with and without decay of the input."""
    return _leaf(module, LIF(reset=_reset(module), decay_input=bool(module.decay_input)), {"tau": float(module.tau)})


def parametric_lif_node(module: Any) -> Leaf:  # Any: see if_node
    """ParametricLIFNode: 1/tau = sigmoid(w), w a parameter."""
    return _leaf(module, PLIF(reset=_reset(module), decay_input=bool(module.decay_input)), {"w": module.w})


def reset(module: Any) -> None:  # Any: see if_node
    """Sets every memory of a MemoryModule to what it was made with."""
    module.reset()


def _reset(module: Any) -> Literal["hard", "soft"]:  # Any: see if_node
    return "soft" if module.v_reset is None else "hard"


def _leaf(module: Any, op: Op, weights: Mapping[str, Given]) -> Leaf:  # Any: see if_node
    _check(module)
    numbers = {**weights, "v_threshold": float(module.v_threshold)}
    start = 0.0
    if module.v_reset is not None:
        numbers["v_reset"] = start = float(module.v_reset)
    return Leaf(op, numbers, stepped=module.step_mode == "s", states={"v": "v"}, keeps=True, start=start)


def _check(module: nn.Module) -> None:
    """Raises TraceError for what would make the module another neuron."""
    if not getattr(getattr(module, "surrogate_function", None), "spiking", True):
        raise TraceError("its surrogate function has spiking=False: it emits real numbers", mend="set spiking=True")
    if getattr(module, "_neuron_precision", None) is not None:
        raise TraceError("it computes in a precision of its own", mend="leave the neuron precision unset")
