"""What the tracer refuses, with the module path, the line of the network's own code and the reason."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikec.errors import TraceError, UsageError
from spikec.frontend.tracer import trace
from spikec.snn.neuron import LIFNeuron

MAP = (3, 4, 4)


def write_to_a_view(m, x):
    y = m.fc(x)
    y.view(-1).zero_()
    return y


def write_by_index(m, x):
    y = m.fc(x)
    y[0] = 0
    return y


def write_by_data(m, x):
    y = m.fc(x)
    y.data.zero_()
    return y


def replace_data(m, x):
    y = m.fc(x)
    y.data = x
    return y


def write_into_a_buffer(m, x):
    held = torch.zeros(x.shape, dtype=x.dtype)
    held[:] = x
    return m.fc(x) + held


def copy_into_a_buffer(m, x):
    return torch.zeros(x.shape, dtype=x.dtype).copy_(x)


def write_many(m, x):
    torch._foreach_mul_([x], 2.0)
    return m.fc(x)


IN_PLACE = {
    "relu_": (lambda m, x: m.fc(x).relu_(), "relu_"),
    "a view": (write_to_a_view, "zero_"),
    "an index": (write_by_index, "__setitem__"),
    "data": (write_by_data, "data"),
    "new data": (replace_data, "data"),
    "a buffer by index": (write_into_a_buffer, "__setitem__"),
    "a buffer by copy": (copy_into_a_buffer, "copy_"),
    "a list": (write_many, "_foreach_mul_"),
}
NOT_TAKEN = {
    "unknown": (lambda m, x: torch.sinh(x), "sinh"),
    "relu": (lambda m, x: m.fc(x).relu(), "relu"),
    "comparison": (lambda m, x: (x > 0.5).to(x.dtype), "gt"),
    "a nested list": (lambda m, x: torch.block_diag(*[m.fc(x[0]), x[0]]), "block_diag"),
    "einsum": (lambda m, x: torch.einsum("tbc,dc->tbd", x, m.fc.weight), "einsum"),
    "noise": (lambda m, x: x + torch.rand_like(x), "rand_like"),
    "all axes turned": (lambda m, x: m.fc(x).T, "T"),
    "aten": (lambda m, x: torch.ops.aten.sinh(x), "sinh"),
}
READS = {
    "item": lambda m, x: x * x.mean((0, 2)).item(),
    "tolist": lambda m, x: x * torch.tensor(x.tolist()).sum(),
    "__bool__": lambda m, x: x if x.mean((0, 2)) else m.fc(x),
    "__float__": lambda m, x: x * float(x.mean((0, 2))),
    "equal": lambda m, x: x if torch.equal(x, x) else m.fc(x),
    "allclose": lambda m, x: x if torch.allclose(x, x) else m.fc(x),
    "__array__": lambda m, x: x * float(np.asarray(x).sum()),
}


def refused(model, *words, shape=(4,), layout="TBX", steps=3):
    with pytest.raises(TraceError) as caught:
        trace(model, shape, layout=layout, steps=steps)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("case", IN_PLACE)
def test_writing_in_place(case, net):
    forward, name = IN_PLACE[case]
    refused(net(forward), f"'{name}' is not taken", "test_refused.py:", "the network")


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_a_function_that_is_not_taken_is_named_with_its_line(case, net):
    forward, name = NOT_TAKEN[case]
    refused(net(forward), f"'{name}' is not taken", "test_refused.py:")


@pytest.mark.parametrize("name", READS)
def test_a_graph_that_would_depend_on_data(name, net):
    refused(net(READS[name]), f"{name} reads a tensor's numbers", "test_refused.py:", "lambda m, x")


class Buffered(LIFNeuron):
    """A neuron that overwrites its input, as some frameworks do to save memory."""

    def forward(self, x):
        return x.copy_(super().forward(x))


class Clearing(LIFNeuron):
    """A neuron that clears its input once it has read it."""

    def forward(self, x):
        spikes = super().forward(x)
        x.zero_()
        return spikes


@pytest.mark.parametrize("neuron", [Buffered(v_threshold=0.1), Clearing(v_threshold=0.1)])
def test_a_neuron_that_overwrites_its_input(neuron, net):
    def forward(m, x):
        y = m.fc(x)
        return m.n(y) + y

    refused(net(forward, n=neuron), "written to in place", "copy before writing")


CONSTANTS = {
    "random": (lambda m, x: x + torch.rand(x.shape, dtype=x.dtype), "does not come from the input"),
    "of every step": (lambda m, x: x * torch.arange(3.0).reshape(3, 1, 1), "from step to step"),
    "matrix": (lambda m, x: x @ m.fc.weight, "use a Linear layer"),
    "matrix on the left": (lambda m, x: m.fc.weight @ x.transpose(-1, -2), "use a Linear layer"),
    "weight from data": (lambda m, x: F.linear(torch.ones(2, 4), x.flatten(0, 1)), "linear"),
    "reciprocal": (lambda m, x: m.fc(x) / 3, "not exact"),
    "division by values": (lambda m, x: x / m.fc(x), "division"),
}


@pytest.mark.parametrize("case", CONSTANTS)
def test_operands_from_elsewhere(case, net):
    refused(net(CONSTANTS[case][0]), CONSTANTS[case][1], "test_refused.py:")


def merged(x):
    """[T, B, C, H, W] as [B, C, T H, W]: time inside an axis of the map."""
    return x.permute(1, 2, 0, 3, 4).flatten(2, 3)


MIXING = {
    "batch and time swapped": (lambda m, x: x.transpose(0, 1).reshape(x.shape), (4,), "batch"),
    "batch into parts": (lambda m, x: x.reshape(2, -1, 2, 4), (4,), "splits time"),
    "mean over the batch": (lambda m, x: x.mean(1), (4,), "over the batch"),
    "sum over all": (lambda m, x: x.sum(), (4,), "over the batch"),
    "linear over time": (lambda m, x: m.fc(x.permute(1, 2, 0)).permute(2, 0, 1), (4,), "time"),
    "norm over time": (lambda m, x: m.norm(x.transpose(0, 1)), (4,), "time"),
    "product over the batch": (lambda m, x: x @ x.transpose(-1, -2), (4,), "batch"),
    "time against batch": (
        lambda m, x: torch.bmm(x.flatten(0, 1), x.transpose(0, 1).flatten(0, 1).transpose(1, 2)),
        (5, 4),
        "leading axes differ",
    ),
    "convolution over time": (lambda m, x: m.conv(merged(x)), MAP, "time and batch alone"),
    "pool over time": (lambda m, x: F.max_pool2d(merged(x), 2), MAP, "time and batch alone"),
    "average over time": (lambda m, x: F.avg_pool2d(merged(x), 2), MAP, "time and batch alone"),
    "batch taken for channels": (lambda m, x: F.max_pool2d(x, 2), (4, 4), "time and batch alone"),
    "neuron with the batch first": (lambda m, x: m.lif(x.transpose(0, 1)), (4,), "time as its first axis"),
    "neuron without time": (lambda m, x: m.lif(x.flatten(0, 1)), (4,), "time as its first axis"),
}


@pytest.mark.parametrize("case", MIXING)
def test_what_mixes_samples_or_steps(case, net):
    forward, shape, word = MIXING[case]
    refused(net(forward), word, "test_refused.py:", shape=shape, steps=4)


BROADCASTS = {
    "repeated channels": (lambda m, x: x.repeat(1, 1, 2), "repeated as a whole"),
    "steps against channels": (lambda m, x: x + x.mean(-1).permute(1, 0).unsqueeze(0), "axes differ"),
}


@pytest.mark.parametrize("case", BROADCASTS)
def test_broadcasting(case, net):
    refused(net(BROADCASTS[case][0]), BROADCASTS[case][1], "test_refused.py:", steps=4)


def test_a_repetition_that_is_not_over_the_steps(net):
    refused(net(lambda m, x: m.lif(m.fc(x).repeat(5, 1, 1))), "3 steps", layout="BX")
    refused(net(lambda m, x: m.lif(x.repeat(3, 1, 1, 1))), "time as its first axis")  # it has time already


LAYERS = {
    "circular padding": (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), "pad"),
    "padding by word": (nn.Conv2d(3, 3, 2, padding="same"), "padding='same'"),
    "ceil_mode": (nn.MaxPool2d(3, 2, ceil_mode=True), "ceil_mode"),
    "uneven windows": (nn.AdaptiveAvgPool2d(3), "windows differ in size"),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), "'bilinear'"),
    "half as large": (nn.Upsample(scale_factor=0.5), "2 x 2"),
    "reflected": (nn.ReflectionPad2d(1), "'reflect'"),
    "padded with ones": (nn.ConstantPad2d(1, 1.0), "value 1.0"),
    "group norm": (nn.GroupNorm(3, 3), "group_norm"),
    "relu": (nn.ReLU(), "relu"),
    "transposed": (nn.ConvTranspose2d(3, 3, 2), "conv_transpose2d"),
    "indices": (nn.MaxPool2d(2, return_indices=True), "indices"),
    "uncounted padding": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), "uncounted padding"),
    "a divisor": (nn.AvgPool2d(2, divisor_override=3), "divisor"),
    "batch statistics": (nn.BatchNorm2d(3, track_running_stats=False), "statistics of its batch"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_that_have_no_form(case, net):
    layer, word = LAYERS[case]
    refused(net(lambda m, x: m.layer(x.flatten(0, 1)), layer=layer), word, "module 'layer'", shape=MAP)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_hides_what_it_computes(net):
    refused(net(lambda m, x: m.layer(x), layer=torch.jit.script(nn.Flatten())), "TorchScript", "module 'layer'")


def test_training_mode(net):
    refused(net(lambda m, x: m.fc(x)).train(), "training mode", ".eval()")
    model = net(lambda m, x: m.fc(x))
    model.norm.train()
    refused(model, "training mode")


def test_a_dropout_that_is_on(net):
    refused(net(lambda m, x: F.dropout(x, 0.5, True)), "dropout", ".eval()", "test_refused.py:")


def test_outputs_that_were_not_followed(net):
    for forward in (lambda m, x: {m.fc(x)}, lambda m, x: (m.fc(x), torch.ones(3)), lambda m, x: None):
        refused(net(forward), "output", "conftest.py:", "def forward(self, x)")


def test_everything_that_stands_in_the_way_is_listed_once(net):
    def forward(m, x):
        y = m.fc(x).relu()
        for _ in range(3):
            y = y.sinh()
        return m.lif(y) + (x > 0.5).to(x.dtype) * x.mean((0, 2)).sum().item()

    refused(net(forward), "for 5 reasons", "'relu'", "'sinh'", "'gt'", "a sum over the batch", "item reads")


def test_a_network_that_fails_after_it_was_refused_says_why_it_was_refused(net):
    def forward(m, x):
        return m.fc(x.relu()[0, 0, :3])

    refused(net(forward), "the function 'relu' is not taken")


def test_a_network_that_fails_says_so(net):
    refused(net(lambda m, x: m.fc(x)), "[3, 2, 5]", "shape of one sample", shape=(5,))
    refused(net(lambda m, x: m.fc(x.reshape(3, 2, 4))), "numbers in the code")


def test_no_step(net):
    with pytest.raises(UsageError, match="steps"):
        trace(net(lambda m, x: x), (4,), layout="TBX", steps=0)
