"""Operators that cut tensors and join them: Slice, Split, Gather, Concat, and writing into a part (Scatter)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikec.frontend.axes import View
from spikec.frontend.onnx.alignment import aligned
from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.movement import MOST_ROWS, cut, dropped, reshaped, single
from spikec.frontend.onnx.symbol import Const, Data, Symbol
from spikec.frontend.onnx.taking.arithmetic import value_or_const
from spikec.frontend.onnx.taking.norms import axis_of


def concat(d: Drawing, call: Call) -> Sequence[Symbol]:
    """One after the other along an axis."""
    parts = [value_or_const(call, place) for place in range(len(call.operands))]
    return [joined(d, parts, axis_of(call.whole("axis", 0), max(len(part.shape) for part in parts)))]


def joined(d: Drawing, parts: Sequence[Data | Const], place: int) -> Data | Const:
    """The parts one after the other along the file's axis `place`.

    Raises:
        Refusal: the other axes differ, or samples would be joined.
    """
    sizes = {(*part.shape[:place], 0, *part.shape[place + 1 :]) for part in parts}
    parts = [part for part in parts if part.shape[place]] or parts
    kinds = {part.kind for part in parts if isinstance(part, Data)}
    constants = {part.array.dtype.kind for part in parts if isinstance(part, Const)}
    if len(sizes) > 1 or len(kinds) > 1 or (constants and kinds and (constants != {"f"} or kinds != {"float"})):
        raise Refusal(f"parts of {[list(part.shape) for part in parts]}, which do not join")
    known = [part.array for part in parts if isinstance(part, Const)]
    if len(known) == len(parts):
        return Const(np.concatenate(known, place), d.scope)
    found = aligned(d, *parts, apart=(place,))
    (axis,) = found.dims[place]
    assert isinstance(axis, int)
    value = d.concat(found.whole(d), axis)
    return Data(found.view(value, d.shape(value)), kinds.pop())


NO_END = 2**31 - 1
"""From here on a bound says 'to the end': exporters write the greatest number of 32 or 64 bits."""


def slice_(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Parts of axes, with a step of 1 or more."""
    x = call.any_data()
    starts, ends = (call.wholes_of(name, at) for name, at in (("starts", 1), ("ends", 2)))
    axes, steps = call.wholes_of("axes", 3), None if call.operand(4) is None else call.const_wholes(4, "its steps")
    starts, ends = starts or (), ends or ()
    axes = axes if axes is not None else tuple(range(len(starts)))
    steps = steps if steps is not None else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refusal("starts, ends, axes and steps of different numbers")
    view = x.view
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise Refusal(f"a step of {step}, backwards")
        place = axis_of(axis, len(x.shape))
        if "B" in view.dims[place] and any(x.shape[place] < abs(end) < NO_END for end in (start, end)):
            raise Refusal(f"a slice {start}:{end} of {x.shape[place]} samples, which of more would take a part")
        low, high, _ = slice(start, end).indices(x.shape[place])
        if low >= high:
            raise Refusal("a slice of no element")
        view = cut(d, view, place, low, high, step)
    return [Data(view, x.kind)]


def split(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Parts along one axis: of the sizes given, or so many equal ones, the last being what is left."""
    x = call.any_data()
    place = axis_of(call.whole("axis", 0), len(x.shape))
    size, parts = x.shape[place], len(call.wanted)
    sizes = call.wholes_of("split", 1)
    if sizes is None:
        count = call.whole("num_outputs", parts)
        each = -(-size // max(count, 1))
        sizes = (*(each,) * (count - 1), size - each * (count - 1))
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 0:
        raise Refusal(f"{size} elements in {parts} parts of {list(sizes)[:8]}")
    ends = np.cumsum(sizes).tolist()
    return [_part(d, x, place, end - n, end) for n, end in zip(sizes, ends, strict=True)]


def gather(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Elements of one axis by constant places."""
    x = call.any_data()
    index = call.const(1, "its places")
    place = axis_of(call.whole("axis", 0), len(x.shape))
    size = x.shape[place]
    places = [int(n) for n in index.array.reshape(-1)]
    if index.array.dtype.kind not in "iu" or not places or any(not -size <= n < size for n in places):
        raise Refusal(f"places outside an axis of {size}, or none")
    places = [n % size for n in places]
    if not index.shape:
        view = cut(d, x.view, place, places[0], places[0] + 1)
        return [Data(dropped(d, view, place), x.kind)]
    view = _picked(d, x.view, place, places)
    shape = (*x.shape[:place], *index.shape, *x.shape[place + 1 :])
    return [Data(reshaped(d, view, shape), x.kind)]


def _picked(d: Drawing, view: View, place: int, places: Sequence[int]) -> View:
    """Elements of one axis, cut in runs of one step and joined."""
    if list(places) == list(range(view.torch_shape[place])):
        return view
    runs = _runs(places)
    if len(runs) > MOST_ROWS:
        raise Refusal(f"{len(runs)} pieces of it would be needed")
    view, axis = single(d, view, place)
    value = d.concat([d.slice(view.value, axis, run.start, run[-1] + 1, run.step) for run in runs], axis)
    return replace(view, value=value, shape=d.shape(value))


def _runs(places: Sequence[int]) -> list[range]:
    """The places as ranges that go forward, each as long as it can be."""
    runs = [range(places[0], places[0] + 1)]
    for place in places[1:]:
        last = runs[-1]
        step = place - last[-1]
        if step > 0 and (len(last) == 1 or step == last.step):
            runs[-1] = range(last.start, place + 1, step)
        else:
            runs.append(range(place, place + 1))
    return runs


def scatter_elements(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Whole rows of an axis overwritten, as torch writes `x[t] = y`; any other scatter has no form."""
    data, updates = value_or_const(call, 0), value_or_const(call, 2)
    index = call.const(1, "its places")
    place = axis_of(call.whole("axis", 0), len(data.shape))
    if call.word("reduction", "none") != "none":
        raise Refusal("a scatter that sums")
    if index.array.dtype.kind not in "iu" or index.shape != updates.shape or index.array.size == 0:
        raise Refusal(f"places of shape {list(index.shape)} for updates of {list(updates.shape)}")
    by_row = np.moveaxis(index.array, place, 0).reshape(index.shape[place], -1)
    rest = (*data.shape[:place], index.shape[place], *data.shape[place + 1 :])
    if index.shape != rest or np.any(by_row != by_row[:, :1]):
        raise Refusal("a scatter to single elements; whole rows of an axis are taken")
    return [_written(d, data, updates, place, by_row[:, 0].tolist())]


def scatter_nd(d: Drawing, call: Call) -> Sequence[Symbol]:
    """Whole rows of the first axis overwritten; any other scatter has no form."""
    data, updates = value_or_const(call, 0), value_or_const(call, 2)
    index = call.const(1, "its places")
    if call.word("reduction", "none") != "none":
        raise Refusal("a scatter that sums")
    rows = index.array.reshape(-1)
    if index.array.dtype.kind not in "iu" or index.shape[-1:] != (1,) or updates.shape[1:] != data.shape[1:]:
        raise Refusal("a scatter to single elements; whole rows of the first axis are taken")
    if len(index.shape) != 2 or not len(rows) or len(rows) != updates.shape[0]:
        raise Refusal(f"places of shape {list(index.shape)} for updates of {list(updates.shape)}")
    return [_written(d, data, updates, 0, rows.tolist())]


def _written(d: Drawing, data: Data | Const, updates: Data | Const, place: int, places: Sequence[int]) -> Data | Const:
    """`data` with the rows `places` of an axis taken from `updates`."""
    size = data.shape[place]
    if any(not -size <= n < size for n in places):
        raise Refusal(f"places outside an axis of {size}")
    source = {n % size: at for at, n in enumerate(places)}
    if len(source) != len(places) or len(places) > MOST_ROWS:
        raise Refusal("a scatter that writes a row twice, or very many")
    parts: list[Data | Const] = []
    start = 0
    for row in sorted(source):
        if start < row:
            parts.append(_part(d, data, place, start, row))
        parts.append(_part(d, updates, place, source[row], source[row] + 1))
        start = row + 1
    if start < size:
        parts.append(_part(d, data, place, start, size))
    return joined(d, parts, place)


def _part(d: Drawing, whole: Data | Const, place: int, start: int, stop: int) -> Data | Const:
    """Elements start to stop of an axis; of nothing, a constant without elements."""
    if isinstance(whole, Const):
        return replace(whole, array=whole.array[(slice(None),) * place + (slice(start, stop),)])
    if start == stop:
        return Const(np.zeros((*whole.shape[:place], 0, *whole.shape[place + 1 :]), np.float32))
    return Data(cut(d, whole.view, place, start, stop), whole.kind)
