"""A graph as a torch module that runs and can be trained, and back.

The module computes with the interpreter's own arithmetic, so that its spikes are the graph's bit for bit; what it
adds are gradients (`spikec.run.gradient`). BatchNorm uses its stored statistics, in training mode too: they are
statistics of the graph, and no run of the module changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from spikec.errors import UsageError
from spikec.ir.graph import Graph
from spikec.ir.types import FloatFormat, Role, Timing, Weight
from spikec.run.evaluate import values_of
from spikec.run.gradient import Differentiable
from spikec.run.inputs import Data, check_shapes, inputs_of
from spikec.run.runner import ValueRunner
from spikec.snn.surrogate import SIGMOID_4, Surrogate


def to_torch(
    graph: Graph,
    surrogate: Surrogate = SIGMOID_4,
    *,
    detach_reset: bool = True,
    dtype: torch.dtype = torch.float32,
) -> GraphModule:
    """A module that computes what `graph` does, with gradients.

    Args:
        graph: verified.
        surrogate: one of `snntorch.surrogate`, used for its derivative at h - v_threshold.
        detach_reset: no gradient flows through what a spike resets.
        dtype: of weights and inputs; torch.float64 where spikes must be those of the reference.
    """
    return GraphModule(graph, Differentiable(surrogate, detach_reset), dtype)


def to_graph(module: GraphModule) -> Graph:
    """The module's graph with the weights that it has now; those that did not change are the same objects.

    Raises:
        UsageError: a fixed-point weight was trained off its grid, or holds what its bits do not.
    """
    now = {name: tensor.detach().cpu() for name, tensor in module.tensors().items()}
    weights = {name: _weight(name, weight, now[name], module.made) for name, weight in module.graph.weights.items()}
    graph = replace(module.graph, weights=weights)
    graph.verify()
    return graph


class GraphModule(nn.Module):
    """What `to_torch` gives.

    Weights of role parameter are parameters, all others buffers, each under the name that it has in the graph:
    `state_dict()` has the graph's weight names. Fixed-point weights stand for their values.

    Attributes:
        graph: as it was given.
        numbers: how spikes and rounding are computed.
        made: the dtype of its weights when it was made.
    """

    def __init__(self, graph: Graph, numbers: Differentiable, dtype: torch.dtype) -> None:
        super().__init__()
        self.graph = graph
        self.numbers = numbers
        self.made = dtype
        for name, weight in graph.weights.items():
            self._place(name, _tensor(weight, dtype), trained=weight.role is Role.PARAMETER)

    def forward(self, *inputs: Tensor, steps: int | None = None) -> Tensor | tuple[Tensor, ...]:
        """The graph's outputs, a tuple where there are several.

        Args:
            inputs: in the graph's order; [B, *shape] where once, [T, B, *shape] where per step.
            steps: T where no input is per step; the graph's default unless given.

        Raises:
            DataError: an input is missing, or its shape does not fit.
        """
        given = dict(zip(self.graph.inputs, inputs, strict=False))
        timed = [x.shape[0] for name, x in given.items() if self.graph.inputs[name].timing is Timing.STEP and x.ndim]
        steps = steps or (timed[0] if timed else self.graph.steps)
        if len(inputs) > len(self.graph.inputs):
            raise UsageError(f"{len(inputs)} inputs", expected=f"{list(self.graph.inputs)}")
        outputs = self.graph.outputs
        found = {name: value for name, value in self.values(given, steps, set(outputs)) if name in outputs}
        return found[outputs[0]] if len(outputs) == 1 else tuple(found[name] for name in outputs)

    def values(self, inputs: Mapping[str, Tensor], steps: int, wanted: Set[str]) -> Iterator[tuple[str, Tensor]]:
        """Every value of the graph as it is computed; those in `wanted` are kept until they are given.

        Raises:
            DataError: an input is missing, or its shape does not fit.
        """
        check_shapes(self.graph, {name: x.shape for name, x in inputs.items()}, steps)
        return values_of(self.graph, inputs, self.tensors(), steps, wanted, self.numbers)

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by the graph's weight names."""
        found = dict(self.named_parameters(remove_duplicate=False)) | dict(self.named_buffers(remove_duplicate=False))
        return {name: found[name] for name in self.graph.weights}

    def _place(self, name: str, tensor: Tensor, *, trained: bool) -> None:
        """Puts a weight where `state_dict` calls it `name`: a module for each part before a dot."""
        *path, leaf = name.split(".")
        holder: nn.Module = self
        # Not by register_*: a graph's weight may be called 'type' or 'a..b', and 'a' beside 'a.b'.
        for part in path:
            holder = holder._modules.get(part) or _added(holder, part)
        if trained:
            holder._parameters[leaf] = nn.Parameter(tensor)
        else:
            holder._buffers[leaf] = tensor


def _added(holder: nn.Module, part: str) -> nn.Module:
    module = holder._modules[part] = nn.Module()
    return module


def _tensor(weight: Weight, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(np.array(weight.values)).to(dtype)


def _weight(name: str, weight: Weight, now: Tensor, made: torch.dtype) -> Weight:
    """The weight as the module has it; the same object where nothing was trained."""
    if torch.equal(_tensor(weight, made).to(now.dtype), now):
        return weight
    if isinstance(weight.format, FloatFormat):
        return replace(weight, array=now.numpy().astype(f"float{weight.format.bits}"))
    codes = (now.double() / weight.format.scale).round()
    lowest = -(2 ** (weight.format.bits - 1)) if weight.format.signed else 0
    fits = float(codes.min()) >= lowest and float(codes.max()) < lowest + 2**weight.format.bits
    trained = replace(weight, array=codes.numpy().astype(weight.array.dtype))
    if not fits or not torch.equal(_tensor(trained, now.dtype), now):
        raise UsageError(
            f"weight '{name}' was trained to values that {weight.format} does not hold",
            mend="train the network before it is quantized, or keep this weight fixed",
        )
    return trained


@dataclass(frozen=True)
class TorchModuleRunner(ValueRunner):
    """Runs graphs as torch modules; a Runner.

    Args:
        dtype: torch.float64 or torch.float32.
    """

    dtype: torch.dtype = torch.float64

    def values(self, graph: Graph, data: Data, steps: int, wanted: Set[str]) -> Iterator[tuple[str, Tensor]]:
        """See `ValueRunner`."""
        inputs = inputs_of(graph, data, steps, self.dtype)
        return to_torch(graph, dtype=self.dtype).requires_grad_(False).values(inputs, steps, wanted)
