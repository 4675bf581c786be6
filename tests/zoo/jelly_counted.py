"""Small networks on SpikingJelly's neurons that other libraries count.

Run as a program it is syops on one of them: `python jelly_counted.py FOLDER CASE FILE`, FOLDER being where syops and
the SpikingJelly that it needs lie, FILE a torch file of weights and inputs. It prints JSON: operations, ACs and MACs a
sample of the whole network and of each module. The neurons are then those of the package `clock_driven`, which are the
ones that syops knows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from spikec.frontend.tracer import Layout
from spikec.ir.types import REAL, SPIKE, Domain
from spikec.snn.config import uniform_config
from spikec.snn.spikformer import Spikformer

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from spikingjelly.clock_driven.neuron import MultiStepIFNode, MultiStepLIFNode, MultiStepParametricLIFNode
else:
    from spikingjelly.activation_based import neuron

    MultiStepIFNode = partial(neuron.IFNode, step_mode="m")
    MultiStepLIFNode = partial(neuron.LIFNode, step_mode="m")
    MultiStepParametricLIFNode = partial(neuron.ParametricLIFNode, step_mode="m")

BATCH, STEPS = 5, 3


class Jelly:
    """SpikingJelly's LIF in the place of a Spikformer's own."""

    surrogate = None

    def neuron(self, v_threshold: float, tau: float) -> nn.Module:
        return MultiStepLIFNode(tau=tau, v_threshold=v_threshold)


class ConvNet(nn.Module):
    """Convolutions with norms, neurons of every kind and reset, both pools, a Linear with bias, a mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.lif1, self.pool1 = MultiStepLIFNode(), nn.MaxPool2d(2)
        self.conv2, self.bn2 = nn.Conv2d(8, 12, 3, 2, 1, groups=2), nn.BatchNorm2d(12, affine=False)
        self.if2 = MultiStepIFNode(v_reset=None)
        self.conv3, self.lif3 = nn.Conv2d(12, 6, 1), MultiStepLIFNode(3.0, decay_input=False)
        self.pool3, self.fc = nn.AvgPool2d(2), nn.Linear(6 * 2 * 2, 10)
        for layer in (self.conv3, self.fc):
            nn.init.normal_(layer.weight, 0.2, 0.4)
        self.plif = MultiStepParametricLIFNode(v_reset=None, v_threshold=0.75)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1)
        time = x.shape[:2]
        x = self.lif1(self.bn1(self.conv1(x.flatten(0, 1))).unflatten(0, time))
        x = self.if2(self.bn2(self.conv2(self.pool1(x.flatten(0, 1)))).unflatten(0, time))
        x = self.pool3(self.lif3(self.conv3(x.flatten(0, 1)).unflatten(0, time)).flatten(0, 1))
        return self.plif(self.fc(x.flatten(1)).unflatten(0, time)).mean(0)


class Mlp(nn.Module):
    """Spikes in, three Linears, one of them of ones and zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(20, 30), MultiStepLIFNode(v_reset=None)
        self.fc2, self.lif2 = nn.Linear(30, 30, bias=False), MultiStepLIFNode()
        self.fc3, self.if3 = nn.Linear(30, 10), MultiStepIFNode(v_threshold=2.0)
        for layer in (self.fc1, self.fc3):
            nn.init.normal_(layer.weight, 0.1, 0.5)
        self.fc2.weight.data = torch.randint(2, (30, 30)).float()

    def forward(self, x: Tensor) -> Tensor:
        x = self.lif1(self.fc1(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
        x = x + self.lif2(self.fc2(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
        return self.if3(self.fc3(x.flatten(0, 1)).unflatten(0, x.shape[:2])).sum(0)


def digits() -> nn.Module:
    """A Spikformer of the size that digits takes, on SpikingJelly's neurons."""
    config = replace(uniform_config("digits", (1, 8, 8), 10, width=32, depth=2, heads=4), neuron=Jelly())
    return Spikformer(config)


@dataclass(frozen=True)
class Case:
    """A network of SpikingJelly's neurons and what it takes."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    steps: int = STEPS
    layout: Layout = "BX"
    domain: Domain = REAL


CASES = {
    "convnet": Case(ConvNet, (2, 16, 16)),
    "mlp": Case(Mlp, (20,), layout="TBX", domain=SPIKE),
    "digits": Case(digits, (1, 8, 8), steps=4),
}


def inputs_of(case: Case) -> Tensor:
    """Random inputs in the case's layout: an image beyond 1, or spikes."""
    if case.layout == "TBX":
        return (torch.rand(case.steps, BATCH, *case.shape) < 0.3).float()
    return torch.rand(BATCH, *case.shape) * 2


def reset(network: nn.Module) -> None:
    """Forgets what neurons keep between calls."""
    for module in network.modules():
        if hasattr(module, "reset"):
            module.reset()


def settle(network: nn.Module, x: Tensor) -> None:
    """Gives norms the statistics of what they take, and a bias at which neurons fire."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.constant_(module.bias, 1.2)
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(x)
            reset(network)
    network.eval()


def main() -> None:
    """Counts with syops."""
    from syops import get_model_complexity_info  # there only where this is run
    from syops.engine import add_syops_counting_methods

    _, _, case, path = sys.argv
    network, held = CASES[case].make().eval(), torch.load(path, weights_only=True)
    network.load_state_dict(held["weights"])
    x = held["x"]
    add_syops_counting_methods(network).start_syops_count(ost=sys.stderr, verbose=False, ignore_list=[])
    with torch.no_grad():
        network(x)
    modules = {path: list(m.__syops__[:3]) for path, m in network.named_modules() if hasattr(m, "__syops__")}
    network.stop_syops_count()
    reset(network)
    total, _ = get_model_complexity_info(
        network, CASES[case].shape, [(x, None)], as_strings=False, print_per_layer_stat=False, ost=sys.stderr
    )
    print(json.dumps({"samples": len(x), "total": list(total[:3]), "modules": modules}))


if __name__ == "__main__":
    main()
