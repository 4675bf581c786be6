"""Finds what is computed behind the back of a recording: by TorchScript, by vmap, with functions turned off.

The mode sees torch's functions; every one of them ends in operators. An operator that takes a tensor from the input
while no function that was seen is running is one that the graph would lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from spikec.frontend.recorder import Recorder
from spikec.frontend.results import flat

unwatched = torch._C._DisableTorchDispatch
"""While it is entered, operators are not looked at: a function that is seen, or a neuron, accounts for them."""

MEND = "call torch's functions and modules themselves, without TorchScript, vmap or functions turned off"


class Escapes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own __init_subclass__
    """Refuses, while it is entered, operators on tensors from the input that no recorded function ran.

    Args:
        recorder: knows the tensors, and whether such a function is running.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.recorder = recorder

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, which spares every recording the import of torch's compiler: nothing is compiled in one."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # Any: an operator
        types: object,
        args: Sequence[Any] = (),  # Any: its arguments
        kwargs: Mapping[str, Any] | None = None,  # Any: its arguments
    ) -> Any:  # Any: its result
        """Runs `func`, and refuses it where nothing accounts for it."""
        r = self.recorder
        escaped = not r.hidden and any(map(r.holds, flat((args, kwargs))))
        y = func(*args, **(kwargs or {}))
        if escaped:
            r.refuse(r.error(f"the operator '{func}' is computed where the recording does not see it", MEND))
            for part in flat(y):
                if isinstance(part, Tensor):
                    r.watch(part, None)
        return y
