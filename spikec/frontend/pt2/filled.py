"""Tensors that a program makes of one number, such as the zeros that a state starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spikec.frontend.pt2.program import Call, Named

NUMBERS: Mapping[str, float] = {
    **dict.fromkeys(("aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default"), 0.0),
    **dict.fromkeys(("aten.ones.default", "aten.ones_like.default", "aten.new_ones.default"), 1.0),
}
"""The number that an operator fills a tensor with."""

GIVEN: Mapping[str, int] = {"aten.full.default": 1, "aten.full_like.default": 1, "aten.new_full.default": 2}
"""Of others, which of their arguments that is."""

KEPT = frozenset(
    (
        *("aten.clone.default", "aten.contiguous.default", "aten.detach.default", "aten.alias.default"),
        *("aten.expand.default", "aten.expand_as.default", "aten.repeat.default", "aten.lift_fresh_copy.default"),
        *("aten.view.default", "aten.reshape.default", "aten.unsqueeze.default", "aten.squeeze.default"),
        *("aten.to.dtype", "aten.to.device", "aten._to_copy.default", "aten.select.int", "aten.slice.Tensor"),
    )
)
"""Operators after which a tensor of one number is one."""
MOST_KEPT = 16
"""Of them in a row; a file could have them in a circle."""

OF_NOTHING = frozenset(("aten.zeros.default", "aten.ones.default", "aten.full.default"))
"""Operators that take sizes alone; others of their kind take a tensor before them, whose format they have."""


def fill_of(name: str, producers: Mapping[str, Call]) -> Call | None:
    """The node that fills a tensor with one number, which the tensor is everywhere; None where there is none."""
    for _ in range(MOST_KEPT):
        call = producers.get(name)
        if call is None or call.target in NUMBERS or call.target in GIVEN:
            return call
        source = call.args[0] if call.args else None
        if call.target not in KEPT or not isinstance(source, Named):
            return None
        name = source.name
    return None


def number_of(name: str, producers: Mapping[str, Call]) -> float | None:
    """The number that a tensor is everywhere; None where that is not known."""
    call = fill_of(name, producers)
    if call is None or call.target in NUMBERS:
        return None if call is None else NUMBERS[call.target]
    number = dict(enumerate(call.args)).get(GIVEN[call.target])
    return float(number) if isinstance(number, (int, float)) else None


def of_input(call: Call, given: str) -> Call:
    """A tensor that is made of sizes as one of the input's own format, which is that of the run."""
    return replace(call, args=(Named(given), *call.args)) if call.target in OF_NOTHING else call
