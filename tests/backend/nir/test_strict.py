"""The strict dialect: standard nodes that nir, nirtorch, snnTorch and SpikingJelly take and run alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import nir
import nirtorch
import numpy as np
import pytest
import torch

from passes.manager import run
from spikec.backend.compare import compare
from spikec.backend.golden import golden_run
from spikec.backend.nir.dialect import FILE
from spikec.backend.nir.execute import execute
from spikec.backend.nir.reader import read
from spikec.backend.nir.writer import write
from spikec.backend.registry import load
from spikec.errors import ModelFileError, UnsupportedOp
from spikec.ir.arithmetic import Add, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, Threshold
from spikec.ir.pools import MaxPool, SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Delay, Repeat, TimeMean
from spikec.ir.types import REAL, IntFormat, Role, TensorType, Timing, Weight, constant

Step = Callable[[torch.Tensor], object]


def written(graph: Graph, folder: Path) -> nir.NIRGraph:
    write(graph, folder)
    return nir.read(folder / FILE)


def modules_of(graph: Graph, network: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The foreign modules of the neuron layers: nirtorch spells . as _."""
    return {node.name: network.get_submodule(node.name.replace(".", "_")) for node in graph.nodes_of(LIF, IF)}


@contextmanager
def watched(modules: dict[str, torch.nn.Module]) -> Iterator[dict[str, list[np.ndarray]]]:
    """Every module's spikes, in the order of its calls."""
    seen: dict[str, list[np.ndarray]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: object, __: object, y: object) -> None:
            seen[name].append((y[0] if isinstance(y, tuple) else y).detach().numpy().copy())

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    yield seen
    for handle in handles:
        handle.remove()


def stateful_spikes(graph: Graph, network: torch.nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes [T, B, ...] of a network that takes and gives its state."""
    x, state = torch.as_tensor(image), None
    with torch.no_grad(), watched(modules_of(graph, network)) as seen:
        for _ in range(graph.steps):
            _, state = network(x, state)
    return {name: np.stack(frames) for name, frames in seen.items()}


def one_by_one(
    graph: Graph, network: torch.nn.Module, images: np.ndarray, restart: Callable[[], None] = lambda: None
) -> dict[str, np.ndarray]:
    """Sample by sample, for those whose Flatten knows no batch."""
    samples = []
    for image in images:
        restart()
        samples.append(stateful_spikes(graph, network, image))
    return {name: np.stack([sample[name] for sample in samples], axis=1) for name in samples[0]}


def assert_same(found: dict[str, np.ndarray], graph: Graph, data: dict[str, np.ndarray]) -> None:
    expected = golden_run(graph, data, graph.steps).spikes
    assert set(found) == {node.name for node in graph.nodes_of(LIF, IF)}
    for name in found:
        assert 0.01 < expected[name].mean() < 0.99, f"{name} proves nothing"
        assert np.array_equal(found[name], expected[name]), name


@pytest.mark.parametrize(
    ("op", "tau"), [(LIF(), 2.0), (LIF(decay_input=False, fires_at=">"), 1.5), (LIF(decay_input=False), 4.0)]
)
def test_snntorch_gives_the_same_spikes(tmp_path, conv_net, data_for, op, tau):
    import_nir = pytest.importorskip("snntorch.import_nir")
    graph = conv_net(op, tau)
    data = data_for(graph)
    network = import_nir.import_from_nir(written(graph, tmp_path)).double()
    neurons = modules_of(graph, network).values()
    for module in neurons:
        module.register_forward_hook(lambda module, x, y: y.double())  # its spikes are fp32, whatever it computes in

    def restart() -> None:
        for module in neurons:
            module.mem = torch.zeros(0)

    assert_same(one_by_one(graph, network, data["image"], restart), graph, data)


@pytest.mark.parametrize(
    ("op", "tau"), [(LIF(), 2.0), (LIF(), 1.25), (LIF(decay_input=False), 1.7), (LIF(fires_at=">"), 3.0)]
)
def test_spikingjelly_gives_the_same_spikes(tmp_path, conv_net, data_for, op, tau):
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    graph = conv_net(op, tau)
    data = data_for(graph)
    network = exchange.import_from_nir(written(graph, tmp_path), dtype=torch.float64)
    assert_same(stateful_spikes(graph, network, data["image"]), graph, data)


class EulerLIF(torch.nn.Module):
    """NIR's LIF at 1e-4 s a step, for nirtorch, which has none of its own."""

    def __init__(self, node: nir.LIF) -> None:
        super().__init__()
        self.tau, self.r, self.leak, self.reset, self.threshold = (
            torch.as_tensor(a) for a in (node.tau, node.r, node.v_leak, node.v_reset, node.v_threshold)
        )

    def forward(self, x, state=None):
        v = torch.zeros_like(x) if state is None else state
        v = v + 1e-4 / self.tau * (self.leak - v + self.r * x)
        fired = v > self.threshold
        return fired.to(x.dtype), torch.where(fired, self.reset, v)


def affine(node: nir.Affine) -> torch.nn.Linear:
    """nirtorch's own drops the bias."""
    module = torch.nn.Linear(node.weight.shape[1], node.weight.shape[0])
    module.weight.data, module.bias.data = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    return module


def test_nirtorch_loads_it_and_gives_the_same_spikes(tmp_path, conv_net, data_for):
    graph = conv_net()
    data = data_for(graph)
    network = nirtorch.nir_to_torch(written(graph, tmp_path), {nir.LIF: EulerLIF, nir.Affine: affine}).double()
    assert_same(one_by_one(graph, network, data["image"]), graph, data)


def test_standard_nodes_only_and_a_residual_add_of_two_edges(tmp_path, conv_net):
    graph = written(conv_net(), tmp_path)
    assert {type(node).__module__.split(".")[0] for node in graph.nodes.values()} == {"nir"}
    assert {a for a, b in graph.edges if b == "down_conv"} == {"stem.lif", "side.lif"}
    assert "join" not in graph.nodes
    assert graph.nodes["stem.lif"].tau.shape == (4, 8, 8)
    assert graph.nodes["stem.lif"].tau.dtype == np.float64


@pytest.mark.parametrize("op", [LIF(), LIF(decay_input=False, fires_at=">", reset_delay=True)])
@pytest.mark.parametrize("tau", [1.0, 1.1, 1.7, 2.0, 123.456])
def test_reads_back_what_was_written_to_the_last_bit(tmp_path, conv_net, data_for, op, tau):
    graph = conv_net(op, tau, v_threshold=0.3)
    write(graph, tmp_path)
    back = read(tmp_path)
    assert compare(graph, back).differences == ()
    assert back.text() == graph.text()
    assert back.sha256 == graph.sha256
    assert_runs_alike(graph, tmp_path, data_for(graph))


def assert_runs_alike(graph: Graph, folder: Path, data: dict[str, np.ndarray]) -> None:
    expected, found = golden_run(graph, data, graph.steps), execute(folder, data, graph.steps)
    for name, spikes in expected.spikes.items():
        assert np.array_equal(found.spikes[name], spikes), name
    for kind in ("membranes", "outputs"):
        for name, value in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(found, kind)[name], value, rtol=1e-9, atol=1e-9)


def sums_and_delays() -> Graph:
    """Adds of every kind, a delay, pools on spikes, tokens, an IF and numbers of their own for each neuron."""
    build = GraphBuilder(steps=5)
    random = np.random.default_rng(0)

    def lif(x: str, scope: str) -> str:
        shape = build.type(x).shape
        voltages = {"v_threshold": random.uniform(0.2, 0.6, size=shape[-1:]), "v_reset": -0.25, "v0": 0.0}
        return build.add(LIF(), x, scope=scope, weights={"tau": random.uniform(1.2, 3, size=shape), **voltages})

    x = build.input("events", TensorType((4, 6, 6)))
    a = lif(x, "a")
    b = lif(build.add(SumPool(kernel=(3, 3), stride=(1, 1), padding=(1, 1)), a), "b")
    c = build.add(Delay(), b, scope="c", weights={"steps": constant(2.0)})
    ab = build.add(Add(), a, b, scope="ab")
    twice = build.add(Add(), ab, ab, scope="twice")  # its edges would be double
    nested = build.add(Add(), ab, c, scope="nested")  # three edges
    both = build.add(Add(), twice, nested, scope="both")
    real = build.add(Add(), build.add(SumPool(), both), build.add(SumPool(), both), scope="real")
    pooled = build.add(Threshold(fires_at=">"), build.add(SumPool(), nested), weights={"v_threshold": 1.0})
    total = build.add(
        Add(), build.add(Add(), real, pooled), build.add(SumPool(), build.add(Add(), b, a, scope="ba")), scope="total"
    )
    flat = build.add(Reshape(shape=(4, 9)), total, scope="flat")
    weights = {"weight": random.normal(size=(8, 2, 1)), "bias": random.normal(size=8)}
    tokens = build.add(Conv1d(groups=2), flat, scope="tokens", weights=weights)
    fired = build.add(IF(), tokens, scope="if", weights={"v_threshold": 3.0})
    pair = build.add(Add(), tokens, build.add(Scale(factor=0.3), tokens), scope="pair")
    thrice = build.add(Add(), pair, fired, scope="thrice")  # three edges might be added in another order
    out = build.add(Add(), fired, lif(thrice, "d"), scope="out")
    double = build.add(Add(), a, a, scope="double")
    last = lif(double, "last")
    lone = build.add(TimeMean(), build.add(Add(), last, b, scope="lone"))  # an Output takes one edge
    return build.graph(build.add(TimeMean(), out), out, "a", lone)


def test_sums_delays_and_pools_read_back_and_run_alike(tmp_path, data_for):
    graph = sums_and_delays()
    file = written(graph, tmp_path)
    assert compare(graph, read(tmp_path)).differences == ()
    assert_runs_alike(graph, tmp_path, data_for(graph))
    assert {"ab", "nested", "total", "pair"}.isdisjoint(file.nodes), "sums are edges"
    for name in ("twice", "double", "ba", "thrice", "lone", "out"):
        assert isinstance(file.nodes[name], nir.Scale), name
    assert all(sum(b == name for _, b in file.edges) == 1 for name in file.outputs)


def test_attention_is_refused_with_every_offender(traced_spikformer, tmp_path):
    graph = run(traced_spikformer, load("nir").pipeline).graph
    with pytest.raises(UnsupportedOp, match="--dialect extended") as caught:
        write(graph, tmp_path)
    found = {(offender.op, offender.path) for offender in caught.value.offenders}
    tokens = {("linear", "blocks.0.attn.q_linear"), ("linear", "blocks.0.mlp.fc2_linear")}
    assert {("matmul", "%blocks.0.attn.matmul"), ("mean", "mean"), *tokens} <= found
    assert len(caught.value.offenders) == 17
    assert not {op for op, _ in found} & {"lif", "conv2d", "batch_norm"}
    assert all(offender.reason for offender in caught.value.offenders)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("op", "weights", "reason"),
    [
        (LIF(reset="soft"), {}, "reset 'soft'"),
        (LIF(reset="none"), {}, "reset 'none'"),
        (LIF(rounding="floor", decay_input=False), {"beta": 0.5}, "do not round"),
        (LIF(decay_input=False), {"beta": 1.0}, "time constant"),
        (LIF(refractory=2), {}, "2"),
        (LIF(), {"v0": 0.5}, "first membrane"),
        (LIF(), {"v_reset": -0.5}, "first membrane"),
    ],
)
def test_a_neuron_that_nir_cannot_say_is_refused(tmp_path, op, weights, reason):
    build = GraphBuilder()
    weights = {**({} if "beta" in weights else {"tau": 2.0}), "v_threshold": 1.0, **weights}
    x = build.add(op, build.input("x", TensorType((4,))), scope="net.lif", weights=weights)
    with pytest.raises(UnsupportedOp, match=rf"net\.lif +lif .*{reason}"):
        write(build.graph(x), tmp_path)


def test_once_inside_and_unwritable_nodes_are_one_list(tmp_path):
    build = GraphBuilder()
    x = build.input("x", TensorType((2, 8, 8), REAL, Timing.ONCE))
    x = build.add(MaxPool(), x, scope="pool")
    x = build.add(MaxPool(), build.add(Repeat(), x), scope="later")
    x = build.add(LIF(reset="soft"), x, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    with pytest.raises(UnsupportedOp) as caught:
        write(build.graph(x), tmp_path)
    assert {o.path for o in caught.value.offenders} == {"pool", "repeat", "later", "lif"}


def test_a_membrane_and_a_kernel_that_is_not_square_are_refused(tmp_path):
    build = GraphBuilder()
    x = build.add(
        Conv2d(), build.input("x", TensorType((1, 4, 4))), scope="conv", weights={"weight": np.ones((1, 1, 1, 2))}
    )
    lif = build.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    with pytest.raises(UnsupportedOp) as caught:
        write(build.graph(build.add(Add(), lif, f"{lif}.v"), lif), tmp_path)
    assert [(o.path, o.reason.split(",")[0]) for o in caught.value.offenders] == [
        ("conv", "NIR 1.0.8 computes the shape of a kernel that is not square wrongly"),
        ("lif", "its membrane %lif.v is used"),
    ]


def shared_and_float32() -> Graph:
    build = GraphBuilder(steps=2)
    x = build.input("x", TensorType((3,)))
    weight = build.weight("shared", np.eye(3, dtype=np.float32))
    for name in "ab":
        x = build.add(Linear(), x, scope=f"{name}.fc", names={"weight": weight})
        numbers = {"tau": 2.0, "v_threshold": np.full(3, 0.2, np.float32)}
        x = build.add(LIF(), x, scope=f"{name}.lif", weights=numbers)
    return build.graph(x)


def test_a_weight_that_two_nodes_share_is_one_again(tmp_path):
    graph = shared_and_float32()
    write(graph, tmp_path)
    assert compare(graph, read(tmp_path)).differences == ()
    with h5py.File(tmp_path / FILE, "r+") as file:
        file["node/nodes/b.fc/weight"][0, 0] = 2.0
    with pytest.raises(ModelFileError, match="stands in several nodes with different numbers"):
        read(tmp_path)


def fixed_point() -> Graph:
    random = np.random.default_rng(5)
    build = GraphBuilder(steps=4)
    x = build.input("x", TensorType((6,)))
    weight = Weight(random.integers(-9, 10, (5, 6)).astype(np.int8), Role.PARAMETER, IntFormat(8, 0.1))
    threshold = Weight(np.arange(8, 13, dtype=np.int16), Role.CONSTANT, IntFormat(16, 0.07))
    x = build.add(Linear(), x, scope="fc", weights={"weight": weight})
    return build.graph(build.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": threshold}))


def test_a_weight_in_fixed_point_goes_out_as_the_real_numbers_it_stands_for(tmp_path, data_for):
    graph = fixed_point()
    file = written(graph, tmp_path)
    assert np.array_equal(file.nodes["fc"].weight, graph.weights["fc.weight"].values)
    assert compare(graph, read(tmp_path)).differences == ()
    assert_runs_alike(graph, tmp_path, data_for(graph))
    with h5py.File(tmp_path / FILE, "r+") as changed:
        changed["node/nodes/fc/weight"][1, 2] *= 1.001
    assert compare(graph, read(tmp_path)).parameters_differing == 1


def test_a_change_too_small_for_the_weights_own_dtype_is_seen(tmp_path):
    graph = shared_and_float32()
    write(graph, tmp_path)
    with h5py.File(tmp_path / FILE, "r+") as file:
        file["node/nodes/a.lif/v_threshold"][1] *= 1 + 1e-12
    found = compare(graph, read(tmp_path))
    assert found.parameters_differing == 1
    assert found.differences[0].startswith("weight 'a.lif.v_threshold': 1 of 3 numbers differ")


def test_a_dead_end_is_refused_since_nir_would_make_it_an_output(tmp_path):
    build = GraphBuilder()
    x = build.input("x", TensorType((4,)))
    build.add(Linear(), x, scope="loose", weights={"weight": np.ones((2, 4))})
    x = build.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    with pytest.raises(UnsupportedOp, match=r"loose .* remove-dead"):
        write(build.graph(x), tmp_path)


def test_a_lowered_max_pool_goes_out(tmp_path, data_for):
    build = GraphBuilder(steps=3)
    x = build.input("x", TensorType((3, 6, 6)))
    x = build.add(LIF(), x, scope="lif", weights={"tau": 2.0, "v_threshold": 0.4})
    x = build.add(MaxPool(kernel=(3, 3), stride=(2, 2), padding=(1, 1)), x, scope="pool")
    graph = run(build.graph(build.add(TimeMean(), x)), load("nir").pipeline).graph
    file = written(graph, tmp_path)
    assert isinstance(file.nodes["pool.sum_pool"], nir.Conv2d), "nirtorch drops the padding of a SumPool2d"
    assert compare(graph, read(tmp_path)).differences == ()
    assert_runs_alike(graph, tmp_path, data_for(graph))


def test_names_that_nirtorch_would_merge_stay_apart(tmp_path, data_for):
    build = GraphBuilder(steps=2)
    x = build.input("x", TensorType((4,)))
    for name in ("a.b", "a_b", "a-b", "x.output"):
        x = build.add(LIF(), x, scope=name, weights={"tau": 2.0, "v_threshold": 0.2})
    graph = build.graph(x)
    file = written(graph, tmp_path)
    assert len({name.replace(".", "_") for name in file.nodes}) == len(file.nodes) == 6
    assert compare(graph, read(tmp_path)).differences == ()
    assert_runs_alike(graph, tmp_path, data_for(graph))
