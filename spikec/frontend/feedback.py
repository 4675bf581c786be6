"""Feedback that a loop over time writes out: a tensor of one step that the next one takes, zeros before the first.

    spikes = torch.zeros(batch, width)
    for now in x:
        spikes, membrane = self.lif(self.fc(now) + self.recurrent(spikes), membrane)

The first step, which is what is recorded, takes the zeros: that they stand for the spikes of a step before is known
only at the second, where the same function of the same line takes spikes of the first; or at a later one, where zeros
are taken for several steps. So a network that cannot be recorded otherwise is recorded once more, with a Delay in the
place of those zeros. What was taken for feedback and is none is found as everything is: the later steps do not do what
the first did, or the replay differs.

Two things are known only from a failure. `x[1] + x[0]` may be a sum over the steps as well as feedback: it is taken for
the sum, and if that fails for the other. And what comes back may be no spikes once it comes back, as in a trace
`y = 0.9 * y + spikes`: a Delay whose type was wrong is declared Real.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from torch import Tensor

from spikec.errors import TraceError
from spikec.frontend import lines
from spikec.frontend.axes import Dims, View
from spikec.frontend.memory import storage_of
from spikec.frontend.recorder import Recorder
from spikec.frontend.results import flat
from spikec.ir.types import REAL, Role, TensorType

Place = tuple[str, object, tuple[lines.Place, ...], int, int]
"""Where a tensor is taken: the module path, the function, the line, where in it, and which argument it is."""
Spot = tuple[Place, int]
"""A place, and which of the times it is that a step comes there, as a loop over layers does."""


@dataclass(frozen=True)
class Fed:
    """What is fed back: its type, its torch axes, and after how many steps."""

    kind: TensorType
    dims: Dims
    steps: int


@dataclass
class Found:
    """What a recording finds to be feedback, and what may be feedback or else a sum over the steps."""

    certain: dict[Spot, Fed] = field(default_factory=dict)
    perhaps: dict[Spot, Fed] = field(default_factory=dict)
    visits: Counter[Place] = field(default_factory=Counter)

    def often(self, steps: int) -> dict[Place, int]:
        """How often each step came to a place, of those to which it came more than once."""
        return {place: n // steps for place, n in self.visits.items() if n > steps and n % steps == 0}


@dataclass(frozen=True)
class Known:
    """What earlier recordings found.

    Args:
        fed: what is fed back where; a Delay is put there.
        often: how often each step comes to a place, where that is more than once.
        unsure: whether what may be a sum as well is taken for feedback.
    """

    fed: Mapping[Spot, Fed] = field(default_factory=dict)
    often: Mapping[Place, int] = field(default_factory=dict)
    unsure: bool = False

    def followed_by(self, found: Found, steps: int) -> Known | None:
        """What the next recording is to know; None where one of T `steps` found nothing more."""
        often = found.often(steps)
        if often != self.often:
            return Known({}, often)
        certain = dict(found.certain.items() - self.fed.items())
        if certain:
            return replace(self, fed={**self.fed, **certain})
        perhaps = {spot: fed for spot, fed in found.perhaps.items() if spot not in self.fed}
        return None if self.unsure or not perhaps else Known({**self.fed, **perhaps}, often, unsure=True)


ADDS = frozenset(("add", "__add__", "__radd__"))


class Feedback:
    """What a recording sees of feedback, and where it puts a Delay.

    Args:
        recorder: of the run.
        known: what earlier recordings found.
        found: receives what this one finds.
    """

    def __init__(self, recorder: Recorder, known: Known, found: Found) -> None:
        self.recorder, self.known, self.often, self.found = recorder, known.fed, known.often, found
        self._zeros: dict[Spot, list[tuple[int, ...]]] = {}
        self._delays: dict[Spot, View] = {}
        self._sources: dict[Spot, str] = {}
        self._open: set[Spot] = set()

    def taken(self, func: object, args: Sequence[Any]) -> list[Any]:  # Any: torch
        """The arguments of a function (or of a neuron, by its path) to be run, what is fed back to it known as such."""
        tensors = [value for value in flat(args) if isinstance(value, Tensor)]
        place = count()

        def seen(value: Any) -> Any:  # Any: as above
            if isinstance(value, (list, tuple)):
                parts = [seen(element) for element in value]
                return tuple(parts) if isinstance(value, tuple) else parts
            return self._seen(func, value, next(place), tensors) if isinstance(value, Tensor) else value

        return [seen(arg) for arg in args]

    def _seen(self, func: object, tensor: Tensor, place: int, tensors: Sequence[Tensor]) -> Tensor:
        """One argument, or the same under the view of a Delay."""
        r, view = self.recorder, self.recorder.view(tensor)
        lost = view is None and r.follows(tensor)  # it comes from what was refused, and is met all the same
        if not (lost or self._starts(tensor) if view is None else view.at is not None):
            return tensor
        here = (r.scope, func, *_running(), place)
        step, turn = divmod(self.found.visits[here], self.often.get(here, 1))
        self.found.visits[here] += 1
        spot = (here, turn)
        if view is None:
            return tensor if lost else self._start(spot, tensor)
        assert view.at is not None
        if spot in self._delays:
            return self._delayed(spot, tensor, view, step - view.at)
        if self._zeros.get(spot) == [tuple(tensor.shape)] * step and view.at < step and not view.summed:
            perhaps = getattr(func, "__name__", "") in ADDS and self._may_sum(view, place, tensors)
            fed = Fed(r.builder.type(view.value), view.dims, step - view.at)
            (self.found.perhaps if perhaps else self.found.certain).setdefault(spot, fed)
        return tensor

    def check_closed(self) -> None:
        """Raises TraceError for zeros that stood for nothing that came back."""
        for (scope, _, places, _, _), _ in self._open:
            where = ", ".join(filter(None, (f"module '{scope}'" if scope else "the network", lines.said(places))))
            raise TraceError(
                "the zeros that the first step takes are no value of the step before in later ones", where=where
            )

    def _starts(self, tensor: Tensor) -> bool:
        """Whether it may be what is fed back before the first step: zeros that are no tensor of the network."""
        r = self.recorder
        if r.follows(tensor) or r.own.name(tensor) or not tensor.is_floating_point() or tensor.numel() == 0:
            return False
        if r.own.role(tensor) is Role.PARAMETER:  # computed from one that happens to be zero
            return False
        with r.aside():  # functorch's tensors have no memory of their own, and no numbers to look at
            return storage_of(tensor) != 0 and not bool(tensor.any())

    def _may_sum(self, view: View, place: int, tensors: Sequence[Tensor]) -> bool:
        """Whether it may be a sum of the steps so far, to which the next one is added."""
        r = self.recorder
        others = [other for i, other in enumerate(tensors) if i != place and r.follows(other)]
        seen = [r.view(other) for other in others]
        return any(other is None or r.alike(view, other) for other in seen)

    def _start(self, spot: Spot, zeros: Tensor) -> Tensor:
        before = self._zeros.setdefault(spot, [])
        before.append(tuple(zeros.shape))
        r, fed = self.recorder, self.known.get(spot)
        if fed is None or len(before) > fed.steps:
            return zeros
        at_first = View("", fed.kind.shape, fed.dims, r.sizes, at=0)
        if at_first.torch_shape != tuple(zeros.shape):
            return zeros
        if spot not in self._delays:
            name = r.builder.feedback(fed.kind, float(fed.steps), scope=r.container, inner=True)
            r.note(name)
            self._delays[spot] = replace(at_first, value=name)
            self._open.add(spot)
        return self._alias(zeros, replace(self._delays[spot], at=len(before) - 1))

    def _delayed(self, spot: Spot, tensor: Tensor, view: View, steps: int) -> Tensor:
        """What was left `steps` ago, under the view of its Delay."""
        r, delay, source = self.recorder, self._delays[spot], self.recorder.canonical(view.value)
        if view.summed or view.dims != delay.dims or self._sources.setdefault(spot, source) != source:
            return tensor
        try:
            r.check_whole(tensor)
        except TraceError:
            return tensor  # which is then refused for it
        if steps != self.known[spot].steps and steps > 0:
            self.found.certain[spot] = replace(self.known[spot], steps=steps)
            return tensor
        assert view.at is not None
        if view.at == 0:
            kind, declared = r.builder.type(source), r.builder.type(delay.value)
            if kind != declared:
                if kind.with_domain(REAL) == declared.with_domain(REAL) != declared:
                    self.found.certain[spot] = replace(self.known[spot], kind=declared.with_domain(REAL))
                return tensor
            if spot not in self._open:
                return tensor  # that of the first step once more
            r.builder.close(delay.value, source)
            self._open.discard(spot)
        return self._alias(tensor, replace(delay, at=view.at + self.known[spot].steps))

    def _alias(self, tensor: Tensor, view: View) -> Tensor:
        """The same tensor under another view, for this one call."""
        with self.recorder.aside():
            alias = tensor.clone()
        return self.recorder.watch(alias, view)


def _running() -> tuple[tuple[lines.Place, ...], int]:
    """The line that is running, and which of its instructions: it may call a function more than once."""
    places, frame = lines.running(), sys._getframe(1)
    while frame.f_back is not None and (frame.f_code.co_filename, frame.f_lineno) not in places:
        frame = frame.f_back
    return places, frame.f_lasti
