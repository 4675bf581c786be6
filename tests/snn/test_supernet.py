"""The supernet: a subnet inside it and the network extracted from it are one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spikec.errors import UsageError
from spikec.snn.config import SpikformerConfig, uniform_config
from spikec.snn.neuron import AUTO_SPIKFORMER
from spikec.snn.registry import network_config
from spikec.snn.spikformer import new_spikformer
from spikec.snn.supernet import Supernet, recalibrate

Draw = Callable[[np.random.Generator], SpikformerConfig]
DIGITS = network_config("spikformer-digits")


@pytest.fixture
def supernet(generator: torch.Generator) -> Supernet:
    net = Supernet(DIGITS, generator).double()
    with torch.no_grad():  # BatchNorms that differ from channel to channel, as training leaves them
        for name, parameter in net.named_parameters():
            if "bn" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return net


def images(count: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64)


def test_an_extracted_subnet_gives_the_logits_that_it_gives_inside(
    supernet: Supernet, draw: Draw, rng: np.random.Generator
) -> None:
    x = images()
    for _ in range(20):
        config = draw(rng)
        with torch.no_grad():
            inside = supernet(x, config)
            outside = supernet.subnet(config).train()(x)
        assert torch.equal(inside, outside)
        assert inside.std() > 0.01


def test_recalibrated_alone_it_gives_the_same_logits_every_time(
    supernet: Supernet, draw: Draw, rng: np.random.Generator
) -> None:
    config = draw(rng)
    logits = []
    for _ in range(2):
        network = supernet.subnet(config)
        recalibrate(network, images())
        with torch.no_grad():
            logits.append(network(images(8)))
    assert torch.equal(*logits)


def test_a_subnet_has_the_first_rows_columns_and_channels(supernet: Supernet) -> None:
    small = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=3.0)
    network = supernet.subnet(small)
    whole = dict(supernet.network.named_parameters())
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, whole[name][tuple(slice(n) for n in parameter.shape)]), name
    assert network.get_parameter("stem.conv0.weight").shape == (8, 1, 3, 3)
    assert network.get_parameter("blocks.0.mlp.fc1_linear.weight").shape == (96, 32)


def test_a_subnet_is_a_copy(supernet: Supernet) -> None:
    network = supernet.subnet(DIGITS)
    with torch.no_grad():
        network.head.weight.zero_()
    assert supernet.network.head.weight.abs().sum() > 0


def test_gradients_reach_the_subnets_corner_only(supernet: Supernet) -> None:
    small = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=2.0)
    supernet(images(), small).square().sum().backward()
    weight = supernet.network.get_parameter("blocks.0.mlp.fc1_linear.weight")
    assert weight.grad is not None
    assert weight.grad[:64, :32].abs().sum() > 0
    assert weight.grad[64:].abs().sum() == 0
    assert weight.grad[:, 32:].abs().sum() == 0
    assert supernet.network.get_parameter("blocks.1.mlp.fc1_linear.weight").grad is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 128}, "width 128"),
        ({"ratios": (4.0, 5.0, 4.0)}, "fc1_linear"),
        ({"classes": 11}, "classes"),
        ({"image": (1, 16, 16)}, "image"),
    ],
)
def test_refuses_a_subnet_that_does_not_fit(supernet: Supernet, change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        supernet.subnet(replace(DIGITS, **change))  # type: ignore[arg-type]  # by name


def test_a_subnet_may_have_another_neuron(supernet: Supernet) -> None:
    config = replace(DIGITS, neuron=AUTO_SPIKFORMER)
    with torch.no_grad():
        assert torch.equal(supernet(images(), config), supernet.subnet(config).train()(images()))


def test_statistics_are_exact_over_the_whole_set() -> None:
    network = new_spikformer(replace(DIGITS, steps=3), torch.Generator().manual_seed(0)).double()
    seen: list[torch.Tensor] = []
    network.get_submodule("stem.bn1").register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    recalibrate(network, images())
    norm = network.get_submodule("stem.bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    assert seen[0].shape[0] == 3 * 24
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3)))
    assert norm.momentum == 0.1
    assert not network.training


def test_recalibration_is_deterministic_and_forgets_what_was(generator: torch.Generator) -> None:
    network = new_spikformer(replace(DIGITS, steps=2), generator)
    x = images().float()
    recalibrate(network, x)
    first = {name: buffer.clone() for name, buffer in network.named_buffers()}
    recalibrate(network, x * 0.5)
    assert any(not torch.equal(buffer, first[name]) for name, buffer in network.named_buffers())
    recalibrate(network, x)
    assert all(torch.equal(buffer, first[name]) for name, buffer in network.named_buffers())


def test_statistics_belong_to_the_number_of_steps(supernet: Supernet) -> None:
    means = []
    for steps in (1, 4):
        network = supernet.subnet(replace(DIGITS, steps=steps))
        recalibrate(network, images())
        means.append(network.get_buffer("blocks.0.attn.q_bn.running_mean"))
    assert not torch.allclose(means[0], means[1], atol=1e-3)
