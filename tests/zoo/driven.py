"""Spiking transformers without a product of two matrices, or with few: Spike-Driven Transformers, QKFormer; small.

Each is written in our own words from the published structure, named at the classes. Inside, time comes first: maps are
[T, B, C, H, W], tokens [T, B, D, N]. Networks on images repeat them `steps` times.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_parts import Block, ColumnAttention, Columns, ConvNorm, Mlp, Neurons, lif, pooled, repeated

from spikec.ir.neurons import MultiLevelSpike


class Driven(nn.Module):
    """Spike-driven self-attention (SDSA): k and v multiplied element by element, summed over tokens, a mask for q."""

    def __init__(self, width: int, neurons: Neurons) -> None:
        super().__init__()
        self.lif = neurons(1.0)
        for name in ("q", "k", "v"):
            setattr(self, name, Columns(width, width))
            setattr(self, f"{name}_lif", neurons(1.0))
        self.mask_lif = neurons(0.5)
        self.proj = Columns(width, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lif(x)
        q, k, v = self.q_lif(self.q(x)), self.k_lif(self.k(x)), self.v_lif(self.v(x))
        mask = self.mask_lif(k.mul(v).sum(dim=-1, keepdim=True))
        return self.proj(q.mul(mask))


class DrivenMlp(nn.Module):
    """Two projections, each behind its LIF."""

    def __init__(self, width: int, neurons: Neurons) -> None:
        super().__init__()
        self.fc1_lif, self.fc1 = neurons(1.0), Columns(width, 2 * width, bias=True)
        self.fc2_lif, self.fc2 = neurons(1.0), Columns(2 * width, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc2_lif(self.fc1(self.fc1_lif(x))))


class SpikeDriven(nn.Module):
    """Spike-Driven Transformer, the first (Yao et al., NeurIPS 2023; BICLab/Spike-Driven-Transformer): no matmul.

    The position is added to membranes; a LIF stands before the head, whose results are averaged over time.
    """

    def __init__(self, width: int = 32, depth: int = 2, neurons: Neurons = lif) -> None:
        super().__init__()
        self.steps = 3
        widths = (3, width // 4, width // 2, width)
        self.convs = nn.ModuleList(ConvNorm(*widths[i : i + 2]) for i in range(3))
        self.lifs = nn.ModuleList(neurons(1.0) for _ in range(3))
        self.pool1, self.pool2 = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1)
        self.rpe = ConvNorm(width, width)
        self.blocks = nn.ModuleList(Block(Driven(width, neurons), DrivenMlp(width, neurons)) for _ in range(depth))
        self.head_lif = neurons(1.0)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = pooled(self.pool1, self.lifs[0](self.convs[0](repeated(x, self.steps))))
        x = pooled(self.pool2, self.convs[2](self.lifs[1](self.convs[1](x))))
        x = (self.rpe(self.lifs[2](x)) + x).flatten(3)
        for block in self.blocks:
            x = block(x)
        return self.head(self.head_lif(x).mean(-1)).mean(0)


class Separable(nn.Module):
    """SepConv: a pointwise convolution, a depthwise one of 7 x 7, a pointwise one; LIFs before the pointwise ones."""

    def __init__(self, width: int, neurons: Neurons) -> None:
        super().__init__()
        self.lif1, self.widen = neurons(1.0), ConvNorm(width, 2 * width, 1)
        self.lif2 = neurons(1.0)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 7, padding=3, groups=2 * width, bias=False)
        self.narrow = ConvNorm(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lif2(self.widen(self.lif1(x)))
        return self.narrow(self.depthwise(y.flatten(0, 1)).reshape(y.shape))


class ConvMlp(nn.Module):
    """Two 3 x 3 convolutions, each behind its LIF."""

    def __init__(self, width: int, neurons: Neurons) -> None:
        super().__init__()
        self.lif1, self.conv1 = neurons(1.0), ConvNorm(width, 2 * width)
        self.lif2, self.conv2 = neurons(1.0), ConvNorm(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.lif2(self.conv1(self.lif1(x))))


class Reparametrised(nn.Module):
    """RepConv: pointwise, norm, depthwise 3 x 3, pointwise, norm: linear throughout, so that it can be folded into one.

    Its border is padded with what the first norm makes of zero, as a convolution with padding before it would give.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, groups=width, bias=False)
        self.last = nn.Conv2d(width, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        border = norm.bias - norm.running_mean * norm.weight / torch.sqrt(norm.running_var + norm.eps)
        border = border.view(1, -1, 1, 1)
        y = F.pad(norm(self.first(x.flatten(0, 1))) - border, (1, 1, 1, 1)) + border
        return self.bn(self.last(self.depthwise(y))).reshape(x.shape)


class MapAttention(nn.Module):
    """Attention of a map: q, k, v and proj are RepConvs, k^T v is multiplied first."""

    def __init__(self, width: int, heads: int, neurons: Neurons) -> None:
        super().__init__()
        self.heads = heads
        self.head_lif = neurons(1.0)
        for name in ("q", "k", "v"):
            setattr(self, name, Reparametrised(width))
            setattr(self, f"{name}_lif", neurons(1.0))
        self.attn_lif = neurons(0.5)
        self.proj = Reparametrised(width)

    def split(self, x: Tensor) -> Tensor:
        steps, batch, width = x.shape[:3]
        return x.flatten(3).reshape(steps, batch, self.heads, width // self.heads, -1).transpose(-1, -2)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.head_lif(x)
        q, k, v = (self.split(getattr(self, f"{name}_lif")(getattr(self, name)(spikes))) for name in "qkv")
        y = (q @ (k.transpose(-2, -1) @ v)) * 0.125
        return self.proj(self.attn_lif(y.transpose(-1, -2).reshape(x.shape)))


class MetaSpikeFormer(nn.Module):
    """Spike-Driven Transformer, the second (Yao et al., ICLR 2024; BICLab/Spike-Driven-Transformer-V2).

    Strided convolutions in the place of pools; a convolutional block, then a block of attention; membranes are added.
    """

    def __init__(
        self, width: int = 24, heads: int = 4, neurons: Neurons = lif, tokens: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.steps = 3
        self.stem = ConvNorm(3, width // 2, 7, 2)
        self.conv = Block(Separable(width // 2, neurons), ConvMlp(width // 2, neurons))
        self.down_lif, self.down = neurons(1.0), ConvNorm(width // 2, width, 3, 2)
        self.attn = tokens or MapAttention(width, heads, neurons)
        self.mlp = DrivenMlp(width, neurons)
        self.lif = neurons(1.0)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.stem(repeated(x, self.steps)))
        x = self.down(self.down_lif(x))
        x = x + self.attn(x)
        x = x + self.mlp(x.flatten(3)).reshape(x.shape)
        return self.head(self.lif(x.flatten(3).mean(3))).mean(0)


class Integer(nn.Module):
    """The integer neuron of the third Spike-Driven Transformer: a quarter of a whole number from 0 to 4; no memory."""

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.round(torch.clamp(x, 0, 4)) / 4

    def spikec_neuron(self) -> tuple[MultiLevelSpike, Mapping[str, float]]:
        return MultiLevelSpike(levels=4, scale=0.25), {}


class SpikeFormerV3(MetaSpikeFormer):
    """Spike-Driven Transformer, the third (Yao et al., TPAMI 2025; BICLab/Spike-Driven-Transformer-V3).

    The second with integer neurons throughout: no membranes, so that a step says nothing to the next.
    """

    def __init__(self, width: int = 24, heads: int = 4) -> None:
        super().__init__(width, heads, Integer)


class Embedding(nn.Module):
    """A patch embedding that halves the map: two convolutions and a pool, beside a strided 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, neurons: Neurons) -> None:
        super().__init__()
        self.conv1, self.lif1 = ConvNorm(inputs, outputs), neurons(1.0)
        self.conv2, self.lif2 = ConvNorm(outputs, outputs), neurons(1.0)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.shortcut, self.shortcut_lif = ConvNorm(inputs, outputs, 1, 2), neurons(1.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lif2(pooled(self.pool, self.conv2(self.lif1(self.conv1(x)))))
        return y + self.shortcut_lif(self.shortcut(x))


class TokenAttention(nn.Module):
    """Q-K token attention: a head's channels of q are summed; where the sum fires, the token of k is let through."""

    def __init__(self, width: int, heads: int, neurons: Neurons) -> None:
        super().__init__()
        self.heads = heads
        for name in ("q", "k"):
            setattr(self, name, Columns(width, width))
            setattr(self, f"{name}_lif", neurons(1.0))
        self.attn_lif = neurons(0.5)
        self.proj, self.proj_lif = Columns(width, width), neurons(1.0)

    def forward(self, x: Tensor) -> Tensor:
        steps, batch, width, tokens = x.shape
        split = (steps, batch, self.heads, width // self.heads, tokens)
        q = self.q_lif(self.q(x)).reshape(split)
        k = self.k_lif(self.k(x)).reshape(split)
        mask = self.attn_lif(torch.sum(q, dim=3, keepdim=True))
        return self.proj_lif(self.proj(torch.mul(mask, k).flatten(2, 3)))


class QkFormer(nn.Module):
    """QKFormer (Zhou et al., NeurIPS 2024; zhouchenlin2096/QKFormer): a stage of token attention, one of SSA."""

    def __init__(self, width: int = 32, heads: int = 4, neurons: Neurons = lif) -> None:
        super().__init__()
        self.steps = 3
        half = width // 2
        self.embed0, self.lif0 = ConvNorm(3, half // 2), neurons(1.0)
        self.embed1 = Embedding(half // 2, half, neurons)
        self.stage1 = Block(TokenAttention(half, heads, neurons), Mlp(half, 2, Columns, neurons))
        self.embed2 = Embedding(half, width, neurons)
        self.stage2 = Block(ColumnAttention(width, heads, neurons, 0.125, "qk"), Mlp(width, 2, Columns, neurons))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed1(self.lif0(self.embed0(repeated(x, self.steps))))
        x = self.stage1(x.flatten(3)).reshape(x.shape)
        x = self.embed2(x)
        x = self.stage2(x.flatten(3))
        return self.head(x.mean(3).mean(0))
