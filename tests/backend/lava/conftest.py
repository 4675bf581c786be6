"""What the tests of the Lava backend share: its interpreter, and graphs that use all that it carries."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from passes.time_reductions_last import TimeReductionsLast
from spikec.backend.lava.environment import LavaPython, find
from spikec.backend.lava.program import SHIPPED
from spikec.errors import ToolchainError
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Delay, Repeat, TimeMean
from spikec.ir.types import REAL, IntFormat, Role, TensorType, Timing, Weight, constant

CONVENTIONS = {
    "spikformer": LIF(),
    "strict": LIF(fires_at=">"),
    "plain_decay": LIF(decay_input=False),
    "snntorch": LIF(reset="soft", decay_input=False, fires_at=">"),
    "delayed": LIF(reset_delay=True),
    "delayed_soft": LIF(reset="soft", reset_delay=True, decay_input=False),
    "no_reset": LIF(reset="none"),
    "beta": LIF(decay_input=False),
    "truncated": LIF(decay_input=False, rounding="toward_zero"),
    "floored": LIF(decay_input=False, rounding="floor", reset="soft"),
    "refractory": LIF(refractory=2),
    "refractory_soft": LIF(refractory=1, reset="soft", reset_delay=True),
    "if_hard": IF(),
    "if_soft": IF(reset="soft", fires_at=">"),
}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that an export carries, importable as they are in its folder."""
    monkeypatch.syspath_prepend(str(SHIPPED))
    return SHIPPED


@pytest.fixture(scope="session")
def lava() -> LavaPython:
    """Lava's interpreter."""
    try:
        return find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")


@pytest.fixture
def every_op() -> Graph:
    """Each carried op at least once, with live neurons between them and a residual add."""
    return TimeReductionsLast()(graph_of_every_op())  # as the target's pipeline leaves it


@pytest.fixture
def every_convention() -> Graph:
    """Neurons of each convention side by side, with scalar and broadcast numbers."""
    return graph_of_every_convention()


def graph_of_every_op() -> Graph:
    random = np.random.default_rng(0)
    build = GraphBuilder(steps=3)

    def w(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def lif(x: str, scope: str) -> str:
        return build.add(LIF(), x, scope=scope, weights={"tau": 2.0, "v_threshold": 0.4})

    events = build.input("events", TensorType((4, 6)))
    x = build.add(Repeat(), build.input("image", TensorType((2, 8, 8), REAL, Timing.ONCE)))
    x = build.add(Conv2d(padding=(1, 1)), x, scope="c0", weights={"weight": w(4, 2, 3, 3)})
    stats = {"mean": w(4), "var": np.abs(w(4)) + 0.5, "weight": w(4), "bias": w(4)}
    x = lif(build.add(BatchNorm(), x, scope="bn", weights=stats), "l0")
    grouped = Conv2d(stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2)
    side = build.add(grouped, x, scope="c1", weights={"weight": w(6, 2, 2, 3), "bias": w(6)})
    side = lif(side, "l1")
    side = build.add(Sum(axes=(1, 2)), build.add(AvgPool(kernel=(2, 2), stride=(2, 2)), side))
    x = build.add(MaxPool(kernel=(3, 3), stride=(2, 2), padding=(1, 1)), x)
    x = build.add(SumPool(kernel=(2, 2), stride=(1, 1), padding=(1, 1)), x)
    x = build.add(Reshape(shape=(4, 25)), x)
    y = build.add(Conv1d(), x, scope="t0", weights={"weight": w(4, 4, 1), "bias": w(4)})
    y = lif(build.add(Conv1d(padding=(1,)), y, scope="t1", weights={"weight": w(4, 4, 3)}), "l2")
    x = build.add(Add(), x, build.add(Mul(), x, y))
    e = build.add(Threshold(fires_at=">"), events, weights={"v_threshold": 0.5})
    e = build.add(Delay(), e, weights={"steps": constant(1.0)})
    scores = build.add(MatMul(transpose_a=True), e, build.add(Scale(factor=0.25), x))
    scores = build.add(Transpose(axes=(1, 0)), lif(scores, "l3"))
    x = build.add(MatMul(transpose_b=True), scores, build.add(Linear(), e, weights={"weight": w(6, 6)}))
    x = build.add(Mean(axes=(0,)), lif(x, "l4"))
    x = build.add(Linear(), x, scope="join", weights={"weight": w(6, 4), "bias": w(6)})
    x = build.add(Add(), x, side)
    x = build.add(TimeMean(), x)
    x = build.add(Linear(), x, scope="head", weights={"weight": w(3, 6), "bias": w(3)})
    return build.graph(x, "l4")


def graph_of_every_convention() -> Graph:
    build = GraphBuilder(steps=6)
    x = build.input("drive", TensorType((5, 7)))
    last = x
    for name, op in CONVENTIONS.items():
        weights = {"v_threshold": np.linspace(0.5, 1.5, 7), "v_reset": -0.25, "v0": 0.125}
        if isinstance(op, LIF):
            tau = np.linspace(1.5, 3.0, 5)[:, None]
            by_beta = name == "beta" or op.rounding != "none"
            weights |= {"beta": 1 - 1 / tau} if by_beta else {"tau": tau}
            weights |= {"v_leak": 0.0625}
        last = build.add(op, x, scope=name, weights=weights)
    bare = build.add(LIF(), x, scope="bare", weights={"tau": 2.0, "v_threshold": 1.0})
    # A membrane is a value too.
    return build.graph(build.add(Add(), f"{bare}.v", last))


@pytest.fixture
def fixed_point() -> Graph:
    """Weights, thresholds and time constants that are integers times a scale."""
    return graph_of_fixed_point()


def graph_of_fixed_point() -> Graph:
    random = np.random.default_rng(5)

    def integers(scale: float, *shape: int) -> Weight:
        return Weight(random.integers(-9, 10, shape).astype(np.int8), Role.PARAMETER, IntFormat(8, scale))

    build = GraphBuilder(steps=4)
    x = build.input("x", TensorType((3, 5)))
    x = build.add(Conv1d(groups=3), x, scope="c", weights={"weight": integers(0.1, 6, 1, 2), "bias": integers(0.3, 6)})
    threshold = Weight(np.arange(4, 10, dtype=np.int16)[:, None], Role.CONSTANT, IntFormat(16, 0.07))
    tau = Weight(np.asarray(21, np.uint8), Role.CONSTANT, IntFormat(8, 0.1, signed=False))
    x = build.add(LIF(), x, scope="l0", weights={"tau": tau, "v_threshold": threshold})
    x = build.add(Linear(), build.add(Reshape(shape=(24,)), x), scope="fc", weights={"weight": integers(0.1, 7, 24)})
    return build.graph(build.add(LIF(), x, scope="l1", weights={"tau": tau, "v_threshold": 0.5}))


@pytest.fixture
def drive() -> Callable[[Graph, int], dict[str, np.ndarray]]:
    """Random data for every input of a graph."""

    def make(graph: Graph, samples: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng(7)
        lead = {Timing.ONCE: (samples,), Timing.STEP: (graph.steps, samples)}
        return {
            name: random.normal(0.4, 1.5, size=(*lead[kind.timing], *kind.shape)) for name, kind in graph.inputs.items()
        }

    return make
