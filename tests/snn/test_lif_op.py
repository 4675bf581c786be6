"""spikec::lif, our LIF as an operator: the layer's spikes and gradient, fake tensors, and torch.export both ways."""

from __future__ import annotations

import warnings

import pytest
import snntorch
import torch
from torch import Tensor, nn

from spikec.errors import UsageError
from spikec.snn.lif_op import exported
from spikec.snn.neuron import LIFNeuron

NEURONS = {
    "spikformer": LIFNeuron(2.0, 0.5),
    "soft": LIFNeuron(1.5, 0.25, reset="soft", decay_input=False, fires_at=">"),
    "attached": LIFNeuron(3.0, 0.5, 0.125, detach_reset=False),
}


@pytest.mark.parametrize("name", NEURONS)
def test_it_is_the_layer_forward_and_backward(name: str) -> None:
    neuron = NEURONS[name]
    torch.manual_seed(0)
    x = torch.randn(4, 5, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(4, 5, 6, dtype=torch.float64)
    ours, layers = exported(x, neuron), neuron(x)
    assert torch.equal(ours, layers)
    assert 0 < float(ours.detach().mean()) < 1
    gradients = [torch.autograd.grad((spikes * weight).sum(), x)[0] for spikes in (ours, layers)]
    assert torch.equal(*gradients)
    assert gradients[0].abs().sum() > 0


@pytest.mark.full
def test_torchs_own_checks_of_operators_pass() -> None:
    arguments = (1.5, 0.25, 0.0, "hard", True, ">=", False, True, 4.0)
    for x in (torch.randn(4, 3, requires_grad=True), torch.randn(3, 4).T):
        torch.library.opcheck(torch.ops.spikec.lif.default, (x, *arguments))


def test_a_surrogate_without_a_slope_has_no_gradient_there() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    spikes = exported(x, LIFNeuron(surrogate=snntorch.surrogate.atan()))
    with pytest.raises(UsageError, match="whose surrogate has no slope"):
        spikes.sum().backward()


def test_an_exported_network_is_saved_loaded_and_equal(tmp_path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 6), LIFNeuron(2.0, 0.2)

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(self.fc(x)).mean(0)

    torch.manual_seed(0)
    net, x = Net(), torch.randn(4, 3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net.eval(), (x,))
        torch.export.save(program, tmp_path / "net.pt2")
        loaded = torch.export.load(tmp_path / "net.pt2").module()
    calls = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert calls.count("spikec.lif.default") == 1
    assert len(calls) == 3
    with torch.no_grad():
        assert torch.equal(loaded(x), net(x))
        assert net(x).any()
