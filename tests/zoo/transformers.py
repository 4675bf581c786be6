"""Spiking transformers that users bring, small: Spikformer's three forms, Spikingformer and CML, AutoST's network.

Each is written in our own words from the published structure (papers and repositories named at the classes), with
multi-step neurons of SpikingJelly or another `Neurons`. Inside, time comes first. Networks on images repeat them
`steps` times.
"""

from __future__ import annotations

from torch import Tensor, nn
from zoo_parts import (
    Block,
    ColumnAttention,
    Columns,
    ConvNorm,
    Mlp,
    Neurons,
    RowAttention,
    Rows,
    lif,
    plif,
    pooled,
    repeated,
)


class SpikformerStem(nn.Module):
    """Spiking patch splitting of four convolutions, pools behind some of the LIFs, and the position added."""

    def __init__(self, channels: int, width: int, pools: tuple[int, ...], neurons: Neurons) -> None:
        super().__init__()
        widths = (channels, width // 8, width // 4, width // 2, width)
        self.convs = nn.ModuleList(ConvNorm(*widths[i : i + 2]) for i in range(4))
        self.lifs = nn.ModuleList(neurons(1.0) for _ in range(4))
        self.pools = nn.ModuleDict({str(i): nn.MaxPool2d(3, 2, 1) for i in pools})
        self.rpe = ConvNorm(width, width)
        self.rpe_lif = neurons(1.0)

    def forward(self, x: Tensor) -> Tensor:
        for i, (conv, fire) in enumerate(zip(self.convs, self.lifs, strict=True)):
            x = fire(conv(x))
            if str(i) in self.pools:
                x = pooled(self.pools[str(i)], x)
        return self.rpe_lif(self.rpe(x)) + x


class Spikformer(nn.Module):
    """Spikformer (Zhou et al., ICLR 2023; repository ZK-Zhou/spikformer) in its form for CIFAR: rows of tokens."""

    def __init__(self, width: int = 32, depth: int = 2, heads: int = 4, neurons: Neurons = lif) -> None:
        super().__init__()
        self.steps = 3
        self.stem = SpikformerStem(3, width, (2, 3), neurons)
        self.blocks = nn.ModuleList(
            Block(RowAttention(width, heads, neurons), Mlp(width, 2, Rows, neurons)) for _ in range(depth)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(repeated(x, self.steps))
        x = x.flatten(-2).transpose(-1, -2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(2).mean(0))


class SpikformerDvs(nn.Module):
    """Spikformer for event frames [B, T, 2, H, W]: pools behind all four convolutions, 1x1 convolutions, scale 1/4."""

    def __init__(self, width: int = 32, heads: int = 4, neurons: Neurons = lif) -> None:
        super().__init__()
        self.stem = SpikformerStem(2, width, (0, 1, 2, 3), neurons)
        self.block = Block(ColumnAttention(width, heads, neurons, 0.25, "qk"), Mlp(width, 2, Columns, neurons))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem(x.permute(1, 0, 2, 3, 4)).flatten(3))
        return self.head(x.mean(3)).mean(0)


class SpikformerImageNet(nn.Module):
    """Spikformer for ImageNet: pools behind all four convolutions, 1x1 convolutions, K^T V first."""

    def __init__(self, width: int = 32, heads: int = 2, neurons: Neurons = lif) -> None:
        super().__init__()
        self.steps = 3
        self.stem = SpikformerStem(3, width, (0, 1, 2, 3), neurons)
        self.block = Block(ColumnAttention(width, heads, neurons, 0.125, "kv"), Mlp(width, 2, Columns, neurons))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem(repeated(x, self.steps)).flatten(3))
        return self.head(x.mean(3).mean(0))


class MembraneStem(nn.Module):
    """Convolutions that meet spikes alone but the first: LIF and pool before each, or pool before LIF (CML)."""

    def __init__(self, width: int, pools: tuple[int, ...], neurons: Neurons, *, pool_first: bool) -> None:
        super().__init__()
        widths = (3, width // 8, width // 4, width // 2, width, width)
        self.convs = nn.ModuleList(ConvNorm(*widths[i : i + 2]) for i in range(5))
        self.lifs = nn.ModuleList(neurons(1.0) for _ in range(4))
        self.pools = nn.ModuleDict({str(i): nn.MaxPool2d(3, 2, 1) for i in pools})
        self.pool_first = pool_first

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs[0](x)
        for i, (conv, fire) in enumerate(zip(list(self.convs)[1:], self.lifs, strict=True)):
            moves = [fire]
            if str(i) in self.pools:
                pool = self.pools[str(i)]
                moves.insert(0 if self.pool_first else 1, lambda y, pool=pool: pooled(pool, y))
            for move in moves:
                x = move(x)
            x = conv(x)
        return x


class PreAttention(nn.Module):
    """A LIF before the attention, which gives what its last norm gives."""

    def __init__(self, attention: nn.Module, neurons: Neurons) -> None:
        super().__init__()
        self.lif, self.attention = neurons(1.0), attention

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.lif(x))


class PreMlp(nn.Module):
    """Two projections, each behind its LIF."""

    def __init__(self, width: int, ratio: int, of: type[nn.Module], neurons: Neurons) -> None:
        super().__init__()
        self.fc1_lif, self.fc1 = neurons(1.0), of(width, ratio * width, bias=True)
        self.fc2_lif, self.fc2 = neurons(1.0), of(ratio * width, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc2_lif(self.fc1(self.fc1_lif(x))))


class Spikingformer(nn.Module):
    """Spikingformer (zhouchenlin2096/Spikingformer): membranes are added, so that products meet spikes alone.

    With `pool_first` it is Spikingformer-CML, whose max pools come before the LIFs.
    """

    def __init__(
        self, width: int = 32, depth: int = 2, heads: int = 4, neurons: Neurons = lif, *, pool_first: bool = False
    ) -> None:
        super().__init__()
        self.steps = 3
        self.stem = MembraneStem(width, (1, 2, 3), neurons, pool_first=pool_first)
        self.blocks = nn.ModuleList(
            Block(
                PreAttention(ColumnAttention(width, heads, neurons, 0.125, "kv", last=False), neurons),
                PreMlp(width, 2, Columns, neurons),
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(repeated(x, self.steps)).flatten(3)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(3).mean(0))


class AutoStStem(nn.Module):
    """Three convolutions with PLIF, a fourth and the position without: what is added is real."""

    def __init__(self, width: int, neurons: Neurons) -> None:
        super().__init__()
        widths = (3, width // 8, width // 4, width // 2, width)
        self.convs = nn.ModuleList(ConvNorm(*widths[i : i + 2]) for i in range(4))
        self.lifs = nn.ModuleList(neurons(1.0) for _ in range(3))
        self.pool2, self.pool3 = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1)
        self.rpe = ConvNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        for conv, fire in zip(self.convs, self.lifs, strict=False):
            x = fire(conv(x))
        x = pooled(self.pool3, self.convs[3](pooled(self.pool2, x)))
        return self.rpe(x) + x


class AutoSt(nn.Module):
    """The network of AutoST's code (AlexandreWANG915/AutoST): neurons before projections, each with a learnt tau."""

    def __init__(
        self, width: int = 32, depth: int = 2, heads: int = 4, ratio: int = 2, classes: int = 5, neurons: Neurons = plif
    ) -> None:
        super().__init__()
        self.steps = 3
        self.stem = AutoStStem(width, neurons)
        self.blocks = nn.ModuleList(
            Block(
                PreAttention(RowAttention(width, heads, neurons, last=False), neurons),
                PreMlp(width, ratio, Rows, neurons),
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(repeated(x, self.steps)).flatten(3).transpose(-1, -2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(2).mean(0))


class Cml(Spikingformer):
    """Spikingformer-CML: max pools of membranes, then LIFs."""

    def __init__(self, width: int = 32, neurons: Neurons = lif) -> None:
        super().__init__(width, neurons=neurons, pool_first=True)
