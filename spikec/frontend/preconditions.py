"""What a network must be before it is run: in evaluation, with weights of real numbers that exist."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from spikec.errors import TraceError
from spikec.frontend.users_code import users_code

LISTED = 4


def check_network(model: nn.Module) -> None:
    """Raises TraceError unless the network can be run as what it will be."""
    training = [path for path, module in model.named_modules() if module.training]
    if training:
        raise TraceError(
            "the network is in training mode, or a part of it",
            where=_said("module", training),
            mend="call .eval() first: BatchNorm then uses its running statistics, and dropout is off",
        )
    _refuse(model, is_lazy, "lazy: it has no weights before its first call", "run the network once on a sample")
    _refuse(model, lambda tensor: tensor.is_complex(), "of complex numbers", "use real numbers")
    _refuse(model, lambda tensor: tensor.is_meta, "on the meta device, without numbers", "load its weights")


def _refuse(model: nn.Module, found: Callable[[Tensor], bool], what: str, mend: str) -> None:
    tensors = (*model.named_parameters(), *model.named_buffers())
    names = [name for name, tensor in tensors if found(tensor)]
    if names:
        raise TraceError(f"a tensor of the network is {what}", where=_said("tensor", names), mend=mend)


def _said(what: str, names: Sequence[str]) -> str:
    if names == [""]:
        return "the network"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{what} {', '.join(repr(name) for name in names[:LISTED] if name)}{more}"


def copied(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of the network, to be run in another format; in its own unless `dtype` is given.

    Raises:
        TraceError: it cannot be copied.
    """
    mend = "hold nothing in the modules that copy.deepcopy does not take"
    with users_code(TraceError, "the network cannot be replayed, since copy.deepcopy of it", mend=mend):
        twin = copy.deepcopy(model)
    with users_code(TraceError, f"the network cannot be replayed, since its conversion to {dtype}"):
        return twin if dtype is None else twin.to(dtype)
