"""What each of NIR's neurons and integrators becomes.

The gain of the input decides the form: 1 (r = tau/dt, what snnTorch writes) is a LIF whose input does not decay, with
the share that is left after a step; r = 1 under forward Euler (SpikingJelly's decay_input) is one whose input decays,
with tau in steps; any other is a Scale before the former. NIR states no first membrane: it is the one at rest, v_leak,
and v_reset for an IF, which is what SpikingJelly and Norse start from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikec.errors import TraceError
from spikec.frontend.nir.clock import Clock, Leak
from spikec.frontend.nir.fields import Fields, Numbers
from spikec.frontend.nir.notes import Notes
from spikec.frontend.nir.parts import Part, Taker, close_to, number, scaled
from spikec.ir.builder import GraphBuilder, WeightLike
from spikec.ir.integrators import LI, I
from spikec.ir.neurons import IF, LIF, CubaLIF
from spikec.ir.op import Op
from spikec.ir.types import Role

FIRST = (
    "NIR states no first membrane: these start at v_leak, or v_reset if they do not leak, as in SpikingJelly and Norse"
)
TAUS = dict.fromkeys(("alpha", "beta", "tau"), "time constants")
"""What NIR states in place of these slots."""
CURRENT = "a current of this step charges the membrane of this step, as in snnTorch and SpikingJelly"


@dataclass(frozen=True)
class Membrane:
    """How a membrane is charged.

    Args:
        gain: of the input, 1 where it decays with the membrane.
        decay_input: whether it does.
        leak: the weights that say what is left after a step.
    """

    gain: Numbers
    decay_input: bool
    leak: Mapping[str, Numbers]


def membrane(leak: Leak, r: Numbers, clock: Clock, before: Numbers | float = 1.0) -> Membrane:
    """The form of tau dv/dt = (v_leak - v) + r x.

    Args:
        leak: of tau.
        r: as in the equation.
        clock: what a step is.
        before: what x was to be multiplied by already.

    Raises:
        TraceError: the numbers are of shapes that do not fit each other.
    """
    gain = _times(r, leak.weight)
    if close_to(gain, 1.0):
        return Membrane(_times(before, 1.0), False, {"beta": leak.share})
    if clock.integrator == "euler" and close_to(r, 1.0):
        return Membrane(_times(before, 1.0), True, {"tau": leak.steps})
    return Membrane(_times(before, gain), False, {"beta": leak.share})


def _times(a: Numbers | float, b: Numbers | float) -> Numbers:
    try:
        with np.errstate(over="ignore"):
            return np.asarray(np.multiply(a, b))
    except ValueError as error:
        shapes = f"{list(np.shape(a))} and {list(np.shape(b))}"
        raise TraceError(f"its parameters have the shapes {shapes}; NIR's have the same") from error


def lif(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """LIF."""
    leak, r, rest = clock.leak(fields.positive("tau")), fields.numbers("r"), fields.numbers("v_leak")
    found = membrane(leak, r, clock)
    voltages = _firing(fields) | {"v_leak": rest}
    _first(fields, notes, rest)
    return _part(LIF(decay_input=found.decay_input, fires_at=">"), found.gain, found.leak, voltages)


def integrate_and_fire(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """IF: an input weighs r dt."""
    r = fields.numbers("r")
    voltages = _firing(fields)
    _first(fields, notes, voltages.get("v_reset", np.zeros(())))
    return _part(IF(fires_at=">"), _times(r, clock.like(r)), {}, voltages)


def leaky_integrator(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """LI."""
    leak, r, rest = clock.leak(fields.positive("tau")), fields.numbers("r"), fields.numbers("v_leak")
    found = membrane(leak, r, clock)
    _first(fields, notes, rest)
    return _part(LI(decay_input=found.decay_input), found.gain, found.leak, {"v_leak": rest})


def integrator(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """I: an input weighs r dt."""
    r = fields.numbers("r")
    return _part(I(), _times(r, clock.like(r)), {}, {})


def cuba_lif(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """CubaLIF."""
    found, share, rest = _current_based(fields, clock, notes)
    op = CubaLIF(decay_input=found.decay_input, fires_at=">")
    return _part(op, found.gain, {"alpha": share, **found.leak}, _firing(fields) | {"v_leak": rest})


def cuba_li(fields: Fields, clock: Clock, notes: Notes) -> Part:
    """CubaLI: its current is an LI as well."""
    found, share, rest = _current_based(fields, clock, notes)
    charged = _part(LI(decay_input=found.decay_input), np.ones(()), found.leak, {"v_leak": rest})

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        if not close_to(found.gain, 1.0):
            x = scaled(build, scope, x, found.gain, Role.CONSTANT, inner=True)
        alpha = build.weight(f"{scope}.alpha", number(share, build.type(x).shape, TAUS["alpha"]))
        current = build.add(LI(decay_input=False), x, scope=scope, inner=True, names={"beta": alpha})
        return charged(build, scope, current)

    return part


def _current_based(fields: Fields, clock: Clock, notes: Notes) -> tuple[Membrane, Numbers, Numbers]:
    """The membrane with the gain of the whole, the share of the current that is left after a step, and v_leak."""
    synapse, leak = clock.leak(fields.positive("tau_syn")), clock.leak(fields.positive("tau_mem"))
    w_in = fields.numbers("w_in") if "w_in" in fields else np.ones(())
    rest = fields.numbers("v_leak")
    found = membrane(leak, fields.numbers("r"), clock, before=_times(w_in, synapse.weight))
    notes.add(CURRENT, fields.name)
    _first(fields, notes, rest)
    return found, synapse.share, rest


def _firing(fields: Fields) -> dict[str, Numbers]:
    """Threshold and reset; NIR's readers take a reset that is not stated for 0."""
    found = {"v_threshold": fields.numbers("v_threshold")}
    return found | ({"v_reset": fields.numbers("v_reset")} if "v_reset" in fields else {})


def _first(fields: Fields, notes: Notes, rest: Numbers) -> None:
    if rest.any():
        notes.add(FIRST, fields.name)


def _part(op: Op, gain: Numbers, leak: Mapping[str, Numbers], voltages: Mapping[str, Numbers]) -> Part:
    """A neuron with its gain before it; what is zero where the op takes zero is not stated."""

    def part(build: GraphBuilder, scope: str, x: str) -> str:
        shape = build.type(x).shape
        if not close_to(gain, 1.0):
            x = scaled(build, scope, x, gain, Role.CONSTANT, inner=True)
        said = {**leak, **{slot: v for slot, v in voltages.items() if _told(slot, voltages)}}
        weights: dict[str, WeightLike] = {
            slot: number(array, shape, TAUS.get(slot, slot)) for slot, array in said.items()
        }
        return build.add(op, x, scope=scope, weights=weights)

    return part


def _told(slot: str, voltages: Mapping[str, Numbers]) -> bool:
    """Whether a voltage is not what the op takes by itself: a reset of 0, a leak towards the reset."""
    usual = voltages.get("v_reset", np.zeros(())) if slot == "v_leak" else np.zeros(())
    return slot == "v_threshold" or not np.array_equal(_short(voltages[slot]), _short(usual))


def _short(numbers: Numbers) -> Numbers:
    """One number where all are equal."""
    first = numbers.reshape(-1)[0]
    return np.asarray(first) if (numbers == first).all() else numbers


NEURONS: Mapping[str, Taker] = {
    "CubaLI": cuba_li,
    "CubaLIF": cuba_lif,
    "I": integrator,
    "IF": integrate_and_fire,
    "LI": leaky_integrator,
    "LIF": lif,
}
