"""Networks made ready to be proven: numbers at which their neurons fire, inputs, formats, another T."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from spikec.frontend.neurons.table import maker_of, reset
from spikec.frontend.tracer import Layout
from spikec.ir.graph import Graph
from spikec.ir.types import Domain, Int

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def sample(
    shape: Sequence[int], layout: Layout, domain: Domain, steps: int, batch: int, generator: torch.Generator
) -> Tensor:
    """Random inputs in the network's layout: a normal around 1/2, or a few codes of an Int."""
    lead = {"TBX": (steps, batch), "BTX": (batch, steps), "BX": (batch,)}[layout]
    if isinstance(domain, Int):
        codes = torch.randint(domain.lo, min(domain.hi, domain.lo + 3) + 1, (*lead, *shape), generator=generator)
        return codes.float() * domain.scale
    return torch.randn((*lead, *shape), generator=generator) + 0.5


@contextmanager
def at_steps(network: nn.Module, layout: Layout, steps: int) -> Iterator[None]:
    """A network that repeats its input itself, told another T."""
    if layout != "BX":
        yield
        return
    before, network.steps = network.steps, steps
    try:
        yield
    finally:
        network.steps = before


def fed(graph: Graph, x: Tensor, layout: Layout) -> dict[str, np.ndarray]:
    """An input in the network's layout as the graph takes it."""
    (name,) = graph.inputs
    return {name: (x.transpose(0, 1) if layout == "BTX" else x).double().numpy()}


def enliven(network: nn.Module, x: Tensor, mean: float, spread: float, generator: torch.Generator) -> None:
    """Gives the layers numbers that make neurons fire, each when the run first meets it with something that varies.

    A BatchNorm gets the statistics of what it takes, and a weight and bias around `spread` and `mean`; the weights of
    a Conv or Linear are drawn and scaled to give a deviation of 1, or of `spread` around `mean` without a norm.
    """
    norms = [m for m in network.modules() if isinstance(m, NORMS)]
    done: set[nn.Module] = set()

    def norm(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if module in done or float(args[0].std()) == 0:
            return
        done.add(module)
        x = (args[0].flatten(0, 1) if getattr(module, "step_mode", "s") == "m" else args[0]).transpose(0, 1).flatten(1)
        size = (len(x),)
        module.running_mean.copy_(x.mean(1))
        module.running_var.copy_(x.var(1).clamp(min=1e-3))
        module.weight.copy_(spread * (0.7 + 0.6 * torch.rand(size, generator=generator)))
        module.bias.copy_(mean + 0.3 * torch.randn(size, generator=generator))

    def layer(module: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> Tensor | None:
        if module in done or float(args[0].std()) == 0:
            return None
        done.add(module)
        module.weight.copy_(torch.randn(module.weight.shape, generator=generator))
        if module.bias is not None:
            module.bias.copy_(0.2 * torch.randn(module.bias.shape, generator=generator))
        again = module(*args)
        module.weight.mul_((1.0 if norms else spread) / again.std())
        if not norms and module.bias is not None:
            module.bias.add_(mean)
        return module(*args)

    hooks = [m.register_forward_pre_hook(norm) for m in norms]
    hooks += [m.register_forward_hook(layer) for m in network.modules() if isinstance(m, LAYERS)]
    reset(network)
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    reset(network)


def in_format(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy that computes in a format, spikes given and kept included: snnTorch's are fp32 whatever comes in."""

    def same(module: nn.Module, args: tuple[Tensor, ...], y: object) -> object:
        for name, kept in list(module.named_buffers(recurse=False)):
            setattr(module, name, kept.to(dtype) if kept.is_floating_point() else kept)
        return tuple(t.to(dtype) for t in y) if isinstance(y, tuple) else y.to(dtype)

    twin = copy.deepcopy(network).to(dtype)
    for module in twin.modules():
        if maker_of(module) is not None:
            module.register_forward_hook(same)
    return twin
