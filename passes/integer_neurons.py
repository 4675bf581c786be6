"""Neurons in the integers of Loihi and Lava: what each becomes, or why it cannot.

The membrane is a whole number, 64 to a unit of the drive; a step leaves a whole number of 4096 parts of it, rounded
toward zero; it fires above a whole number of the drive's units. Sources: Davies et al. 2018, sec. II; the fixed-point
LIF of lava-nc 0.10; the recorded spikes of lava-dl's PilotNet, which these rules give bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passes.fixed_point import on_grid, stored
from spikec.ir.graph import Graph, Node
from spikec.ir.neurons import IF, LIF, PLIF, CubaLIF, FiresAt, IntegrateAndFire, Threshold
from spikec.ir.op import Op
from spikec.ir.types import IntFormat, Role, Weight

Floats = NDArray[np.float64]
FRACTION = 64.0
"""Membrane units in a unit of the drive: six binary digits, for what a leak leaves."""
THRESHOLD_BITS, MEMBRANE_BITS = 17, 24
"""Of a threshold mantissa and of a membrane on Loihi."""
LARGEST = 2**THRESHOLD_BITS - 1


@dataclass(frozen=True, eq=False)
class IntegerNeuron:
    """What a neuron becomes.

    Args:
        op: the neuron.
        weights: by slot, all in fixed point.
        factor: that its drive is to be multiplied by.
        shown: of each further result that is taken, the factor that gives it the units that it had.
    """

    op: Op
    weights: Mapping[str, Weight]
    factor: float
    shown: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class _Given:
    """The numbers of a neuron by slot, and what they are there for."""

    numbers: Mapping[str, Floats]
    roles: Mapping[str, Role]

    def get(self, slot: str, default: Floats) -> Floats:
        """The numbers of a slot, or `default` where there is none."""
        return self.numbers.get(slot, default)

    def role(self, *slots: str) -> Role:
        """Of the first of these that is given."""
        return next((self.roles[slot] for slot in slots if slot in self.roles), Role.CONSTANT)


@dataclass(frozen=True, eq=False)
class _Leak:
    """How a neuron leaks.

    Args:
        op: the same neuron without decay_input, and rounding where it leaks.
        gain: what its voltages are multiplied by, so that the drive enters whole: tau with decay_input.
        shares: of the membrane, and of a current, that a step leaves, by slot.
        rest: the voltage that the membrane leaks to.
        start: the voltage before the first step.
    """

    op: IntegrateAndFire
    gain: Floats
    shares: Mapping[str, Floats]
    rest: Floats
    start: Floats


ONE, ZERO = np.ones(()), np.zeros(())


def integer_neuron(graph: Graph, node: Node, unit: float, decay_bits: int) -> IntegerNeuron | str:
    """The neuron in integers, or the reason why it has none.

    Args:
        graph: the graph of `node`.
        node: a Threshold or one of `LEAKS`.
        unit: the power of two that its drive is a whole multiple of.
        decay_bits: leaks are shares of 2^decay_bits.
    """
    weights = {slot: graph.weights[name] for slot, name in node.weights.items()}
    numbers = {slot: weight.values.astype(np.float64) for slot, weight in weights.items()}
    given = _Given(numbers, {slot: weight.role for slot, weight in weights.items()})
    if isinstance(node.op, Threshold):
        return _integer_threshold(node.op, given, unit)
    leak = LEAKS[type(node.op)](node.op, given)
    if leak.op.reset == "soft" and leak.rest.any():
        return "its threshold is subtracted, and it rests at another voltage than 0: both cannot be shifted"
    taken = [value for value in node.results if value != node.name and (graph.users(value) or value in graph.outputs)]
    return _integer(leak, given, unit, decay_bits, [value.removeprefix(f"{node.name}.") for value in taken])


def _integer_threshold(op: Threshold, given: _Given, unit: float) -> IntegerNeuron | str:
    codes, fires_at = _strict(given.numbers["v_threshold"] / unit, op.fires_at)
    if np.abs(codes).max() > LARGEST:
        return _beyond(codes)
    weight = stored(codes, IntFormat(THRESHOLD_BITS + 1, unit), given.role("v_threshold"))
    return IntegerNeuron(replace(op, fires_at=fires_at), {"v_threshold": weight}, 1.0, {})


def _integer(leak: _Leak, given: _Given, unit: float, decay_bits: int, taken: Sequence[str]) -> IntegerNeuron | str:
    above = (given.numbers["v_threshold"] - leak.rest) * leak.gain / unit
    hard = leak.op.reset != "soft"
    codes, fires_at = _strict(above, leak.op.fires_at) if hard else (np.rint(above), leak.op.fires_at)
    if not 0 <= codes.min() <= codes.max() <= LARGEST:
        return _beyond(codes)
    weights = {"v_threshold": stored(codes, IntFormat(THRESHOLD_BITS, FRACTION, False), given.role("v_threshold"))}
    for slot, share in leak.shares.items():
        weight = on_grid(share, 2.0**-decay_bits, decay_bits + 1, given.role(slot, "tau", "w"), signed=False)
        if weight is None or weight.values.max() > 1:
            return f"a step leaves {share.min():g} to {share.max():g} of its state; 0 to 1 expected"
        weights[slot] = weight
    for slot, voltage in _voltages(leak, given, unit).items():
        weight = on_grid(FRACTION * voltage, 1.0, MEMBRANE_BITS, given.role(slot))
        if weight is None:
            return f"{slot} is {np.abs(voltage).max():g} units of its drive, beyond {MEMBRANE_BITS} bits of membrane"
        weights[slot] = weight
    shown = {"i": unit / FRACTION, "v": unit / FRACTION / float(leak.gain.flat[0])}
    if "v" in taken and (leak.rest.any() or np.ptp(leak.gain) > 0):
        return "its membrane is taken by others, who would miss its resting voltage or its tau of each element"
    op = replace(leak.op, fires_at=fires_at, state=IntFormat(MEMBRANE_BITS))
    return IntegerNeuron(op, weights, FRACTION / unit, {suffix: shown[suffix] for suffix in taken})


def _voltages(leak: _Leak, given: _Given, unit: float) -> dict[str, Floats]:
    """The voltages above rest that must be said, in units of the drive."""
    found = {"i0": given.get("i0", ZERO) / unit}
    if leak.op.reset == "hard" or leak.op.refractory:
        found["v_reset"] = (given.get("v_reset", ZERO) - leak.rest) * leak.gain / unit
    found["v0"] = (leak.start - leak.rest) * leak.gain / unit
    said = {slot for slot, voltage in found.items() if voltage.any()}
    if "v_reset" in said:  # what is not given would be v_reset too
        said |= {"v0"}
        found["v_leak"] = ZERO
        said |= set() if isinstance(leak.op, IF) else {"v_leak"}
    return {slot: voltage for slot, voltage in found.items() if slot in said}


def _strict(above: Floats, fires_at: FiresAt) -> tuple[Floats, FiresAt]:
    """The whole number above which it fires: what is exact for a membrane without fraction is taken for any."""
    return (np.ceil(above) - 1 if fires_at == ">=" else np.floor(above)), ">"


def _beyond(codes: Floats) -> str:
    said = " to ".join(f"{code:.0f}" for code in sorted({codes.min(), codes.max()}))
    return f"its threshold is {said} units of its drive; 0 to {LARGEST} fit"


def _lif(op: LIF | CubaLIF, given: _Given) -> _Leak:
    rest = given.get("v_leak", given.get("v_reset", ZERO))
    shares = {"beta": _left(given, "beta", "tau")}
    if isinstance(op, CubaLIF):
        shares["alpha"] = _left(given, "alpha", "tau_syn")
    gain = given.numbers["tau"] if op.decay_input else ONE
    whole = replace(op, decay_input=False, rounding="toward_zero")
    return _Leak(whole, gain, shares, rest, given.get("v0", rest))


def _left(given: _Given, share: str, tau: str) -> Floats:
    return given.numbers[share] if share in given.numbers else 1 - 1 / given.numbers[tau]


def _plif(op: PLIF, given: _Given) -> _Leak:
    tau = 1 + np.exp(-given.numbers["w"])
    firing = {field.name: getattr(op, field.name) for field in fields(IntegrateAndFire)}
    plain = LIF(**firing, decay_input=op.decay_input)
    return _lif(plain, _Given({**given.numbers, "tau": tau}, given.roles))


def _if(op: IF, given: _Given) -> _Leak:
    reset = given.get("v_reset", ZERO)
    return _Leak(op, ONE, {}, reset if op.reset == "hard" else ZERO, given.get("v0", reset))


# Any: each function takes the op of its own key.
LEAKS: dict[type[Op], Callable[[Any, _Given], _Leak]] = {IF: _if, LIF: _lif, PLIF: _plif, CubaLIF: _lif}
