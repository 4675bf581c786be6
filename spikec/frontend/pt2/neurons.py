"""Neurons that are one operator in a .pt2 file: our own, and those that SpikingJelly registers with torch.library.

SpikingJelly 2.0.0 registers `forward` of each of its neurons: sj_if, sj_lif, sj_plif (taken), sj_ilif, sj_clif, sj_eif,
sj_qif, sj_izhikevich, sj_stbif (refused by name), with the arguments of `_forward_impl` in its `_ops/*/reference.py`.
Each takes the membrane to start from and gives spikes, membranes and what the membranes were before the reset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from spikec.frontend.naming import Given
from spikec.frontend.pt2.program import Named, Value
from spikec.frontend.pt2.refusal import Refusal
from spikec.frontend.pt2.unrolled import LEAKY
from spikec.ir.neurons import IF, LIF, PLIF, FiresAt, IntegrateAndFire, Reset
from spikec.run.neurons import integrate, stepper


@dataclass(frozen=True)
class Fired:
    """A call of a neuron's operator.

    Args:
        op: the neuron.
        drive: the tensor that it takes.
        weights: numbers, or names of tensors, by slot.
        start: the tensor that its membrane starts from, where it is given one.
        v0: what that must be everywhere.
        last: whether its second result is the membrane after its last step.
        bare: whether the drive is that of one step, without an axis of time.
        clamped: slots whose numbers are brought between 0 and 1.
        goes_on: the first of the calls, of one step each, that this one goes on from, by its node's name.
    """

    op: IntegrateAndFire
    drive: Named
    weights: Mapping[str, float | Named]
    start: Named | None = None
    v0: float = 0.0
    last: bool = False
    bare: bool = False
    clamped: tuple[str, ...] = ()
    goes_on: str = ""

    def same_neuron(self, other: Fired) -> bool:
        """Whether both are one neuron, be it at other steps."""
        return (self.op, self.weights, self.v0) == (other.op, other.weights, other.v0)


class Layer(nn.Module):
    """A neuron of the file as a module: the op, computed as the interpreter does.

    Args:
        op: the neuron.
        weights: by slot.
    """

    def __init__(self, op: IntegrateAndFire, weights: Mapping[str, Given]) -> None:
        super().__init__()
        self.op = op
        self.given = dict(weights)

    def forward(self, x: Tensor) -> Tensor:
        """The spikes [T, ...] of a drive [T, ...]."""
        return torch.empty_like(x) if x.is_meta else integrate(self.op, x, _tensors(self.given, x))[0]

    def spikec_neuron(self) -> tuple[IntegrateAndFire, Mapping[str, Given]]:
        """The op, and its weights by slot."""
        return self.op, self.given


class SteppedLayer(nn.Module):
    """The same, one step a call: the membrane goes in and comes out.

    Args:
        op: the neuron.
        weights: by slot.
    """

    spikec_states = ("v",)

    def __init__(self, op: IntegrateAndFire, weights: Mapping[str, Given]) -> None:
        super().__init__()
        self.op = op
        self.given = dict(weights)

    def forward(self, x: Tensor, v: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spikes and membrane [B, ...] of a drive [B, ...] and the membrane of the step before."""
        if x.is_meta:
            return torch.empty_like(x), torch.empty_like(x)
        weights, owed = _tensors(self.given, x), None
        if v is not None:
            weights["v0"], owed = self._reset(v, weights) if self.op.reset_delay else (v, None)
        state: Any = stepper(self.op, weights, x)  # Any: a neuron's, with what its delayed reset owes
        state.owed = owed
        spikes, membrane = state.step(x)[:2]
        return spikes, membrane

    def _reset(self, v: Tensor, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The membrane of the step before, which it left as it was, reset; and what is to be taken from this step."""
        threshold = weights["v_threshold"]
        fired = v >= threshold if self.op.fires_at == ">=" else v > threshold
        if self.op.reset == "hard":
            return torch.where(fired, weights.get("v_reset", torch.zeros((), dtype=v.dtype)), v), None
        return v, fired.to(v.dtype) * threshold if self.op.reset == "soft" else None

    def spikec_neuron(self) -> tuple[IntegrateAndFire, Mapping[str, Given]]:
        """The op, and its weights by slot."""
        return self.op, self.given


def _tensors(given: Mapping[str, Given], like: Tensor) -> dict[str, Tensor]:
    return {slot: torch.as_tensor(weight, dtype=like.dtype).detach() for slot, weight in given.items()}


def _tensor(value: Value, what: str) -> Named:
    if not isinstance(value, Named):
        raise Refusal(f"its {what} is no tensor")
    return value


def _number(value: Value, what: str, least: float = -float("inf")) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= float(value) < float("inf"):
        raise Refusal(f"its {what} is {value!r:.40}")
    return float(value)


def _truth(value: Value, what: str) -> bool:
    if not isinstance(value, bool):
        raise Refusal(f"its {what} is {value!r:.40}")
    return value


def _word(value: Value, what: str, known: Sequence[str]) -> str:
    if value not in known:
        raise Refusal(f"its {what} is {value!r:.40}; one of {', '.join(known)} is expected")
    return str(value)


def ours(args: Sequence[Value]) -> Fired:
    """spikec::lif; see `spikec.snn.lif_op`."""
    if not 9 <= len(args) <= 10:
        raise Refusal(f"{len(args)} arguments; 9 or 10 are expected")
    x, tau, threshold, v_reset, reset, decay_input, fires_at, late, _ = args[:9]
    op = LIF(
        reset=cast(Reset, _word(reset, "reset", ("hard", "soft", "none"))),
        decay_input=_truth(decay_input, "decay_input"),
        fires_at=cast(FiresAt, _word(fires_at, "fires_at", (">=", ">"))),
        reset_delay=_truth(late, "reset_delay"),
    )
    if op.reset == "soft" and op.reset_delay:
        raise Refusal("a soft reset with reset_delay, which LIFNeuron does not do")
    weights = {"tau": _number(tau, "tau", 1.0), "v_threshold": _number(threshold, "threshold")}
    return Fired(op, _tensor(x, "input"), {**weights, "v_reset": _number(v_reset, "v_reset")})


def _spikingjelly(
    make: Callable[[Reset, bool], IntegrateAndFire], slot: str = "", *, decays: bool = True
) -> Callable[[Sequence[Value]], Fired]:
    """Takes sj_*::forward: x, v, then the slot's number and decay_input where it has them, then what all have."""

    def take(args: Sequence[Value]) -> Fired:
        own = (slot != "") + decays
        if len(args) < own + 6:
            raise Refusal(f"{len(args)} arguments; {own + 6} or more are expected")
        x, v = _tensor(args[0], "input"), _tensor(args[1], "membrane")
        threshold, reset = args[2 + own : 4 + own]
        weights: dict[str, float | Named] = {"v_threshold": _number(threshold, "threshold")}
        if slot:
            weights[slot] = _tensor(args[2], slot) if slot == "w" else _number(args[2], slot, 1.0)
        v0 = 0.0
        if reset is not None:
            weights["v_reset"] = v0 = _number(reset, "reset")
        op = make("soft" if reset is None else "hard", _truth(args[3], "decay_input") if decays else True)
        return Fired(op, x, weights, v, v0, last=args[own + 6 : own + 7] == (False,))  # store_v_seq

    return take


def _leaky(args: Sequence[Value]) -> Fired:
    """A step of snnTorch's Leaky; see `spikec.frontend.pt2.unrolled`."""
    x, before, beta, threshold, reset = args
    op = LIF(reset=cast(Reset, reset), decay_input=False, fires_at=">", reset_delay=True)  # a word of ours
    weights = {"beta": _tensor(beta, "beta"), "v_threshold": _tensor(threshold, "threshold")}
    return Fired(op, _tensor(x, "input"), weights, _tensor(before, "membrane"), last=True, bare=True, clamped=("beta",))


NEURONS: Mapping[str, Callable[[Sequence[Value]], Fired]] = {
    LEAKY: _leaky,
    "spikec.lif.default": ours,
    "sj_if.forward.default": _spikingjelly(lambda reset, _: IF(reset=reset), decays=False),
    "sj_lif.forward.default": _spikingjelly(lambda reset, decay: LIF(reset=reset, decay_input=decay), "tau"),
    "sj_plif.forward.default": _spikingjelly(lambda reset, decay: PLIF(reset=reset, decay_input=decay), "w"),
}
"""By the operator's name: what makes a neuron of its arguments, or raises Refusal."""
