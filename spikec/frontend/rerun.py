"""Runs a network again, with a look at its neurons: what each takes and gives, or what it is made to give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.axes import View
from spikec.frontend.firing import Firing, Place, order_of
from spikec.frontend.neurons.leaf import Leaf
from spikec.frontend.neurons.table import reset
from spikec.frontend.recorder import Recorder
from spikec.frontend.recording import uncompiled
from spikec.frontend.results import results_of
from spikec.frontend.users_code import named, users_code

SIZES = "take sizes from the input (x.shape), not from numbers in the code"


@dataclass(frozen=True)
class Call:
    """A call of a neuron as seen: which one it is, what it took, and what it gave, the spikes first."""

    place: Place
    drive: Tensor
    results: Sequence[Tensor]


@dataclass(frozen=True)
class Seen:
    """What a run of the network showed: its outputs and the calls of its neurons."""

    outputs: Sequence[Tensor]
    calls: Sequence[Call]

    def drive(self, firing: Firing) -> Tensor:
        """What a layer took, of all steps."""
        return self._whole(firing, lambda call: call.drive)

    def spikes(self, firing: Firing) -> Tensor:
        """What a layer emitted, of all steps."""
        return self._whole(firing, lambda call: call.results[0])

    def states(self, firing: Firing) -> dict[str, Tensor]:
        """What a layer gave beside its spikes, of all steps, by the suffix of the op's result."""
        given = enumerate(given_states(firing.leaf), start=1)
        return {
            suffix: self._whole(firing, lambda call, place=place: call.results[place])  # type: ignore[misc]  # a default binds the loop's variable
            for place, name in given
            if (suffix := firing.leaf.states[name])
        }

    def _whole(self, firing: Firing, part: Callable[[Call], Tensor]) -> Tensor:
        parts = [part(call) for call in self.calls if call.place[0] is firing]
        return torch.stack(parts) if firing.leaf.stepped else parts[0]


@dataclass
class Rerun:
    """What a network is run with.

    Args:
        model: a copy, in `dtype`.
        recorder: knows its neurons and the torch axes of values.
        layout: where the model takes time and batch.
        dtype: fp64, or fp32.
    """

    model: nn.Module
    recorder: Recorder
    layout: str
    dtype: torch.dtype
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(1))

    @property
    def firings(self) -> Iterator[Firing]:
        """Every neuron layer that was recorded."""
        return (firing for firings in self.recorder.firings.values() for firing in firings)

    def network(self, x: Tensor, steps: int, forced: Mapping[str, Tensor] | None = None) -> Seen:
        """Runs the network and gives what was seen.

        Args:
            x: [T, B, ...], or [B, ...].
            steps: T.
            forced: what neurons are made to give, [T, B, ...] by the name of the value.

        Raises:
            TraceError: the network fails, or calls its neurons otherwise than when it was recorded.
        """
        reset(self.model)
        r = self.recorder
        places = {path: order_of(firings, r.calls[path], steps) or [] for path, firings in r.firings.items()}
        seen: dict[str, list[Call]] = {path: [] for path in places}
        whole = self._in_torchs_axes(forced or {})
        what = f"the network, on an input of {list(x.shape)} in {self.dtype},"
        with (
            torch.no_grad(),
            uncompiled(),
            users_code(TraceError, what, mend=SIZES),
            self._looked_at(places, seen, whole),
        ):
            # a copy, since a network may write into what it takes
            y = self.model((x.transpose(0, 1) if self.layout == "BTX" else x).clone())
        for path, calls in seen.items():
            if len(calls) != len(places[path]):
                raise TraceError(f"the neuron '{path}' was called {len(places[path])} times, then {len(calls)}")
        outputs = [result if isinstance(result, Tensor) else torch.stack(list(result)) for result in results_of(y)]
        outputs = [output.detach() for output in outputs]  # forward may turn gradients on
        return Seen(outputs, [call for calls in seen.values() for call in calls])

    def why_not(self, x: Tensor, steps: int) -> str:
        """Why the network does not run in this format on an input of the shape that it was recorded on; or nothing."""
        try:
            self.network(x, steps)
        except TraceError as error:
            if error.__cause__ is not None:
                return named(error.__cause__)
        return ""

    def neuron(self, firing: Firing, drive: Tensor) -> Tensor:
        """The spikes of a neuron alone, of drives of all steps in torch's axes."""
        module, leaf = self.model.get_submodule(firing.path), firing.leaf
        reset(module)
        run = module.forward  # without the network's own hooks, which are no part of the neuron
        with torch.no_grad(), uncompiled(), users_code(TraceError, f"the neuron '{firing.path}'"):
            if not leaf.stepped:
                return _several(run(drive))[0].to(self.dtype)
            states: Sequence[Tensor | None] = [None] * len(leaf.states)
            spikes = []
            for x in drive:
                results = [y.to(x.dtype) for y in _several(run(x, *states) if leaf.takes else run(x))]
                _keep_format(module, leaf, x.dtype)
                given = dict(zip(given_states(leaf), results[1:], strict=False))
                states = [given.get(name, results[0]) for name in leaf.states]
                spikes.append(results[0])
        return torch.stack(spikes)

    def _in_torchs_axes(self, forced: Mapping[str, Tensor]) -> dict[str, Tensor]:
        views = [view for firing in self.firings for view in (firing.spikes, *firing.states.values())]
        return {view.value: as_torch(forced[view.value], view) for view in views if view.value in forced}

    @contextmanager
    def _looked_at(
        self, places: Mapping[str, Sequence[Place]], seen: Mapping[str, list[Call]], forced: Mapping[str, Tensor]
    ) -> Iterator[None]:
        def hook(path: str) -> Callable[..., Any]:  # Any: torch's protocol of hooks
            def look(module: nn.Module, args: Any, kwargs: Any, y: Any) -> Any:  # Any: as above
                calls = seen[path]
                drive = next(iter((*args, *kwargs.values())))
                if len(calls) >= len(places[path]):
                    raise TraceError(f"the neuron '{path}' was called {len(places[path])} times, then more often")
                firing, step = place = places[path][len(calls)]
                # snnTorch's spikes are fp32 whatever its membrane is
                results = [result.to(drive.dtype) for result in _several(y)]
                _keep_format(module, firing.leaf, drive.dtype)
                # copies, since the network may write into them afterwards
                calls.append(Call(place, drive.detach().clone(), [result.detach().clone() for result in results]))
                given = _forced(firing, step, results, forced)
                _keep_forced(module, firing, step, forced)
                return type(y)(given) if isinstance(y, (tuple, list)) else given[0]

            return look

        handles = [
            self.model.get_submodule(path).register_forward_hook(hook(path), with_kwargs=True, prepend=True)
            for path in seen
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def given_states(leaf: Leaf) -> list[str]:
    """The names of the states that forward gives after the spikes."""
    return [name for name, suffix in leaf.states.items() if suffix != ""] if leaf.gives else []


def _several(y: Any) -> list[Tensor]:  # Any: a tensor, or several in a tuple
    return list(y) if isinstance(y, (tuple, list)) else [y]


def _keep_format(module: nn.Module, leaf: Leaf, dtype: torch.dtype) -> None:
    """Gives the states that a module keeps the format that it computes in."""
    for name in leaf.states if leaf.keeps else ():
        kept = getattr(module, name, None)
        if isinstance(kept, Tensor) and kept.dtype != dtype:
            setattr(module, name, kept.to(dtype))


def _forced(
    firing: Firing, step: int | None, results: Sequence[Tensor], forced: Mapping[str, Tensor]
) -> Sequence[Tensor]:
    """A call's results, those in their place that the neuron is made to give."""

    def instead(view: View, result: Tensor) -> Tensor:
        whole = forced.get(view.value)
        return result if whole is None else (whole if step is None else whole[step]).clone()

    changed = [instead(firing.spikes, results[0]), *results[1:]]
    for place, name in enumerate(given_states(firing.leaf), start=1):
        suffix = firing.leaf.states[name]
        if suffix:
            changed[place] = instead(firing.states[suffix], results[place])
    return changed


def _keep_forced(module: nn.Module, firing: Firing, step: int | None, forced: Mapping[str, Tensor]) -> None:
    """Lets a module keep the states that it is made to give, for a network that reads them there."""
    for name, suffix in firing.leaf.states.items() if firing.leaf.keeps else ():
        whole = forced.get(firing.states[suffix].value) if suffix else None
        if whole is not None and step is not None:
            setattr(module, name, whole[step])
        elif whole is not None:
            setattr(module, name, whole[-1])
            setattr(module, f"{name}_seq", whole)


def as_torch(value: Tensor, view: View) -> Tensor:
    """A graph value [T, B, *shape] (or [B, *shape]) in the torch axes of its view."""
    timed = value.ndim == len(view.shape) + 2
    place = {"T": 0, "B": 1} if timed else {"B": 0}
    lead = 2 if timed else 1
    flat = [place[i] if isinstance(i, str) else i + lead for group in view.dims for i in group]
    sizes = []
    for group in view.dims:
        size = 1
        for item in group:
            size *= value.shape[place[item] if isinstance(item, str) else item + lead]
        sizes.append(size)
    return value.permute(flat).reshape(sizes)
