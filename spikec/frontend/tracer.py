"""The runtime tracer: runs a network once and records the graph that it computes.

A TorchFunctionMode sees every torch function (`spikec.frontend.mode`), module hooks say where it is called from, and
neurons are leaves (`spikec.frontend.calls`): those of snnTorch and SpikingJelly, and modules with a method
`spikec_neuron()`. The graph is always replayed against the network before it is given away
(`spikec.frontend.replay`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from spikec.errors import TraceError, UsageError
from spikec.frontend.again import check_again
from spikec.frontend.foreign import Layout
from spikec.frontend.neurons.leaf import Neuron
from spikec.frontend.neurons.table import NOT_TAKEN, maker_of, reset
from spikec.frontend.preconditions import check_network, copied
from spikec.frontend.recorder import Recorder
from spikec.frontend.recording import Asked, finished, record
from spikec.frontend.replay import in_own_format, replay
from spikec.frontend.suggestion import LAYOUTS, suggestion
from spikec.ir.graph import Graph
from spikec.ir.types import REAL, Domain, TensorType, Timing

__all__ = ["Layout", "Neuron", "Traced", "trace", "traced"]

MOST_ELEMENTS = 2**28
"""Of a sample at all its steps: 1 GiB in float32, of which a recording takes several."""
HALVES = (torch.float16, torch.bfloat16)
LISTED = 6


@dataclass(frozen=True, eq=False)
class Traced:
    """A network as a graph.

    Args:
        graph: verified.
        remarks: what was assumed, left away or found to differ, a sentence each.
        replayed: the precision in which it was replayed against the network, fp64 or fp32; empty where it was not.
    """

    graph: Graph
    remarks: tuple[str, ...] = ()
    replayed: str = ""


def trace(
    model: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int,
    domain: Domain = REAL,
    name: str = "input",
    check: bool = True,
) -> Graph:
    """The graph that `model` computes; see `traced`, which gives the remarks with it."""
    return traced(model, shape, layout=layout, steps=steps, domain=domain, name=name, check=check).graph


def traced(
    model: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int,
    domain: Domain = REAL,
    name: str = "input",
    check: bool = True,
) -> Traced:
    """The graph that `model` computes, replayed against it on fresh inputs in fp64, or fp32 where it must be.

    Neurons that keep their state between calls are reset before each run, and left so.

    Args:
        model: in evaluation mode.
        shape: of one sample, without T and batch.
        layout: where the module takes time and batch: BX without time (it repeats the sample itself).
        steps: T; for BX, the T that the model repeats its input for.
        domain: of the input; Int for event frames.
        name: of the graph's input.
        check: whether to replay; only tests of the replay itself turn it off.

    Raises:
        UsageError: a layout, a shape or a number of steps that there is not.
        TraceError: the network cannot be taken, or the graph does not do what the network does.
    """
    _check_asked(shape, layout, steps)
    check_network(model)
    kind = TensorType(tuple(shape), domain, Timing.ONCE if layout == "BX" else Timing.STEP)
    asked = Asked(kind, layout, steps, name)
    remarks = [STATEFUL] if reset(model) else []
    recorder = first = _recorded(model, asked)
    if recorder.own.computed:
        recorder = _in_double(model, asked) or recorder
    graph = finished(recorder)
    remarks += [*_unused(recorder), *_rounding(recorder), *first.remarks.values(), *_half(recorder), *_printed(first)]
    replayed = ""
    if check:
        sizes = check_again(model, asked, first)
        replayed, said = replay(model, graph, recorder, layout)
        remarks += [*said, *_near(asked, sizes)]
        if first.remarks or first.dtype in HALVES:
            remarks += in_own_format(model, graph, first, layout)
    reset(model)
    return Traced(graph, tuple(remarks), replayed)


def _check_asked(shape: Sequence[int], layout: str, steps: int) -> None:
    """Raises UsageError for what no network can be recorded on."""
    if layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r}", expected=f"one of: {', '.join(LAYOUTS)}")
    if type(steps) is not int or steps < 1:
        raise UsageError(f"steps must be at least 1, found {steps}")
    if any(type(size) is not int or size < 1 for size in shape):
        raise UsageError(f"shape {list(shape)}", expected="whole numbers of 1 or more, of one sample")
    if prod(shape) * steps > MOST_ELEMENTS:
        found = f"samples of {prod(shape):,} elements at {steps:,} steps"
        raise UsageError(found, expected=f"at most {MOST_ELEMENTS:,} elements in all", mend="fewer steps")


def _recorded(model: nn.Module, asked: Asked) -> Recorder:
    """The network recorded; where that fails, the error says what could be recorded instead."""
    try:
        return record(model, asked, asked.sizes)
    except TraceError as error:
        if NOT_TAKEN not in error.found:  # no layout mends that
            error.mend = "; or ".join(filter(None, (suggestion(model, asked), error.mend)))
        raise


STATEFUL = (
    "neurons that keep their state from call to call were reset: an inference of the graph starts with them reset"
)


def _in_double(model: nn.Module, asked: Asked) -> Recorder | None:
    """A recording in fp64, for the weights that the network computes; None where it does not run so."""
    formats = {path: tensor.dtype for path, tensor in model.state_dict(keep_vars=True).items()}
    reset(model)  # neurons that keep their state have that of the recording before
    twin = copied(model, torch.float64)
    for module in twin.modules():
        if maker_of(module) is not None:
            module.register_forward_hook(_in_its_format, with_kwargs=True)
    try:
        return record(twin, asked, asked.sizes, formats)
    except TraceError:
        return None


def _in_its_format(module: nn.Module, args: Any, kwargs: Any, y: Any) -> Any:  # Any: torch's protocol of hooks
    """What a neuron gives in the format of what it takes: snnTorch's spikes are fp32 whatever that is."""
    kind = next(iter((*args, *kwargs.values()))).dtype
    return type(y)(part.to(kind) for part in y) if isinstance(y, (tuple, list)) else y.to(kind)


def _unused(r: Recorder) -> list[str]:
    unused, frozen = r.own.unused(), sorted(r.own.frozen)
    said = [f"{_of(unused, 'parameters are')} never used, and not in the graph: {_some(unused)}"] if unused else []
    if frozen:
        said += [
            f"{_of(frozen, 'parameters are')} read as numbers, which the graph holds as constants: {_some(frozen)}"
        ]
    return said


def _of(names: Sequence[str], what: str) -> str:
    return f"{len(names)} of the network's {what}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def _printed(r: Recorder) -> list[str]:
    return [f"{line} turns numbers into text; what the code does by reading it is not seen" for line in r.printed]


def _rounding(r: Recorder) -> list[str]:
    paths = [path for path, firings in r.firings.items() if not all(firing.leaf.exact for firing in firings)]
    if not paths:
        return []
    return [
        f"of {len(paths)} neurons it is said that they round otherwise than their ops, so that a membrane within"
        f" rounding of its threshold may fire in one and not in the other: {_some(paths)}"
    ]


def _near(asked: Asked, sizes: Sequence[tuple[int, int]]) -> list[str]:
    if set(asked.far_sizes) <= set(sizes):
        return []
    steps, samples = (max(size) for size in zip(asked.sizes, *sizes, strict=True))
    return [
        f"the network is too large to be recorded far beyond its sizes: what its code does only from more than {steps}"
        f" steps or {samples} samples on was not seen"
    ]


def _half(r: Recorder) -> list[str]:
    return [f"the network computes in {r.dtype}; the graph has its weights as float32"] if r.dtype in HALVES else []
