"""Random networks in which every number is exact in fp64, so that function is kept bit for bit or not at all.

Weights are whole multiples of 1/4, voltages and factors powers of two or multiples of 1/8, gains of a BatchNorm powers
of two, sizes that something is averaged over powers of two, T is 4. Every network ends in a neuron on all that
nothing took.
"""

import numpy as np
from hypothesis import strategies as st

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import FLOAT64, REAL, SPIKE, Int, Role, TensorType, Timing, Weight

STEPS = 4
SIZES = (2, 4)


class Network:
    """A network that grows by random pieces, each on values that are there already."""

    def __init__(self, draw):
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.build = GraphBuilder(STEPS)
        self.values = []
        self.taken = set()
        self.scope = ""
        self.shared = {}

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def some(self):
        return self.draw(st.booleans())

    def shape(self, value):
        return self.build.type(value).shape

    def input(self, *choices):
        kind = self.pick(*choices)
        name = self.build.input(f"in{len(self.values)}", kind)
        self.values.append(name)
        return name

    def any(self, rank, step=True):
        """A value of that rank, of the last ones; a new input where there is none."""
        timing = Timing.STEP if step else Timing.ONCE
        found = [v for v in self.values if len(self.shape(v)) == rank and self.build.type(v).timing is timing]
        if found:
            return self.pick(*found[-4:])
        shape = tuple(self.pick(*SIZES) for _ in range(rank))
        return self.input(*(TensorType(shape, domain, timing) for domain in (SPIKE, Int(0, 3), REAL)))

    def alike(self, x):
        """The values of x's shape and timing, itself too."""
        kind = self.build.type(x)
        kinds = {v: self.build.type(v) for v in self.values}
        return [v for v, other in kinds.items() if (other.shape, other.timing) == (kind.shape, kind.timing)]

    def back(self, x, domain):
        """A value of x's shape that comes back later."""
        steps = self.pick(1.0, 2.0, Weight(self.random.integers(1, 3, self.shape(x)) * 1.0, Role.CONSTANT, FLOAT64))
        return self.build.feedback(
            self.build.type(x).with_domain(domain), steps, f"{self.scope}.back{len(self.values)}"
        )

    def add(self, op, *inputs, weights=None, names=None):
        self.taken.update(inputs)
        scope = f"{self.scope}.{op.mnemonic}{len(self.values)}"
        made = self.build.add(op, *inputs, scope=scope, weights=weights, names=names)
        self.values.append(made)
        return made

    def membrane(self, q):
        """The membrane of a neuron, a value beside its spikes."""
        self.values.append(f"{q}.v")
        return f"{q}.v"

    def numbers(self, *shape, role=Role.PARAMETER):
        return Weight(self.random.integers(-3, 6, shape) / 4.0, role, FLOAT64)

    def bias(self, size):
        return {"bias": self.numbers(size)} if self.some() else {}


def stored(n, x):
    """A linear op."""
    shape = n.shape(x)
    outputs = n.pick(*SIZES)
    if len(shape) == 3:
        groups = n.pick(1, 1, 2) if shape[0] % 2 == 0 else 1
        op = Conv2d(n.pick((1, 1), (2, 1)), n.pick((0, 0), (1, 1)), (1, 1), groups)
        kernel = n.pick((1, 1), (2, 2)) if min(shape[1:]) > 1 else (1, 1)
        return n.add(op, x, weights={"weight": n.numbers(outputs, shape[0] // groups, *kernel), **n.bias(outputs)})
    if len(shape) == 2 and n.some():
        groups = n.pick(1, 2) if shape[0] % 2 == 0 else 1
        op = Conv1d((1,), (0,), (1,), groups)
        return n.add(op, x, weights={"weight": n.numbers(outputs, shape[0] // groups, 1), **n.bias(outputs)})
    if n.pick(False, False, True):  # a weight that several nodes may use
        name = f"shared.{shape[-1]}.{outputs}"
        if name not in n.shared:
            n.shared[name] = n.build.weight(name, n.numbers(outputs, shape[-1]))
        return n.add(Linear(), x, names={"weight": n.shared[name]})
    return n.add(Linear(), x, weights={"weight": n.numbers(outputs, shape[-1]), **n.bias(outputs)})


def norm(n, x):
    axis = n.pick(*range(len(n.shape(x))))
    size = n.shape(x)[axis]
    weights = {
        "mean": n.numbers(size, role=Role.STATISTIC),
        "var": Weight(n.random.choice([0.25, 1.0, 4.0], size), Role.STATISTIC, FLOAT64),
    }
    weights |= (
        {"weight": Weight(n.random.choice([0.5, 1.0, -1.0, 2.0], size), Role.PARAMETER, FLOAT64)} if n.some() else {}
    )
    return n.add(BatchNorm(axis, 0.0), x, weights=weights | n.bias(size))


def scale(n, x):
    return n.add(Scale(n.pick(0.125, 0.5, 1.0, 2.0, -1.0)), x)


def move(n, x):
    shape = n.shape(x)
    flat = int(np.prod(shape))
    orders = [tuple(range(len(shape)))[::-1], (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)[-len(shape) :]]
    ops = [
        Reshape(n.pick(shape, (flat,), (flat, 1), *(((2, flat // 2), (flat // 2, 2)) if flat % 2 == 0 else ()))),
        Transpose(n.pick(tuple(range(len(shape))), *(o for o in orders if sorted(o) == list(range(len(shape)))))),
        Slice(0, 0, n.pick(shape[0], max(1, shape[0] // 2))),
        Pad((n.pick(0, 1),) + (0,) * (len(shape) - 1), (n.pick(0, 1),) + (0,) * (len(shape) - 1)),
        Expand(shape),
    ]
    return n.add(n.pick(*ops), x)


def cut(n, x):
    """Slices, and the whole of them again."""
    size = n.shape(x)[0]
    if size < 2:
        return x
    pieces = [n.add(Slice(0, 0, size // 2), x), n.add(Slice(0, size // 2, size), x)]
    return n.add(Concat(0), *(pieces if n.some() else pieces[::-1]))


def pool(n, x):
    shape = n.shape(x)
    if len(shape) != 3:
        return n.add(Sum((0,)), x) if len(shape) == 2 else x
    if min(shape[1:]) < 2:
        return n.add(Upsample(n.pick((1, 1), (2, 1))), x)
    return n.add(n.pick(MaxPool, MaxPool, SumPool, AvgPool)(padding=n.pick((0, 0), (1, 0))), x)


def highest(n, x):
    """A maximum of spikes."""
    x = n.any(3)
    y = n.add(
        IF(), n.add(Conv2d(), x, weights={"weight": n.numbers(2, n.shape(x)[0], 1, 1)}), weights={"v_threshold": 0.5}
    )
    return n.add(MaxPool((2, 2), n.pick((1, 1), (2, 2)), n.pick((0, 0), (1, 1))), y) if min(n.shape(y)[1:]) > 1 else y


def neuron(n, x):
    shape = n.shape(x)
    fields = {"reset": n.pick("hard", "soft"), "fires_at": n.pick(">=", ">"), "reset_delay": n.pick(False, True)}
    fields |= {"refractory": n.pick(0, 0, 1)}
    voltage = n.pick(0.25, 0.5, 1.0)
    channels = Weight(n.random.choice([0.25, 0.5, 1.0], (shape[0], *[1] * (len(shape) - 1))), Role.CONSTANT, FLOAT64)
    weights = {"v_threshold": n.pick(voltage, channels)}
    weights |= {"v_reset": -0.125} if n.some() else {}
    kind = n.pick("lif", "lif", "if", "cuba", "threshold", "levels")
    if kind == "levels":
        return n.add(MultiLevelSpike(n.pick(2, 4), n.pick(0.25, 1.0)), x)
    if kind == "threshold":
        return n.add(Threshold(n.pick(">=", ">")), x, weights={"v_threshold": weights["v_threshold"]})
    if kind == "if":
        q = n.add(IF(**fields), x, weights=weights)
    elif kind == "cuba":
        q = n.add(CubaLIF(**fields), x, weights=weights | {"alpha": 0.5, "beta": 0.5})
    else:
        q = n.add(LIF(**fields, decay_input=n.some()), x, weights=weights | {"tau": 2.0})
    return n.membrane(q) if n.pick(False, False, False, False, True) else q


def layer(n, x):
    """What passes look for: a norm before or behind a linear op, moves and factors between, then a neuron."""
    y = norm(n, x) if n.pick(False, False, True) else x
    y = stored(n, y)
    y = move(n, y) if n.pick(False, False, True) else y
    y = norm(n, y) if n.some() else y
    y = scale(n, y) if n.pick(False, False, True) else y
    return neuron(n, y)


def attention(n, _):
    """Spikes of three linears on one value, and their product."""
    x = n.any(2)
    width = n.pick(*SIZES)
    made = []
    for _ in range(3):
        y = n.add(Linear(), x, weights={"weight": n.numbers(width, n.shape(x)[1])})
        made.append(n.add(IF(), y, weights={"v_threshold": 0.5}))
    q, k, v = made
    if n.some():
        k, turned = n.add(Transpose((1, 0)), k), False
    else:
        turned = True
    if n.some():
        return n.add(MatMul(), scale(n, n.add(MatMul(transpose_b=turned), q, k)), v)
    return scale(n, n.add(MatMul(), q, n.add(MatMul(transpose_a=turned), k, v)))


def integrated(n, x):
    return n.add(I(), x) if n.some() else n.add(LI(), x, weights={"tau": 2.0})


def late(n, x):
    return n.add(Delay(), x, weights={"steps": float(n.pick(0, 1))})


def loop(n, x):
    """A neuron that is fed back through a linear op, some steps later."""
    width = n.shape(x)[-1]
    back = n.back(x, SPIKE)
    y = n.add(Add(), x, n.add(Linear(), back, weights={"weight": n.numbers(width, width)}))
    y = scale(n, y) if n.pick(False, False, True) else y
    op = n.pick(IF(), IF("soft"), LIF(decay_input=False))
    q = n.add(op, y, weights={"v_threshold": 0.75, **({"beta": 0.5} if isinstance(op, LIF) else {})})
    n.build.close(back, q)
    return q


def echo(n, x):
    """Numbers that come back, moved and halved, around what else there is."""
    x = n.add(Scale(0.5), n.add(LI(), x, weights={"tau": 2.0}))
    back = n.back(x, REAL)
    moved = n.add(Reshape(n.shape(x)), back)
    y = n.add(Add(), x, n.add(Scale(0.5), moved))
    n.build.close(back, y)
    return y


def joined(n, x):
    """With another value of that kind, or a table."""
    alike = n.alike(x)
    if n.build.type(x).timing is Timing.ONCE and n.some():
        alike = [n.add(Constant(), weights={"value": n.numbers(*n.shape(x))})]
        alike = [n.add(n.pick(Scale(0.5), Scale(2.0)), *alike)] if n.some() else alike
    return n.add(n.pick(Add(), Add(), Mul()), x, n.pick(*alike))


def image(n, _):
    """What does not change from step to step, up to a Repeat, or to two."""
    x = n.any(n.pick(2, 3), step=False)
    for piece in n.draw(st.lists(st.sampled_from([stored, norm, move, pool, joined]), max_size=3)):
        x = piece(n, x)
    if n.some():
        x = n.add(Threshold(), x, weights={"v_threshold": 0.25})
    y = repeated(n, x)
    return repeated(n, x) if n.pick(False, False, True) else y


def again(n, x):
    """What is known at the end only, at every step again; or with what was known before."""
    x = head(n, x)
    x = joined(n, x) if n.some() else x
    return repeated(n, x) if n.some() and n.shape(x) else x


def repeated(n, x):
    x = n.add(Repeat(), x)
    for piece in n.draw(st.lists(st.sampled_from([stored, norm, scale, move, pool]), max_size=3)):
        x = piece(n, x)
    return neuron(n, x)


PIECES = (
    layer,
    layer,
    layer,
    attention,
    attention,
    highest,
    joined,
    pool,
    move,
    cut,
    scale,
    neuron,
    late,
    loop,
    loop,
    echo,
    integrated,
    image,
    image,
    again,
)


@st.composite
def networks(draw):
    """A verified graph of one to six pieces, with outputs per step and over time."""
    n = Network(draw)
    n.any(draw(st.sampled_from([2, 3])))
    for number, piece in enumerate(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7))):
        n.scope = f"blocks.{number}"
        found = [v for v in n.values if n.build.type(v).timing is Timing.STEP and n.shape(v)]
        piece(n, n.pick(*found[-3:]))
    n.scope = "head"
    outputs = [head(n, v) for v in list(n.values)[::-1] if v not in n.taken or v == n.values[-1]]
    if n.some():
        outputs.append(n.pick(*n.values))
    kept = outputs[: n.pick(1, 3, 9)]  # what reaches none of them is dead
    return n.build.graph(*kept)


def head(n, x):
    if n.build.type(x).timing is Timing.ONCE:
        return x
    x = n.add(n.pick(TimeMean, TimeMean, TimeSum, TimeLast)(), x)
    x = n.add(Add(), scale(n, x), x) if n.pick(False, False, True) else x
    for piece in n.draw(st.lists(st.sampled_from([stored, move, scale, norm]), max_size=2)):
        x = piece(n, x)
    return n.add(Mean((0,)), x) if n.some() and n.shape(x) and n.shape(x)[0] in (1, 2, 4) else x


def data_for(graph, seed, samples=3):
    """Data of every input, exact too."""
    random = np.random.default_rng(seed)
    data = {}
    for name, kind in graph.inputs.items():
        shape = (*((STEPS,) if kind.timing is Timing.STEP else ()), samples, *kind.shape)
        domain = kind.domain
        codes = isinstance(domain, Int)
        data[name] = random.integers(domain.lo, domain.hi + 1, shape) if codes else random.integers(-8, 17, shape) / 8
    return data
