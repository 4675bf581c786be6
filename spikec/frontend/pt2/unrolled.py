"""snnTorch's Leaky and RLeaky as torch.export leaves them, arithmetic and comparisons, as one node a step again.

With the share b = clamp(beta, 0, 1) and the membrane m of the step before, one step of snnTorch 1.0 is::

    h = b m + x - [m - threshold > 0] threshold      reset 'subtract'
    h = b ([m - threshold <= 0] m) + x               reset 'zero', written (1 - [m - threshold > 0]) m
    h = b m + x                                      reset 'none'
    q = [h - threshold > 0]

An RLeaky adds what its spikes come back as, b m + x + r: its node takes the sum of x and r. Its reset 'zero' is none of
these. Source: `snntorch/_neurons/leaky.py` and `rleaky.py`, 1.0.0. Only these forms are taken, of tensors of the
network's own and from a membrane of zeros; a program that was rewritten so is compared with the one that was written
(`check_rewritten`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from spikec.frontend.pt2.filled import fill_of, number_of
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


@dataclass(frozen=True)
class Beat:
    """One step of a neuron, by the names of its tensors.

    Args:
        x, before, beta, threshold: of the step.
        reset: the op's word.
        fed_back: what an RLeaky adds to x, '' for a Leaky.
        sum: of the membrane and x alone, in the place of which x and `fed_back` are added.
    """

    x: str
    before: str
    beta: str
    threshold: str
    reset: str
    fed_back: str = ""
    sum: str = ""


@dataclass
class _Reader:
    """What is known of a program's nodes.

    Args:
        producers: the node that gives each tensor.
        own: the network's own tensors.
        uses: how often each tensor is taken, or given as an output.
        beats: the steps that were found, by their membranes.
        seen: nodes that a step is made of, by their names.
        odd: tensors that steps start from and that are neither zeros nor a step's membrane.
    """

    producers: Mapping[str, Call]
    own: Mapping[str, object]
    uses: Mapping[str, int]
    beats: dict[str, Beat] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)

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
        if total is None or len(total.args) != 2:
            return None
        first, recurrent = self.call(total.args[0], "aten.add.Tensor"), None
        if first is not None and len(first.args) == 2:
            if self.uses[first.outputs[0]] != 1:  # whose name is given to another sum
                return None
            recurrent, total = (first.outputs[0], total.args[1]), first
        leak = self.call(total.args[0], "aten.mul.Tensor")
        if leak is None or len(leak.args) != 2:
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
        beat = self.whole(total.args[1], before, leak.args[0], threshold, reset)
        if beat is None or recurrent is None:
            return beat
        return replace(beat, sum=recurrent[0], fed_back=recurrent[1].name) if isinstance(recurrent[1], Named) else None

    def whole(self, x: Value, before: Value, share: Value, threshold: Value, reset: str) -> Beat | None:
        """The step, where its numbers are the network's own and its membrane goes on from zeros or from a step."""
        clamp = self.call(share, "aten.clamp.default")
        beta = clamp.args[0] if clamp is not None and clamp.args[1:] in ((0, 1), (0.0, 1.0)) else None
        if not all(isinstance(value, Named) for value in (x, before, beta, threshold)):
            return None
        names = [value.name for value in (x, before, beta, threshold) if isinstance(value, Named)]
        if names[2] not in self.own or names[3] not in self.own:
            return None
        if number_of(names[1], self.producers) != 0.0 and names[1] not in self.beats:
            self.odd.add(names[1])
            return None
        return Beat(names[0], names[1], names[2], names[3], reset)


def recognised(calls: Sequence[Call], outputs: Sequence[str], own: Mapping[str, object]) -> tuple[Call, ...]:
    """The same program, each step of a Leaky one node; the same calls where there is none."""
    reader, spikes = _read(calls, own, outputs)
    if not reader.beats:
        return tuple(calls)
    sums = {beat.sum for beat in reader.beats.values()}
    asked = [call for call in calls if call.target not in CHECKS and sums.isdisjoint(call.outputs)]
    found = [each for call in asked for each in _rewritten(call, reader, spikes)]
    return _live(found, reader.seen - {call.name for call in found if call.target == LEAKY}, outputs)


def odd_starts(calls: Sequence[Call], own: Mapping[str, object]) -> Iterator[tuple[Call, float]]:
    """What steps of a Leaky start from instead of zeros: the nodes that make it, and their numbers."""
    reader, _ = _read(calls, own, ())
    for name in sorted(reader.odd):
        call, number = fill_of(name, reader.producers), number_of(name, reader.producers)
        if call is not None and number is not None:
            yield call, number


def _read(calls: Sequence[Call], own: Mapping[str, object], outputs: Sequence[str]) -> tuple[_Reader, dict[str, str]]:
    """The steps that were found, and new names of tensors that are spikes."""
    asked = [call for call in calls if call.target not in CHECKS]
    uses = Counter(name for call in asked for name in names_in((*call.args, *call.kwargs.values())))
    uses.update(outputs)
    reader = _Reader({name: call for call in calls for name in call.outputs}, own, uses)
    spikes: dict[str, str] = {}
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
    return reader, spikes


def _rewritten(call: Call, reader: _Reader, spikes: Mapping[str, str]) -> Iterator[Call]:
    beat = reader.beats.get(call.outputs[0]) if call.outputs else None
    if beat is None:
        kwargs = {name: _renamed(value, spikes) for name, value in call.kwargs.items()}
        yield replace(call, args=tuple(_renamed(value, spikes) for value in call.args), kwargs=kwargs)
        return
    x = _renamed(Named(beat.x), spikes)
    if beat.sum:
        parts = (x, _renamed(Named(beat.fed_back), spikes))
        yield Call(f"{call.name}.x", "aten.add.Tensor", parts, {}, (beat.sum,), False, call.scope, call.line)
        x = Named(beat.sum)
    args = (x, Named(beat.before), Named(beat.beta), Named(beat.threshold), beat.reset)
    membrane = call.outputs[0]
    yield Call(call.name, LEAKY, args, {}, (f"{membrane}.q", membrane), False, call.scope, call.line)


def _renamed(value: Value, spikes: Mapping[str, str]) -> Value:
    if isinstance(value, Named):
        return Named(spikes.get(value.name, value.name))
    return tuple(_renamed(one, spikes) for one in value) if isinstance(value, tuple) else value


def _live(calls: Sequence[Call], spare: Set[str], outputs: Sequence[str]) -> tuple[Call, ...]:
    """The calls without those of the names `spare` that nothing takes."""
    used, kept = set(outputs), []
    for call in reversed(calls):
        if call.name not in spare or not used.isdisjoint(call.outputs):
            used.update(names_in((*call.args, *call.kwargs.values())))
            kept.append(call)
    return tuple(kept[::-1])
