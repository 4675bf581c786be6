"""Which of the network's tensors a weight is."""

import torch
from torch import nn

from spikec.frontend.naming import OwnTensors
from spikec.ir.types import Role


def test_a_buffer_that_is_replaced_lends_its_name_to_no_other_tensor():
    """A stateful neuron sets its membrane anew in each step; what is freed is where the next tensor would stand."""
    network = nn.Module()
    network.register_buffer("mem", torch.zeros(3))
    own = OwnTensors(network)
    network.mem = torch.ones(3)
    others = [torch.full((3,), float(number)) for number in range(64)]
    assert [own.name(tensor) for tensor in others] == [""] * 64
    assert [own.owner(tensor) for tensor in others] == [""] * 64
    assert own.role(others[0]) is Role.CONSTANT
