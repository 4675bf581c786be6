"""What a network gives back, and what it raises, as the recording and the replay both see it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spikec.errors import TraceError

USERS_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a network's own code raises on an input that it does not take."""


def results_of(y: object) -> list[Tensor | Sequence[Tensor]]:
    """The outputs in order: each a tensor, or a list of tensors, which are the steps of a loop.

    Raises:
        TraceError: something else is among them.
    """
    results: list[Tensor | Sequence[Tensor]] = []
    for result in y if isinstance(y, (tuple, list)) else (y,):
        steps = isinstance(result, (tuple, list)) and result and all(isinstance(t, Tensor) for t in result)
        if not (isinstance(result, Tensor) or steps):
            raise TraceError(
                f"an output of the network is a {type(result).__name__}, which is no tensor that was followed",
                mend="give tensors, or lists of each step's tensors",
            )
        results.append(result)
    return results
