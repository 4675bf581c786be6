"""Of a network that cannot be recorded as asked: whether it can be at another layout or another number of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from spikec.errors import SpikecError
from spikec.frontend.neurons.leaf import Leaf
from spikec.frontend.neurons.table import maker_of, reset
from spikec.frontend.recording import Asked, finished, record
from spikec.frontend.users_code import users_code
from spikec.ir.types import Timing

LAYOUTS = ("TBX", "BTX", "BX")


def suggestion(model: nn.Module, asked: Asked) -> str:
    """What to ask for instead, where the network can be recorded so; empty where none was found."""
    for other in _others(model, asked):
        reset(model)
        try:
            finished(record(model, other, other.sizes))
        except SpikecError:
            continue
        steps = f"--steps {other.steps}, which the network makes by itself" if other.steps != asked.steps else ""
        layout = f"--layout {other.layout}" if other.layout != asked.layout else ""
        return " and ".join(filter(None, (layout, steps)))
    return ""


def _others(model: nn.Module, asked: Asked) -> Iterator[Asked]:
    made = _steps_made(model, asked) if asked.layout == "BX" else 0
    if made and made != asked.steps:
        yield replace(asked, steps=made)
    for layout in LAYOUTS:
        if layout != asked.layout:
            timing = Timing.ONCE if layout == "BX" else Timing.STEP
            yield replace(asked, layout=layout, kind=asked.kind.with_timing(timing))


def _steps_made(model: nn.Module, asked: Asked) -> int:
    """How many steps most neurons of a network do on one image; 0 where that cannot be told."""
    counted: Counter[str] = Counter()
    handles = []
    for path, module in model.named_modules():
        maker = maker_of(module)
        if maker is None:
            continue
        try:
            leaf = maker()
        except SpikecError:
            continue
        handles.append(module.register_forward_hook(_count(counted, path, leaf)))
    reset(model)
    try:
        with torch.no_grad(), users_code(SpikecError, "the network"):
            dtype = next((p.dtype for p in model.parameters()), torch.float32)
            model(torch.rand(2, *asked.kind.shape).to(dtype))
    except SpikecError:
        return 0
    finally:
        for handle in handles:
            handle.remove()
    return Counter(counted.values()).most_common(1)[0][0] if counted else 0


def _count(counted: Counter[str], path: str, leaf: Leaf) -> Any:  # Any: torch's protocol of hooks
    def hook(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:  # Any: forward's
        whole = args[0].shape[int(leaf.batch_first)] if args and isinstance(args[0], Tensor) and args[0].ndim else 1
        counted[path] += 1 if leaf.stepped else int(whole)

    return hook
