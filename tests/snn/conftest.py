"""Small digits Spikformers, and the digits space's subnets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from spikec.snn.config import SpikformerConfig

Draw = Callable[[np.random.Generator], SpikformerConfig]


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
def draw() -> Draw:
    return draw_subnet


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
