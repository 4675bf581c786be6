"""Small digits Spikformers, the digits space's subnets, and the parameters of the published networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from spikec.snn.config import SpikformerConfig

Draw = Callable[[np.random.Generator], SpikformerConfig]

# Live parameters (without the LayerNorms and position table that the authors' code constructs and never
# calls), computed from the authors' own model code; Spikformer, Tables 1, 2 and 4 print them rounded. Spikingformer's
# layers are those of Spikformer of its size, neurons apart (29.68 M in its paper, Table 1).
PARAMETERS = {
    "spikformer-4-256": 4_155_178,
    "spikformer-2-384": 5_765_050,
    "spikformer-4-384": 9_324_730,
    "spikformer-4-384-cifar100": 9_359_380,
    "spikformer-8-384": 16_816_024,
    "spikformer-8-512": 29_689_384,
    "spikformer-8-768": 66_338_632,
    "spikingformer-8-512": 29_689_384,
    "spikformer-dvs-2-256": 2_566_666,
    "spikformer-dvs128-2-256": 2_566_923,
    "spikformer-digits": 211_962,
}


def draw_subnet(rng: np.random.Generator) -> SpikformerConfig:
    """A random member of the digits space, drawn here so that these tests need no search space."""
    depth = int(rng.integers(1, 4))

    def each(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[int(i)] for i in rng.integers(len(values), size=depth))

    return SpikformerConfig(
        form="digits",
        image=(1, 8, 8),
        classes=10,
        width=(32, 48, 64)[int(rng.integers(3))],
        ratios=each((2.0, 3.0, 4.0)),
        heads=tuple(map(int, each((2, 4)))),
        thresholds=each((0.6, 0.8, 1.0, 1.2)),
        taus=each((1.25, 2.0, 4.0)),
        steps=int(rng.integers(1, 5)),
        attention_scale=0.25,
        pools=(1,),
    )


@pytest.fixture
def published_parameters() -> dict[str, int]:
    """Live parameters of every network of the registry, by name."""
    return PARAMETERS


@pytest.fixture
def draw() -> Draw:
    return draw_subnet


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
