"""What the zoo's transformers are made of: neurons of two frameworks, projections, attention. Inside, [T, B, ...]."""

from __future__ import annotations

from collections.abc import Callable

import snntorch
import torch
from spikingjelly.activation_based import neuron as spikingjelly
from torch import Tensor, nn

Neurons = Callable[[float], nn.Module]
"""Makes a neuron layer that fires at a threshold; it takes and gives [T, ...]."""


def lif(threshold: float = 1.0) -> nn.Module:
    """SpikingJelly's LIF as these networks' authors use it: tau 2, hard reset to 0, all steps in one call."""
    return spikingjelly.LIFNode(tau=2.0, v_threshold=threshold, detach_reset=True, step_mode="m")


def plif(threshold: float = 1.0) -> nn.Module:
    """SpikingJelly's LIF of a learnt tau."""
    return spikingjelly.ParametricLIFNode(init_tau=2.0, v_threshold=threshold, detach_reset=True, step_mode="m")


class Stepped(nn.Module):
    """snnTorch's Leaky in the place of a multi-step neuron: a loop over time, its membrane handed on."""

    def __init__(self, threshold: float = 1.0, *, learnt: bool = False) -> None:
        super().__init__()
        self.leaky = snntorch.Leaky(beta=0.5, threshold=threshold, reset_mechanism="zero", learn_beta=learnt)

    def forward(self, x: Tensor) -> Tensor:
        membrane = self.leaky.init_leaky()
        spikes = []
        for current in x:
            fired, membrane = self.leaky(current, membrane)
            spikes.append(fired)
        return torch.stack(spikes)


def learnt(threshold: float = 1.0) -> nn.Module:
    """The same with a learnt beta: what stands in snnTorch for a LIF of a learnt tau."""
    return Stepped(threshold, learnt=True)


class ConvNorm(nn.Module):
    """Convolution and BatchNorm of every step's map."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x.flatten(0, 1)))
        return y.reshape(*x.shape[:2], *y.shape[1:])


class Columns(nn.Module):
    """1x1 Conv1d and BatchNorm of tokens [T, B, D, N]."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1, bias=bias)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        steps, batch, _, tokens = x.shape
        return self.bn(self.conv(x.flatten(0, 1))).reshape(steps, batch, -1, tokens)


class Rows(nn.Module):
    """Linear and BatchNorm of tokens [T, B, N, D]; the norm's channels are brought where it wants them."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        steps, batch, tokens, _ = x.shape
        y = self.linear(x.flatten(0, 1))
        return self.bn(y.transpose(-1, -2)).transpose(-1, -2).reshape(steps, batch, tokens, -1).contiguous()


def pooled(pool: nn.Module, x: Tensor) -> Tensor:
    """A pool of every step's map."""
    y = pool(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def repeated(x: Tensor, steps: int) -> Tensor:
    """Direct coding: the image at every step."""
    return x.unsqueeze(0).repeat(steps, 1, 1, 1, 1)


class RowAttention(nn.Module):
    """Spiking self-attention of tokens [T, B, N, D]: (q k^T) v, scaled, without softmax."""

    def __init__(self, width: int, heads: int, neurons: Neurons, scale: float = 0.125, *, last: bool = True) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale
        for name in ("q", "k", "v"):
            setattr(self, name, Rows(width, width))
            setattr(self, f"{name}_lif", neurons(1.0))
        self.attn_lif = neurons(0.5)
        self.proj = Rows(width, width)
        self.proj_lif = neurons(1.0) if last else nn.Identity()

    def split(self, x: Tensor) -> Tensor:
        steps, batch, tokens, width = x.shape
        return x.reshape(steps, batch, tokens, self.heads, width // self.heads).permute(0, 1, 3, 2, 4).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        q = self.split(self.q_lif(self.q(x)))
        k = self.split(self.k_lif(self.k(x)))
        v = self.split(self.v_lif(self.v(x)))
        y = ((q @ k.transpose(-2, -1)) * self.scale) @ v
        y = self.attn_lif(y.transpose(2, 3).reshape(*x.shape).contiguous())
        return self.proj_lif(self.proj(y))


class ColumnAttention(nn.Module):
    """Spiking self-attention of tokens [T, B, D, N]: 'qk' (q k^T) v, or 'kv' q (k^T v)."""

    def __init__(
        self, width: int, heads: int, neurons: Neurons, scale: float, order: str, *, last: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.scale, self.order = heads, scale, order
        for name in ("q", "k", "v"):
            setattr(self, name, Columns(width, width))
            setattr(self, f"{name}_lif", neurons(1.0))
        self.attn_lif = neurons(0.5)
        self.proj = Columns(width, width, bias=True)
        self.proj_lif = neurons(1.0) if last else nn.Identity()

    def split(self, x: Tensor) -> Tensor:
        steps, batch, width, tokens = x.shape
        return x.transpose(-1, -2).reshape(steps, batch, tokens, self.heads, width // self.heads).permute(0, 1, 3, 2, 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.split(getattr(self, f"{name}_lif")(getattr(self, name)(x))) for name in "qkv")
        if self.order == "qk":
            y = (q @ k.transpose(-2, -1)) @ v * self.scale
        else:
            y = (q @ (k.transpose(-2, -1) @ v)) * self.scale
        y = self.attn_lif(y.transpose(3, 4).reshape(*x.shape).contiguous())
        return self.proj_lif(self.proj(y))


class Mlp(nn.Module):
    """Two projections, each with its LIF."""

    def __init__(self, width: int, ratio: int, of: Callable[..., nn.Module], neurons: Neurons) -> None:
        super().__init__()
        self.fc1, self.fc1_lif = of(width, ratio * width, bias=True), neurons(1.0)
        self.fc2, self.fc2_lif = of(ratio * width, width, bias=True), neurons(1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2_lif(self.fc2(self.fc1_lif(self.fc1(x))))


class Block(nn.Module):
    """x + attention(x), then x + mlp(x)."""

    def __init__(self, attn: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attn, self.mlp = attn, mlp

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)
