"""What a network gives back, and what it raises, as the recording and the replay both see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from spikec.errors import TraceError

USERS_FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, StopIteration),
    *(SystemExit, TypeError, ValueError),
)
"""What a network's own code raises on an input that it does not take."""


def flat(value: object) -> list[object]:
    """Everything in lists, tuples and dicts, however deep."""
    found: list[object] = []
    _gather(value, found)
    return found


def _gather(value: object, found: list[object]) -> None:
    if isinstance(value, (list, tuple)):
        for element in value:
            _gather(element, found)
    elif isinstance(value, dict):
        for element in value.values():
            _gather(element, found)
    else:
        found.append(value)


def results_of(y: object, where: str = "") -> list[Tensor | Sequence[Tensor]]:
    """The outputs in order: each a tensor, or a list of tensors, which are the steps of a loop; those of a dict too.

    Args:
        y: what the network gives.
        where: what gives it.

    Raises:
        TraceError: something else is among them.
    """
    results: list[Tensor | Sequence[Tensor]] = []
    for result in y.values() if isinstance(y, Mapping) else y if isinstance(y, (tuple, list)) else (y,):
        steps = isinstance(result, (tuple, list)) and result and all(isinstance(t, Tensor) for t in result)
        if isinstance(result, Mapping) or (isinstance(result, (tuple, list)) and result and not steps):
            results += results_of(result, where)
        elif isinstance(result, Tensor) or steps:
            results.append(result)
        else:
            raise TraceError(
                f"an output of the network is a {type(result).__name__}, which is no tensor that was followed",
                where=where,
                mend="give tensors, or lists of each step's tensors",
            )
    return results
