"""What is said of a network beside its graph."""

import pytest
import torch
from spikingjelly.activation_based.neuron import ParametricLIFNode
from torch import nn

from spikec.errors import TraceError
from spikec.frontend import tracer


def test_a_parameter_that_is_read_as_a_number_is_used_and_said_to_be_frozen(net):
    gain = nn.Parameter(torch.tensor(0.5))
    network = net(lambda m, x: m.fc(x) * float(m.gain) * m.gain.item(), gain=gain)
    found = tracer.traced(network, (4,), layout="TBX", steps=3)
    assert [node.op.factor for node in found.graph.nodes if node.op.mnemonic == "scale"] == [0.5, 0.5]
    (said,) = (remark for remark in found.remarks if "read as numbers" in remark)
    assert said == "1 of the network's parameters are read as numbers, which the graph holds as constants: gain"
    (unused,) = (remark for remark in found.remarks if "never used" in remark)
    assert "gain" not in unused


@pytest.mark.parametrize(
    "neuron",
    [ParametricLIFNode(2.0, step_mode="m"), ParametricLIFNode(1.5, v_reset=None, decay_input=False, step_mode="m")],
)
def test_a_learnt_number_of_a_neuron_is_a_weight_and_nothing_is_said_of_it(neuron):
    network = nn.Sequential(nn.Linear(4, 4), neuron).eval()
    found = tracer.traced(network, (4,), layout="TBX", steps=3)
    assert found.remarks == (tracer.STATEFUL,)
    assert found.graph.parameters == sum(p.numel() for p in network.parameters()) == 21


def test_text_made_of_a_tensor_is_said(net):
    network = net(lambda m, x: m.fc(x) * (2 if "e+30" in repr(x) else 1))
    (said,) = (r for r in tracer.traced(network, (4,), layout="TBX", steps=3).remarks if "turns numbers into text" in r)
    assert said.startswith("test_remarks.py:")


def test_a_number_computed_from_a_parameter_is_computed_in_fp64(net):
    network = net(lambda m, x: m.fc(x) * torch.sigmoid(m.gain).item(), gain=nn.Parameter(torch.tensor(0.3)))
    graph = tracer.traced(network, (4,), layout="TBX", steps=3).graph
    (scale,) = (node.op.factor for node in graph.nodes if node.op.mnemonic == "scale")
    assert abs(scale - torch.sigmoid(torch.tensor(0.3).double()).item()) < 1e-15


@pytest.mark.parametrize("divisor", [1.0000000410863, 1 + 1e-8, 2 + 1e-9, 3.0])
def test_a_division_whose_reciprocal_is_not_exact_is_refused_to_the_last_digit(net, divisor):
    with pytest.raises(TraceError, match="whose reciprocal is not exact"):
        tracer.traced(net(lambda m, x: m.fc(x) / divisor), (4,), layout="TBX", steps=3)


@pytest.mark.parametrize("divisor", [2.0**-150, 2.0**20, 0.5])
def test_a_division_whose_reciprocal_is_exact_is_a_scale(net, divisor):
    graph = tracer.traced(net(lambda m, x: m.fc(x) / divisor), (4,), layout="TBX", steps=3).graph
    assert graph.nodes[-1].op.factor == 1 / divisor
