"""The weight-entangled supernet (Auto-Spikformer sec. 4, after AutoFormer): one set of weights, many subnets.

It holds the largest network's parameters. A subnet's parameter of shape [a, b, ...] is the corner
`largest[:a, :b, ...]`: first rows and columns of every projection and convolution, first channels of every
BatchNorm, first blocks. Heads split the width and change no shape; thresholds, taus and T are no parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spikec.errors import UsageError
from spikec.snn.config import SpikformerConfig
from spikec.snn.spikformer import Spikformer, new_spikformer

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Supernet(nn.Module):
    """The largest network's parameters, run as any of its subnets.

    It has no BatchNorm statistics: those of the batch are used, always. `subnet` gives a network of its own
    and `recalibrate` gives that its statistics.

    Args:
        largest: the config that every subnet fits into.
        generator: where the first weights come from.

    Attributes:
        network: the largest network; its parameters are the supernet's.
    """

    def __init__(self, largest: SpikformerConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.network = new_spikformer(largest, generator)
        _drop_statistics(self.network)

    @property
    def largest(self) -> SpikformerConfig:
        """The config that every subnet fits into."""
        return self.network.config

    def forward(self, x: Tensor, config: SpikformerConfig) -> Tensor:
        """Logits [B, classes] of the subnet `config` on `x`, with the batch's own BatchNorm statistics.

        Raises:
            UsageError: the subnet does not fit.
            DataError: the input's shape is not the subnet's.
        """
        skeleton = _skeleton(config)
        _drop_statistics(skeleton)
        logits: Tensor = functional_call(skeleton, self.slices(skeleton), (x,), strict=True)
        return logits

    def slices(self, network: Spikformer) -> dict[str, Tensor]:
        """The parameters of the subnet `network`, by name, as views of the supernet's.

        Raises:
            UsageError: it does not fit: another form or image, or larger somewhere.
        """
        self._check(network.config)
        mine = dict(self.network.named_parameters())
        return {name: _corner(mine, name, p.shape) for name, p in network.named_parameters()}

    def subnet(self, config: SpikformerConfig) -> Spikformer:
        """The subnet as a Spikformer of its own: weights copied, BatchNorm statistics not yet known.

        Its logits in training mode are bit for bit those of `forward`; `recalibrate` it to evaluate it.

        Raises:
            UsageError: the subnet does not fit.
        """
        network = _skeleton(config)
        weights = self.slices(network)
        network.to_empty(device="cpu").to(next(iter(weights.values())).dtype)
        for module in network.modules():
            if isinstance(module, BATCH_NORMS):
                module.reset_running_stats()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])
        return network.eval()

    def _check(self, config: SpikformerConfig) -> None:
        largest = self.largest
        ours, theirs = ((c.form, c.image, c.classes, c.pools) for c in (largest, config))
        if ours != theirs:
            raise UsageError(f"a subnet of form, image, classes and pools {theirs}", expected=f"{ours}")
        if config.width > largest.width or config.depth > largest.depth:
            raise UsageError(
                f"a subnet of width {config.width} and depth {config.depth}",
                expected=f"at most {largest.width} and {largest.depth}",
            )


def _skeleton(config: SpikformerConfig) -> Spikformer:
    """The network without memory for its weights: building it costs no initialisation and no random draw."""
    with torch.device("meta"):
        return Spikformer(config)


def _drop_statistics(network: nn.Module) -> None:
    """Makes every BatchNorm use the batch's statistics, in training and evaluation, and keep none."""
    for module in network.modules():
        if isinstance(module, BATCH_NORMS):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None


def _corner(parameters: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    whole = parameters.get(name)
    if whole is None or any(n > m for n, m in zip(shape, whole.shape, strict=True)):
        has = "none" if whole is None else f"{list(whole.shape)}"
        raise UsageError(f"a subnet's {name} of shape {list(shape)}", expected=f"at most the supernet's: {has}")
    return whole[tuple(slice(n) for n in shape)]


def recalibrate(network: nn.Module, samples: Tensor) -> None:
    """Sets every BatchNorm's statistics to those of `samples`, all in one batch, at the network's own T.

    The mean and the unbiased variance over batch, steps and places, layer by layer behind layers that use
    the batch's own. The same samples in the same order give the same statistics. Leaves the network in
    evaluation mode.

    Args:
        network: any network with BatchNorm that tracks its statistics.
        samples: its input: [B, C, H, W], or for frames [T, B, C, H, W].
    """
    with _momentum_one(network), torch.no_grad():
        network.train()
        network(samples)
    network.eval()


@contextmanager
def _momentum_one(network: nn.Module) -> Iterator[None]:
    """Within it, one batch replaces the statistics wholly."""
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
