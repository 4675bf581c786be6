"""Sees every torch function of a recording and takes down what it does to tensors that come from the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from spikec.errors import GraphError, TraceError
from spikec.frontend.axes import AxesError, View
from spikec.frontend.escapes import unwatched
from spikec.frontend.feedback import Feedback
from spikec.frontend.functions import FUNCTIONS, IN_PLACE, SHAPED_CONSTANTS, Record
from spikec.frontend.neurons.table import NOT_TAKEN
from spikec.frontend.recorder import Recorder
from spikec.frontend.results import flat

READS_DATA = frozenset(
    ("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "equal", "allclose")
)
READS_SHAPE = frozenset(
    (
        "__get__",  # shape, ndim, dtype, device; those that give a tensor are refused
        "size",
        "dim",
        "ndimension",
        "numel",
        "nelement",
        "stride",
        "is_contiguous",
        "is_floating_point",
        "is_complex",
        "is_inference",
        "type",
        "__len__",
        "__hash__",
        "__repr__",
        "__format__",
    )
)
PRINTS = frozenset(("__repr__", "__format__", "__str__"))
"""Those that put a tensor's numbers into text: harmless where it is printed, unseen where it is read."""
WRITES = frozenset(("__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__imatmul__"))
WRITES |= {"__ifloordiv__", "__imod__", "__ipow__", "__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__"}
COMPARES = frozenset(("gt", "ge", "lt", "le", "__gt__", "__ge__", "__lt__", "__le__", "greater", "heaviside", "where"))

INSTEAD = {
    **dict.fromkeys(COMPARES, "give the neuron's module a method spikec_neuron() (docs/from-torch.md)"),
    **dict.fromkeys(
        ("relu", "relu_", "leaky_relu"), "a spiking network has neurons here; F.gelu and softmax are taken"
    ),
    "scaled_dot_product_attention": "write it out: (q @ k.transpose(-1, -2)) * scale, a softmax if any, @ v",
    "multi_head_attention_forward": "write it out with Linear layers and @",
    "einsum": "write the product out with transposes and @",
    "group_norm": "BatchNorm or LayerNorm",
    "instance_norm": "BatchNorm or LayerNorm",
    "sqrt": "compute it from parameters alone, before it meets the input",
}
"""What to write in the place of a function that is not taken."""

ALIASED = "write it without changing a tensor in place, or copy before writing"
OWN_WRITTEN = "write x = x + y in the place of x += y; change weights before the network is traced"
KEPT = "what is carried from step to step is a neuron's: give it a method spikec_neuron() (docs/from-torch.md)"


class Mode(TorchFunctionMode):
    """Records, while it is entered, every torch function that takes a tensor from the input.

    Args:
        recorder: receives what they do.
        feedback: knows what a loop hands to its next step.
    """

    def __init__(self, recorder: Recorder, feedback: Feedback) -> None:
        super().__init__()
        self.recorder, self.feedback = recorder, feedback

    def __torch_function__(
        self,
        func: Callable[..., Any],  # Any: any torch function
        types: object,
        args: Sequence[Any] = (),  # Any: its arguments
        kwargs: Mapping[str, Any] | None = None,  # Any: its arguments
    ) -> Any:  # Any: its result
        """Runs `func` and records what it did to tensors that come from the input."""
        kwargs = dict(kwargs or {})
        r = self.recorder
        if r.hidden:
            with unwatched():
                return func(*args, **kwargs)
        if func in FUNCTIONS:
            args = self.feedback.taken(func, args)
        elif func in IN_PLACE:  # what it writes into stays that tensor
            args = [*args[:1], *self.feedback.taken(func, args[1:])]
        taken = flat((args, kwargs))
        _check_writes(r, func, taken)
        if not any(map(r.follows, taken)) and not any(map(r.holds, taken)):
            r.own.read(taken, by=getattr(func, "__name__", ""))
            return r.derived(func(*args, **kwargs), of=taken)
        with unwatched():
            if func in SHAPED_CONSTANTS:
                return r.derived(func(*args, **kwargs), of=taken)
            return _followed(r, func, args, kwargs, taken)


def _followed(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], taken: Sequence[object]
) -> Any:  # Any: torch
    """Runs and records a function that takes a tensor from the input."""
    refused = any(r.follows(value) and r.view(value) is None for value in taken)
    record = FUNCTIONS.get(func) or IN_PLACE.get(func)
    if record is None:
        return _unknown(r, func, args, kwargs)
    if not _known(r, taken) or refused:
        return _untracked(r, func(*args, **kwargs))
    return _written(r, func, args, kwargs, record) if func in IN_PLACE else _taken(r, func, args, kwargs, record)


def _known(r: Recorder, taken: Sequence[object]) -> bool:
    """Whether every operand is what it was when it was recorded, and all that holds the input's numbers is followed."""
    try:
        for value in taken:
            r.check_whole(value)
            if not r.follows(value) and r.holds(value):
                raise r.error("a tensor that shares memory with one that comes from the input", ALIASED)
    except TraceError as error:
        r.refuse(error)
        return False
    return True


def _check_writes(r: Recorder, func: Callable[..., Any], taken: Sequence[object]) -> None:
    """Refuses to write into a tensor of the network itself, and to use one that an earlier run left behind."""
    name = getattr(func, "__name__", "")
    target = taken[0] if taken else None
    if writes(name) and isinstance(target, Tensor) and (own := r.own.owner(target)):
        r.refuse(r.error(f"'{own}' of the network itself is written to by {name}", mend=OWN_WRITTEN))
    if r.before is not None and name not in READS_SHAPE and any(r.before.follows(value) for value in taken):
        r.refuse(r.error(f"{name} takes a tensor that the network kept from an earlier call", mend=KEPT))


def writes(name: str) -> bool:
    """Whether torch's function of this name writes into its first operand."""
    return name in WRITES or (name.endswith("_") and not name.endswith("__"))


def _taken(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], record: Record
) -> Any:  # Any: torch
    y = func(*args, **kwargs)
    views = _recorded(r, func, record, y, _seen(r, args), _seen(r, kwargs))
    if isinstance(y, Tensor):
        y = y.view_as(y) if any(y is a for a in args) else y
        if y.is_floating_point() and y.dtype.itemsize < r.dtype.itemsize:
            r.remark_format(y.dtype)
        return r.watch(y, views if isinstance(views, View) else None)
    parts = views if isinstance(views, tuple) else (None,) * len(y)
    return type(y)(r.watch(part, view) for part, view in zip(y, parts, strict=True))


def _written(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], record: Record
) -> Any:  # Any: torch
    """x += y: x is another value from now on, and what else is seen of its memory is written over."""
    target = args[0]
    if not r.follows(target) and r.own.owner(target):
        return func(*args, **kwargs)  # refused by _check_writes
    before = [target.clone() if not r.follows(target) else r.view(target), *_seen(r, args[1:])]
    y = func(*args, **kwargs)
    view = _recorded(r, func, record, y, before, _seen(r, kwargs))
    return r.written(y, view if isinstance(view, View) else None)


def _seen(r: Recorder, value: Any) -> Any:  # Any: arguments, with views in the place of followed tensors
    if isinstance(value, (list, tuple)):
        seen = [_seen(r, element) for element in value]
        return tuple(seen) if isinstance(value, tuple) else seen
    if isinstance(value, Mapping):
        return {key: _seen(r, element) for key, element in value.items()}
    view = r.view(value)
    return value if view is None else view


def _recorded(
    r: Recorder,
    func: Callable[..., Any],
    record: Record,
    y: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> View | tuple[View, ...] | None:  # Any: torch
    """What `record` makes of the call; None where it is refused."""
    kwargs, unknown = _named(record, kwargs)
    if unknown:
        r.refuse(r.error(f"{func.__name__} is called with {', '.join(map(repr, unknown))}, which is not taken"))
        return None
    try:
        return record(r, y, *args, **kwargs)
    except AxesError as error:
        r.refuse(r.following(error))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        r.refuse(r.error(f"{func.__name__} is called in a form that is not taken: {error}"))
    except GraphError as error:
        r.refuse(r.error(str(error)))
    except TraceError as error:
        r.refuse(error)
    return None


OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim", "axis0": "dim0", "axis1": "dim1", "other": "b", "mat2": "b"}
"""What torch calls arguments beside the names that the recording functions have."""


@cache
def _parameters(record: Record) -> Mapping[str, Parameter]:
    return signature(record).parameters


def _named(record: Record, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:  # Any: torch
    """Arguments by the names that a recording function has for them, and the names that it does not know."""
    if not kwargs:
        return {}, []
    known = _parameters(record)
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values()):
        return {name if name != "axis" else "dim": value for name, value in kwargs.items()}, []
    first = list(known)[2]
    names = {"input": first, **OTHER_NAMES}
    found = {name if name in known else names.get(name, name): value for name, value in kwargs.items()}
    return found, sorted(set(found) - known.keys())


def _unknown(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:  # Any: torch
    name = getattr(func, "__name__", str(func))
    of = getattr(func, "__self__", None) if name in ("__get__", "__set__") else None  # of x.real
    attribute = getattr(of, "__name__", name)
    if name in READS_DATA:
        r.refuse(r.error(f"{name} reads a tensor's numbers, on which the graph would then depend"))
        return func(*args, **kwargs)
    if name in PRINTS:
        r.remark_printed()
    y = func(*args, **kwargs)
    if name in READS_SHAPE and not any(isinstance(result, Tensor) for result in flat(y)):
        return y
    written = writes(name)
    mend = "write it without changing a tensor in place" if written else ""
    mend = INSTEAD.get(attribute, mend)
    r.refuse(r.error(f"the function '{attribute}' {NOT_TAKEN}", mend=mend))
    if written and args and isinstance(args[0], Tensor):
        if r.own.owner(args[0]):
            return y
        r.written(args[0], None)
    return _untracked(r, y)


def _untracked(r: Recorder, y: Any) -> Any:  # Any: torch
    """The result of a function that was refused: from the input, but no value of the graph."""
    for part in flat(y):
        if isinstance(part, Tensor):
            r.watch(part, None)
    return y
