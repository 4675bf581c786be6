"""snnTorch's Leaky as torch.export leaves it, arithmetic and comparisons of every step, as one node a step again.

With the share b = clamp(beta, 0, 1) and the membrane m of the step before, one step of snnTorch 1.0 is::

    h = b m + x - [m - threshold > 0] threshold      reset 'subtract'
    h = b ([m - threshold <= 0] m) + x               reset 'zero', written (1 - [m - threshold > 0]) m
    h = b m + x                                      reset 'none'
    q = [h - threshold > 0]

Source: `snntorch/_neurons/leaky.py`, 1.0.0. Only these forms are taken, of tensors of the network's own and from a
membrane of zeros; a program that was rewritten so is compared with the one that was written (`check_rewritten`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from spikec.frontend.pt2.operators import CHECKS
from spikec.frontend.pt2.program import Call, Named, Value
from spikec.frontend.pt2.rewriting import names_in

LEAKY = "unrolled Leaky"
"""How a step is called: of x, the membrane before, beta, the threshold and the reset; it gives spikes and membrane."""

SAME = (
    *("aten.to.dtype", "aten._to_copy.default", "aten.clone.default", "aten.detach.default", "aten.alias.default"),
    "aten.lift_fresh_copy.default",
)
MOST_COPIES = 8
"""Of one tensor in a row; a file could have copies of copies in a circle."""
ZEROS = ("aten.zeros_like.default", "aten.full_like.default")


@dataclass(frozen=True)
class Beat:
    """One step of a neuron, by the names of its tensors."""

    x: str
    before: str
    beta: str
    threshold: str
    reset: str


@dataclass
class _Reader:
    """What is known of a program's nodes.

    Args:
        producers: the node that gives each tensor.
        own: the network's own tensors.
        beats: the steps that were found, by their membranes.
        seen: nodes that a step is made of, by their names.
    """

    producers: Mapping[str, Call]
    own: Mapping[str, object]
    beats: dict[str, Beat] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def call(self, value: Value, *targets: str) -> Call | None:
        """The node that gives a tensor, where it is one of these operators without further arguments."""
        found = self.producers.get(value.name) if isinstance(value, Named) else None
        if found is None or found.target not in targets or (found.kwargs and found.target not in SAME):
            return None
        self.seen.add(found.name)
        return found

    def source(self, value: Value) -> Value:
        """The tensor that copies and conversions were made of."""
        for _ in range(MOST_COPIES):
            call = self.call(value, *SAME)
            if call is None or not call.args:
                break
            value = call.args[0]
        return value

    def fired(self, value: Value) -> tuple[Value, Value] | None:
        """The membrane and the threshold of which a tensor is the spikes."""
        compare = self.call(self.source(value), "aten.gt.Scalar")
        if compare is None or compare.args[1:] not in ((0,), (0.0,)):
            return None
        over = self.call(compare.args[0], "aten.sub.Tensor")
        return None if over is None or len(over.args) != 2 else (over.args[0], over.args[1])

    def beat(self, membrane: str, threshold: Value) -> Beat | None:
        """The step that gives a membrane, where it is one of a Leaky."""
        value: Value = Named(membrane)
        reset = "none"
        down = self.call(value, "aten.sub.Tensor")
        told: tuple[Value, Value] | None = None
        if down is not None and len(down.args) == 2:
            taken = self.call(down.args[1], "aten.mul.Tensor")
            told = self.fired(taken.args[0]) if taken is not None and taken.args[1:] == (threshold,) else None
            value, reset = down.args[0], "soft"
        total = self.call(value, "aten.add.Tensor")
        leak = self.call(total.args[0], "aten.mul.Tensor") if total is not None and len(total.args) == 2 else None
        if total is None or leak is None or len(leak.args) != 2:
            return None
        before = leak.args[1]
        kept = self.call(before, "aten.mul.Tensor") if reset == "none" else None
        if (
            kept is not None
            and len(kept.args) == 2
            and (left := self.call(kept.args[0], "aten.rsub.Scalar")) is not None
        ):
            told = self.fired(left.args[0]) if left.args[1:] == (1,) else None
            before, reset = kept.args[1], "hard"
        if reset != "none" and told != (before, threshold):
            return None
        return self.whole(total.args[1], before, leak.args[0], threshold, reset)

    def whole(self, x: Value, before: Value, share: Value, threshold: Value, reset: str) -> Beat | None:
        """The step, where its numbers are the network's own and its membrane goes on from zeros or from a step."""
        clamp = self.call(share, "aten.clamp.default")
        beta = clamp.args[0] if clamp is not None and clamp.args[1:] in ((0, 1), (0.0, 1.0)) else None
        if not all(isinstance(value, Named) for value in (x, before, beta, threshold)):
            return None
        names = [value.name for value in (x, before, beta, threshold) if isinstance(value, Named)]
        start = self.producers.get(names[1])
        zero = start is not None and start.target in ZEROS
        if not (zero or names[1] in self.beats) or names[2] not in self.own or names[3] not in self.own:
            return None
        return Beat(names[0], names[1], names[2], names[3], reset)


def recognised(calls: Sequence[Call], outputs: Sequence[str], own: Mapping[str, object]) -> tuple[Call, ...]:
    """The same program, each step of a Leaky one node; the same calls where there is none."""
    reader = _Reader({name: call for call in calls for name in call.outputs}, own)
    spikes: dict[str, str] = {}  # new names of tensors that are spikes
    for call in calls:
        if call.target not in (*SAME, "aten.gt.Scalar") or not call.outputs:
            continue
        found = reader.fired(Named(call.outputs[0]))
        if found is None or not isinstance(found[0], Named) or call.target not in SAME:
            continue  # a comparison that is asked for its format alone is seen, and left away
        membrane = found[0].name
        if membrane not in reader.beats and (beat := reader.beat(membrane, found[1])) is not None:
            reader.beats[membrane] = beat
        if membrane in reader.beats and Named(reader.beats[membrane].threshold) == found[1]:
            spikes[call.outputs[0]] = f"{membrane}.q"
    if not reader.beats:
        return tuple(calls)
    asked = [call for call in calls if call.target not in CHECKS]
    return _live([_rewritten(call, reader, spikes) for call in asked], reader.seen, outputs)


def _rewritten(call: Call, reader: _Reader, spikes: Mapping[str, str]) -> Call:
    beat = reader.beats.get(call.outputs[0]) if call.outputs else None
    if beat is None:
        kwargs = {name: _renamed(value, spikes) for name, value in call.kwargs.items()}
        return replace(call, args=tuple(_renamed(value, spikes) for value in call.args), kwargs=kwargs)
    x = _renamed(Named(beat.x), spikes)
    args = (x, Named(beat.before), Named(beat.beta), Named(beat.threshold), beat.reset)
    membrane = call.outputs[0]
    return Call(call.name, LEAKY, args, {}, (f"{membrane}.q", membrane), False, call.scope)


def _renamed(value: Value, spikes: Mapping[str, str]) -> Value:
    if isinstance(value, Named):
        return Named(spikes.get(value.name, value.name))
    return tuple(_renamed(one, spikes) for one in value) if isinstance(value, tuple) else value


def _live(calls: Sequence[Call], spare: set[str], outputs: Sequence[str]) -> tuple[Call, ...]:
    """The calls without those of `spare` that nothing takes."""
    used, kept = set(outputs), []
    for call in reversed(calls):
        if call.name not in spare or call.target == LEAKY or not used.isdisjoint(call.outputs):
            used.update(names_in((*call.args, *call.kwargs.values())))
            kept.append(call)
    return tuple(kept[::-1])
