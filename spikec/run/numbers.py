"""How runners compute where it matters what a number is: spikes, factors, rounding.

The interpreter's floating-point numbers are here; integers are in `integer.py`, and numbers that a gradient can
follow in `gradient.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from spikec.ir.arithmetic import Scale
from spikec.ir.neurons import FiresAt, MultiLevelSpike, Rounding, Threshold
from spikec.ir.op import Op


class Numbers(Protocol):
    """One way of computing with tensors."""

    def spikes(self, fired: Tensor, h: Tensor, v_threshold: Tensor) -> Tensor:
        """1 where `fired`, else 0, in the dtype of the membrane h."""
        ...

    def told(self, q: Tensor) -> Tensor:
        """The spikes as a reset is told them: the same numbers."""
        ...

    def share(self, x: Tensor, factor: Tensor, rounding: Rounding) -> Tensor:
        """x times factor (0..1), rounded to a whole number as `rounding` says."""
        ...

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest whole number; of two, the even one."""
        ...

    def times(self, x: Tensor, factor: float) -> Tensor:
        """x times a constant."""
        ...


class Floats:
    """Floating-point numbers."""

    def spikes(self, fired: Tensor, h: Tensor, v_threshold: Tensor) -> Tensor:
        """See `Numbers`."""
        return fired.to(h.dtype)

    def told(self, q: Tensor) -> Tensor:
        """See `Numbers`."""
        return q

    def share(self, x: Tensor, factor: Tensor, rounding: Rounding) -> Tensor:
        """See `Numbers`."""
        h = x * factor
        if rounding == "none":
            return h
        return h.trunc() if rounding == "toward_zero" else h.floor()

    def nearest(self, x: Tensor) -> Tensor:
        """See `Numbers`."""
        return x.round()

    def times(self, x: Tensor, factor: float) -> Tensor:
        """See `Numbers`."""
        return x * factor


FLOATS = Floats()


def fires(h: Tensor, v_threshold: Tensor, at: FiresAt) -> Tensor:
    """Where h reaches the threshold ('>='), or exceeds it ('>')."""
    return h > v_threshold if at == ">" else h >= v_threshold


def _threshold(op: Threshold, x: Tensor, weights: Mapping[str, Tensor], numbers: Numbers) -> Tensor:
    return numbers.spikes(fires(x, weights["v_threshold"], op.fires_at), x, weights["v_threshold"])


def _levels(op: MultiLevelSpike, x: Tensor, weights: Mapping[str, Tensor], numbers: Numbers) -> Tensor:
    return numbers.times(numbers.nearest(x.clamp(0, op.levels)), op.scale)


def _scale(op: Scale, x: Tensor, weights: Mapping[str, Tensor], numbers: Numbers) -> Tensor:
    return numbers.times(x, op.factor)


Elementwise = Callable[[Any, Tensor, Mapping[str, Tensor], Numbers], Tensor]  # Any: each takes the op of its own key

ELEMENTWISE: dict[type[Op], Elementwise] = {
    MultiLevelSpike: _levels,
    Scale: _scale,
    Threshold: _threshold,
}
"""The stateless ops that ask what a number is; element by element, whatever axes lead."""
