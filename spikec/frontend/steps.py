"""What a loop over time in Python does with tensors of one step: it gathers them in lists and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spikec.frontend.axes import Dims, View
from spikec.frontend.recorder import Recorder
from spikec.ir.time import TimeMean
from spikec.ir.types import Timing


def running_sum(r: Recorder, a: View, b: View) -> View | None:
    """The sum of the first steps with the next one, of the same value; None for any other sum."""
    first, second = (a, b) if (a.at or 0) <= (b.at or 0) else (b, a)
    if first.at is None or second.at != first.at + 1 or second.summed or not (first.summed or first.at == 0):
        return None
    return replace(first, at=second.at, summed=True) if r.alike(first, second) else None


def mean_of_steps(r: Recorder, total: View, divisor: float) -> View | None:
    """The mean over the steps, where `total` is their sum and is divided by T; None for any other division."""
    if divisor != r.steps:
        return None
    if total.summed and total.at == r.steps - 1:
        return replace(r.moved(total, TimeMean()), at=None, summed=False)
    source = r.summed(total.value)
    if source is None or total.at is not None:
        return None
    r.spare(total)
    return r.moved(replace(total, value=source), TimeMean())


def stacked(r: Recorder, views: Sequence[View], axis: int) -> View | None:
    """All steps, in order, as one value, time at torch axis `axis`; None where the views are of no loop.

    Raises:
        TraceError: steps are missing or out of order, or are not of one value.
    """
    first = views[0]
    if all(view.at is None for view in views):
        once = r.builder.type(first.value).timing is Timing.ONCE
        repeated = once and len(views) == r.steps and all(r.alike(view, first) for view in views)
        return replace(r.repeated(first), dims=_with_time(first, axis)) if repeated else None
    steps = [view.at for view in views]
    if steps != list(range(r.steps)) or any(view.summed for view in views):
        if len(set(steps)) == 1 and not any(view.summed for view in views):
            return None  # tensors of one step
        found = f"steps {steps} of {r.steps}" if len(steps) < 9 else f"{len(steps)} tensors of {r.steps} steps"
        raise r.error(f"{found} are put together", mend="gather every step once, in order, in a list")
    if not all(r.alike(view, first) for view in views):
        raise r.error("what is gathered over the steps is not the same value at each of them")
    return replace(first, dims=_with_time(first, axis), at=None)


def _with_time(view: View, axis: int) -> Dims:
    return (*view.dims[:axis], ("T",), *view.dims[axis:])
