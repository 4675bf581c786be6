"""What has a state between the steps of one sample: neurons and delays."""

import re

import numpy as np

FIXED_POINT = re.compile(r"int\((\d+),([0-9.e+-]+)\)")


class Neuron:
    """A leaky (with tau or beta) or plain (without) integrate-and-fire layer, element by element.

    h = v + (x - (v - v_leak)) / tau            tau, decay_input
    h = v - (v - v_leak) / tau + x              tau, no decay_input
    h = v_leak + r((v - v_leak) beta) + x       beta, r being rounding
    h = v + x                                   neither
    q = [h >= v_threshold]                      fires_at '>=', or '>'
    v = v_reset where q, else h                 reset 'hard'
    v = h - q v_threshold                       reset 'soft'
    v = h                                       reset 'none'

    With reset_delay the state carried on is h, and a spike resets the next step: a hard reset before its leak, a soft
    one after it. For `refractory` steps after a spike the neuron stays at v_reset and does not fire. `state` is the
    fixed point that holds h, such as 'int(24,1.0)'; what it cannot hold is an OverflowError.
    """

    def __init__(
        self,
        shape,
        v_threshold,
        tau=None,
        beta=None,
        v_reset=None,
        v_leak=None,
        v0=None,
        reset="hard",
        decay_input=True,
        fires_at=">=",
        reset_delay=False,
        rounding="none",
        refractory=0,
        state=None,
    ):
        self.shape = tuple(shape)
        self.v_threshold = v_threshold
        self.tau = tau
        self.beta = beta
        self.v_reset = 0.0 if v_reset is None else v_reset
        self.v_leak = self.v_reset if v_leak is None else v_leak
        self.v0 = self.v_leak if v0 is None else v0
        self.kind = reset
        self.reset = RESETS[reset]
        self.fires = FIRINGS[fires_at]
        self.round = ROUNDINGS[rounding]
        self.decay_input = decay_input
        self.reset_delay = reset_delay
        self.refractory = refractory
        self.state = state and held_by(state)
        self.begin()

    def begin(self):
        """Forgets everything: the state before the first step of a sample."""
        self.v = np.broadcast_to(np.asarray(self.v0, dtype=np.float64), self.shape).copy()
        self.fired = np.zeros(self.shape, dtype=bool)
        self.resting = np.zeros(self.shape, dtype=np.int64)

    def step(self, x):
        """The spikes of one step; the membrane that is carried on stays in `v`."""
        late = self.reset_delay
        h = self.charged(np.where(self.fired, self.v_reset, self.v) if late and self.kind == "hard" else self.v, x)
        if late and self.kind == "soft":
            h = h - self.fired * self.v_threshold
        if self.state is not None:
            check_held(*self.state, h)
        q = self.fires(h, self.v_threshold)
        if self.refractory:
            awake = self.resting == 0
            h, q = np.where(awake, h, self.v_reset), q & awake
            self.resting = np.where(q, self.refractory, np.maximum(self.resting - 1, 0))
        self.v = h if self.reset_delay else self.reset(h, q, self)
        self.fired = q
        return q

    def charged(self, v, x):
        """The membrane with this step's input in it, before firing."""
        if self.beta is not None:
            return self.v_leak + self.round((v - self.v_leak) * self.beta) + x
        if self.tau is None:
            return v + x
        if self.decay_input:
            return v + (x - (v - self.v_leak)) / self.tau
        return v - (v - self.v_leak) / self.tau + x


def held_by(state):
    """The scale and the bits of a fixed point such as 'int(24,1.0)'."""
    bits, scale = FIXED_POINT.fullmatch(state).groups()
    return float(scale), int(bits)


def check_held(unit, bits, h):
    """Checks that a fixed point holds h: OverflowError, in range or as a whole multiple of its scale."""
    most = 2 ** (bits - 1)
    if not (-most <= h.min() / unit and h.max() / unit <= most - 1):
        raise OverflowError(f"the membrane reaches {h.min():g} to {h.max():g}, beyond {bits} bits of {unit:g}")
    if np.any(np.fmod(h, unit)):
        raise OverflowError(f"the membrane is no whole multiple of {unit:g}")


RESETS = {
    "hard": lambda h, q, neuron: np.where(q, neuron.v_reset, h),
    "soft": lambda h, q, neuron: h - q * neuron.v_threshold,
    "none": lambda h, q, neuron: h,
}
FIRINGS = {">=": np.greater_equal, ">": np.greater}
ROUNDINGS = {"none": lambda h: h, "toward_zero": np.trunc, "floor": np.floor}


class Delay:
    """The value of `steps` steps ago, zero before; steps an integer or one an element."""

    def __init__(self, shape, steps):
        self.steps = np.broadcast_to(np.asarray(steps).astype(np.int64), tuple(shape))
        self.longest = int(self.steps.max(initial=0))
        self.begin()

    def begin(self):
        """Forgets everything: zeros before the first step of a sample."""
        self.past = np.zeros((self.longest + 1, *self.steps.shape))

    def read(self):
        """The value of this step; what is delayed by 0 must have been written before."""
        return np.take_along_axis(self.past, self.steps[None], axis=0)[0]

    def write(self, x):
        """Stores this step's input, as the one of 0 steps ago."""
        self.past[0] = x

    def advance(self):
        """Ends the step: everything is one step older."""
        self.past = np.roll(self.past, 1, axis=0)
        self.past[0] = 0.0
