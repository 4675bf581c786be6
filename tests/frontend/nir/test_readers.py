"""Networks that snnTorch and SpikingJelly import: what they compute is what the graph computes, spike for spike."""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator

import nir
import numpy as np
import pytest
import torch

DT = 1e-4


def node_in(*shape):
    return nir.Input(np.array(shape))


def node_out(*shape):
    return nir.Output(np.array(shape))


def lif(*shape, tau=4.0, decay_input=False, v_threshold=0.75, v_reset=0.0):
    one = np.ones(shape)
    return nir.LIF(tau * DT * one, (1.0 if decay_input else tau) * one, v_reset * one, v_threshold * one, v_reset * one)


def cuba(*shape, tau_syn=2.0, tau_mem=4.0, v_threshold=1.0):
    one = np.ones(shape)
    times = {"tau_syn": tau_syn * DT * one, "tau_mem": tau_mem * DT * one, "r": tau_mem * one, "w_in": tau_syn * one}
    return nir.CubaLIF(**times, v_leak=0 * one, v_threshold=v_threshold * one, v_reset=0 * one)


def rates(*shape, v_threshold=1.5):
    one = np.ones(shape)
    return nir.IF(one / DT, v_threshold * one, 0 * one)


def affine(out, into, seed, mean=0.1, scale=0.6):
    random = np.random.default_rng(seed)
    return nir.Affine(random.normal(mean, scale, size=(out, into)), random.uniform(-0.2, 0.3, size=out))


def conv(out, into, size, seed, stride=1, padding=1):
    random = np.random.default_rng(seed)
    weight = random.normal(0.06, 0.4, size=(out, into, 3, 3))
    return nir.Conv2d((size, size), weight, stride, padding, 1, 1, random.uniform(-0.2, 0.3, size=out))


def line(**nodes):
    names = list(nodes)
    return nodes, list(itertools.pairwise(names))


def dense(neuron: Callable[..., nir.NIRNode]):
    return line(
        input=node_in(12),
        fc1=affine(16, 12, 1),
        n1=neuron(16),
        fc2=affine(10, 16, 2),
        n2=neuron(10),
        output=node_out(10),
    )


def convolutional(neuron: Callable[..., nir.NIRNode], pool=nir.AvgPool2d):
    two = np.array([2, 2])
    return line(
        input=node_in(2, 8, 8),
        conv1=conv(4, 2, 8, 1),
        n1=neuron(4, 8, 8),
        pool=pool(two, two, 0 * two),
        conv2=conv(6, 4, 4, 2),
        n2=neuron(6, 4, 4),
        flat=nir.Flatten(np.array([6, 4, 4]), 0, -1),
        fc=affine(10, 96, 3, 0.01, 0.3),
        n3=neuron(10),
        output=node_out(10),
    )


def residual(neuron: Callable[..., nir.NIRNode]):
    nodes = {
        "input": node_in(12),
        "fc1": affine(12, 12, 1),
        "n1": neuron(12),
        "fc2": affine(12, 12, 2),
        "n2": neuron(12),
    }
    nodes |= {"fc3": affine(10, 12, 3), "n3": neuron(10), "output": node_out(10)}
    edges = [("input", "fc1"), ("fc1", "n1"), ("n1", "fc2"), ("fc2", "n2"), ("n1", "fc3"), ("n2", "fc3")]
    return nodes, [*edges, ("fc3", "n3"), ("n3", "output")]


def recurrent(neuron: Callable[..., nir.NIRNode]):
    weight = np.random.default_rng(5).normal(0, 0.4, size=(10, 10))
    nodes = {"input": node_in(12), "fc": affine(10, 12, 1), "n": neuron(10), "w_rec": nir.Linear(weight)}
    edges = [("input", "fc"), ("fc", "n"), ("n", "w_rec"), ("w_rec", "n"), ("n", "output")]
    return {**nodes, "output": node_out(10)}, edges


def nested(neuron: Callable[..., nir.NIRNode]):
    inner, edges = line(input=node_in(12), fc=affine(10, 12, 1), n=neuron(10), output=node_out(10))
    block = nir.NIRGraph(inner, edges)
    return line(input=node_in(12), n0=neuron(12), block=block, fc=affine(8, 10, 2), n1=neuron(8), output=node_out(8))


def nested_recurrent(neuron: Callable[..., nir.NIRNode]):
    weight = np.random.default_rng(5).normal(0, 0.4, size=(10, 10))
    inner = {"input": node_in(10), "n": neuron(10), "w_rec": nir.Linear(weight), "output": node_out(10)}
    edges = [("input", "n"), ("n", "w_rec"), ("w_rec", "n"), ("n", "output")]
    block = nir.NIRGraph(inner, edges)
    return line(
        input=node_in(12), fc=affine(10, 12, 1), rnn=block, fc2=affine(8, 10, 2), n1=neuron(8), output=node_out(8)
    )


NETWORKS = {
    "dense": dense,
    "convolutional": convolutional,
    "residual": residual,
    "recurrent": recurrent,
    "nested": nested,
    "nested recurrent": nested_recurrent,
}
SPIKINGJELLY = {
    "decaying input": lambda *shape: lif(*shape, decay_input=True, v_threshold=0.3),
    "decaying input, tau 1.7": lambda *shape: lif(*shape, tau=1.7, decay_input=True, v_threshold=0.4),
    "plain input": lif,
    "plain input, tau 1.7": lambda *shape: lif(*shape, tau=1.7),
    "reset to -0.25": lambda *shape: lif(*shape, decay_input=True, v_threshold=0.05, v_reset=-0.25),
    "IF": rates,
    "CubaLIF": cuba,
    "CubaLIF, tau 2.6 and 3.3": lambda *shape: cuba(*shape, tau_syn=2.6, tau_mem=3.3),
}
SNNTORCH = {
    "tau 4": lif,
    "tau 1.7": lambda *shape: lif(*shape, tau=1.7),
    "another gain": lambda *shape: lif(*shape, tau=3.0, decay_input=True, v_threshold=0.375),
    "CubaLIF": cuba,
}


@contextlib.contextmanager
def watched(network: torch.nn.Module, names: dict[str, str]) -> Iterator[dict[str, list[np.ndarray]]]:
    """What each module gives, in the order of its calls, by the name of its node."""
    seen: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: object, __: object, y: object) -> None:
            seen[name].append((y[0] if isinstance(y, tuple) else y).detach().double().numpy().copy())

        return hook

    handles = [network.get_submodule(path).register_forward_hook(keep(name)) for name, path in names.items()]
    yield seen
    for handle in handles:
        handle.remove()


def neurons_of(nodes, prefix=""):
    """The neurons' names, and their paths as nirtorch spells them."""
    found = {}
    for name, node in nodes.items():
        if isinstance(node, nir.NIRGraph):
            found |= neurons_of(node.nodes, f"{prefix}{name}.")
        elif hasattr(node, "v_threshold"):
            found[f"{prefix}{name}"] = f"{prefix}{name.replace('.', '_')}"
    return found


def spikes_of(network: torch.nn.Module, nodes: dict, x: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes [T, B, ...] of a network that takes and gives its state."""
    state = None
    with torch.no_grad(), watched(network, neurons_of(nodes)) as seen:
        for frame in torch.from_numpy(x):
            _, state = network(frame, state)
    return {name: np.stack(frames) for name, frames in seen.items()}


def assert_same(found, expected, alive):
    assert set(found) == set(expected)
    for name, spikes in expected.items():
        alive(spikes)
        assert int((found[name] != spikes).sum()) == 0, name


def data(shape, batch):
    return np.random.default_rng(8).uniform(-0.2, 1.2, size=(25, batch, *shape))


@pytest.mark.parametrize("neuron", SPIKINGJELLY)
@pytest.mark.parametrize("network", NETWORKS)
def test_spikingjelly_gives_the_same_spikes(taken, values, alive, network, neuron):
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    nodes, edges = NETWORKS[network](SPIKINGJELLY[neuron])
    x = data(nodes["input"].input_type["input"], 4)
    imported = exchange.import_from_nir(nir.NIRGraph(dict(nodes), list(edges)), dt=DT, dtype=torch.float64)
    found = taken(nodes, edges)
    assert_same(spikes_of(imported, nodes, x), values(found.graph, x, neurons_of(nodes)), alive)


@pytest.mark.parametrize("neuron", SNNTORCH)
@pytest.mark.parametrize("network", sorted(set(NETWORKS) - {"recurrent"}))
def test_snntorch_gives_the_same_spikes(taken, values, alive, network, neuron):
    """But for a recurrence outside a subgraph, whose input its importer (1.0.0) leads into the recurrent weights."""
    import_nir = pytest.importorskip("snntorch.import_nir")
    nodes, edges = NETWORKS[network](SNNTORCH[neuron])
    x = data(nodes["input"].input_type["input"], 4)
    samples = []
    for sample in range(x.shape[1]):  # one by one, since its Flatten knows no batch
        with contextlib.redirect_stdout(io.StringIO()):
            imported = import_nir.import_from_nir(nir.NIRGraph(dict(nodes), list(edges))).double()
        for path in neurons_of(nodes).values():
            # Its spikes are fp32, whatever it computes in.
            imported.get_submodule(path).register_forward_hook(lambda module, x, y: y.double())
        samples.append(spikes_of(imported, nodes, x[:, sample]))
    whole = {name: np.stack([sample[name] for sample in samples], axis=1) for name in samples[0]}
    assert_same(whole, values(taken(nodes, edges).graph, x, neurons_of(nodes)), alive)


def test_snntorch_takes_an_if_for_a_lif_of_beta_09_and_we_do_not(taken, values, reference, alive):
    """snnTorch's issue 416: its importer makes a Leaky of beta 0.9 of every IF, whose r must be 1."""
    import_nir = pytest.importorskip("snntorch.import_nir")
    nodes, edges = line(input=node_in(6), n=rates(6), output=node_out(6))
    nodes["n"].r = np.ones(6)
    x = data([6], 4)
    imported = import_nir.import_from_nir(nir.NIRGraph(dict(nodes), list(edges)))
    assert float(imported.get_submodule("n").beta) == pytest.approx(0.9)
    expected = reference(nodes, edges, x, 1.0)["n"]
    alive(expected)
    assert np.array_equal(values(taken(nodes, edges, dt=1.0).graph, x)["n"], expected)


def test_what_spikingjelly_writes_is_read_as_it_runs(tmp_path, values, alive):
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    from spikingjelly.activation_based import functional, layer, neuron

    from spikec.frontend.foreign import read

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1),
        neuron.LIFNode(tau=2.5, v_threshold=0.15),
        layer.AvgPool2d(2, 2),
        layer.Flatten(),
        layer.Linear(64, 20),
        neuron.ParametricLIFNode(init_tau=1.6, v_threshold=0.05),
        layer.Linear(20, 10),
        neuron.IFNode(v_threshold=0.5),
    ).double()
    exchange.export_to_nir(network, torch.rand(1, 2, 8, 8).double(), tmp_path / "network.nir", dt=DT)
    found = read(tmp_path / "network.nir")
    x = np.random.default_rng(0).uniform(0, 1, size=(20, 5, 2, 8, 8))
    functional.reset_net(network)
    with torch.no_grad():
        expected = np.stack([network(frame).numpy() for frame in torch.from_numpy(x)])
    alive(expected)
    (spikes,) = values(found.graph, x).values()
    assert int((spikes != expected).sum()) == 0


def test_what_snntorch_writes_is_read_as_it_runs(tmp_path, values, alive):
    """Of what its exporter writes rightly: dense layers, hard reset, recurrence with a bias of its own."""
    export_nir = pytest.importorskip("snntorch.export_nir")
    import snntorch

    from spikec.frontend.foreign import read

    torch.manual_seed(0)

    def words(n, threshold):
        return {"threshold": torch.full((n,), threshold), "reset_mechanism": "zero", "reset_delay": False}

    layers = [
        torch.nn.Linear(12, 16),
        snntorch.RLeaky(beta=torch.full((16,), 0.75), linear_features=16, all_to_all=True, **words(16, 0.3)),
        torch.nn.Linear(16, 10),
        snntorch.Synaptic(alpha=torch.full((10,), 0.5), beta=torch.full((10,), 0.75), **words(10, 0.25)),
    ]
    for module in (layers[1], layers[3]):
        module.init_hidden = True
    network = torch.nn.Sequential(*layers)
    graph = export_nir.export_to_nir(network, torch.rand(12))
    nir.write(tmp_path / "network.nir", graph)
    found = read(tmp_path / "network.nir")
    x = np.random.default_rng(0).uniform(0, 1, size=(20, 5, 12))
    expected = run_snntorch(snntorch, layers, x)
    alive(expected)
    (spikes,) = values(found.graph, x).values()
    assert int((spikes != expected).sum()) == 0


def run_snntorch(snntorch, layers, x: np.ndarray) -> np.ndarray:
    """The layers in fp64 with explicit states."""
    fc1, hidden, fc2, last = [module.double() for module in layers]
    for module in (hidden, last):
        module.init_hidden = False
    spikes, mem = torch.zeros(x.shape[1], 16).double(), torch.zeros(x.shape[1], 16).double()
    syn, mem2 = torch.zeros(x.shape[1], 10).double(), torch.zeros(x.shape[1], 10).double()
    out = []
    with torch.no_grad():
        for frame in torch.from_numpy(x):
            spikes, mem = hidden(fc1(frame), spikes.double(), mem)
            fired, syn, mem2 = last(fc2(spikes.double()), syn, mem2)
            out.append(fired.double().numpy())
    return np.stack(out)
