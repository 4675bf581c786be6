"""What a network gives back, as the recording and the replay both see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from spikec.errors import TraceError


def flat(value: object) -> list[object]:
    """Everything in lists, tuples and dicts, however deep; what holds itself is not entered again."""
    found: list[object] = []
    _gather(value, found, ())
    return found


def _gather(value: object, found: list[object], inside: tuple[int, ...]) -> None:
    if isinstance(value, (list, tuple, dict)):
        if id(value) not in inside:
            for element in value.values() if isinstance(value, dict) else value:
                _gather(element, found, (*inside, id(value)))
    else:
        found.append(value)


def results_of(y: object, where: str = "", inside: tuple[int, ...] = ()) -> list[Tensor | Sequence[Tensor]]:
    """The outputs in order: each a tensor, or a list of tensors, which are the steps of a loop; those of a dict too.

    Args:
        y: what the network gives.
        where: what gives it.
        inside: the ids of what holds it.

    Raises:
        TraceError: something else is among them, or what holds itself.
    """
    if id(y) in inside:
        raise TraceError(f"an output of the network is a {type(y).__name__} that holds itself", where=where)
    results: list[Tensor | Sequence[Tensor]] = []
    for result in y.values() if isinstance(y, Mapping) else y if isinstance(y, (tuple, list)) else (y,):
        steps = isinstance(result, (tuple, list)) and result and all(isinstance(t, Tensor) for t in result)
        if isinstance(result, Mapping) or (isinstance(result, (tuple, list)) and result and not steps):
            results += results_of(result, where, (*inside, id(y)))
        elif isinstance(result, Tensor) or steps:
            results.append(result)
        else:
            raise TraceError(
                f"an output of the network is a {type(result).__name__}, which is no tensor that was followed",
                where=where,
                mend="give tensors, or lists of each step's tensors",
            )
    return results
