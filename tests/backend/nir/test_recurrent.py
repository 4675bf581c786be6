"""Recurrent graphs, constants and every op: written, read back as they were, and run from the file alike."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest

from spikec.backend.compare import compare
from spikec.backend.golden import golden_run
from spikec.backend.nir.dialect import FILE
from spikec.backend.nir.execute import execute
from spikec.backend.nir.forms import STANDARD
from spikec.backend.nir.writer import write
from spikec.errors import UnsupportedOp
from spikec.frontend.foreign import read
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.ops import OPS
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import SPIKE, TensorType

DIALECTS = ("strict", "extended")
N = 5


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0.1, 0.8, size=shape)


def lif(build: GraphBuilder, x: str, scope: str = "lif") -> str:
    return build.add(LIF(), x, scope=scope, weights={"tau": 2.0, "v_threshold": 0.4})


def assert_comes_back(graph: Graph, folder: Path, dialect: str) -> None:
    """Text, hash and values of the graph that is read, and spikes, membranes and outputs of the file that is run."""
    write(graph, folder, dialect)
    back = read(folder / FILE).graph
    assert back.text() == graph.text()
    assert back.sha256 == graph.sha256
    assert compare(graph, back).differences == ()
    assert_runs_alike(graph, folder)


def assert_runs_alike(graph: Graph, folder: Path) -> None:
    random = np.random.default_rng(7)
    data = {name: random.normal(0.4, 1.2, size=(graph.steps, 16, *kind.shape)) for name, kind in graph.inputs.items()}
    expected, found = golden_run(graph, data, graph.steps), execute(folder, data, graph.steps)
    assert set(found.spikes) == set(expected.spikes)
    for name, spikes in expected.spikes.items():
        assert 0.02 < spikes.mean() < 0.98, f"{name} proves nothing"
        assert np.array_equal(found.spikes[name], spikes), name
    for kind in ("membranes", "outputs"):
        assert set(getattr(found, kind)) == set(getattr(expected, kind))
        for name, value in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(found, kind)[name], value, rtol=1e-9, atol=1e-9)


def heard_later(build: GraphBuilder) -> str:
    """A neuron whose own spikes come back a step later through weights with a bias."""
    x = build.input("x", TensorType((N,)))
    back = build.feedback(TensorType((N,), SPIKE), 1, "lif.delay")
    rec = build.add(Linear(), back, scope="rec", weights={"weight": drawn(N, N), "bias": drawn(N)})
    spikes = lif(build, build.add(Add(), x, rec, scope="sum"))
    build.close(back, spikes)
    return spikes


def each_its_own_delay(build: GraphBuilder) -> str:
    """A delay behind the weights, of its own for every element."""
    x = build.input("x", TensorType((N,)))
    back = build.feedback(TensorType((N,)), np.array([1.0, 2.0, 3.0, 1.0, 5.0]), "wait")
    spikes = lif(build, build.add(Add(), x, back, scope="sum"))
    build.close(back, build.add(Linear(), spikes, scope="rec", weights={"weight": drawn(N, N)}))
    return spikes


def two_layers(build: GraphBuilder) -> tuple[str, ...]:
    """Two layers, each recurrent, and the second heard by the first."""
    x = build.input("x", TensorType((N,)))
    a_back, b_back = (build.feedback(TensorType((N,), SPIKE), 1, f"{name}.delay") for name in "ab")

    def linear(source: str, scope: str, seed: int) -> str:
        weight = np.random.default_rng(seed).normal(0.1, 0.7, size=(N, N))
        return build.add(Linear(), source, scope=scope, weights={"weight": weight})

    into_a = build.add(Add(), linear(a_back, "aa", 1), linear(b_back, "ba", 2), scope="back")
    a = lif(build, build.add(Add(), x, into_a, scope="into_a"), "a")
    b = lif(build, build.add(Add(), linear(a, "ab", 3), linear(b_back, "bb", 4), scope="into_b"), "b")
    build.close(a_back, a)
    build.close(b_back, b)
    return a, b


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("make", [heard_later, each_its_own_delay, two_layers], ids=lambda make: make.__name__)
def test_a_recurrent_graph(tmp_path, dialect, make):
    build = GraphBuilder(steps=12)
    found = make(build)
    assert_comes_back(build.graph(*((found,) if isinstance(found, str) else found)), tmp_path, dialect)


def test_foreign_readers_name_the_delay_that_they_do_not_know(tmp_path):
    """NIR has the node, nir.read gives it; SpikingJelly and snnTorch refuse it aloud, and read nothing wrong."""
    build = GraphBuilder(steps=4)
    write(build.graph(heard_later(build)), tmp_path, "strict")
    graph = nir.read(tmp_path / FILE)
    assert isinstance(graph.nodes["lif.delay"], nir.Delay)
    readers = ("spikingjelly.activation_based.nir_exchange", "snntorch.import_nir")
    for importer in map(pytest.importorskip, readers):
        with contextlib.redirect_stdout(io.StringIO()), pytest.raises(ValueError, match="Delay"):
            importer.import_from_nir(graph)


def test_a_membrane_that_comes_back_goes_out_in_the_extended_dialect_alone(tmp_path):
    build = GraphBuilder(steps=8)
    back = build.feedback(TensorType((N,)), 1, "wait")
    spikes = lif(build, build.add(Add(), build.input("x", TensorType((N,))), back, scope="sum"))
    build.close(back, build.add(Scale(-0.3), f"{spikes}.v", scope="less"))
    graph = build.graph(spikes)
    with pytest.raises(UnsupportedOp, match=r"its membrane %lif\.v is used"):
        write(graph, tmp_path, "strict")
    assert_comes_back(graph, tmp_path, "extended")


def neuron(op: object, **weights: object) -> Callable[[GraphBuilder, str], str]:
    return lambda build, x: build.add(op, x, scope="n", weights=weights)


def through(op: object, **weights: object) -> Callable[[GraphBuilder, str], str]:
    return lambda build, x: lif(build, build.add(op, x, scope="n", weights=weights))


def repeated(build: GraphBuilder, *shape: int) -> str:
    """A Constant that is expanded once, and repeated at every step."""
    value = build.add(Constant(), scope="c", weights={"value": drawn(1, shape[-1])[0, : shape[-1]].reshape(1, -1)})
    return build.add(Repeat(), build.add(Expand(shape), value, scope="wide"), scope="every")


# By op: the shape of an input, and what is added to it.
EVERY: dict[type, tuple[tuple[int, ...], Callable[[GraphBuilder, str], str]]] = {
    Add: ((3, 4), lambda b, x: lif(b, b.add(Add(), x, repeated(b, 3, 4), scope="n"))),
    Alpha: ((4,), neuron(Alpha(), alpha=0.9, beta=0.7, v_threshold=0.3)),
    AvgPool: ((2, 4, 4), through(AvgPool())),
    BatchNorm: ((3, 2, 2), through(BatchNorm(), mean=drawn(3), var=np.abs(drawn(3)) + 0.5)),
    Concat: ((3, 4), lambda b, x: lif(b, b.add(Concat(1), x, b.add(Scale(-1.0), x), x, scope="n"))),
    Constant: ((3, 4), lambda b, x: lif(b, b.add(Mul(), x, repeated(b, 3, 4), scope="n"))),
    Conv1d: ((3, 6), through(Conv1d(), weight=drawn(2, 3, 3))),
    Conv2d: ((2, 5, 5), through(Conv2d(), weight=drawn(3, 2, 3, 3))),
    CubaLIF: ((4,), neuron(CubaLIF(fires_at=">"), tau_syn=2.0, tau=3.0, v_threshold=0.8)),
    Delay: ((4,), through(Delay(), steps=np.array([0.0, 1.0, 2.0, 3.0]))),
    Exp: ((4,), lambda b, x: lif(b, b.add(Exp(), b.add(Scale(-0.5), x, scope="half"), scope="n"))),
    Expand: ((1, 4), through(Expand((3, 4)))),
    Gelu: ((4,), through(Gelu())),
    I: ((4,), lambda b, x: lif(b, b.add(I(), b.add(Scale(0.3), x), scope="n"))),
    IF: ((4,), neuron(IF(), v_threshold=1.5)),
    LI: ((4,), through(LI(), tau=3.0)),
    LIF: ((4,), neuron(LIF(decay_input=False), beta=0.7, v_threshold=1.0)),
    LayerNorm: ((2, 6), through(LayerNorm(axes=1), weight=np.ones(6), bias=drawn(6))),
    Linear: ((3, 4), through(Linear(), weight=drawn(5, 4))),
    MatMul: ((3, 3), lambda b, x: lif(b, b.add(MatMul(transpose_b=True), x, lif(b, x, "q"), scope="n"))),
    MaxPool: ((2, 4, 4), through(MaxPool())),
    Mean: ((3, 6), through(Mean((1,)))),
    Mul: ((4,), lambda b, x: lif(b, b.add(Mul(), x, lif(b, x, "q"), scope="n"))),
    MultiLevelSpike: ((4,), lambda b, x: lif(b, b.add(Scale(2.0), b.add(MultiLevelSpike(), x), scope="n"))),
    PLIF: ((4,), neuron(PLIF(), w=0.3, v_threshold=0.4)),
    Pad: ((3, 4), through(Pad((0, 1), (2, 0)))),
    Repeat: ((2, 3), lambda b, x: lif(b, b.add(Add(), x, repeated(b, 2, 3), scope="n"))),
    Reshape: ((2, 3), through(Reshape((3, 2)))),
    Scale: ((4,), through(Scale(0.7))),
    Slice: ((3, 6), through(Slice(1, 1, 6, 2))),
    Softmax: ((4,), lambda b, x: lif(b, b.add(Scale(3.0), b.add(Softmax(), x, scope="n"), scope="more"))),
    Sum: ((3, 6), through(Sum((0,)))),
    SumPool: ((2, 4, 4), through(SumPool(padding=(1, 1)))),
    Threshold: ((4,), neuron(Threshold(), v_threshold=0.3)),
    TimeLast: ((4,), lambda b, x: b.add(TimeLast(), lif(b, x), scope="n")),
    TimeMean: ((4,), lambda b, x: b.add(TimeMean(), lif(b, x), scope="n")),
    TimeSum: ((4,), lambda b, x: b.add(TimeSum(), lif(b, x), scope="n")),
    Transpose: ((3, 4), through(Transpose((1, 0)))),
    Upsample: ((2, 3, 3), through(Upsample((2, 1)))),
}
HOST = {TimeLast, TimeMean, TimeSum}
WORDLESS = {Add: "NIR has no such node", Linear: "one for each token", Reshape: "merges neighbouring axes only"}
"""Ops of a standard form that what they stand with above has not: constants, tokens, other axes."""


def graph_of(op: type) -> Graph:
    shape, make = EVERY[op]
    build = GraphBuilder(steps=6)
    return build.graph(make(build, build.input("x", TensorType(shape))))


def test_there_is_a_graph_of_every_op():
    assert set(EVERY) == set(OPS.values())
    for op in EVERY:
        assert any(isinstance(node.op, op) for node in graph_of(op).nodes), op.__name__


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.__name__)
def test_every_op_goes_out_in_the_extended_dialect(tmp_path, op):
    assert_comes_back(graph_of(op), tmp_path, "extended")


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.__name__)
def test_in_the_strict_dialect_an_op_is_written_or_refused_by_name(tmp_path, op):
    graph = graph_of(op)
    if op in HOST or (op in STANDARD and op not in WORDLESS):
        assert_comes_back(graph, tmp_path, "strict")
        assert set(nir.read(tmp_path / FILE).nodes) >= {"x"}
        return
    with pytest.raises(UnsupportedOp) as caught:
        write(graph, tmp_path, "strict")
    reasons = {offender.op: offender.reason for offender in caught.value.offenders}
    assert WORDLESS.get(op, "NIR has no such node") in reasons["constant" if op is Add else op.mnemonic]
    assert list(tmp_path.iterdir()) == []
