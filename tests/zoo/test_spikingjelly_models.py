"""SpikingJelly's own models, unchanged: narrow ones proven, the published sizes replayed and priced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate
from spikingjelly.activation_based.model.maxformer import MaxFormer
from spikingjelly.activation_based.model.ms_resnet import MSResNet
from spikingjelly.activation_based.model.parametric_lif_net import CIFAR10Net, DVSGestureNet
from spikingjelly.activation_based.model.qkformer import QKFormer, qkformer_10_384
from spikingjelly.activation_based.model.spike_driven_transformer import SpikeDrivenTransformer
from spikingjelly.activation_based.model.spikformer import Spikformer, spikformer_cifar10
from spikingjelly.activation_based.op_counter import estimate_simple_energy
from torch import Tensor, nn

from hwmodels.counting import NEURONS
from hwmodels.policies import preset
from hwmodels.registry import load as load_hardware
from spikec.cost import Report
from spikec.frontend.tracer import STATEFUL, Layout, traced
from spikec.ir.types import REAL, Domain, Int
from spikec.model import Calibration, InputSpec, Model, load, save
from spikec.run.interp import Interpreter
from spikec.tasks import estimate

EVENTS = Int(0, 1_000_000)


def plif_net(kind: Callable[..., nn.Module], channels: int) -> nn.Module:
    """A network of Fang et al., ICCV 2021, as SpikingJelly's example makes it."""
    fields = {"surrogate_function": surrogate.ATan(), "detach_reset": True}
    network = kind(channels=channels, spiking_neuron=neuron.ParametricLIFNode, init_tau=2.0, **fields)
    functional.set_step_mode(network, "m")
    return network


@dataclass(frozen=True)
class Narrow:
    """A narrow form of a model.

    Args:
        make: the model.
        shape: of a sample.
        layers: how many neuron layers it has.
        domain: of the input.
        mean: of what its norms give, at which none of them is silent and none fires at every step.
        coarse: the neurons that have no fixed point on images in bytes: behind many convolutions, each with its scale.
        beyond: those whose membranes need more than 24 bits in fixed point.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    layers: int
    domain: Domain = REAL
    mean: float = 0.5
    coarse: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


NARROW = {
    "CIFAR10Net": Narrow(lambda: plif_net(CIFAR10Net, 8), (3, 32, 32), 8),
    "DVSGestureNet": Narrow(lambda: plif_net(DVSGestureNet, 4), (2, 128, 128), 7, EVENTS),
    "Spikformer": Narrow(
        lambda: Spikformer(
            img_size_h=16, img_size_w=16, patch_size=4, num_classes=10, embed_dims=32, num_heads=4, depths=2
        ),
        (3, 16, 16),
        15,
        mean=1.2,
    ),
    "QKFormer": Narrow(
        lambda: QKFormer(num_classes=10, embed_dims=32, num_heads=(1, 2, 1), depths=(1, 1, 1)),
        (3, 64, 64),
        25,
    ),
    "MSResNet": Narrow(
        lambda: MSResNet(num_classes=10, layers=(1, 1, 1), base_channels=8),
        (3, 16, 16),
        7,
        coarse=("layer2.0.spike1", "layer3.0.spike1", "head_lif"),
    ),
    "SpikeDrivenTransformer": Narrow(
        lambda: SpikeDrivenTransformer(num_classes=10, embed_dims=32, num_heads=4, depths=2, pooling_stat="0011"),
        (3, 16, 16),
        19,
        mean=0.2,
    ),
    "MaxFormer": Narrow(
        lambda: MaxFormer(num_classes=10, embed_dims=64, depths=(1, 1, 1)),
        (3, 64, 64),
        18,
        mean=0.2,
        beyond=("stage3.0.attn.qkv_lif",),
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("name", NARROW)
def test_narrow_ones_are_proven(name: str, prove: Callable[..., object]) -> None:
    narrow = NARROW[name]
    torch.manual_seed(0)
    proven = prove(narrow.make(), narrow.shape, layout="TBX", steps=2, domain=narrow.domain, mean=narrow.mean)
    print(f"{name}: {proven}")
    assert len(proven.rates) == narrow.layers
    assert set(proven.remarks) <= {STATEFUL}
    coarse = tuple(("lif", path) for path in narrow.coarse)
    assert proven.refused == ({"quantize, in bytes": coarse} if coarse else {})
    assert {path for rounded in proven.rounded for path in rounded.beyond} == set(narrow.beyond)


@pytest.mark.full
@pytest.mark.parametrize("name", ["CIFAR10Net", "Spikformer", "QKFormer", "MSResNet", "SpikeDrivenTransformer"])
def test_the_policy_counts_them_as_spikingjelly_does(name: str, enliven: Callable[..., None]) -> None:
    """ACs and MACs of all samples, exactly."""
    narrow = NARROW[name]
    torch.manual_seed(0)
    network, x = narrow.make().eval(), torch.randn(2, 3, *narrow.shape) + 0.5
    enliven(network, x, narrow.mean, 1.5, torch.Generator().manual_seed(0))
    graph = traced(network, narrow.shape, layout="TBX", steps=2, domain=narrow.domain).graph
    functional.reset_net(network)
    theirs = estimate_simple_energy(network, x)
    policy, chip = preset("spikingjelly").policy, load_hardware("45nm-spikingjelly")
    counts = Interpreter(torch.float32).count(graph, {"input": x.numpy()}, chip.probes(graph, policy))
    costs = chip.price(graph, counts, policy)
    found = {kind: sum(cost.counts.get(kind, 0) for cost in costs) for kind in ("ac", "mac")}
    assert found == {kind: theirs.counts[kind] for kind in found}
    total = sum(energy for cost in costs for energy in cost.energy_pj.values())
    assert total == pytest.approx(theirs.energy_total_pj, rel=1e-12)


FULL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Layout, int, int]] = {
    "spikformer_cifar10": (lambda: spikformer_cifar10(T=4), (3, 32, 32), "BX", 4, 9_324_730 - 4 * 9 * 384),
    "CIFAR10Net": (lambda: plif_net(CIFAR10Net, 256), (3, 32, 32), "TBX", 4, 36_720_492),
    "DVSGestureNet": (lambda: plif_net(DVSGestureNet, 128), (2, 128, 128), "TBX", 2, 1_698_933),
    "qkformer_10_384": (lambda: qkformer_10_384(T=2), (3, 224, 224), "BX", 2, 16_472_584),
}
"""Each with the shape of a sample, the layout, T, and its parameters.

Spikformer 4-384 has 9,324,730 in its authors' code; SpikingJelly's has no biases in its four blocks. QKFormer's paper
says 16.47 M (Zhou et al., NeurIPS 2024, table 1).
"""

LARGE = ("CIFAR10Net", "qkformer_10_384")
"""Of more multiplications than are done to see what a network's code does far beyond its sizes."""
MEANS = {"spikformer_cifar10": 1.2, "qkformer_10_384": 0.0}
"""At which no layer is silent, and none fires at every step: QKFormer's tokens sum 64 channels and more."""


def full_size(name: str) -> tuple[nn.Module, dict[str, object]]:
    make, shape, layout, steps, _ = FULL[name]
    torch.manual_seed(0)
    domain = EVENTS if name.startswith("DVS") else REAL
    return make().eval(), {"shape": shape, "layout": layout, "steps": steps, "domain": domain}


@pytest.mark.full
@pytest.mark.parametrize("name", FULL)
def test_every_parameter_of_the_published_sizes_is_in_the_graph(name: str) -> None:
    network, fields = full_size(name)
    graph = traced(network, **fields, check=False).graph
    assert graph.parameters == sum(p.numel() for p in network.parameters()) == FULL[name][4]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) for name in FULL])
def test_the_published_sizes_are_replayed_and_priced(name: str, enliven: Callable, tmp_path: Path) -> None:
    network, fields = full_size(name)
    inputs = images(name, 4)
    first = inputs.transpose(0, 1) if inputs.ndim == 5 else inputs
    enliven(network, first, MEANS.get(name, 0.5), 1.5, torch.Generator().manual_seed(0))
    recorded = traced(network, **fields)
    stateful, *others = recorded.remarks
    assert stateful == STATEFUL
    assert all(said.startswith("the network is too large to be recorded far beyond its sizes") for said in others)
    assert len(others) == (name in LARGE)
    encoder = "direct" if fields["layout"] == "BX" else "frames"
    calibration = Calibration(inputs[:2].numpy(), np.arange(2), "random")
    spec = InputSpec(fields["shape"], encoder, fields["steps"], "none stated")
    save(Model(name, recorded.graph, spec, calibration=calibration), tmp_path / "model.pt")
    (report,) = estimate(load(tmp_path / "model.pt"))
    assert isinstance(report, Report)
    assert report.energy_pj > 1e6
    assert not [line for line in report.assumptions if "silent" in line]
    rates = {row["name"]: row["rate"] for row in report.nodes if row["op"] in ("lif", "plif", "if")}
    assert len(rates) == sum(1 for _ in recorded.graph.nodes_of(*NEURONS))
    assert all(0 < rate < 1 for rate in rates.values()), rates
    print(f"{name}: {len(recorded.graph.nodes)} nodes, {report.energy_pj / 1e9:.3f} mJ")


def images(name: str, samples: int) -> Tensor:
    """Random samples, [samples, *shape], or [samples, T, *shape] for a network that takes time."""
    _, shape, layout, steps, _ = FULL[name]
    generator = torch.Generator().manual_seed(3)
    lead = (samples,) if layout == "BX" else (samples, steps)
    if name.startswith("DVS"):
        return torch.randint(0, 4, (*lead, *shape), generator=generator).float()
    return torch.randn((*lead, *shape), generator=generator)
