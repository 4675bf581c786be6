"""Random networks of integers and what they do once quantised, worked out in int64 by `lava_integers.py` alone.

Every value is held as codes [T, samples, *shape] and k: the numbers are codes times 2^-k. Nothing here is a line of the
pass or of a runner.
"""

import math

import numpy as np

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv1d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.pools import Mean, Sum
from spikec.ir.shapes import Concat, Constant, Reshape, Slice, Transpose
from spikec.ir.time import Delay, Repeat
from spikec.ir.types import SPIKE, Int, TensorType

LARGEST = 2**17 - 1
EXACT = 2**40
"""Codes beyond are not made use of, so that float64 holds every sum."""


class Network:
    """Grows by random pieces; `spikes`, `membranes` and `shown` are what it must give once quantised to `bits`.

    Args:
        seed: of all that is random.
        lava: the integer model.
    """

    def __init__(self, seed, lava):
        self.random = np.random.default_rng(seed)
        self.lava = lava
        self.build = GraphBuilder(lava.STEPS)
        self.bits = self.pick(8, 8, 4, 12)
        self.codes = {}
        self.data = {}
        self.shared = {}
        self.spikes, self.membranes, self.shown = {}, {}, {}
        self.refused = set()
        for number in range(self.pick(1, 1, 2)):
            self.input(number)

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def some(self, share=0.5):
        return self.random.random() < share

    def input(self, number):
        most, k = self.pick((1, 0), (1, 0), (3, 0), (3, 1))
        domain = SPIKE if most == 1 else Int(0, most, 2.0**-k)
        shape = (self.pick(2, 4), self.pick(2, 4, 6))
        name = self.build.input(f"in{number}", TensorType(shape, domain))
        codes = self.lava.spikes_in(shape, int(self.random.integers(2**32)), most)
        self.codes[name], self.data[name] = (codes, k), codes * 2.0**-k

    def any(self, *, small=False):
        """One of the last values; with `small`, one whose products stay exact."""
        found = [name for name, (codes, _) in self.codes.items() if np.abs(codes).max() <= (8 if small else EXACT)]
        return self.pick(*found[-4:])

    def add(self, op, *values, codes, k, **more):
        name = self.build.add(op, *values, scope=f"n{len(self.codes)}", **more)
        assert codes.shape[2:] == self.build.type(name).shape
        self.codes[name] = codes, k
        return name

    def number(self, output):
        """What an output must be, in the units that it had."""
        if output in self.shown:
            return self.shown[output]
        codes, k = self.codes[output]
        return codes * 2.0**-k

    def weight(self, *shape):
        return self.random.normal(self.pick(0, 0.1, 0.3), self.pick(0.05, 0.4, 1.5), shape)


def linear(n, x, share=0.2):
    """A Linear with a bias or without; at times one whose weight others use."""
    codes, k = n.codes[x]
    width, outputs = codes.shape[-1], n.pick(2, 4, 5)
    bias = n.random.normal(0, 0.3, outputs) if n.some() else None
    weights = {} if bias is None else {"bias": bias}
    if n.some(share):
        name = f"shared.{width}.{outputs}"
        if name not in n.shared:
            n.shared[name] = n.weight(outputs, width)
        weight, names = n.shared[name], {"weight": n.build.weight(name, n.shared[name])}
    else:
        weight, names = n.weight(outputs, width), {}
        weights["weight"] = weight
    own, finest = n.lava.codes_of(weight, n.bits)
    drive = biased(n, codes @ own.T, k + finest, bias)
    return n.add(Linear(), x, codes=drive, k=k + finest, weights=weights, names=names)


def twins(n, x):
    """A weight that drives neurons, and others or none."""
    found = [linear(n, value, share=1.0) for value in (x, x, n.any())]
    for value in found:
        if n.some(0.6):
            fires(n, value)
    return found[-1]


def biased(n, drive, k, bias, axis=-1):
    """The drive with a bias of 13 bits, no finer than itself."""
    if bias is None:
        return drive
    mantissa, own = n.lava.codes_of(bias, bits=13, finest=k)
    shape = [-1 if at == axis % drive.ndim else 1 for at in range(drive.ndim)]
    return drive + (mantissa << (k - own)).reshape(shape)


def convolution(n, x):
    codes, k = n.codes[x]
    if codes.ndim != 4 or codes.shape[-1] < 2:
        return linear(n, x)
    weight, bias = n.weight(3, codes.shape[2], 2), n.random.normal(0, 0.3, 3) if n.some() else None
    own, finest = n.lava.codes_of(weight, n.bits)
    places = range(codes.shape[-1] - 1)
    drive = np.stack([np.einsum("tbck,ock->tbo", codes[..., at : at + 2], own) for at in places], -1)
    weights = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return n.add(Conv1d(), x, codes=biased(n, drive, k + finest, bias, axis=2), k=k + finest, weights=weights)


def total(n, x):
    """A sum with a value of that shape, or with a table."""
    codes, k = n.codes[x]
    alike = [name for name, (other, _) in n.codes.items() if other.shape == codes.shape]
    table = n.weight(*codes.shape[2:]) if n.some(0.3) else None
    y = n.pick(*alike)
    other, own = n.codes[y] if table is None else n.lava.codes_of(table, n.bits)
    if abs(k - own) > 12 or max(np.abs(codes).max(), np.abs(other).max()) > EXACT:
        return x
    if table is not None:
        scope = f"table{len(n.codes)}"
        y = n.build.add(Repeat(), n.build.add(Constant(), scope=scope, weights={"value": table}), scope=f"{scope}.all")
    finest = max(k, own)
    return n.add(Add(), x, y, codes=(codes << (finest - k)) + (other << (finest - own)), k=finest)


def product(n, _):
    x = n.any(small=True)
    codes, k = n.codes[x]
    if n.some():
        return n.add(Mul(), x, x, codes=codes * codes, k=2 * k)
    return n.add(MatMul(False, True), x, x, codes=np.einsum("tbnd,tbmd->tbnm", codes, codes), k=2 * k)


def move(n, x):
    codes, k = n.codes[x]
    rows, columns = codes.shape[2:]
    late = np.concatenate([np.zeros_like(codes[:1]), codes[:-1]])
    whole = np.concatenate([codes, codes], 2)
    made = {
        Transpose((1, 0)): (codes.swapaxes(2, 3), (x,)),
        Reshape((columns, rows)): (codes.reshape(*codes.shape[:2], columns, rows), (x,)),
        Slice(0, 0, 1): (codes[:, :, :1], (x,)),
        Concat(0): (whole, (x, x)),
        Delay(): (late, (x,)),
    }
    op = n.pick(*made)
    found, values = made[op]
    return n.add(op, *values, codes=found, k=k, weights={"steps": 1.0} if isinstance(op, Delay) else None)


def scaled(n, x):
    codes, k = n.codes[x]
    power, sign = n.pick(-2, -1, 1, 2), n.pick(1, 1, -1)
    return n.add(Scale(sign * 2.0**power), x, codes=sign * codes, k=k - power)


def averaged(n, x):
    """Over rows, of which there may be four or two, and as many rows of it again."""
    codes, k = n.codes[x]
    rows = codes.shape[2]
    if rows not in (2, 4):
        return x
    summed = codes.sum(2, keepdims=True)
    shift, op = (int(math.log2(rows)), Mean((0,))) if n.some() else (0, Sum((0,)))
    y = n.add(op, x, codes=summed[:, :, 0], k=k + shift)
    del n.codes[y]  # a vector, of which the other pieces make nothing
    return n.add(Reshape((1, codes.shape[3])), y, codes=summed, k=k + shift)


def fires(n, x):
    """A neuron of random convention and numbers, and a membrane that is shown."""
    kind = n.pick("lif", "lif", "lif", "if", "cuba", "threshold", "levels")
    if kind == "threshold":
        return memoryless(n, x)
    if kind == "levels":
        return levels(n, x)
    drive, k = n.codes[x]
    op, weights, expected, gain = convention(n, kind, k)
    if expected is None:
        return refused(n, op, x, weights)
    q, v = n.lava.neuron_in_integers(drive, **expected)
    return fired(n, op, x, weights, q, v, gain, k) if is_held(drive, v, expected) else x


def is_held(drive, v, numbers):
    """Whether 24 bits hold the state, a current (of which a step leaves at most 3/4), and what it is before a reset."""
    return 64 * (4 * np.abs(drive).max() + numbers["threshold"]) + np.abs(v).max() < 2**23


def fired(n, op, x, weights, q, v, gain, k):
    name = n.add(op, x, codes=q, k=0, weights=weights)
    n.spikes[name], n.membranes[f"{name}.v"] = q, v
    rests = any(slot in weights for slot in ("v_reset", "v_leak"))
    if n.some(0.2) and not rests:
        n.shown[f"{name}.v"] = v / (64 * gain * 2.0**k)
    return name


def refused(n, op, x, weights):
    """A neuron whose threshold no chip holds."""
    n.refused.add(n.build.add(op, x, scope=f"refused{len(n.refused)}", weights=weights))
    return x


def convention(n, kind, k):
    """The op, its numbers as a user gives them, as integers (None where they are beyond 17 bits), and its gain."""
    reset, strict, late = n.pick("hard", "hard", "soft", "none"), n.some(), n.some(0.3)
    fields = {"reset": reset, "fires_at": ">" if strict else ">=", "reset_delay": late, "refractory": n.pick(0, 0, 2)}
    given = {"v_threshold": n.pick(0.3, 0.75, 1.0, 1.7)}
    if reset != "soft":
        given |= {"v_reset": n.pick(-0.3, 0.1)} if n.some(0.3) else {}
        given |= {"v_leak": n.pick(-0.1, 0.05)} if n.some(0.2) and kind != "if" else {}
    given |= {"v0": 0.2} if n.some(0.2) else {}
    gain, numbers = 1.0, {}
    if kind == "if":
        op = IF(**fields)
        rest = given.get("v_reset", 0.0) if reset == "hard" else 0.0
        start = given.get("v0", given.get("v_reset", 0.0))
    else:
        by_tau = n.some()
        value = n.pick(1.5, 2.0, 2.7) if by_tau else n.pick(0.3, 0.5, 0.9)
        given["tau" if by_tau else "beta"] = value
        input_decays = by_tau and n.some()
        gain = value if input_decays else 1.0
        numbers["m"] = round(4096 * (1 - 1 / value if by_tau else value))
        rest = given.get("v_leak", given.get("v_reset", 0.0))
        start = given.get("v0", rest)
        op = LIF(**fields, decay_input=input_decays)
        if kind == "cuba":
            op = CubaLIF(**fields, decay_input=input_decays)
            given["alpha"] = n.pick(0.25, 0.6)
            numbers["i"] = round(4096 * given["alpha"])
    unit = 2.0**k * gain
    above = (given["v_threshold"] - rest) * unit
    if reset == "soft":
        threshold = round(above)
    else:
        threshold, strict = (math.floor(above) if strict else math.ceil(above) - 1), True
    if not 0 <= threshold <= LARGEST:
        return op, given, None, gain
    numbers |= {"threshold": threshold, "strict": strict, "reset": reset, "late": late, "rest": fields["refractory"]}
    numbers |= {"to": round(64 * (given.get("v_reset", 0.0) - rest) * unit), "start": round(64 * (start - rest) * unit)}
    return op, given, numbers, gain


def memoryless(n, x):
    drive, k = n.codes[x]
    strict, voltage = n.some(), n.pick(-0.3, 0.25, 0.9)
    above = voltage * 2.0**k
    code = math.floor(above) if strict else math.ceil(above) - 1
    op, weights = Threshold(">" if strict else ">="), {"v_threshold": voltage}
    if abs(code) > LARGEST:
        return refused(n, op, x, weights)
    q = (drive > code).astype(np.int64)
    name = n.add(op, x, codes=q, k=0, weights=weights)
    n.spikes[name] = q
    return name


def levels(n, x):
    drive, k = n.codes[x]
    most, power = n.pick(2, 4), n.pick(0, 1)
    found = np.clip(np.rint(drive * 2.0**-k), 0, most).astype(np.int64)
    name = n.add(MultiLevelSpike(most, 2.0**-power), x, codes=found, k=power)
    n.spikes[name] = found * 2.0**-power
    return name


def loop(n, x):
    """A LIF whose spikes come back one step later through a Linear."""
    drive, k = n.codes[x]
    width = drive.shape[-1]
    weight = n.random.normal(-0.1, 0.4, (width, width))
    own, finest = n.lava.codes_of(weight, n.bits)
    unit = max(k, finest)
    if abs(k - finest) > 12 or np.abs(drive).max() > EXACT:
        return x
    op, weights, expected, gain = convention(n, "lif", unit)
    if expected is None:
        return x
    whole = drive << (unit - k)
    for t in range(1, len(drive)):
        q, _ = n.lava.neuron_in_integers(whole[:t], **expected)
        whole[t] += (q[-1] @ own.T) << (unit - finest)
    q, v = n.lava.neuron_in_integers(whole, **expected)
    if not is_held(whole, v, expected):
        return x
    back = n.build.feedback(n.build.type(x).with_domain(SPIKE), 1.0, f"back{len(n.codes)}")
    y = n.build.add(Linear(), back, scope=f"loop{len(n.codes)}", weights={"weight": weight})
    name = fired(n, op, n.build.add(Add(), x, y, scope=f"sum{len(n.codes)}"), weights, q, v, gain, unit)
    n.build.close(back, name)
    return name


def layer(n, x):
    y = n.pick(linear, linear, convolution)(n, x)
    for _ in range(n.pick(0, 0, 1, 2)):
        y = n.pick(total, move, scaled, averaged)(n, y)
    return fires(n, y)


PIECES = (layer, layer, layer, layer, twins, loop, product, total, move, fires, averaged)


def network(seed, lava):
    """A graph, its data, and what every neuron of it must do; `refused` are the paths that no integers can be for."""
    n = Network(seed, lava)
    for _ in range(n.pick(2, 3, 4, 6)):
        n.pick(*PIECES)(n, n.any())
    ends = [name for name in n.codes if name not in n.data][-n.pick(1, 2, 3) :] or [layer(n, n.any())]
    return n.build.graph(*dict.fromkeys([*ends, *n.shown, *(name for name in n.spikes if n.some(0.3))])), n
