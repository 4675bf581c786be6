"""Random graphs over every op are printed, parsed and the same again."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.ops import OPS
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.text import parse
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import REAL, SPIKE, FloatFormat, Int, IntFormat, Role, TensorType, Timing, Weight

SIZES = st.integers(1, 4)
SCOPES = st.sampled_from(["", "stem", "blocks.0.attn.q_lif", "a-b_c.1"])
DOMAINS = st.sampled_from(
    [REAL, SPIKE, Int(0, 2), Int(2, 5, 0.5), Int(-3, 7, 0.125), Int(0, 9, 1 / 9), Int(-4, -1), Int(-1, 1, 1e-30)]
)
FACTORS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: f <= 0 or 1e-9 < f < 1e9)


class Drawing:
    """A builder with a source of random choices."""

    def __init__(self, draw):
        self.draw = draw
        self.builder = GraphBuilder(draw(st.integers(1, 6)))
        self.values = []

    def value(self, rank, timing=None, shape=None):
        """A value of that rank, one that is there already where one fits."""
        fits = [v for v in self.values if self._fits(v, rank, timing, shape)]
        if fits and self.draw(st.booleans()):
            return self.draw(st.sampled_from(fits))
        shape = shape or tuple(self.draw(SIZES) for _ in range(rank))
        kind = TensorType(shape, self.draw(DOMAINS), timing or self.draw(st.sampled_from(Timing)))
        self.values.append(self.builder.input(f"in{len(self.values)}", kind))
        return self.values[-1]

    def _fits(self, value, rank, timing, shape):
        kind = self.builder.type(value)
        return len(kind.shape) == rank and timing in (None, kind.timing) and shape in (None, kind.shape)

    def twin(self, value, shape=None):
        """Another value of the same shape and timing."""
        kind = self.builder.type(value)
        return self.value(len(shape or kind.shape), kind.timing, shape or kind.shape)

    def shape(self, value):
        return self.builder.type(value).shape

    def weight(self, *shape):
        seed = self.draw(st.integers(0, 2**32 - 1))
        form = self.draw(st.sampled_from([FloatFormat(32), FloatFormat(64), IntFormat(8, 0.25)]))
        numbers = np.random.default_rng(seed).normal(0, 3, shape)
        kind = {"float32": np.float32, "float64": np.float64}.get(str(form), np.int8)
        return Weight(numbers.astype(kind), self.draw(st.sampled_from(Role)), form)

    def some(self, **slots):
        """Each of the optional weights, or not."""
        return {slot: self.weight(*shape) for slot, shape in slots.items() if self.draw(st.booleans())}


def pick(d, values):
    return d.draw(st.sampled_from(values))


def pair(d):
    return (pick(d, (1, 2)), pick(d, (1, 2)))


STATES = (None, IntFormat(24), IntFormat(12, 2.0**-6))


def neuron(d, kind, slots, optional, **fields):
    x = d.value(pick(d, (1, 2, 3)), Timing.STEP)
    whole = kind is IF or fields.get("rounding", "none") != "none"
    op = kind(
        state=pick(d, STATES) if whole else None,
        reset=pick(d, ("hard", "soft", "none")),
        fires_at=pick(d, (">=", ">")),
        reset_delay=pick(d, (True, False)),
        refractory=pick(d, (0, 3)),
        **fields,
    )
    shapes = [(), d.shape(x), (*d.shape(x)[:-1], 1)]
    return op, [x], {s: d.weight(*pick(d, shapes)) for s in slots} | d.some(**{s: pick(d, shapes) for s in optional})


def leaky(d, kind, slots, optional):
    leak = pick(d, ("tau", "beta"))
    rounds = leak == "beta" and not {"tau_syn"} & set(slots)
    fields = {
        "decay_input": leak == "tau" and pick(d, (True, False)),
        "rounding": pick(d, ("none", "toward_zero", "floor")) if rounds else "none",
    }
    return neuron(d, kind, (*slots, leak, "v_threshold"), (*optional, "v_reset", "v_leak", "v0"), **fields)


def integrator(d, op, slots):
    x = d.value(2, Timing.STEP)
    shapes = [(), d.shape(x)]
    return op, [x], {s: d.weight(*pick(d, shapes)) for s in slots} | d.some(v0=pick(d, shapes))


def alpha(d):
    x = d.value(2, Timing.STEP)
    op = Alpha(reset=pick(d, ("hard", "none")), fires_at=pick(d, (">=", ">")))
    return op, [x], {slot: d.weight() for slot in Alpha.slots}


def concat(d):
    x = d.value(2)
    return Concat(pick(d, (0, 1))), [x, *(d.twin(x) for _ in range(pick(d, (1, 2))))], {}


def expand(d):
    x = d.value(2, shape=(1, d.draw(SIZES)))
    return Expand((d.draw(SIZES), d.shape(x)[1])), [x], {}


def layer_norm(d):
    x, axes = d.value(2), pick(d, (1, 2))
    over = d.shape(x)[2 - axes :]
    return LayerNorm(axes, pick(d, (1e-5, 0.0))), [x], d.some(weight=over, bias=over)


def pad(d):
    x = d.value(2)
    return Pad(pick(d, ((0, 0), (1, 2))), pick(d, ((0, 0), (3, 0)))), [x], {}


def slice_(d):
    x = d.value(2)
    size = d.shape(x)[1]
    start = d.draw(st.integers(0, size - 1))
    return Slice(1, start, d.draw(st.integers(start + 1, size)), pick(d, (1, 2))), [x], {}


def conv(d, kind, axes):
    groups, per, outputs = pick(d, (1, 2)), d.draw(SIZES), d.draw(SIZES)
    x = d.value(axes + 1, shape=(groups * per, *(d.draw(st.integers(3, 5)) for _ in range(axes))))
    ints = [tuple(pick(d, (1, 2)) for _ in range(axes)) for _ in range(3)]
    op = kind(stride=ints[0], padding=ints[1], dilation=(1,) * axes, groups=groups)
    weight = d.weight(outputs * groups, per, *ints[2])
    return op, [x], {"weight": weight} | d.some(bias=(outputs * groups,))


def linear(d):
    x, outputs = d.value(pick(d, (1, 2, 3))), d.draw(SIZES)
    return Linear(), [x], {"weight": d.weight(outputs, d.shape(x)[-1])} | d.some(bias=(outputs,))


def batch_norm(d):
    x = d.value(pick(d, (1, 2, 3)))
    axis = d.draw(st.integers(0, len(d.shape(x)) - 1))
    size = (d.shape(x)[axis],)
    needed = {"mean": d.weight(*size), "var": d.weight(*size)}
    return BatchNorm(axis, pick(d, (1e-5, 1e-3, 0.0))), [x], needed | d.some(weight=size, bias=size)


def matmul(d):
    turned = pick(d, (True, False)), pick(d, (True, False))
    a = d.value(pick(d, (2, 3)))
    *lead, rows, columns = d.shape(a)
    k, m = (rows if turned[0] else columns), d.draw(SIZES)
    return MatMul(*turned), [a, d.twin(a, shape=(*lead, m, k) if turned[1] else (*lead, k, m))], {}


def twins(d, op):
    x = d.value(pick(d, (1, 2)))
    return op, [x, d.twin(x)], {}


def pool(d, kind):
    x = d.value(3, shape=(d.draw(SIZES), 4, 5))
    return kind(pick(d, ((2, 2), (3, 2))), pair(d), pick(d, ((0, 0), (1, 0)))), [x], {}


def reduction(d, kind):
    x = d.value(3)
    return kind(pick(d, ((0,), (1, 2), (0, 1, 2)))), [x], {}


def once_or_step(op, timing):
    return lambda d: (op, [d.value(pick(d, (1, 2)), timing)], {})


def threshold(d):
    x = d.value(2)
    return Threshold(pick(d, (">=", ">"))), [x], {"v_threshold": d.weight(*pick(d, ((), d.shape(x))))}


def delay(d):
    x = d.value(2, Timing.STEP)
    steps = np.asarray(pick(d, (0, 1, 3)) if pick(d, (True, False)) else np.full(d.shape(x), 2), np.int64)
    return Delay(), [x], {"steps": Weight(steps, Role.CONSTANT, IntFormat(8))}


def reshape(d):
    x = d.value(2)
    rows, columns = d.shape(x)
    return Reshape(pick(d, ((rows * columns,), (columns, rows), (1, rows, columns, 1)))), [x], {}


RECIPES = {
    "add": lambda d: twins(d, Add()),
    "avg_pool": lambda d: pool(d, AvgPool),
    "batch_norm": batch_norm,
    "conv1d": lambda d: conv(d, Conv1d, 1),
    "conv2d": lambda d: conv(d, Conv2d, 2),
    "delay": delay,
    "if": lambda d: neuron(d, IF, ("v_threshold",), ("v_reset", "v0")),
    "alpha": alpha,
    "concat": concat,
    "constant": lambda d: (Constant(), [], {"value": d.weight(2, 3)}),
    "cuba_lif": lambda d: leaky(d, CubaLIF, (pick(d, ("alpha", "tau_syn")),), ("i0",)),
    "exp": lambda d: (Exp(), [d.value(2)], {}),
    "expand": expand,
    "gelu": lambda d: (Gelu(pick(d, ("none", "tanh"))), [d.value(2)], {}),
    "i": lambda d: integrator(d, I(), ()),
    "layer_norm": layer_norm,
    "li": lambda d: integrator(d, LI(decay_input=False), (pick(d, ("tau", "beta")),)),
    "lif": lambda d: leaky(d, LIF, (), ()),
    "multi_level_spike": lambda d: (MultiLevelSpike(pick(d, (1, 4)), pick(d, (1.0, 0.25))), [d.value(2)], {}),
    "pad": pad,
    "plif": lambda d: neuron(d, PLIF, ("w", "v_threshold"), ("v_reset", "v_leak", "v0")),
    "slice": slice_,
    "softmax": lambda d: (Softmax(pick(d, (0, 1))), [d.value(2)], {}),
    "upsample": lambda d: (Upsample(pair(d)), [d.value(3)], {}),
    "linear": linear,
    "matmul": matmul,
    "max_pool": lambda d: pool(d, MaxPool),
    "mean": lambda d: reduction(d, Mean),
    "mul": lambda d: twins(d, Mul()),
    "repeat": once_or_step(Repeat(), Timing.ONCE),
    "reshape": reshape,
    "scale": lambda d: (Scale(d.draw(FACTORS)), [d.value(2)], {}),
    "sum": lambda d: reduction(d, Sum),
    "sum_pool": lambda d: pool(d, SumPool),
    "threshold": threshold,
    "time_last": once_or_step(TimeLast(), Timing.STEP),
    "time_mean": once_or_step(TimeMean(), Timing.STEP),
    "time_sum": once_or_step(TimeSum(), Timing.STEP),
    "transpose": lambda d: (Transpose(pick(d, ((0, 2, 1), (2, 1, 0), (1, 2, 0)))), [d.value(3)], {}),
}


def test_every_op_of_the_table_has_a_recipe():
    assert set(RECIPES) == set(OPS)


def loop(d):
    """A neuron on a value and on its own spikes of some steps ago; the delay stands before what it takes."""
    x = d.value(2, Timing.STEP)
    scope, steps = d.draw(SCOPES), Weight(np.asarray(pick(d, (1, 2))), Role.CONSTANT, IntFormat(8))
    back = d.builder.feedback(TensorType(d.shape(x), SPIKE), steps, scope)
    y = d.builder.add(Add(), x, back, scope=scope, inner=True)
    q = d.builder.add(IF(), y, scope=scope, inner=True, names=named(d, {"v_threshold": d.weight()}))
    d.builder.close(back, q)
    d.values += [back, y, q, f"{q}.v"]


@st.composite
def graphs(draw, mnemonic):
    d = Drawing(draw)
    for name in [*draw(st.lists(st.sampled_from(sorted(RECIPES)), max_size=4)), mnemonic]:
        op, inputs, weights = RECIPES[name](d)
        scope = draw(SCOPES)
        added = d.builder.add(op, *inputs, scope=scope, inner=draw(st.booleans()), names=named(d, weights))
        d.values += [added, *(f"{added}.{suffix}" for suffix in op.extra_results)]
    if draw(st.booleans()):
        loop(d)
    return d.builder.graph(*draw(st.lists(st.sampled_from(d.values), min_size=1, max_size=3)))


def named(d, weights):
    """Registers the weights under fresh names, as shared or unscoped weights are."""
    return {slot: d.builder.weight(f"w{len(d.values)}.{slot}", w) for slot, w in weights.items()}


@pytest.mark.parametrize("mnemonic", sorted(RECIPES))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parsed_text_is_the_same_graph(mnemonic, data):
    graph = data.draw(graphs(mnemonic))
    again = parse(graph.text(), graph.weights)
    assert again.text() == graph.text()
    assert again.sha256 == graph.sha256
    assert again.types == graph.types
    assert again.steps == graph.steps
    assert again.outputs == graph.outputs
    for mine, theirs in zip(graph.nodes, again.nodes, strict=True):
        assert (mine.name, mine.op, mine.inputs, mine.types, mine.scope) == (
            theirs.name,
            theirs.op,
            theirs.inputs,
            theirs.types,
            theirs.scope,
        )
        assert dict(mine.weights) == dict(theirs.weights)
