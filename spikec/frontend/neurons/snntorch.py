"""snnTorch's neurons (1.0): what each class is as an op.

They fire at `>`. Without `reset_delay=False` a spike resets the next step. A delayed reset 'zero' of Lapicque, RLeaky
and Synaptic sets the whole next membrane to zero, so that that step's input is lost: refractory 1. The functions read
attributes only, so nothing here imports snnTorch. Source: `snntorch/_neurons/*.py`, 1.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from spikec.errors import TraceError
from spikec.frontend.naming import Given
from spikec.frontend.neurons.leaf import Leaf
from spikec.ir.neurons import LIF, Alpha, CubaLIF
from spikec.ir.op import Op

RESETS: Mapping[str, Literal["soft", "hard", "none"]] = {"subtract": "soft", "zero": "hard", "none": "none"}


def leaky(module: Any) -> Leaf:  # Any: its package is not imported
    """Leaky: mem = beta mem + x; `graded_spikes_factor` multiplies the spikes."""
    op = LIF(reset=_reset(module), decay_input=False, fires_at=">", reset_delay=bool(module.reset_delay))
    made = _leaf(module, op, {"beta": _share(module.beta)}, {"mem": "v"})
    return replace(made, factor=_unless_one(module.graded_spikes_factor))


def rleaky(module: Any) -> Leaf:  # Any: see leaky
    """RLeaky: the spikes of the step before come back through `recurrent` and are added to x."""
    delayed = bool(module.reset_delay)
    rest = _rest(module) if delayed else 0
    op = LIF(reset=_reset(module), decay_input=False, fires_at=">", reset_delay=delayed, refractory=rest)
    made = _leaf(module, op, {"beta": _share(module.beta)}, {"spk": "", "mem": "v"})
    return replace(made, recurrent=module.recurrent)


def lapicque(module: Any) -> Leaf:  # Any: see leaky
    """Lapicque: mem = (1 - dt/RC) mem + x R (1/RC) dt, the gains multiplied one after the other."""
    r, c, dt = (_number(n) for n in (module.R, module.C, module.time_step))
    op = LIF(reset=_reset(module), decay_input=False, fires_at=">", reset_delay=True, refractory=_rest(module))
    made = _leaf(module, op, {"beta": _plain(1 - dt / (r * c))}, {"mem": "v"})
    gains = [_unless_one(gain) for gain in (r, 1 / (r * c), dt)]
    return replace(made, gains=tuple(gain for gain in gains if gain is not None))


def synaptic(module: Any) -> Leaf:  # Any: see leaky
    """Synaptic: syn = alpha syn + x, mem = beta mem + syn; a reset leaves syn as it is."""
    delayed = bool(module.reset_delay)
    rest = _rest(module) if delayed else 0
    op = CubaLIF(reset=_reset(module), fires_at=">", reset_delay=delayed, refractory=rest)
    weights = {"alpha": _share(module.alpha), "beta": _share(module.beta)}
    return _leaf(module, op, weights, {"syn": "i", "mem": "v"})


def alpha(module: Any) -> Leaf:  # Any: see leaky
    """Alpha: the membrane is the difference of two leaking currents."""
    reset = _reset(module)
    if reset == "soft":
        raise TraceError(
            "its reset 'subtract' subtracts the currents of another neuron than its own", mend="reset_mechanism='zero'"
        )
    weights = {"alpha": _share(module.alpha), "beta": _share(module.beta)}
    op = Alpha(reset=reset, fires_at=">")
    return _leaf(module, op, weights, {"syn_exc": None, "syn_inh": None, "mem": "v"})


def reset(module: Any) -> None:  # Any: see leaky
    """Sets the states that a neuron keeps to zero."""
    if hasattr(module, "reset_mem"):
        module.reset_mem()


def _leaf(
    module: Any, op: Op, weights: Mapping[str, Given], states: Mapping[str, str | None]
) -> Leaf:  # Any: see leaky
    _check(module, op)
    numbers = {**weights, "v_threshold": _plain(module.threshold)}
    hidden = bool(module.init_hidden)
    gives = bool(module.output) or not hidden
    return Leaf(op, numbers, stepped=True, states=states, takes=not hidden, gives=gives, keeps=True)


def _check(module: Any, op: Op) -> None:  # Any: see leaky
    """Raises TraceError for what would make the module another neuron than its op."""
    if module.inhibition:
        raise TraceError("inhibition=True lets one neuron of a layer fire at most", mend="inhibition=False")
    if module.state_quant:
        raise TraceError("state_quant rounds its membrane", mend="state_quant=False; quantise the graph instead")
    if (torch.as_tensor(module.threshold) < 0).any():
        raise TraceError("its threshold is below 0, so that a membrane at rest fires", mend="a threshold of 0 or more")
    if _reset(module) == "soft" and not getattr(module, "reset_delay", True):
        raise TraceError(
            "reset 'subtract' with reset_delay=False is no soft reset: a membrane still above the threshold after its "
            "reset counts as a spike of the next step and is reset again",
            mend="reset_delay=True, or reset_mechanism='zero'",
        )


def _reset(module: Any) -> Literal["soft", "hard", "none"]:  # Any: see leaky
    return RESETS[module.reset_mechanism]


def _rest(module: Any) -> int:  # Any: see leaky
    return 1 if _reset(module) == "hard" else 0


def _share(value: Tensor) -> Given:
    """A leak, which snnTorch clamps to 0..1 in every step."""
    clamped = value.detach().clamp(0, 1)
    return value if torch.equal(clamped, value.detach()) and isinstance(value, torch.nn.Parameter) else clamped


def _number(value: Tensor | float) -> Tensor:
    return torch.as_tensor(value).detach().double()


def _plain(value: Tensor) -> Given:
    """A parameter as it is; another tensor of one element as a number."""
    if isinstance(value, torch.nn.Parameter) or torch.as_tensor(value).numel() > 1:
        return value
    return float(value)


def _unless_one(value: Tensor) -> Given | None:
    """A factor, or None where it is 1 everywhere and not learnt."""
    return None if not isinstance(value, torch.nn.Parameter) and bool((value == 1).all()) else _plain(value)
