"""Half precision, conversions, autocast, and what trains: taken and said, or refused with the line (`# <-`)."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.frontend.tracer import traced as traced_with_remarks
from spikec.snn.neuron import LIFNeuron


def with_autocast(m, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return m.fc(x)  # <-


def to_half_and_back(m, x):
    return m.fc(x.half().float())  # <-


def to_double(m, x):
    return F.linear(x.double(), m.fc.weight.double())  # <-


def as_complex(m, x):
    return m.fc(torch.view_as_real(torch.complex(x, x)).mean(-1))  # <-


def fourier(m, x):
    return m.fc(torch.fft.fft(x).real)  # <-


@pytest.mark.parametrize("forward", [to_half_and_back, to_double, as_complex, fourier], ids=lambda f: f.__name__)
def test_other_formats_in_forward(forward, net, refused):
    refused(net(forward), forward)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_said_and_measured(dtype, net):
    model = net(lambda m, x: m.fc(m.lif(m.fc(x)))).to(dtype)
    found = traced_with_remarks(model, (4,), layout="TBX", steps=3)
    assert found.replayed == "fp64"
    assert f"the network computes in {dtype}; the graph has its weights as float32" in found.remarks
    (said,) = (remark for remark in found.remarks if remark.startswith(f"run as it is, in {dtype}"))
    matched = re.search(r"(\d+) of 48 spikes differ, real values by up to (\S+)$", said)
    assert matched is not None, said
    assert 0 < float(matched[2]) < 0.1
    weight = model.fc.weight.detach().float().numpy()
    np.testing.assert_array_equal(found.graph.weights["fc.weight"].array, weight)


def test_autocast_is_said_and_measured(net):
    found = traced_with_remarks(net(with_autocast), (4,), layout="TBX", steps=3)
    number = with_autocast.__code__.co_firstlineno + 2
    line = f"test_formats.py:{number}: return m.fc(x)  # <-"
    assert f"{line} computes in torch.bfloat16, to which the graph does not round" in found.remarks
    (said,) = (remark for remark in found.remarks if remark.startswith("run as it is, in torch.float32"))
    assert 0 < float(said.rpartition(" ")[2]) < 0.1


class Single(nn.Module):
    """Has a table in fp32 that is no tensor of its own, so that it cannot run in fp64."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 4), LIFNeuron(v_threshold=0.1)
        self.table = {"weight": torch.randn(4, 4)}

    def forward(self, x):
        return F.linear(self.lif(self.fc(x)), self.table["weight"])


def test_what_cannot_run_in_fp64_is_replayed_in_fp32_and_the_difference_said():
    torch.manual_seed(0)
    found = traced_with_remarks(Single().eval(), (4,), layout="TBX", steps=3)
    assert found.replayed == "fp32"
    (said,) = (remark for remark in found.remarks if "fp64" in remark)
    words = r"does not run in fp64 \(.*double.*float.*\), so it was replayed in fp32: (\d+) of (\d+) spikes differ"
    matched = re.search(words + r", real values by up to ([\d.e-]+)$", said, re.IGNORECASE)
    assert matched is not None, said
    assert int(matched[1]) <= int(matched[2]) // 100
    assert int(matched[2]) > 1000
    assert float(matched[3]) < 1e-3


def test_what_cannot_run_in_fp64_is_still_compared(monkeypatch):
    forward = Single.forward
    seen = []

    def unlike(self, x):
        seen.append(x)
        return forward(self, x) * (1.0 if len(seen) < 6 else 1.01)

    monkeypatch.setattr(Single, "forward", unlike)
    with pytest.raises(TraceError, match=r"differs by .* in fp32"):
        trace(Single().eval(), (4,), layout="TBX", steps=3)


def turn_training_on(m, x):
    m.norm.train()
    y = m.norm(m.fc(x).flatten(0, 1)).reshape(x.shape)  # <-
    m.norm.eval()
    return y


def drop_always(m, x):
    return F.dropout(m.fc(x), 0.5)  # <-


def statistics_of_the_batch(m, x):
    return F.batch_norm(m.fc(x).flatten(0, 1), None, None, training=True).reshape(x.shape)  # <-


TRAINING = {turn_training_on: "statistics of its batch", drop_always: "a dropout that is on"}
TRAINING[statistics_of_the_batch] = "statistics of its batch"


@pytest.mark.parametrize("forward", TRAINING, ids=lambda f: f.__name__)
def test_training_inside_forward(forward, net, refused):
    refused(net(forward), forward, TRAINING[forward], ".eval()")


def test_modules_in_training_mode_are_named(net):
    model = net(lambda m, x: m.fc(x), drop=nn.Dropout())
    model.norm.train()
    model.drop.train()
    with pytest.raises(TraceError, match=r"module 'norm', 'drop': .*training mode.*running statistics"):
        trace(model, (4,), layout="TBX", steps=3)


def test_a_batch_norm_in_evaluation_has_its_running_statistics(net, traced):
    model = net(lambda m, x: m.norm(m.fc(x).flatten(0, 1)).reshape(x.shape))
    model.norm.running_mean.uniform_(-1, 1)
    before = model.norm.running_mean.clone()
    graph = traced(model)
    np.testing.assert_array_equal(graph.weights["norm.running_mean"].array, before.numpy())
    assert torch.equal(model.norm.running_mean, before)
