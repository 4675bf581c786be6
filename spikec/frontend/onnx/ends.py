"""What the inputs and outputs of a file are: data or states, and which of their axes is the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikec.errors import TraceError
from spikec.frontend.onnx.source import Port, Source
from spikec.ir.types import Shape

PAIRS = (("{}", "{}_out"), ("{}_in", "{}_out"), ("{}", "{}_next"), ("{}", "new_{}"))
"""How a state is called as an input and as an output; docs/from-onnx.md says so too."""

BATCHES = (2, 3)
"""Samples that a file whose batch is left open is read with: the graph must be the same for all."""


@dataclass(frozen=True)
class State:
    """An input of one step that is an output of the step before."""

    port: Port
    output: str


@dataclass(frozen=True, eq=False)
class Ends:
    """The ends of a network.

    Args:
        data: its inputs that are no state.
        states: those that are.
        outputs: its outputs that are no state.
    """

    data: tuple[Port, ...]
    states: tuple[State, ...]
    outputs: tuple[str, ...]

    @property
    def ports(self) -> tuple[Port, ...]:
        """All inputs."""
        return (*self.data, *(state.port for state in self.states))


@dataclass(frozen=True, eq=False)
class Batching:
    """One way to see samples in the inputs.

    Args:
        places: of each input, the axis that is the batch; an input that is one sample as a whole is missing.
        samples: how many there are; None where there is one, which no axis of the graph's values shows.
    """

    places: Mapping[str, int]
    samples: int | None

    def sample(self, port: Port) -> Shape:
        """The shape of one sample of an input."""
        place = self.places.get(port.name)
        return tuple(int(size) for at, size in enumerate(port.axes or ()) if at != place)

    def shape(self, port: Port) -> Shape:
        """The shape of an input as the file has it."""
        place = self.places.get(port.name)
        return tuple(self.samples or 1 if at == place else int(size) for at, size in enumerate(port.axes or ()))


def ends_of(source: Source) -> Ends:
    """The ends of a file's network: an input that an output of a paired name feeds is a state.

    A network's only input is no state.
    """
    states: list[State] = []
    for port in source.inputs if len(source.inputs) > 1 else ():
        for went, comes in PAIRS:
            head, tail = went.split("{}")
            stem = port.name.removeprefix(head).removesuffix(tail)
            output = comes.format(stem)
            taken = [state.output for state in states]
            if stem and went.format(stem) == port.name and output in source.outputs and output not in taken:
                states.append(State(port, output))
                break
    fed = {state.output for state in states}
    outputs = tuple(name for name in source.outputs if name not in fed) or source.outputs
    ports = [state.port for state in states]
    return Ends(tuple(port for port in source.inputs if port not in ports), tuple(states), outputs)


def batchings(source: Source) -> tuple[Batching, ...]:
    """The ways to see samples in a file's inputs, of which the first that gives a graph holds.

    Where the file leaves one axis of each input open, that is the batch, and all of these must give the same graph.
    Where all sizes are fixed, the first axes are, or else the whole inputs are one sample.

    Raises:
        TraceError: an input whose axes are not said, or with several sizes that are left open.
    """
    free = {port.name: _open_place(port, source) for port in source.inputs}
    places = {name: place for name, place in free.items() if place is not None}
    if places:
        closed = [name for name, place in free.items() if place is None]
        if closed:
            found = f"a batch that is left open in '{min(places)}' and fixed in '{closed[0]}'"
            raise TraceError(found, where=str(source.path), expected="one batch for all inputs")
        return tuple(Batching(places, samples) for samples in BATCHES)
    ones = Batching({port.name: 0 for port in source.inputs if _first(port) == 1}, None)
    leads = {_first(port) for port in source.inputs}
    if leads <= {0, 1} or len(leads) > 1:
        return (ones,)
    return Batching(dict.fromkeys(free, 0), leads.pop()), ones


def is_open(ways: Sequence[Batching]) -> bool:
    """Whether the file leaves its batch open, so that all ways must agree."""
    return [way.samples for way in ways] == list(BATCHES)


def _first(port: Port) -> int:
    """The size of an input's first axis; 0 where it has none."""
    return int(port.axes[0]) if port.axes else 0


def _open_place(port: Port, source: Source) -> int | None:
    """The axis whose size is left open, None where there is none.

    Raises:
        TraceError: the axes are not said, or several are open.
    """
    where = f"{source.path}, input '{port.name}'"
    if port.axes is None:
        raise TraceError("an input whose axes are not said", where=where, expected="[batch, ...]")
    free = [place for place, size in enumerate(port.axes) if isinstance(size, str)]
    if len(free) > 1:
        names = ", ".join(f"axis {place} ('{port.axes[place]}')" for place in free)
        mend = "export with all sizes fixed but the batch's"
        raise TraceError(f"sizes that are left open: {names}", where=where, expected="only the batch", mend=mend)
    return free[0] if free else None
