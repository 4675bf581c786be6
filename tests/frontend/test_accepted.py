"""Ways to write a network that the tracer takes; `traced` compares graph and network at several batches and T."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikec.frontend.tracer import trace
from spikec.ir.neurons import LIF
from spikec.ir.types import Role
from spikec.snn.neuron import LIFNeuron

MAP = (3, 4, 6)  # H unlike W


class SomeFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2


TAKEN = {
    "T as wide as the layer": (lambda m, x: m.fc(x), (4,), 4, ["linear"]),
    "T equal to H": (lambda m, x: m.conv(x.flatten(0, 1)).reshape(x.shape), MAP, 4, ["conv2d"]),
    "T equal to C": (lambda m, x: m.conv(x.flatten(0, 1)).reshape(x.shape), MAP, 3, ["conv2d"]),
    "as wide as the recorded batch": (lambda m, x: x.transpose(-1, -2), (2, 3), 3, ["transpose"]),
    "H and W swapped for a convolution": (
        lambda m, x: m.conv(x.flatten(0, 1).transpose(2, 3)).transpose(2, 3).reshape(x.shape),
        MAP,
        3,
        ["transpose", "conv2d", "transpose"],
    ),
    "channels from another axis": (
        lambda m, x: m.conv(x.flatten(0, 1).transpose(1, 2)),
        (4, 3, 6),
        3,
        ["transpose", "conv2d"],
    ),
    "time and batch merged and parted": (
        lambda m, x: m.fc(x.reshape(-1, x.shape[1], 4).flatten(0, 1)).reshape(x.shape),
        (4,),
        3,
        ["linear"],
    ),
    "a shared layer": (lambda m, x: m.fc(m.fc(x)), (4,), 3, ["linear", "linear"]),
    "a shared neuron": (lambda m, x: m.lif(m.fc(m.lif(m.fc(x)))), (4,), 3, ["linear", "lif"] * 2),
    "rows normalised": (
        lambda m, x: m.norm(m.fc(x).flatten(0, 2)).reshape(x.shape),
        (5, 4),
        3,
        ["linear", "batch_norm"],
    ),
    "columns normalised": (
        lambda m, x: m.norm(m.fc(x).flatten(0, 1).transpose(1, 2)).transpose(1, 2).reshape(x.shape),
        (5, 4),
        3,
        ["linear", "batch_norm"],
    ),
    "attention by transposes": (
        lambda m, x: ((m.fc(x) @ x.transpose(-1, -2)) * 0.5) @ x,
        (5, 4),
        3,
        ["linear", "matmul", "scale", "matmul"],
    ),
    "heads": (
        lambda m, x: (lambda h: ((h @ h.transpose(-1, -2)) @ h).transpose(2, 3).reshape(x.shape))(
            m.fc(x).reshape(*x.shape[:3], 2, 2).transpose(2, 3)
        ),
        (5, 4),
        3,
        ["linear", "reshape", "transpose", "matmul", "matmul", "transpose", "reshape"],
    ),
    "a batched product": (
        lambda m, x: torch.bmm(x.flatten(0, 1), x.flatten(0, 1).transpose(1, 2)),
        (5, 4),
        3,
        ["matmul"],
    ),
    "a leading axis of one": (
        lambda m, x: (x.unsqueeze(2) @ x.transpose(-1, -2).unsqueeze(2)).squeeze(2),
        (5, 4),
        3,
        ["matmul"],
    ),
    "alpha": (lambda m, x: torch.add(x, m.fc(x), alpha=0.5), (4,), 3, ["linear", "scale", "add"]),
    "an exact division": (lambda m, x: m.fc(x) / 4, (4,), 3, ["linear", "scale"]),
    "means over time": (lambda m, x: m.fc(x).mean(0), (4,), 3, ["linear", "time_mean"]),
    "means over all but the batch": (lambda m, x: m.fc(x).mean((0, 2)), (4,), 3, ["linear", "mean", "time_mean"]),
    "sums": (lambda m, x: m.fc(x).sum(-1).sum(0), (4,), 3, ["linear", "sum", "time_sum"]),
    "a kept axis": (lambda m, x: m.fc(x).mean(-1, keepdim=True).squeeze(-1), (4,), 3, ["linear", "mean"]),
    "a mean over a kept axis and time": (lambda m, x: x.mean((2, 3)).mean(0), (5, 4), 3, ["mean", "time_mean"]),
    "dropout that is off": (lambda m, x: F.dropout(m.fc(x), 0.5, m.training), (4,), 3, ["linear"]),
    "no-ops": (lambda m, x: m.fc(x).contiguous().clone().detach(), (4,), 3, ["linear"]),
    "average pooling": (
        lambda m, x: F.avg_pool2d(x.flatten(0, 1), (2, 3)).reshape(*x.shape[:3], 2, 2),
        MAP,
        3,
        ["avg_pool"],
    ),
    "max pooling": (lambda m, x: F.max_pool2d(x.flatten(0, 1), 3, 2, 1), MAP, 3, ["max_pool"]),
    "sizes of the input": (lambda m, x: m.fc(x) * x.shape[2], (4,), 3, ["linear", "scale"]),
    "a weight computed from a parameter": (lambda m, x: F.linear(x, m.fc.weight * 0.5), (4,), 3, ["linear"]),
    "a custom autograd function": (lambda m, x: SomeFunction.apply(m.fc(x)), (4,), 3, ["linear", "scale"]),
    "several outputs": (lambda m, x: (m.fc(x), m.lif(x)), (4,), 3, ["linear", "lif"]),
    "the input itself": (lambda m, x: x, (4,), 3, []),
    "a tensor printed": (lambda m, x: (str(x), m.fc(x))[1], (4,), 3, ["linear"]),
}

MORE = {
    "x += y": (lambda m, x: iadd(m, x), (4,), ["linear", "add"]),
    "differences": (
        lambda m, x: -(m.fc(x) - x - 1),
        (4,),
        ["linear", "scale", "add", "constant", "reshape", "expand", "repeat", "add", "scale"],
    ),
    "one minus": (
        lambda m, x: (1 - m.lif(m.fc(x))) * x,
        (4,),
        ["linear", "lif", "scale", "constant", "reshape", "expand", "repeat", "add", "mul"],
    ),
    "a table of positions": (lambda m, x: m.fc(x) + m.table, (5, 4), ["linear", "constant", "repeat", "add"]),
    "a learnt gain": (
        lambda m, x: m.fc(x) * m.fc.bias,
        (5, 4),
        ["linear", "constant", "reshape", "expand", "repeat", "mul"],
    ),
    "a learnt number": (lambda m, x: x * m.gain, (4,), ["constant", "reshape", "expand", "repeat", "mul"]),
    "zeros": (lambda m, x: m.fc(x) + torch.zeros(x.shape, dtype=x.dtype), (4,), ["linear"]),
    "ones like": (
        lambda m, x: m.fc(x) + torch.ones_like(x),
        (4,),
        ["linear", "constant", "repeat", "add"],
    ),
    "a kept axis": (lambda m, x: x + x.mean(-1, keepdim=True), (4,), ["mean", "reshape", "expand", "add"]),
    "kept time": (lambda m, x: x + x.mean(0, keepdim=True), (4,), ["time_mean", "repeat", "add"]),
    "one channel for all": (lambda m, x: x * F.linear(x, m.fc.weight[:1]), (4,), ["linear", "expand", "mul"]),
    "a product of rows and columns": (
        lambda m, x: x.unsqueeze(-1) * m.fc(x).unsqueeze(-2),
        (4,),
        ["linear", "reshape", "expand", "reshape", "expand", "mul"],
    ),
    "more heads": (lambda m, x: m.fc(x.unsqueeze(2).expand(-1, -1, 3, -1)), (4,), ["reshape", "expand", "linear"]),
    "cat": (lambda m, x: torch.cat([m.fc(x), x], -1), (4,), ["linear", "concat"]),
    "cat with a learnt row": (
        lambda m, x: torch.cat([m.table[None, None, :1].expand(*x.shape[:2], 1, 4), m.fc(x)], 2),
        (5, 4),
        ["linear", "constant", "repeat", "reshape", "concat"],
    ),
    "stack": (lambda m, x: torch.stack([m.fc(x), x], 2), (4,), ["linear", "reshape", "reshape", "concat"]),
    "chunks": (lambda m, x: (lambda a, b: a + b)(*m.fc(x).chunk(2, -1)), (4,), ["linear", "slice", "slice", "add"]),
    "parts": (lambda m, x: m.fc(x).split([1, 3], -1)[1], (4,), ["linear", "slice"]),
    "slices": (lambda m, x: m.fc(x)[:, :, 1:, None, ::2], (5, 4), ["linear", "slice", "slice"]),
    "an element": (lambda m, x: m.fc(x)[..., 0, :], (5, 4), ["linear", "slice", "reshape"]),
    "a narrow part": (lambda m, x: m.fc(x).narrow(2, 1, 2), (5, 4), ["linear", "slice"]),
    "rows one by one": (
        lambda m, x: torch.stack([m.fc(row) for row in x.unbind(2)], 2),
        (2, 4),
        ["slice"] * 2 + ["reshape", "linear"] * 2 + ["reshape", "reshape", "concat"],
    ),
    "the last step": (lambda m, x: m.fc(x[-1]), (4,), ["time_last", "linear"]),
    "mT": (lambda m, x: m.fc(x).mT @ x, (5, 4), ["linear", "matmul"]),
    "moved": (lambda m, x: m.fc(x).movedim(-1, 2), (5, 3, 4), ["linear", "transpose"]),
    "softmax": (lambda m, x: m.fc(x).softmax(-1) @ x.transpose(-1, -2), (5, 4), ["linear", "softmax", "matmul"]),
    "gelu and exp": (
        lambda m, x: F.gelu(m.fc(x), approximate="tanh") + torch.exp(x),
        (4,),
        ["linear", "gelu", "exp", "add"],
    ),
    "to its own format": (lambda m, x: m.fc(x.to(x.dtype).type_as(x)), (4,), ["linear"]),
    "a power of two per channel": (
        lambda m, x: x / torch.tensor([1.0, 2.0, 4.0, 0.5]),
        (4,),
        ["constant", "repeat", "mul"],
    ),
    "the mean as sum over T": (lambda m, x: m.fc(x).sum(0) / x.shape[0], (4,), ["linear", "time_mean"]),
}


def iadd(m, x):
    y = m.fc(x)
    y += x
    return y


@pytest.mark.parametrize("case", MORE)
def test_more_that_is_taken(case, net, traced, ops):
    forward, shape, expected = MORE[case]
    model = net(forward)
    model.table = nn.Parameter(torch.randn(5, 4))
    model.gain = nn.Parameter(torch.tensor(0.7))
    assert ops(traced(model, shape, "TBX", 3)) == expected


MAPS = {
    "layer norm": (nn.LayerNorm((4, 6)), ["layer_norm"]),
    "layer norm without weights": (nn.LayerNorm(6, elementwise_affine=False), ["layer_norm"]),
    "pooled to one": (nn.AdaptiveAvgPool2d(1), ["mean"]),
    "pooled to parts": (nn.AdaptiveAvgPool2d((2, 3)), ["avg_pool"]),
    "same padding": (nn.Conv2d(3, 3, (3, 5), padding="same", dilation=(1, 2)), ["conv2d"]),
    "no padding": (nn.Conv2d(3, 3, 3, padding="valid"), ["conv2d"]),
    "enlarged": (nn.Upsample(scale_factor=(2, 3)), ["upsample"]),
    "padded": (nn.ZeroPad2d((1, 2, 0, 3)), ["pad"]),
    "ceil_mode that changes nothing": (nn.MaxPool2d(2, ceil_mode=True), ["max_pool"]),
    "rows pooled": (nn.Sequential(nn.Flatten(2), nn.AvgPool1d(4, 2, 1)), ["reshape", "reshape", "avg_pool", "reshape"]),
    "rows pooled to one": (nn.Sequential(nn.Flatten(2), nn.AdaptiveAvgPool1d(1)), ["reshape", "mean"]),
}


@pytest.mark.parametrize("case", MAPS)
def test_layers_on_maps(case, net, traced, ops):
    layer, expected = MAPS[case]
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    assert ops(traced(net(lambda m, x: m.layer(x.flatten(0, 1)), layer=layer), MAP)) == expected


def test_a_learnt_table_is_a_parameter_and_a_number_is_none(net, traced):
    model = net(lambda m, x: m.fc(x) + m.table - 3.0 * m.table)
    model.table = nn.Parameter(torch.randn(4))
    graph = traced(model)
    roles = {name: weight.role for name, weight in graph.weights.items()}
    assert roles == dict.fromkeys(["fc.weight", "fc.bias", "table", "constant_1.value"], Role.PARAMETER)


@pytest.mark.parametrize("case", TAKEN)
def test_taken_and_right(case, net, traced, ops):
    forward, shape, steps, expected = TAKEN[case]
    assert ops(traced(net(forward), shape, "TBX", steps)) == expected


@pytest.mark.parametrize("layout", ["TBX", "BTX"])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_time_first_or_batch_first(layout, steps, net, traced, ops):
    def forward(m, x):
        y = m.conv(x.flatten(0, 1)).reshape(x.shape)
        return m.lif(y) if layout == "TBX" else m.lif(y.transpose(0, 1)).transpose(0, 1)

    graph = traced(net(forward), MAP, layout, steps)
    assert ops(graph) == ["conv2d", "lif"]
    assert graph.steps == steps


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "repeated",
    [
        lambda y, steps: y.unsqueeze(0).expand(steps, *y.shape),
        lambda y, steps: y.expand(steps, *y.shape),
        lambda y, steps: y.repeat(steps, 1, 1),
        lambda y, steps: y.unsqueeze(0).repeat(steps, 1, 1),
        lambda y, steps: y.unsqueeze(1).expand(-1, steps, -1).transpose(0, 1),
    ],
)
def test_direct_coding(repeated, steps, net, traced, ops):
    graph = traced(net(lambda m, x: m.lif(repeated(m.fc(x), steps)).mean(0)), (4,), "BX", steps)
    assert ops(graph) == ["linear", "repeat", "lif", "time_mean"]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_direct_coding_with_the_batch_first(steps, net, traced, ops):
    def forward(m, x):
        x = x.unsqueeze(1).expand(-1, steps, -1, -1, -1)
        y = m.conv(x.flatten(0, 1)).reshape(x.shape)
        return m.lif(y.transpose(0, 1)).mean(0)

    assert ops(traced(net(forward), MAP, "BX", steps)) == ["repeat", "conv2d", "lif", "time_mean"]


def test_a_single_channel_map(net, traced, ops):
    graph = traced(net(lambda m, x: m.c(x.flatten(0, 1)), c=nn.Conv2d(1, 2, 3)), (1, 4, 6), "TBX", 1)
    assert ops(graph) == ["conv2d"]


def test_grouped_strided_convolution(net, traced):
    graph = traced(net(lambda m, x: m.c(x.flatten(0, 1)), c=nn.Conv2d(3, 6, (3, 1), (2, 1), (1, 0), groups=3)), MAP)
    (node,) = graph.nodes
    assert (node.op.stride, node.op.padding, node.op.groups) == ((2, 1), (1, 0), 3)


def test_a_network_that_is_one_layer_or_one_neuron(traced, ops):
    assert ops(traced(nn.Linear(4, 4).eval())) == ["linear"]
    assert ops(traced(LIFNeuron().eval())) == ["lif"]
    assert ops(traced(nn.Flatten(2).eval(), (2, 2))) == ["reshape"]


def test_scopes_are_module_paths_and_weights_have_their_names(net, traced):
    graph = traced(net(lambda m, x: m.seq(x), seq=nn.Sequential(nn.Linear(4, 4), LIFNeuron(tau=3.0, v_threshold=0.1))))
    assert [(n.name, n.scope) for n in graph.nodes] == [("seq.0", "seq.0"), ("seq.1", "seq.1")]
    assert set(graph.weights) == {"seq.0.weight", "seq.0.bias", "seq.1.tau", "seq.1.v_threshold", "seq.1.v_reset"}
    assert {graph.weights[f"seq.1.{slot}"].role for slot in ("tau", "v_threshold", "v_reset")} == {Role.CONSTANT}
    assert graph.parameters == 20


def test_a_tied_weight_is_one_weight(net, traced):
    model = net(lambda m, x: m.b(m.a(x)), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    model.b.weight = model.a.weight
    graph = traced(model)
    assert graph.parameters == sum(p.numel() for p in [model.a.weight, model.a.bias, model.b.bias])


def test_a_weight_computed_from_parameters_is_one(net, traced):
    graph = traced(net(lambda m, x: F.linear(x, m.fc.weight * 0.5, m.fc.bias)))
    assert graph.parameters == 20


def test_statistics_are_no_parameters(net, traced):
    graph = traced(net(lambda m, x: m.norm(m.fc(x).flatten(0, 1)).reshape(x.shape)))
    roles = {name: weight.role for name, weight in graph.weights.items()}
    assert roles["norm.running_mean"] is roles["norm.running_var"] is Role.STATISTIC
    assert graph.parameters == 20 + 8


def test_layers_that_are_never_called_leave_nothing(net, traced):
    graph = traced(net(lambda m, x: m.fc(x), dead=nn.LayerNorm(4)))
    assert set(graph.weights) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("fires_at", [">=", ">"])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(
    ("reset", "reset_delay"), [("hard", False), ("hard", True), ("soft", False), ("none", False), ("none", True)]
)
def test_every_convention_of_our_neuron(reset, decay_input, fires_at, reset_delay, net, traced):
    fields = {"reset": reset, "decay_input": decay_input, "fires_at": fires_at, "reset_delay": reset_delay}
    neuron = LIFNeuron(tau=1.75, v_threshold=0.3, v_reset=0.05, **fields)
    graph = traced(net(lambda m, x: m.n(x * 2), n=neuron))
    assert graph.node("n").op == LIF(**fields)
    assert np.asarray(graph.weights["n.v_reset"].array) == 0.05


def test_parameters_in_fp64_stay_so(net):
    graph = trace(net(lambda m, x: m.fc(x)).double(), (4,), layout="TBX", steps=2)
    assert graph.weights["fc.weight"].array.dtype == np.float64


def test_the_network_is_left_as_it_was(net):
    model = net(lambda m, x: m.lif(m.fc(x)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace(model, (4,), layout="TBX", steps=2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert next(model.parameters()).dtype == torch.float32
