"""What is said of a network beside its graph."""

import torch
from torch import nn

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
