"""Blocks as SpikeGPT's (Zhu et al. 2023): LayerNorms, exponentials, sigmoids beside spikes; small, in our own words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from zoo_parts import Neurons, lif


class ChannelMix(nn.Module):
    """LayerNorm, Linear, a LIF, Linear, on tokens [T, B, N, D]."""

    def __init__(self, width: int = 16, neurons: Neurons = lif) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.key, self.lif = nn.Linear(width, 2 * width, bias=False), neurons(1.0)
        self.value = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(self.lif(self.key(self.norm(x))))


class TimeMix(ChannelMix):
    """The same, with exponentials of the keys in their place."""

    def forward(self, x: Tensor) -> Tensor:
        return self.value(self.lif(torch.exp(self.key(self.norm(x)))))


class Gated(ChannelMix):
    """The same, let through by a sigmoid: the receptance."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * super().forward(x)


class SpikeGptBlock(nn.Module):
    """A mix beside the stream of real numbers, and a LIF behind it."""

    def __init__(self, mix: type[nn.Module] = ChannelMix) -> None:
        super().__init__()
        self.mix, self.lif = mix(), lif()

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(x + self.mix(x))
