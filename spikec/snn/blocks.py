"""The encoder block: spiking self-attention and MLP on a residual stream, of integers or of membranes, in two layouts.

Row blocks hold tokens as [T, B, N, D] and project with Linear (CIFAR, digits); column blocks hold them as
[T, B, D, N] and project with a 1x1 Conv1d (DVS, ImageNet). Membrane blocks are column blocks whose neurons stand
before the projections: what they add to the stream are the last norm's real numbers (Spikingformer). The two
LayerNorms a block that Spikformer's code constructs and never calls are left out.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from spikec.snn.config import SpikformerConfig

ATTENTION_THRESHOLD = 0.5
"""The attention LIF's threshold over its block's (models: 0.5 where the others fire at 1)."""


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float, order: Literal["qk", "kv"]) -> Tensor:
    """Spiking self-attention without softmax, q k^T v times `scale`, head by head; all [T, B, N, D].

    `scale` is applied to q k^T under 'qk' and to the result under 'kv', as published: the products are exact
    integers, so for a power of two both give the same numbers.
    """
    steps, batch, tokens, width = q.shape
    split = (steps, batch, tokens, heads, width // heads)
    q, k, v = (x.reshape(split).transpose(2, 3) for x in (q, k, v))
    kt = k.transpose(-2, -1)
    y = ((q @ kt) * scale) @ v if order == "qk" else (q @ (kt @ v)) * scale
    return y.transpose(2, 3).reshape(steps, batch, tokens, width)


class RowAttention(nn.Module):
    """Attention on [T, B, N, D] with Linear projections."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        self.heads = config.heads[block]
        self.scale = config.attention_scale
        self.order = config.layout.order
        width, bias = config.width, config.layout.qkv_bias
        threshold, tau, neuron = config.thresholds[block], config.taus[block], config.neuron.neuron
        self.q_linear = nn.Linear(width, width, bias=bias)
        self.q_bn = nn.BatchNorm1d(width)
        self.q_lif = neuron(threshold, tau)
        self.k_linear = nn.Linear(width, width, bias=bias)
        self.k_bn = nn.BatchNorm1d(width)
        self.k_lif = neuron(threshold, tau)
        self.v_linear = nn.Linear(width, width, bias=bias)
        self.v_bn = nn.BatchNorm1d(width)
        self.v_lif = neuron(threshold, tau)
        self.attn_lif = neuron(threshold * ATTENTION_THRESHOLD, tau)
        self.proj_linear = nn.Linear(width, width, bias=config.layout.bias)
        self.proj_bn = nn.BatchNorm1d(width)
        self.proj_lif = neuron(threshold, tau)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the integers `x`, both [T, B, N, D]."""
        rows = x.flatten(0, 2)  # tokens join the batch: BatchNorm1d then needs no transpose
        q = self.q_lif(self.q_bn(self.q_linear(rows)).reshape(x.shape))
        k = self.k_lif(self.k_bn(self.k_linear(rows)).reshape(x.shape))
        v = self.v_lif(self.v_bn(self.v_linear(rows)).reshape(x.shape))
        y: Tensor = self.attn_lif(attend(q, k, v, self.heads, self.scale, self.order))
        y = self.proj_bn(self.proj_linear(y.flatten(0, 2)))
        spikes: Tensor = self.proj_lif(y.reshape(x.shape))
        return spikes


class RowMLP(nn.Module):
    """Two Linear layers on [T, B, N, D], each with BatchNorm and LIF."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        width, hidden, bias = config.width, config.hidden[block], config.layout.bias
        threshold, tau = config.thresholds[block], config.taus[block]
        self.fc1_linear = nn.Linear(width, hidden, bias=bias)
        self.fc1_bn = nn.BatchNorm1d(hidden)
        self.fc1_lif = config.neuron.neuron(threshold, tau)
        self.fc2_linear = nn.Linear(hidden, width, bias=bias)
        self.fc2_bn = nn.BatchNorm1d(width)
        self.fc2_lif = config.neuron.neuron(threshold, tau)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the integers `x`, both [T, B, N, D]."""
        steps, batch, tokens, _ = x.shape
        y: Tensor = self.fc1_bn(self.fc1_linear(x.flatten(0, 2)))
        y = self.fc1_lif(y.reshape(steps, batch, tokens, -1))
        y = self.fc2_bn(self.fc2_linear(y.flatten(0, 2)))
        spikes: Tensor = self.fc2_lif(y.reshape(x.shape))
        return spikes


class ColumnProducts(nn.Module):
    """What attention on [T, B, D, N] with 1x1 Conv1d projections is made of, from spikes or integers to its last norm.

    Where the neurons of the stream stand is left to those who derive from it.
    """

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        self.heads = config.heads[block]
        self.scale = config.attention_scale
        self.order = config.layout.order
        width, bias = config.width, config.layout.qkv_bias
        threshold, tau, neuron = config.thresholds[block], config.taus[block], config.neuron.neuron
        self.q_conv = nn.Conv1d(width, width, 1, bias=bias)
        self.q_bn = nn.BatchNorm1d(width)
        self.q_lif = neuron(threshold, tau)
        self.k_conv = nn.Conv1d(width, width, 1, bias=bias)
        self.k_bn = nn.BatchNorm1d(width)
        self.k_lif = neuron(threshold, tau)
        self.v_conv = nn.Conv1d(width, width, 1, bias=bias)
        self.v_bn = nn.BatchNorm1d(width)
        self.v_lif = neuron(threshold, tau)
        self.attn_lif = neuron(threshold * ATTENTION_THRESHOLD, tau)
        self.proj_conv = nn.Conv1d(width, width, 1, bias=config.layout.bias)
        self.proj_bn = nn.BatchNorm1d(width)

    def drives(self, x: Tensor) -> Tensor:
        """What the projection's norm gives for `x`, both [T, B, D, N]."""
        columns = x.flatten(0, 1)
        q = self.q_lif(self.q_bn(self.q_conv(columns)).reshape(x.shape)).transpose(2, 3)
        k = self.k_lif(self.k_bn(self.k_conv(columns)).reshape(x.shape)).transpose(2, 3)
        v = self.v_lif(self.v_bn(self.v_conv(columns)).reshape(x.shape)).transpose(2, 3)
        y = attend(q, k, v, self.heads, self.scale, self.order).transpose(2, 3)
        drives: Tensor = self.proj_bn(self.proj_conv(self.attn_lif(y).flatten(0, 1))).reshape(x.shape)
        return drives


class ColumnAttention(ColumnProducts):
    """Attention on [T, B, D, N] that gives spikes."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__(config, block)
        self.proj_lif = config.neuron.neuron(config.thresholds[block], config.taus[block])

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the integers `x`, both [T, B, D, N]."""
        spikes: Tensor = self.proj_lif(self.drives(x))
        return spikes


class MembraneAttention(ColumnProducts):
    """Attention on [T, B, D, N] behind a LIF, which gives membranes."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__(config, block)
        self.lif = config.neuron.neuron(config.thresholds[block], config.taus[block])

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the membranes `x`, both [T, B, D, N]."""
        return self.drives(self.lif(x))


class ColumnMLP(nn.Module):
    """Two 1x1 Conv1d layers on [T, B, D, N], each with BatchNorm and LIF."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        width, hidden, bias = config.width, config.hidden[block], config.layout.bias
        threshold, tau = config.thresholds[block], config.taus[block]
        self.fc1_conv = nn.Conv1d(width, hidden, 1, bias=bias)
        self.fc1_bn = nn.BatchNorm1d(hidden)
        self.fc1_lif = config.neuron.neuron(threshold, tau)
        self.fc2_conv = nn.Conv1d(hidden, width, 1, bias=bias)
        self.fc2_bn = nn.BatchNorm1d(width)
        self.fc2_lif = config.neuron.neuron(threshold, tau)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the integers `x`, both [T, B, D, N]."""
        steps, batch, _, tokens = x.shape
        y: Tensor = self.fc1_bn(self.fc1_conv(x.flatten(0, 1)))
        y = self.fc1_lif(y.reshape(steps, batch, -1, tokens))
        y = self.fc2_bn(self.fc2_conv(y.flatten(0, 1)))
        spikes: Tensor = self.fc2_lif(y.reshape(x.shape))
        return spikes


class MembraneMLP(nn.Module):
    """Two 1x1 Conv1d layers on [T, B, D, N], each behind its LIF and before its BatchNorm."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        width, hidden, bias = config.width, config.hidden[block], config.layout.bias
        threshold, tau = config.thresholds[block], config.taus[block]
        self.fc1_lif = config.neuron.neuron(threshold, tau)
        self.fc1_conv = nn.Conv1d(width, hidden, 1, bias=bias)
        self.fc1_bn = nn.BatchNorm1d(hidden)
        self.fc2_lif = config.neuron.neuron(threshold, tau)
        self.fc2_conv = nn.Conv1d(hidden, width, 1, bias=bias)
        self.fc2_bn = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the membranes `x`, both [T, B, D, N]."""
        steps, batch, _, tokens = x.shape
        y: Tensor = self.fc1_bn(self.fc1_conv(self.fc1_lif(x).flatten(0, 1)))
        y = self.fc2_lif(y.reshape(steps, batch, -1, tokens))
        drives: Tensor = self.fc2_bn(self.fc2_conv(y.flatten(0, 1))).reshape(x.shape)
        return drives


class Block(nn.Module):
    """x + attention(x), then x + MLP(x): spikes are added and the stream holds small integers, or membranes are."""

    def __init__(self, config: SpikformerConfig, block: int) -> None:
        super().__init__()
        attention, mlp = _parts(config)
        self.attn = attention(config, block)
        self.mlp = mlp(config, block)

    def forward(self, x: Tensor) -> Tensor:
        """The stream after this block, of the shape of `x`."""
        x = x + self.attn(x)
        after: Tensor = x + self.mlp(x)
        return after


def _parts(config: SpikformerConfig) -> tuple[type[nn.Module], type[nn.Module]]:
    """The attention and the MLP of a form."""
    if config.layout.membranes:
        return MembraneAttention, MembraneMLP
    return (RowAttention, RowMLP) if config.layout.tokens == "linear" else (ColumnAttention, ColumnMLP)
