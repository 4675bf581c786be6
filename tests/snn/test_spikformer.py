"""Spikformer's forms: parameters, shapes, wiring of thresholds, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from spikec.errors import DataError, UnknownName, UsageError
from spikec.snn.blocks import attend
from spikec.snn.config import (
    FORMS,
    FormName,
    SpikformerConfig,
    config_from_plain,
    config_to_plain,
    uniform_config,
)
from spikec.snn.neuron import AUTO_SPIKFORMER, LIFNeuron
from spikec.snn.registry import NETWORKS, network_config
from spikec.snn.spikformer import Spikformer, new_spikformer

SMALL: dict[FormName, SpikformerConfig] = {
    "cifar": uniform_config("cifar", (3, 16, 16), 5, width=32, depth=2, heads=4, steps=2),
    "dvs": uniform_config("dvs", (2, 32, 32), 5, width=32, depth=2, heads=4, steps=2),
    "imagenet": uniform_config("imagenet", (3, 32, 48), 5, width=32, depth=2, heads=4, steps=2),
    "digits": uniform_config("digits", (1, 8, 8), 5, width=32, depth=2, heads=4, steps=2),
    "spikingformer": uniform_config("spikingformer", (3, 32, 48), 5, width=32, depth=2, heads=4, steps=2),
}


def lively(form: FormName) -> SpikformerConfig:
    """Thresholds at which every layer of an untrained network fires."""
    return replace(SMALL[form], thresholds=(0.3, 0.3), stem_threshold=0.4, steps=4)


def images(config: SpikformerConfig, batch: int = 4) -> torch.Tensor:
    shape = (batch, *config.image) if not config.layout.frames else (config.steps, batch, *config.image)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_every_published_network_is_counted(published_parameters: dict[str, int]) -> None:
    assert set(published_parameters) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_live_parameters_are_those_of_the_authors_code(name: str, published_parameters: dict[str, int]) -> None:
    with torch.device("meta"):
        network = Spikformer(network_config(name))
    assert sum(p.numel() for p in network.parameters()) == published_parameters[name]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="spikformer-4-384"):
        network_config("spikformer-4-385")


@pytest.mark.parametrize("form", SMALL)
def test_spikes_everywhere_and_gradients_reach_every_parameter(form: FormName, generator: torch.Generator) -> None:
    config = lively(form)
    network = new_spikformer(config, generator)
    rates: dict[str, float] = {}
    for name, module in network.named_modules():
        if isinstance(module, LIFNeuron):
            module.register_forward_hook(lambda _m, _i, y, name=name: rates.update({name: y.mean().item()}))
    logits = network(images(config))
    logits.square().sum().backward()
    assert logits.shape == (4, 5)
    assert len(rates) == len(config.stem_widths) + (not config.layout.membranes) + 2 * 7
    assert all(0.0 < rate < 1.0 for rate in rates.values()), rates
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_frames_bring_their_own_steps(generator: torch.Generator) -> None:
    network = new_spikformer(lively("dvs"), generator)
    frames = images(replace(SMALL["dvs"], steps=3))
    assert network(frames).shape == (4, 5)
    assert not torch.equal(network(frames), network(frames[:2]))


def test_tokens_follow_the_image_and_the_pools() -> None:
    assert network_config("spikformer-4-384").tokens == 64
    assert network_config("spikformer-8-512").tokens == 196
    assert SMALL["imagenet"].tokens == 2 * 3
    assert SMALL["digits"].tokens == 16


def test_a_blocks_threshold_and_tau_reach_its_lifs_and_half_of_it_the_attention() -> None:
    config = replace(SMALL["digits"], thresholds=(0.6, 1.2), taus=(1.25, 4.0), stem_tau=3.0)
    network = Spikformer(config)
    for name, module in network.named_modules():
        if not isinstance(module, LIFNeuron):
            continue
        if name.startswith("stem"):
            expected = (1.0, 3.0)
        else:
            block = int(name.split(".")[1])
            threshold = config.thresholds[block] * (0.5 if name.endswith("attn_lif") else 1.0)
            expected = (threshold, config.taus[block])
        assert (module.v_threshold, module.tau) == expected, name


def test_the_convention_reaches_every_lif() -> None:
    network = Spikformer(replace(SMALL["cifar"], neuron=AUTO_SPIKFORMER))
    neurons = [module for module in network.modules() if isinstance(module, LIFNeuron)]
    assert all((n.fires_at, n.decay_input) == (">", False) for n in neurons)


def test_both_orders_of_attention_give_the_same_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randint(2, (2, 3, 10, 8), generator=generator).float() for _ in range(3))
    assert torch.equal(attend(q, k, v, 2, 0.125, "qk"), attend(q, k, v, 2, 0.125, "kv"))


def test_attention_keeps_heads_apart() -> None:
    q, k, v = (torch.zeros(1, 1, 3, 4) for _ in range(3))
    q[..., :2], k[..., :2], v[..., 2:] = 1.0, 1.0, 1.0
    assert attend(q, k, v, 2, 1.0, "qk").sum() == 0
    assert attend(q, k, v, 1, 1.0, "qk").sum() > 0


def test_a_seed_gives_the_weights_and_spares_the_global_generator() -> None:
    before = torch.get_rng_state()
    one, same, other = (new_spikformer(SMALL["cifar"], torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert all(buffer.isfinite().all() for buffer in one.buffers())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 36}, "width 36"),
        ({"heads": (4, 5)}, "multiple of 5"),
        ({"heads": (4,)}, "different lengths"),
        ({"image": (3, 18, 16)}, "18x16"),
        ({"pools": (7,)}, "no stem stage"),
        ({"steps": 0}, "steps=0"),
    ],
)
def test_refuses_sizes_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(SMALL["cifar"], **change)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("shape", [(4, 3, 16, 32), (3, 16, 16), (2, 4, 3, 16, 16)])
def test_refuses_inputs_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        Spikformer(SMALL["cifar"])(torch.zeros(shape))


@pytest.mark.parametrize("form", FORMS)
def test_a_config_survives_json(form: FormName) -> None:
    config = replace(SMALL[form], neuron=AUTO_SPIKFORMER, taus=(1.25, 10.0))
    assert config_from_plain(json.loads(json.dumps(config_to_plain(config)))) == config
    assert config_from_plain(config_to_plain(config)) == config


def test_a_surrogate_without_a_plain_form_cannot_be_saved() -> None:
    neuron = replace(AUTO_SPIKFORMER, surrogate=torch.sigmoid)
    with pytest.raises(UsageError, match="surrogate"):
        config_to_plain(replace(SMALL["digits"], neuron=neuron))
