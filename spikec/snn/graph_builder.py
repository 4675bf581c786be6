"""A Spikformer's Graph from its config and weights by name, without making or running the module.

The text is that of the trace: `spikec.frontend.tracer` meets the same ops in the same scopes, and a test compares
the two. Structure depends on the config alone; thresholds, taus and T change weights and the run.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.pools import MaxPool, Mean
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, Domain, Int, Role, TensorType, Timing, Weight, weight_of
from spikec.snn.blocks import ATTENTION_THRESHOLD
from spikec.snn.config import SpikformerConfig

State = Mapping[str, Tensor]
_STATISTICS = ("running_mean", "running_var")


def build_graph(config: SpikformerConfig, state: State) -> Graph:
    """The verified graph of the Spikformer of `config` with the weights of `state`.

    Args:
        config: the network.
        state: as `Spikformer(config).state_dict()` names and shapes it.

    Raises:
        VerifyError: a weight's shape does not fit.
        KeyError: a weight is missing.
    """
    return _Spikformer(config, state).build()


def input_domain(config: SpikformerConfig) -> Domain:
    """An image is real; event frames are counts of events, at most what 16 bits hold."""
    return Int(0, 2**16 - 1) if config.layout.frames else REAL


class _Spikformer:
    """Adds the nodes in the order in which the module computes them."""

    def __init__(self, config: SpikformerConfig, state: State) -> None:
        self.config = config
        self.state = state
        self.builder = GraphBuilder(config.steps)
        self.rows = config.layout.tokens == "linear"
        self.membranes = config.layout.membranes

    def build(self) -> Graph:
        b, frames = self.builder, self.config.layout.frames
        kind = TensorType(self.config.image, input_domain(self.config), Timing.STEP if frames else Timing.ONCE)
        x = b.input("input", kind)
        x = self._stem(x if frames else b.add(Repeat(), x))
        for block in range(self.config.depth):
            x = self._block(x, block)
        tokens = (0,) if self.rows else (1,)
        x = b.add(Mean(tokens if self.config.depth else (1, 2)), x)  # without a block there is still the stem's map
        x = b.add(TimeMean(), x)
        return b.graph(self._affine(Linear(), x, "head"))

    def _stem(self, x: str) -> str:
        threshold, tau = self.config.stem_threshold, self.config.stem_tau
        conv = Conv2d(padding=(1, 1))
        for stage in range(len(self.config.stem_widths)):
            x = self._norm(self._affine(conv, x, f"stem.conv{stage}"), f"stem.bn{stage}", axis=0)
            x = self._lif(x, f"stem.lif{stage}", threshold, tau)
            if stage in self.config.pools:
                x = self.builder.add(MaxPool((3, 3), (2, 2), (1, 1)), x, scope=f"stem.pool{stage}")
        y = self._norm(self._affine(conv, x, "stem.rpe_conv"), "stem.rpe_bn", axis=0)
        if self.membranes:
            return y
        y = self._lif(y, "stem.rpe_lif", threshold, tau)
        return self.builder.add(Add(), y, x, scope="stem", inner=True)

    def _tokens(self, x: str, scope: str) -> str:
        """The stem's map [D, H, W] as tokens, [N, D] or [D, N]."""
        n, d = self.config.tokens, self.config.width
        if self.rows:
            x = self.builder.add(Transpose((1, 2, 0)), x, scope=scope, inner=True)
        return self.builder.add(Reshape((n, d) if self.rows else (d, n)), x, scope=scope, inner=True)

    def _block(self, x: str, block: int) -> str:
        scope = f"blocks.{block}"
        x = x if block else self._tokens(x, f"{scope}.attn")
        x = self.builder.add(Add(), x, self._attention(x, block), scope=scope, inner=True)
        mlp = f"{scope}.mlp"
        y = self._layer(self._layer(x, f"{mlp}.fc1", block), f"{mlp}.fc2", block)
        return self.builder.add(Add(), x, y, scope=scope, inner=True)

    def _attention(self, x: str, block: int) -> str:
        b, scope = self.builder, f"blocks.{block}.attn"
        x = self._fired(x, f"{scope}.lif", block) if self.membranes else x
        q, k, v = (self._fired(self._projection(x, f"{scope}.{name}"), f"{scope}.{name}_lif", block) for name in "qkv")
        y = self._product(*self._heads(scope, block, q, k, v), scope, self.config.heads[block] > 1)
        if self.config.heads[block] > 1:
            shape = (self.config.tokens, self.config.width)
            y = b.add(Transpose((1, 0, 2) if self.rows else (0, 2, 1)), y, scope=scope, inner=True)
            y = b.add(Reshape(shape if self.rows else shape[::-1]), y, scope=scope, inner=True)
        elif not self.rows:
            y = b.add(Transpose((1, 0)), y, scope=scope, inner=True)
        threshold = self.config.thresholds[block] * ATTENTION_THRESHOLD
        y = self._lif(y, f"{scope}.attn_lif", threshold, self.config.taus[block])
        y = self._projection(y, f"{scope}.proj")
        return y if self.membranes else self._fired(y, f"{scope}.proj_lif", block)

    def _heads(self, scope: str, block: int, *values: *tuple[str, str, str]) -> tuple[str, str, str]:
        """q, k, v split into heads: [N, H, d] (rows) or [H, d, N]; as they are where there is one head."""
        heads, tokens = self.config.heads[block], self.config.tokens
        if heads == 1:
            return values
        size = self.config.width // heads
        shape = (tokens, heads, size) if self.rows else (heads, size, tokens)
        q, k, v = (self.builder.add(Reshape(shape), x, scope=scope, inner=True) for x in values)
        return q, k, v

    def _product(self, q: str, k: str, v: str, scope: str, split: bool) -> str:
        """q k^T v times the scale, in the form's order; [H, N, d] as the module computes it, [N, D] unless `split`."""
        b, rows = self.builder, self.rows

        def moved(x: str) -> str:
            return b.add(Transpose((1, 0, 2)), x, scope=scope, inner=True) if rows and split else x

        if self.config.layout.order == "qk":
            scores = b.add(MatMul(not rows, rows), moved(q), moved(k), scope=scope, inner=True)
            scores = b.add(Scale(self.config.attention_scale), scores, scope=scope, inner=True)
            return b.add(MatMul(False, not rows), scores, moved(v), scope=scope, inner=True)
        # the module forms k^T v first, then multiplies by q; torch meets k's axes before v's
        mixed = b.add(MatMul(rows, not rows), moved(k), moved(v), scope=scope, inner=True)
        y = b.add(MatMul(not rows, False), moved(q), mixed, scope=scope, inner=True)
        return b.add(Scale(self.config.attention_scale), y, scope=scope, inner=True)

    def _layer(self, x: str, stem: str, block: int) -> str:
        """A projection and its LIF, which stands before it where membranes are added."""
        if self.membranes:
            return self._projection(self._fired(x, f"{stem}_lif", block), stem)
        return self._fired(self._projection(x, stem), f"{stem}_lif", block)

    def _projection(self, x: str, stem: str) -> str:
        """Linear or 1x1 convolution, BatchNorm over channels."""
        y = self._affine(Linear() if self.rows else Conv1d(), x, f"{stem}_{'linear' if self.rows else 'conv'}")
        return self._norm(y, f"{stem}_bn", axis=1 if self.rows else 0)

    def _fired(self, x: str, scope: str, block: int) -> str:
        """A LIF of a block's own threshold and tau."""
        return self._lif(x, scope, self.config.thresholds[block], self.config.taus[block])

    def _affine(self, op: Linear | Conv1d | Conv2d, x: str, scope: str) -> str:
        slots = [slot for slot in ("weight", "bias") if f"{scope}.{slot}" in self.state]
        weights = {slot: self._weight(f"{scope}.{slot}") for slot in slots}
        return self.builder.add(op, x, scope=scope, weights=weights)

    def _norm(self, x: str, scope: str, axis: int) -> str:
        slots = {"mean": "running_mean", "var": "running_var", "weight": "weight", "bias": "bias"}
        names = {slot: f"{scope}.{name}" for slot, name in slots.items()}
        weights = {slot: self._weight(name) for slot, name in names.items()}
        return self.builder.add(BatchNorm(axis), x, scope=scope, weights=weights, names=names)

    def _lif(self, x: str, scope: str, threshold: float, tau: float) -> str:
        op, weights = self.config.neuron.neuron(threshold, tau).spikec_neuron()
        return self.builder.add(op, x, scope=scope, weights={slot: float(value) for slot, value in weights.items()})

    def _weight(self, name: str) -> Weight:
        role = Role.STATISTIC if name.endswith(_STATISTICS) else Role.PARAMETER
        return weight_of(self.state[name].detach().cpu().numpy(), role)
