"""The interpreter: the reference for every pass, runner and backend.

Values per step are [T, B, *shape], values for the inference [B, *shape]. Ops are computed one by one over all steps
at once, only neurons being stepped through time; the nodes of a cycle are stepped together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikec.cost import Counts, Probe
from spikec.errors import DataError, UnsupportedOp
from spikec.ir.graph import Graph, Node
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Int, TensorType, Timing
from spikec.run.answers import answer
from spikec.run.cycles import cycles_of, stepped
from spikec.run.kernels import KERNELS
from spikec.run.neurons import STEPPERS, integrate

Data = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Interpreter:
    """Runs graphs in torch on the CPU.

    Args:
        dtype: torch.float64 (the reference) or torch.float32 (the canonical evaluation of energy).
    """

    dtype: torch.dtype = torch.float64

    def run(
        self, graph: Graph, data: Data, steps: int | None = None, keep: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """The values named in `keep` (the graph's outputs unless given).

        Args:
            graph: verified.
            data: an array for each input, [B, *shape] where it is once, [T, B, *shape] where it is per step.
            steps: T; the graph's default unless given.
            keep: value names.

        Raises:
            DataError: an input is missing or its shape does not fit.
            UnsupportedOp: an op that the interpreter does not run.
        """
        wanted = set(graph.outputs if keep is None else keep)
        found = {name: value for name, value in self._values(graph, data, steps, wanted) if name in wanted}
        return {name: found[name] for name in (graph.outputs if keep is None else keep)}

    def count(self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None) -> Counts:
        """Answers every probe in one run; see `run` for data and errors."""
        _, counts = self.run_and_count(graph, data, probes, steps)
        return counts

    def run_and_count(
        self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None
    ) -> tuple[dict[str, Tensor], Counts]:
        """The outputs and the answers of one run; see `run` for data and errors."""
        steps = graph.steps if steps is None else steps
        asked = {value for probe in probes for value in probe.values}
        needed = asked | set(graph.outputs)
        held: dict[str, Tensor] = {}
        answers: dict[str, NDArray[np.int64]] = {}
        waiting = {probe.key: probe for probe in probes}
        for name, value in self._values(graph, data, steps, needed):
            if name not in needed:
                continue
            held[name] = value
            for probe in [p for p in waiting.values() if name in p.values and all(v in held for v in p.values)]:
                types = [graph.types[v] for v in probe.values]
                answers[probe.key] = answer(probe, [held[v] for v in probe.values], types)
                del waiting[probe.key]
            needed = {v for probe in waiting.values() for v in probe.values} | set(graph.outputs)
            held = {v: tensor for v, tensor in held.items() if v in needed}
        samples = _samples(graph, {name: np.asarray(data[name]) for name in graph.inputs})
        return {v: held[v] for v in graph.outputs}, Counts(answers, samples, steps)

    def _values(self, graph: Graph, data: Data, steps: int | None, wanted: set[str]) -> Iterator[tuple[str, Tensor]]:
        """Every value as it is computed; each is forgotten after its last user."""
        steps = graph.steps if steps is None else steps
        values = inputs_of(graph, data, steps, self.dtype)
        yield from values.items()
        weights = {name: torch.as_tensor(np.array(w.values)).to(self.dtype) for name, w in graph.weights.items()}
        silent = torch.zeros(_samples(graph, values), dtype=self.dtype)
        groups = cycles_of(graph)
        last = {value: at for at, group in enumerate(groups) for node in group for value in node.inputs}
        for at, group in enumerate(groups):
            if len(group) > 1 or not set(group[0].inputs).isdisjoint(group[0].results):
                found = stepped(group, values, weights, steps, silent, compute)
            else:
                (node,) = group
                results = compute(node, [values[v] for v in node.inputs], weights, steps)
                if not node.inputs:
                    results = tuple(value.expand(len(silent), *value.shape[1:]) for value in results)
                found = dict(zip(node.results, results, strict=True))
            values.update({name: value for name, value in found.items() if name in wanted or name in last})
            yield from found.items()
            for operand in [value for node in group for value in node.inputs if last[value] == at]:
                values.pop(operand, None)


def _samples(graph: Graph, inputs: Mapping[str, Tensor | NDArray[np.generic]]) -> int:
    name, kind = next(iter(graph.inputs.items()))
    return int(inputs[name].shape[0 if kind.timing is Timing.ONCE else 1])


def compute(node: Node, operands: Sequence[Tensor], weights: Mapping[str, Tensor], steps: int) -> tuple[Tensor, ...]:
    """The results of one node.

    Raises:
        UnsupportedOp: the interpreter does not run this op.
    """
    own = {slot: weights[name] for slot, name in node.weights.items()}
    if type(node.op) in STEPPERS:
        return integrate(node.op, operands[0], own)
    if type(node.op) in TIME:
        return (TIME[type(node.op)](operands[0], own, steps),)
    if type(node.op) not in KERNELS:
        raise UnsupportedOp("the interpreter", [(node.op.mnemonic, node.scope or node.name, "no kernel")])
    if node.type.timing is Timing.ONCE:  # so are its operands, since only the ops of TIME change it
        return (KERNELS[type(node.op)](node.op, operands, own),)
    time, batch = operands[0].shape[:2]
    flat = [x.reshape(time * batch, *x.shape[2:]) for x in operands]
    y = KERNELS[type(node.op)](node.op, flat, own)
    return (y.reshape(time, batch, *y.shape[1:]),)


def _shift(x: Tensor, weights: Mapping[str, Tensor], steps: int) -> Tensor:
    amounts = weights["steps"].to(torch.int64).expand(x.shape[2:])
    y = torch.zeros_like(x)
    for amount in torch.unique(amounts).tolist():
        if amount < steps:
            moved = torch.zeros_like(x)
            moved[amount:] = x[: steps - amount]
            y = torch.where(amounts == amount, moved, y)
    return y


TIME: dict[type, Callable[[Tensor, Mapping[str, Tensor], int], Tensor]] = {
    Repeat: lambda x, w, steps: x.unsqueeze(0).expand(steps, *x.shape),
    TimeMean: lambda x, w, steps: x.mean(0),
    TimeSum: lambda x, w, steps: x.sum(0),
    TimeLast: lambda x, w, steps: x[-1],
    Delay: _shift,
}


def inputs_of(graph: Graph, data: Data, steps: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """The graph's inputs as tensors.

    Raises:
        DataError: one is missing, its shape does not fit the input's type, or their samples differ in number.
    """
    if steps < 1:
        raise DataError(f"{steps} steps asked for", expected="at least 1")
    values: dict[str, Tensor] = {}
    samples: set[int] = set()
    for name, kind in graph.inputs.items():
        if name not in data:
            raise DataError(f"no data for input '%{name}'", expected=f"{kind}; given: {sorted(data)}")
        array = np.asarray(data[name])
        lead = 1 if kind.timing is Timing.ONCE else 2
        if array.ndim != lead + len(kind.shape) or tuple(array.shape[lead:]) != kind.shape:
            axes = "[samples" if lead == 1 else "[T, samples"
            shape = ", ".join(map(str, kind.shape))
            raise DataError(f"input '%{name}' has shape {list(array.shape)}", expected=f"{axes}, {shape}]")
        if lead == 2 and array.shape[0] != steps:
            raise DataError(f"input '%{name}' has {array.shape[0]} steps", expected=f"{steps}")
        if array.shape[lead - 1] == 0:
            raise DataError(f"input '%{name}' holds no sample", expected="at least one")
        samples.add(array.shape[lead - 1])
        value = torch.as_tensor(array.astype(np.float64))
        _check_codes(name, value, kind)
        values[name] = value.to(dtype)
    if len(samples) > 1:
        raise DataError(f"inputs of {sorted(samples)} samples", expected="as many of each")
    return values


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
