"""How a .pt2 file's input can hold time and batch: by the sizes that it leaves open, and by the neurons' steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from spikec.errors import TraceError
from spikec.frontend.foreign import Layout, Reading
from spikec.frontend.pt2.plan import Step
from spikec.frontend.pt2.program import Size, Source, Symbol
from spikec.ir.types import Shape

LAYOUTS: Mapping[Layout, tuple[int | None, int]] = {"TBX": (0, 1), "BTX": (1, 0), "BX": (None, 0)}
"""Which axis of the input is time, and which the batch."""

BATCHES = (2, 3, 5, 4, 7, 1)
"""Samples that a network whose batch is left open is recorded with."""
MOST_STEPS = 4096
DEFAULT_STEPS = 4
WORDS: Mapping[Layout, str] = {
    "TBX": "axis 0 is time, axis 1 the batch",
    "BTX": "axis 0 is the batch, axis 1 time",
    "BX": "axis 0 is the batch, and there is no time",
}
MEND = "say where time and batch are: spikec trace --layout TBX, BTX or BX"


@dataclass(frozen=True)
class Way:
    """One way to see time and batch in the input.

    Args:
        layout: where they are.
        shape: of one sample.
        steps: T of the file, or the one that it is recorded with where that is open.
        recorded: T and B of each recording: two where something is left open, which must give the same graph.
        replayed: T and B of each replay.
        remarks: what was assumed.
        others: layouts that could be asked for in its place.
    """

    layout: Layout
    shape: Shape
    steps: int
    recorded: tuple[tuple[int, int], ...]
    replayed: tuple[tuple[int, int], ...]
    remarks: tuple[str, ...]
    others: tuple[Layout, ...] = ()

    @property
    def seen(self) -> str:
        """How the input was read, in words."""
        return f"{self.layout} ({WORDS[self.layout]})"


def ways_of(source: Source, steps: tuple[Step, ...], reading: Reading) -> tuple[Way, ...]:
    """The ways to see the input, of which the one holds that gives a graph.

    Raises:
        TraceError: there is none: the neurons' steps are no axis of the input, or more than time and batch are open.
    """
    sizes = source.metas[source.signature.given[0]].sizes
    lengths = set(_lengths(source, steps))
    if len(lengths) > 1:
        found = f"neurons of {' and '.join(sorted(map(_said, lengths)))} steps"
        raise TraceError(found, expected="one T for all", mend="let time be the first axis of every neuron's input")
    length = next(iter(lengths), None)
    if length == 1 and (not sizes or sizes[0] != 1):
        raise TraceError(
            "neurons that take one step a call: torch.export keeps no state between calls, so the file lacks theirs",
            mend="export all steps in one call (SpikingJelly: functional.set_step_mode(net, 'm'))",
        )
    layouts = (reading.layout,) if reading.layout is not None else tuple(LAYOUTS)
    found_ways = [way for layout in layouts for way in _way(source, sizes, layout, length, reading)]
    if not found_ways:
        raise _unseen(source, sizes, length, reading)
    fits = [layout for layout in LAYOUTS if _fits(source, sizes, layout, length, reading)]
    return tuple(replace(way, others=tuple(other for other in fits if other != way.layout)) for way in found_ways)


def _fits(source: Source, sizes: tuple[Size, ...], layout: Layout, length: Size | None, reading: Reading) -> bool:
    """Whether the layout could be asked for."""
    try:
        return any(True for _ in _way(source, sizes, layout, length, replace(reading, layout=layout)))
    except TraceError:
        return False


def _unseen(source: Source, sizes: tuple[Size, ...], length: Size | None, reading: Reading) -> TraceError:
    """Why no layout fits the input, or not the one that was asked for."""
    steps = "no steps, since it has none that is known" if length is None else f"{_said(length)} steps"
    found = f"an input of sizes [{', '.join(map(_said, sizes))}] to neurons of {steps}"
    where, mend = f"input '{source.signature.given[0]}'", MEND
    if reading.layout is not None:
        found += f", read as {reading.layout} ({WORDS[reading.layout]})"
        mend = f"--layout {' or '.join(other for other in LAYOUTS if other != reading.layout)}"
    return TraceError(found, where=where, expected=EXPECTED, mend=mend)


def _lengths(source: Source, steps: tuple[Step, ...]) -> Iterator[Size]:
    """How many steps each neuron does: in one call, or in calls that go on from one another."""
    fired = [(step.call.name, step.fired) for step in steps if step.fired is not None]
    later = Counter(neuron.goes_on for _, neuron in fired if neuron.goes_on)
    for name, neuron in fired:
        meta = source.metas.get(neuron.drive.name)
        if not neuron.goes_on and meta is not None and meta.sizes:
            yield later[name] + 1 if name in later or neuron.bare else meta.sizes[0]


EXPECTED = "[T, B, ...], [B, T, ...] or [B, ...], nothing but time and batch left open"


def _way(
    source: Source, sizes: tuple[Size, ...], layout: Layout, length: Size | None, reading: Reading
) -> Iterator[Way]:
    """The input seen in a layout; nothing where that is not possible."""
    time, batch = LAYOUTS[layout]
    lead = 1 if time is None else 2
    shape = tuple(size for size in sizes[lead:] if isinstance(size, int) and size > 0)
    if len(shape) != len(sizes) - lead or len(sizes) < lead:
        return
    if length is None and time is not None and reading.layout is None:
        return  # without neurons nothing tells that there is time
    whole: Size = (length if length is not None else 1) if time is None else sizes[time]
    if length is not None and whole != length:
        return
    if time is None and isinstance(whole, Symbol):
        return
    lasts = _steps(source, whole, reading)
    batches = _batches(source, sizes[batch], lasts[0])
    if 0 in (*lasts, *batches):
        return
    recorded = tuple(dict.fromkeys([(lasts[0], batches[0]), (lasts[-1], batches[-1])]))
    replayed = [(lasts[0], size) for size in _of_replays(source, sizes[batch])]
    if len(lasts) > 1:
        replayed.append((lasts[-1], batches[0]))
    yield Way(layout, shape, lasts[0], recorded, tuple(replayed), tuple(_remarks(source, layout, sizes, whole)))


def _steps(source: Source, size: Size, reading: Reading) -> tuple[int, ...]:
    """T of the recordings.

    Raises:
        TraceError: there are very many.
    """
    if isinstance(size, int):
        if size > MOST_STEPS:
            raise TraceError(f"{size} steps", expected=f"at most {MOST_STEPS}")
        return (size,)
    least, most = source.ranges.get(size.name, (0, None))
    first = max(reading.steps or size.hint or DEFAULT_STEPS, least, 2)
    first = min(first, most or first, MOST_STEPS)
    return (first, first + 1) if most is None or first < most else (first,)


def _batches(source: Source, size: Size, steps: int) -> tuple[int, ...]:
    """B of the recordings, unlike T where that is possible."""
    if isinstance(size, int):
        return (size,)
    return _fitting(source, size, [batch for batch in BATCHES if batch not in (steps, steps + 1)])[:2] or (
        max(size.hint, 1),
    )


def _of_replays(source: Source, size: Size) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else _fitting(source, size, [1, 2, 4])[-2:] or (max(size.hint, 1),)


def _fitting(source: Source, size: Symbol, batches: list[int]) -> tuple[int, ...]:
    """Those that the file allows."""
    least, most = source.ranges.get(size.name, (0, None))
    return tuple(batch for batch in batches if least <= batch <= (batch if most is None else most))


def _remarks(source: Source, layout: Layout, sizes: tuple[Size, ...], whole: Size) -> Iterator[str]:
    name = source.signature.given[0]
    time, batch = LAYOUTS[layout]
    seen = f"axis {batch} is the batch"
    seen = f"axis {time} is time, {seen}" if time is not None else f"{seen}, and it has no time"
    yield f"of '{name}' [{', '.join(map(_said, sizes))}] {seen}"
    if isinstance(sizes[batch], int):
        yield f"the file's batch is fixed at {sizes[batch]}; the graph takes any, and was replayed at that one"
    if isinstance(whole, int) and time is not None:
        yield f"the file's time is fixed at {whole} steps; the graph runs any number, and was replayed at that one"
    if whole == 1 and time is not None:
        yield "one step: torch.export keeps no state between calls, of a neuron that takes one step a call neither"


def _said(size: Size) -> str:
    return "open" if isinstance(size, Symbol) else str(size)
