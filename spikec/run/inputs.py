"""Data as the inputs of a graph, checked: what every runner takes, and refuses alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikec.errors import DataError
from spikec.ir.graph import Graph
from spikec.ir.types import Int, TensorType, Timing

Data = Mapping[str, NDArray[np.generic]]


def inputs_of(graph: Graph, data: Data, steps: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """The graph's inputs as tensors.

    Raises:
        DataError: as `check_shapes` says, or an input that is declared Int holds something else.
    """
    arrays = {name: np.asarray(array) for name, array in data.items()}
    check_shapes(graph, {name: array.shape for name, array in arrays.items()}, steps)
    values: dict[str, Tensor] = {}
    for name, kind in graph.inputs.items():
        value = torch.as_tensor(arrays[name].astype(np.float64))
        _check_codes(name, value, kind)
        values[name] = value.to(dtype)
    return values


def check_shapes(graph: Graph, shapes: Mapping[str, Sequence[int]], steps: int) -> None:
    """Checks what is given for the graph's inputs, [B, *shape] where once and [T, B, *shape] where per step.

    Raises:
        DataError: one is missing, its shape does not fit the input's type, or their samples differ in number.
    """
    if steps < 1:
        raise DataError(f"{steps} steps asked for", expected="at least 1")
    samples: set[int] = set()
    for name, kind in graph.inputs.items():
        if name not in shapes:
            raise DataError(f"no data for input '%{name}'", expected=f"{kind}; given: {sorted(shapes)}")
        shape = tuple(shapes[name])
        lead = 1 if kind.timing is Timing.ONCE else 2
        if len(shape) != lead + len(kind.shape) or shape[lead:] != kind.shape:
            axes = ", ".join(["samples" if lead == 1 else "T, samples", *map(str, kind.shape)])
            raise DataError(f"input '%{name}' has shape {list(shape)}", expected=f"[{axes}]")
        if lead == 2 and shape[0] != steps:
            raise DataError(f"input '%{name}' has {shape[0]} steps", expected=f"{steps}")
        if shape[lead - 1] == 0:
            raise DataError(f"input '%{name}' holds no sample", expected="at least one")
        samples.add(shape[lead - 1])
    if len(samples) > 1:
        raise DataError(f"inputs of {sorted(samples)} samples", expected="as many of each")


def only_input(graph: Graph) -> tuple[str, TensorType]:
    """Name and type of the input that an array of samples is for.

    Raises:
        DataError: the graph has several, and one array says nothing of which.
    """
    if len(graph.inputs) != 1:
        named = ", ".join(f"%{name} {kind}" for name, kind in graph.inputs.items())
        mend = "spikec estimate --rates FILE needs none; from Python, Interpreter().run takes an array for each input"
        raise DataError(f"a network of {len(graph.inputs)} inputs: {named}", expected="one, for samples", mend=mend)
    (found,) = graph.inputs.items()
    return found


def samples_of(graph: Graph, inputs: Mapping[str, Tensor]) -> int:
    """The number of samples in the graph's inputs."""
    name, kind = next(iter(graph.inputs.items()))
    return int(inputs[name].shape[0 if kind.timing is Timing.ONCE else 1])


def _check_codes(name: str, value: Tensor, kind: TensorType) -> None:
    """Raises DataError where an input that is declared Int holds something else: its events would be miscounted."""
    if not isinstance(kind.domain, Int):
        return
    codes = value / kind.domain.scale
    # A scale such as 0.1 is not exact, so neither is a code times it.
    rounded = codes.round()
    wrong = ~((codes - rounded).abs() <= 1e-6) | (rounded < kind.domain.lo) | (rounded > kind.domain.hi)
    if bool(wrong.any()):
        raise DataError(
            f"input '%{name}' holds {float(value[wrong][0]):g}",
            expected=f"values of {kind.domain}",
            mend="give event counts, or trace the network with a real input",
        )
