"""Networks as torch exports them, with both of its exporters: what the module gives is what the graph gives.

An export that is unrolled over T is read as one graph of all steps; one of a single step, with its states as inputs and
outputs, is run for T steps. Everything is compared in fp32 on fresh samples, more of them than the export was made of.
"""

from dataclasses import replace

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.foreign import Taken
from spikec.run.interp import Interpreter
from spikec.snn.config import uniform_config
from spikec.snn.spikformer import new_spikformer

SAMPLES = 5
EXPORTED = 2
DYNAMO = pytest.param(True, True, id="dynamo", marks=pytest.mark.full)
WAYS = [pytest.param(False, True, id="legacy"), pytest.param(False, False, id="legacy, fixed batch"), DYNAMO]
"""The exporter, and whether the file leaves its batch open."""


def graph_gives(taken: Taken, x: torch.Tensor, steps: int = 1) -> list[np.ndarray]:
    """The outputs in the file's order, the batch before all other axes."""
    (entry,) = taken.graph.inputs
    values = Interpreter(torch.float32).run(taken.graph, {entry: x.numpy()}, steps)
    return [values[value].numpy() for value in taken.facts["outputs"].values()]


def alive(spikes: np.ndarray) -> None:
    assert set(np.unique(spikes)) <= {0.0, 1.0}
    assert 0.02 < spikes.mean() < 0.98


class Unrolled(nn.Module):
    """A convolutional snnTorch network and its loop over time, which gives spikes and membranes of every step."""

    def __init__(self, steps: int, reset: str) -> None:
        super().__init__()
        self.steps = steps
        self.conv, self.pool, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Linear(64, 10)
        self.hidden = snntorch.Leaky(beta=0.8, threshold=0.3, reset_mechanism=reset)
        self.last = snntorch.Leaky(beta=0.9, threshold=0.3, reset_mechanism=reset)

    def forward(self, x):
        v, w = self.hidden.init_leaky(), self.last.init_leaky()
        spikes, membranes = [], []
        for _ in range(self.steps):
            q, v = self.hidden(self.pool(self.conv(x)), v)
            out, w = self.last(self.fc(q.flatten(1)), w)
            spikes.append(out)
            membranes.append(w)
        return torch.stack(spikes), torch.stack(membranes)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize(("dynamo", "opened"), WAYS)
def test_an_unrolled_snntorch_network(exported, dynamo, opened, reset):
    network = Unrolled(4, reset)
    x = 2 * torch.rand(SAMPLES, 1, 8, 8)
    taken = exported(network, [x[:EXPORTED]], dynamo=dynamo, opened=opened, outputs=("spikes", "membranes"))
    with torch.no_grad():
        spikes, membranes = (y.transpose(0, 1).numpy() for y in network(x))
    alive(spikes)
    found = graph_gives(taken, x)
    assert np.array_equal(found[0], spikes)
    assert np.array_equal(found[1], membranes)
    assert taken.encoder == "direct"
    assert taken.graph.steps == 1
    assert any("the batch of the output 'spikes' is not its first axis" in remark for remark in taken.remarks)
    assert any("batch is fixed at 2" in remark for remark in taken.remarks) is not opened


class Step(nn.Module):
    """One step of two layers, with three states in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 4)
        self.hidden = snntorch.Leaky(beta=0.8, threshold=0.4)
        self.last = snntorch.Synaptic(alpha=0.7, beta=0.8, threshold=0.3, reset_mechanism="zero")

    def forward(self, x, v, i, w):
        q, v = self.hidden(self.fc1(x), v)
        q, i, w = self.last(self.fc2(q), i, w)
        return q, v, i, w


@pytest.mark.parametrize(("dynamo", "opened"), WAYS)
def test_one_step_with_its_states(exported, dynamo, opened):
    network, frames = Step(), torch.randn(12, SAMPLES, 6)
    states = [torch.zeros(SAMPLES, n) for n in (8, 4, 4)]
    few = [frames[0, :EXPORTED], *(state[:EXPORTED] for state in states)]
    ends = {"inputs": ("x", "v", "i", "w"), "outputs": ("spikes", "v_out", "i_out", "w_out")}
    taken = exported(network, few, dynamo=dynamo, opened=opened, steps=12, **ends)
    assert (taken.encoder, taken.graph.steps) == ("frames", 12)
    assert taken.facts["states"] == {"v": "v_out", "i": "i_out", "w": "w_out"}
    expected = []
    with torch.no_grad():
        for frame in frames:
            q, *states = network(frame, *states)
            expected.append(q.numpy())
    alive(np.stack(expected))
    (found,) = graph_gives(taken, frames, 12)
    assert np.array_equal(found, np.stack(expected))


class Block(nn.Module):
    """A transformer's block on tokens [B, N, D]: norms, attention by hand, by torch's function or by its module."""

    def __init__(self, attention: str) -> None:
        super().__init__()
        self.attention = attention
        self.norm, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.qkv, self.out, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 5)
        self.module = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x):
        y = self.norm(x)
        x = x + (self.module(y, y, y, need_weights=False)[0] if self.attention == "module" else self.attend(y))
        return self.head((x + self.mlp(self.norm2(x))).mean(1))

    def attend(self, y):
        b, n, d = y.shape
        q, k, v = self.qkv(y).reshape(b, n, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        if self.attention == "function":
            z = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            z = ((q @ k.transpose(-2, -1)) * (d // 2) ** -0.5).softmax(-1) @ v
        return self.out(z.transpose(1, 2).reshape(b, n, d))


@pytest.mark.parametrize("attention", ["by hand", "function", "module"])
@pytest.mark.parametrize(("dynamo", "opened"), WAYS)
def test_attention_and_layer_norms(exported, ops, dynamo, opened, attention):
    network, x = Block(attention), torch.randn(SAMPLES, 7, 16)
    taken = exported(network, [x[:EXPORTED]], dynamo=dynamo, opened=opened)
    with torch.no_grad():
        expected = network(x).numpy()
    (found,) = graph_gives(taken, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    mnemonics = ops(taken.graph)
    assert [mnemonics.count(op) for op in ("layer_norm", "matmul", "softmax", "gelu")] == [2, 2, 1, 1]


class Mixed(nn.Module):
    """What else a convolutional network is made of: groups, dropout, pads, slices, joins, pools and an upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.each = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.lif = snntorch.Leaky(beta=0.5, threshold=0.3)
        self.up, self.pool, self.far = nn.Upsample(scale_factor=2), nn.AvgPool2d(2), nn.AvgPool2d(4)
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(32, 4)
        nn.init.uniform_(self.norm.running_var, 0.05, 0.3)
        nn.init.uniform_(self.norm.bias, 0, 0.4)

    def forward(self, x):
        x = self.norm(self.conv(x))
        q, _ = self.lif(x, torch.zeros_like(x))
        y = self.pool(self.up(torch.cat([self.each(q)[:, :4], x[:, 4:]], 1)))
        y = self.far(nn.functional.pad(y, (1, 1, 0, 2))[:, :, :8, :8])
        return self.fc(self.drop(y.flatten(1)))


@pytest.mark.parametrize(("dynamo", "opened"), WAYS)
def test_what_else_convolutional_networks_are_made_of(exported, dynamo, opened):
    network, x = Mixed().eval(), torch.randn(SAMPLES, 3, 8, 8)
    taken = exported(network, [x[:EXPORTED]], dynamo=dynamo, opened=opened)
    with torch.no_grad():
        expected = network(x).numpy()
    (found,) = graph_gives(taken, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def drawn_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.02, 0.2),
                (module.weight.data, 0.6, 1.4),
                (module.bias.data, 0.2, 1.2),
            ):
                tensor.uniform_(low, high)


def spikformer() -> nn.Module:
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=2.0, steps=3)
    config = replace(config, attention_scale=0.25, pools=(1,))
    network = new_spikformer(config, torch.Generator().manual_seed(3)).eval()
    drawn_statistics(network)
    return network


@pytest.mark.full
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "legacy"])
def test_our_spikformer(exported, ops, dynamo):
    network, x = spikformer(), torch.rand(SAMPLES, 1, 8, 8)
    taken = exported(network, [x[:EXPORTED]], dynamo=dynamo, opened=False)
    with torch.no_grad():
        expected = network(x).numpy()
    (found,) = graph_gives(taken, x)
    assert np.array_equal(found, expected)
    assert ops(taken.graph).count("matmul") == 2
    assert any("takes the same input at all 3 steps, and is computed once" in remark for remark in taken.remarks)


class Written(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        spikes, h = torch.empty_like(x), torch.empty_like(x[0])
        for t in range(len(x)):
            torch.sub(x[t], 0.2, out=h)
            spikes[t] = h >= 0
        return spikes


class Writes(nn.Module):
    """Thresholds its input by writing into tensors that it makes."""

    def forward(self, x):
        return Written.apply(x)


@pytest.mark.parametrize(("opened", "reason"), [(True, "the output 'y' depends on no input"), (False, "has no input")])
def test_an_exporter_that_computed_the_network_while_it_recorded_it_is_found_out(exported, opened, reason):
    """The legacy exporter loses what is written into a tensor through `out`, and keeps constants in its place."""
    network = nn.Sequential(nn.Linear(6, 6), Writes(), nn.Linear(6, 3))
    with pytest.raises(TraceError, match=f"{reason}.*export anew"):
        exported(network, [torch.rand(EXPORTED, 6)], dynamo=False, opened=opened)


def test_a_layer_that_the_exporter_cut_off_is_said(exported):
    class Skipped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.writes = nn.Linear(6, 6), Writes()

        def forward(self, x):
            return x + self.writes(self.fc(x))

    taken = exported(Skipped(), [torch.rand(EXPORTED, 6)], dynamo=False)
    assert "no output depends on these layers, which are left away: 'fc' (linear)" in taken.remarks


def spikingjelly_network(mode: str) -> nn.Module:
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                layer.Conv2d(2, 4, 3, padding=1, bias=False, step_mode=mode),
                layer.BatchNorm2d(4, step_mode=mode),
                neuron.LIFNode(v_threshold=0.3, step_mode=mode),
                layer.MaxPool2d(2, step_mode=mode),
                layer.Flatten(step_mode=mode),
                layer.Linear(64, 10, step_mode=mode),
                neuron.IFNode(v_threshold=0.5, v_reset=None, step_mode=mode),
                neuron.ParametricLIFNode(init_tau=2.0, v_threshold=0.1, decay_input=False, step_mode=mode),
            )

        def forward(self, x):
            functional.reset_net(self)
            if mode == "m":
                return self.body(x.unsqueeze(0).repeat(4, 1, 1, 1, 1)).mean(0)
            return sum(self.body(x) for _ in range(4)) / 4

    network = Network().eval()
    drawn_statistics(network)
    return network


@pytest.mark.parametrize("mode", [pytest.param("m", marks=pytest.mark.full), pytest.param("s", marks=pytest.mark.long)])
def test_a_spikingjelly_network(exported, mode):
    network, x = spikingjelly_network(mode), torch.rand(SAMPLES, 2, 8, 8)
    taken = exported(network, [x[:EXPORTED]], dynamo=True)
    with torch.no_grad():
        expected = network(x).numpy()
    assert 0.02 < expected.mean() < 0.98
    (found,) = graph_gives(taken, x)
    assert np.array_equal(found, expected)


class Activations(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return torch.tanh(torch.relu(self.fc(x)).sigmoid())


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.full)])
def test_what_has_no_form_is_listed_at_once(exported, dynamo):
    with pytest.raises(UnsupportedOp) as caught:
        exported(Activations(), [torch.randn(EXPORTED, 4)], dynamo=dynamo)
    assert [offender.op for offender in caught.value.offenders] == ["Relu", "Sigmoid", "Tanh"]
    line = "return torch.tanh(torch.relu(self.fc(x)).sigmoid())"  # which the older exporter does not write down
    assert all(offender.line.endswith(line) is dynamo for offender in caught.value.offenders)


def test_a_batch_that_the_exporter_made_a_number_of_is_refused_with_how_to_mend_it(exported):
    class Sized(nn.Module):
        def forward(self, x):
            return x + torch.zeros(len(x), 4)

    with pytest.raises(TraceError, match=r"do not broadcast; expected one network for every batch") as caught:
        exported(Sized(), [torch.randn(EXPORTED, 4)], dynamo=False)
    assert "x.shape[0]" in caught.value.mend
