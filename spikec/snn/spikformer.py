"""Spikformer (Zhou et al., ICLR 2023, arXiv 2209.15425): stem, blocks, head, for each published form.

Spikingformer (Zhou et al. 2023, arXiv 2304.11954) is one of the forms: the same layers, with neurons before the
projections and a stream of membranes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spikec.errors import DataError
from spikec.snn.blocks import Block
from spikec.snn.config import SpikformerConfig


class Stem(nn.Module):
    """Spiking patch splitting, 3x3 convolutions with BatchNorm, LIF and pools, then the position: x + RPE(x).

    Takes and gives [T, B, channels, height, width]; the result has values 0, 1 and 2. A stream of membranes begins
    with what the RPE's BatchNorm gives: nothing is added to it (the paper's tokenizer has no position of its own).
    """

    def __init__(self, config: SpikformerConfig) -> None:
        super().__init__()
        self.stages = len(config.stem_widths)
        self.pools = frozenset(config.pools)
        channels = config.image[0]
        for stage, width in enumerate(config.stem_widths):
            self.add_module(f"conv{stage}", nn.Conv2d(channels, width, 3, padding=1, bias=False))
            self.add_module(f"bn{stage}", nn.BatchNorm2d(width))
            self.add_module(f"lif{stage}", config.neuron.neuron(config.stem_threshold, config.stem_tau))
            if stage in self.pools:
                self.add_module(f"pool{stage}", nn.MaxPool2d(3, stride=2, padding=1))
            channels = width
        self.rpe_conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.rpe_bn = nn.BatchNorm2d(channels)
        self.membranes = config.layout.membranes
        if not self.membranes:
            self.rpe_lif = config.neuron.neuron(config.stem_threshold, config.stem_tau)

    def forward(self, x: Tensor) -> Tensor:
        """The token map of the frames `x`."""
        steps, batch = x.shape[:2]
        x = x.flatten(0, 1)
        for stage in range(self.stages):
            x = self.get_submodule(f"bn{stage}")(self.get_submodule(f"conv{stage}")(x))
            x = self.get_submodule(f"lif{stage}")(x.reshape(steps, batch, *x.shape[1:])).flatten(0, 1)
            if stage in self.pools:
                x = self.get_submodule(f"pool{stage}")(x)
        over_time = (steps, batch, *x.shape[1:])
        position: Tensor = self.rpe_bn(self.rpe_conv(x)).reshape(over_time)
        return position if self.membranes else self.rpe_lif(position) + x.reshape(over_time)


class Spikformer(nn.Module):
    """A Spikformer as its config says, untrained.

    `forward` takes images [B, C, H, W], shown at each of `config.steps` steps (direct coding), or for the
    'dvs' form frames [T, B, C, H, W], and gives logits [B, classes].

    Attributes:
        config: what it was made from.
    """

    def __init__(self, config: SpikformerConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Stem(config)
        self.blocks = nn.Sequential(*(Block(config, block) for block in range(config.depth)))
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, classes].

        Raises:
            DataError: the input's shape is not the form's.
        """
        self._check(x)
        if not self.config.layout.frames:
            x = x.unsqueeze(0).expand(self.config.steps, *x.shape)
        x = self.stem(x).flatten(3)
        x = self.blocks(x.transpose(2, 3)).mean(2) if self.config.layout.tokens == "linear" else self.blocks(x).mean(3)
        logits: Tensor = self.head(x.mean(0))
        return logits

    def _check(self, x: Tensor) -> None:
        frames = self.config.layout.frames
        if x.ndim != 4 + frames or tuple(x.shape[-3:]) != self.config.image:
            raise DataError(
                f"an input of shape {list(x.shape)}",
                expected=f"[{'T, ' if frames else ''}B, {', '.join(map(str, self.config.image))}]",
            )


def new_spikformer(config: SpikformerConfig, generator: torch.Generator) -> Spikformer:
    """An untrained Spikformer whose weights come from `generator` alone."""
    with torch.device("meta"):  # no draw from torch's global generator, and no work done twice
        network = Spikformer(config)
    network.to_empty(device="cpu")
    initialise(network, generator)
    return network


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draws all weights anew, as Spikformer's code does, module by module in order.

    Linear: normal of deviation 0.02, cut at +-2, bias 0. Convolutions: torch's default, uniform in
    +-1 / sqrt(fan_in), bias too. BatchNorm: weight 1, bias 0, statistics 0 and 1.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d | nn.Conv2d):
            bound = 1.0 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
