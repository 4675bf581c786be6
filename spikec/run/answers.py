"""Answers to probes, computed from the values that a runner holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikec.cost import Counts, Probe
from spikec.ir.graph import Graph
from spikec.ir.types import Int, TensorType, Timing
from spikec.run.touched import touched


def answered(
    graph: Graph, values: Iterable[tuple[str, Tensor]], probes: Sequence[Probe], steps: int
) -> tuple[dict[str, Tensor], Counts]:
    """The outputs and the answers to all probes, from a run's values as they come.

    A value is held no longer than a probe that is not answered, or the outputs, need it.
    """
    needed = {value for probe in probes for value in probe.values} | set(graph.outputs)
    held: dict[str, Tensor] = {}
    answers: dict[str, NDArray[np.int64]] = {}
    waiting = {probe.key: probe for probe in probes}
    samples = 0
    for name, value in values:
        if name in graph.inputs:
            samples = value.shape[0 if graph.inputs[name].timing is Timing.ONCE else 1]
        if name not in needed:
            continue
        held[name] = value
        for probe in [p for p in waiting.values() if name in p.values and all(v in held for v in p.values)]:
            asked = [held[v] for v in probe.values]
            if probe.kind == "touched":
                answers[probe.key] = _counted(probe, touched(graph, probe, asked))
            else:
                answers[probe.key] = answer(probe, asked, [graph.types[v] for v in probe.values])
            del waiting[probe.key]
        needed = {v for probe in waiting.values() for v in probe.values} | set(graph.outputs)
        held = {v: tensor for v, tensor in held.items() if v in needed}
    return {v: held[v] for v in graph.outputs}, Counts(answers, samples, steps)


def answer(probe: Probe, values: Sequence[Tensor], types: Sequence[TensorType]) -> NDArray[np.int64]:
    """The int64 answer to `probe`, [samples or 1, (steps,) groups or element axes].

    Args:
        probe: the question.
        values: its values, [T, B, *shape] where per step, [B, *shape] where once.
        types: their types.
    """
    if len(values) == 2:
        pairs = _overlaps if probe.kind in ("overlap", "overlap-nonzero") else _coincidences
        return pairs(probe, values, types)
    elements = _measure(probe, _stepped(values[0], types[0]), types[0])
    if probe.kind == "max":
        return _keep(probe, _flat(elements).amax(2), torch.amax)
    if probe.kind == "per-element":
        return _keep(probe, elements, torch.sum)
    return _counted(probe, elements)


def _counted(probe: Probe, elements: Tensor) -> NDArray[np.int64]:
    """Sums of [T, B, *shape], by group where the probe has groups."""
    if probe.groups is None:
        return _keep(probe, _flat(elements).sum(2, keepdim=True), torch.sum)
    return _grouped(probe, elements)


def magnitudes(value: Tensor, kind: TensorType) -> Tensor:
    """|n| of every element's integer code, as int64; 1 for every Real element that is not zero."""
    if isinstance(kind.domain, Int):
        if kind.domain.scale == 1.0:
            return value.abs().to(torch.int64)
        return torch.round(value.double() / kind.domain.scale).abs().to(torch.int64)  # fp32 may not hold the scale
    return (value != 0).to(torch.int64)


def _measure(probe: Probe, value: Tensor, kind: TensorType) -> Tensor:
    if probe.kind == "nonzero":
        return (value != 0).to(torch.int64)
    if probe.kind == "other":
        return (~((value == 0) | (value.abs() == 1))).to(torch.int64)
    if probe.kind == "outside":
        inside = torch.zeros_like(value, dtype=torch.bool)
        for level in probe.levels:
            inside |= value == level
        return (~inside).to(torch.int64)
    return magnitudes(value, kind)


def _stepped(value: Tensor, kind: TensorType) -> Tensor:
    return value.unsqueeze(0) if kind.timing is Timing.ONCE else value


def _flat(x: Tensor) -> Tensor:
    """[T, B, elements], also of a value without axes."""
    return x.reshape(*x.shape[:2], -1)


def _grouped(probe: Probe, elements: Tensor) -> NDArray[np.int64]:
    assert probe.groups is not None
    flat = _flat(elements)
    labels = torch.as_tensor(probe.groups.reshape(-1).astype(np.int64))
    total = flat.sum(0, keepdim=True) if "step" not in probe.keep else flat
    out = torch.zeros(*total.shape[:2], probe.group_count, dtype=torch.int64)
    out.index_add_(2, labels, total)
    return _keep(probe, out, torch.sum)


def _coincidences(probe: Probe, values: Sequence[Tensor], types: Sequence[TensorType]) -> NDArray[np.int64]:
    """Sum over k of (sum over n of |a|) (sum over m of |b|): exact without forming the product."""
    sides = []
    for value, kind, contracted in zip(values, types, _contracted(probe), strict=True):
        sides.append(_factor(probe, value, kind).sum(-1 if contracted == -2 else -2))
    products = _flat(sides[0] * sides[1]).sum(2, keepdim=True)
    return _keep(probe, products, torch.sum)


def _overlaps(probe: Probe, values: Sequence[Tensor], types: Sequence[TensorType]) -> NDArray[np.int64]:
    a, b = (_factor(probe, value, kind) for value, kind in zip(values, types, strict=True))
    return _keep(probe, _flat(a * b).sum(2, keepdim=True), torch.sum)


def _factor(probe: Probe, value: Tensor, kind: TensorType) -> Tensor:
    """|n| of a pair's operand, or 1 where it is not zero, as the probe asks."""
    x = _stepped(value, kind)
    return (x != 0).to(torch.int64) if probe.kind.endswith("-nonzero") else magnitudes(x, kind)


def _contracted(probe: Probe) -> tuple[int, int]:
    """The axis of each operand that is summed over: a [.., n, k] and b [.., k, m] unless transposed."""
    return (-2 if probe.transposed[0] else -1), (-1 if probe.transposed[1] else -2)


def _keep(probe: Probe, x: Tensor, reduce: object) -> NDArray[np.int64]:
    """[T, B, ...] with the axes that the probe drops reduced, samples first."""
    assert callable(reduce)
    if "step" not in probe.keep:
        x = reduce(x, 0, keepdim=True)
    if "sample" not in probe.keep:
        x = reduce(x, 1, keepdim=True)
    x = x.movedim(1, 0)
    return np.asarray((x if "step" in probe.keep else x[:, 0]).contiguous().numpy(), dtype=np.int64)
