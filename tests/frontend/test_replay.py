"""The replay refuses a graph that does not do what its network does, silent layers or not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikec.errors import TraceError
from spikec.frontend import layer_functions, number_functions
from spikec.frontend.functions import FUNCTIONS
from spikec.frontend.naming import OwnTensors
from spikec.frontend.recorder import Recorder
from spikec.frontend.tracer import trace
from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.linear import BatchNorm, Conv2d
from spikec.ir.neurons import LIF
from spikec.ir.pools import MaxPool, Mean, Sum
from spikec.ir.shapes import Transpose
from spikec.ir.time import TimeLast, TimeMean
from spikec.run.interp import Interpreter
from spikec.snn.config import uniform_config
from spikec.snn.neuron import LIFNeuron
from spikec.snn.spikformer import new_spikformer


@pytest.fixture
def spikformer():
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, steps=2)
    return new_spikformer(config, torch.Generator().manual_seed(0)).eval()


def test_untrained_layers_are_silent_so_that_spikes_alone_prove_nothing(spikformer):
    graph = trace(spikformer, (1, 8, 8), layout="BX", steps=2)
    neurons = [node.name for node in graph.nodes_of(LIF)]
    spikes = Interpreter().run(graph, {"input": torch.rand(2, 1, 8, 8).numpy()}, keep=neurons)
    assert sum(float(value.sum()) for value in spikes.values()) == 0.0


def instead(monkeypatch, change):
    """Makes the recorder add another op than the one that was met: `change` gives it, or None for the same."""
    add = Recorder.add

    def wrong(self, op, *operands, **keywords):
        return add(self, change(self, op) or op, *operands, **keywords)

    monkeypatch.setattr(Recorder, "add", wrong)


WRONG = {
    "scale": lambda r, op: Scale(0.5) if isinstance(op, Scale) else None,
    "scale of another sign": lambda r, op: Scale(-op.factor) if isinstance(op, Scale) else None,
    "sum for mean": lambda r, op: Sum(op.axes) if isinstance(op, Mean) else None,
    "last for mean over time": lambda r, op: TimeLast() if isinstance(op, TimeMean) else None,
    "epsilon": lambda r, op: BatchNorm(op.axis, 1e-3) if isinstance(op, BatchNorm) else None,
    "reset": lambda r, op: LIF(reset="soft") if isinstance(op, LIF) else None,
    "input decay": lambda r, op: LIF(decay_input=False) if isinstance(op, LIF) else None,
    "product": lambda r, op: MatMul(op.transpose_a, not op.transpose_b) if isinstance(op, MatMul) else None,
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_op_in_a_silent_network(fault, spikformer, monkeypatch):
    instead(monkeypatch, WRONG[fault])
    with pytest.raises(TraceError):
        trace(spikformer, (1, 8, 8), layout="BX", steps=2)


@pytest.mark.parametrize("block", ["blocks.0", "stem"])
def test_a_dropped_residual_in_a_silent_network(block, spikformer, monkeypatch):
    def dropped(r, y, a, b):
        return b if r.scope.startswith(block) else number_functions.add(r, y, a, b)

    for function in (torch.Tensor.add, torch.add, torch.Tensor.__add__, torch.Tensor.__radd__):
        monkeypatch.setitem(FUNCTIONS, function, dropped)
    with pytest.raises(TraceError, match="differs"):
        trace(spikformer, (1, 8, 8), layout="BX", steps=2)


def test_a_swapped_operand(net, monkeypatch):
    record = number_functions.matmul
    monkeypatch.setitem(FUNCTIONS, torch.Tensor.__matmul__, lambda r, y, a, b: record(r, y, b, a))
    monkeypatch.setitem(FUNCTIONS, torch.Tensor.matmul, lambda r, y, a, b: record(r, y, b, a))
    with pytest.raises(TraceError):
        trace(net(lambda m, x: m.fc(x) @ x), (4, 4), layout="TBX", steps=2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda op: Conv2d((1, 2), op.padding, op.dilation, op.groups),
        lambda op: Conv2d(op.stride, (2, 1), (2, 1), op.groups),
    ],
)
def test_a_wrong_stride_or_dilation(wrong, net, monkeypatch):
    instead(monkeypatch, lambda r, op: wrong(op) if isinstance(op, Conv2d) else None)
    with pytest.raises(TraceError):
        trace(net(lambda m, x: m.conv(x.flatten(0, 1))), (3, 4, 4), layout="TBX", steps=2)


def test_a_wrong_transpose(net, monkeypatch):
    instead(monkeypatch, lambda r, op: None)
    moved = Recorder.moved

    def wrong(self, view, op):
        return moved(self, view, Transpose((1, 0, 2)) if isinstance(op, Transpose) else op)

    monkeypatch.setattr(Recorder, "moved", wrong)
    with pytest.raises(TraceError):
        trace(net(lambda m, x: m.fc(x.permute(0, 1, 4, 3, 2))), (4, 4, 4), layout="TBX", steps=2)


def test_a_wrong_weight(net, monkeypatch):
    weights = OwnTensors.weights

    def off_by_little(self, given, scope):
        names, values = weights(self, given, scope)
        return names, {
            slot: type(v)(v.array * 1.000001, v.role) if hasattr(v, "array") else v for slot, v in values.items()
        }

    monkeypatch.setattr(OwnTensors, "weights", off_by_little)
    with pytest.raises(TraceError, match="differs by"):
        trace(net(lambda m, x: m.fc(x)), (4,), layout="TBX", steps=2)


def test_without_the_check_a_wrong_graph_would_come_back(spikformer, monkeypatch):
    instead(monkeypatch, WRONG["scale"])
    graph = trace(spikformer, (1, 8, 8), layout="BX", steps=2, check=False)
    assert [node.op.factor for node in graph.nodes_of(Scale)] == [0.5]


class Lying(LIFNeuron):
    """Says another threshold than it uses."""

    def spikec_neuron(self):
        op, weights = super().spikec_neuron()
        return op, {**weights, "v_threshold": float(self.v_threshold) * 1.01}


class Rounding(LIFNeuron):
    """Says '>=' and does '>', which differ on ties alone."""

    def spikec_neuron(self):
        return LIF(fires_at=">="), super().spikec_neuron()[1]


class Stateful(LIFNeuron):
    """Keeps its membrane from call to call."""

    held = 0.0

    def forward(self, x):
        y = super().forward(x + self.held)
        self.held = self.held + 0.125
        return y


@pytest.mark.parametrize("neuron", [Lying(), Stateful()])
def test_a_neuron_that_does_not_do_what_it_says(neuron, net):
    with pytest.raises(TraceError, match=r"n|spikes"):
        trace(net(lambda m, x: m.n(m.fc(x)), n=neuron), (4,), layout="TBX", steps=3)


def test_a_silent_neuron_that_does_not_do_what_it_says(net):
    silent = Lying(v_threshold=1e6)
    with pytest.raises(TraceError, match="does not do what its spikec_neuron"):
        trace(net(lambda m, x: m.n(m.fc(x)), n=silent), (4,), layout="TBX", steps=3)


class Clamped(LIFNeuron):
    """Says nothing of drives far above its threshold, which it cuts off."""

    def forward(self, x):
        return super().forward(x.clamp(max=20.0))


def test_a_neuron_wrong_on_large_drives_alone(net):
    far = net(lambda m, x: m.n(m.fc(x) * 1000), n=Clamped(reset="soft", decay_input=False, tau=64.0))
    with pytest.raises(TraceError, match="spikes differ"):
        trace(far, (4,), layout="TBX", steps=64)


def test_a_neuron_wrong_on_ties_alone(net):
    with pytest.raises(TraceError, match="spikec_neuron"):
        trace(net(lambda m, x: m.n(m.fc(x)), n=Rounding(fires_at=">")), (4,), layout="TBX", steps=3)


def test_sizes_baked_into_the_code(net):
    cases = {
        "batch": lambda m, x: m.fc(x) * x.shape[1],
        "T": lambda m, x: m.fc(x) * x.shape[0],
        "length": lambda m, x: m.fc(x) * len(x),
        "steps": lambda m, x: m.fc(x.reshape(3, -1, 4)),
    }
    for forward in cases.values():
        with pytest.raises(TraceError):
            trace(net(forward), (4,), layout="TBX", steps=3)


def test_a_squeezed_batch(net):
    with pytest.raises(TraceError, match=r"test_replay.py:.*\.squeeze\(\).*a squeeze that takes time away"):
        trace(net(lambda m, x: F.linear(x, m.fc.weight[:1]).squeeze()), (4,), layout="TBX", steps=3)


def test_a_network_that_changes_from_call_to_call(net):
    def forward(m, x):
        m.calls = getattr(m, "calls", 0) + 1
        return m.fc(x) if m.calls == 1 else m.fc(m.fc(x))

    with pytest.raises(TraceError, match="differs"):
        trace(net(forward), (4,), layout="TBX", steps=3)


def test_a_neuron_that_is_called_less_often_next_time(net):
    def forward(m, x):
        m.calls = getattr(m, "calls", 0) + 1
        return m.lif(m.lif(x)) if m.calls == 1 else m.lif(x)

    with pytest.raises(
        TraceError, match=r"test_replay.py:.*return m.lif.*differs from call to call: nothing in the place"
    ):
        trace(net(forward), (4,), layout="TBX", steps=3)


def test_a_cached_tensor(net):
    def forward(m, x):
        if not hasattr(m, "cache"):
            m.cache = m.fc(x)
        return m.cache

    with pytest.raises(TraceError):
        trace(net(forward), (4,), layout="TBX", steps=3)


def test_numbers_beside_the_weights_are_compared(net):
    class Gain(nn.Module):
        factor = 0.5

        def forward(self, x):
            self.factor *= 1.0 + 1e-6
            return x * self.factor

    with pytest.raises(TraceError, match=r"return x \* self.factor: what it does differs from call to call"):
        trace(net(lambda m, x: m.g(x), g=Gain()), (4,), layout="TBX", steps=3)


def test_wrong_pool(net, monkeypatch):
    instead(monkeypatch, lambda r, op: MaxPool((2, 2), (1, 1)) if isinstance(op, MaxPool) else None)
    with pytest.raises(TraceError):
        trace(net(lambda m, x: F.max_pool2d(x.flatten(0, 1), 2)), (3, 4, 4), layout="TBX", steps=2)


def test_a_sum_that_is_recorded_once_too_often(net, monkeypatch):
    instead(monkeypatch, lambda r, op: None)
    record = layer_functions.linear
    monkeypatch.setitem(FUNCTIONS, F.linear, lambda r, y, *a: r.add(Add(), *[record(r, y, *a)] * 2))
    with pytest.raises(TraceError, match="differs"):
        trace(net(lambda m, x: m.fc(x)), (4,), layout="TBX", steps=2)
