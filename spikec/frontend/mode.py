"""Sees every torch function of a recording and takes down what it does to tensors that come from the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from spikec.errors import GraphError, TraceError
from spikec.frontend.axes import AxesError, View
from spikec.frontend.functions import FUNCTIONS, IN_PLACE, SHAPED_CONSTANTS, Record
from spikec.frontend.recorder import Recorder

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
        "type",
        "__len__",
        "__hash__",
        "__repr__",
        "__format__",
    )
)
WRITES = frozenset(("__setitem__", "__set__", "__ifloordiv__", "__imod__", "__ipow__"))
COMPARES = frozenset(("gt", "ge", "lt", "le", "__gt__", "__ge__", "__lt__", "__le__", "greater", "heaviside", "where"))


class Mode(TorchFunctionMode):
    """Records, while it is entered, every torch function that takes a tensor from the input.

    Args:
        recorder: receives what they do.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

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
            return func(*args, **kwargs)
        flat = list(_flat((args, kwargs)))
        if not any(map(r.follows, flat)) or func in SHAPED_CONSTANTS:
            return r.derived(func(*args, **kwargs), of=flat)
        refused_before = any(r.follows(value) and r.view(value) is None for value in flat)
        record = FUNCTIONS.get(func) or IN_PLACE.get(func)
        if record is None:
            return _unknown(r, func, args, kwargs)
        if refused_before:
            return _untracked(r, func(*args, **kwargs))
        return _written(r, func, args, kwargs, record) if func in IN_PLACE else _taken(r, func, args, kwargs, record)


def _flat(value: object) -> Iterator[object]:
    """Everything in lists, tuples and dicts, however deep."""
    if isinstance(value, (list, tuple, Mapping)):
        for element in value.values() if isinstance(value, Mapping) else value:
            yield from _flat(element)
    else:
        yield value


def _taken(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], record: Record
) -> Any:  # Any: torch
    y = func(*args, **kwargs)
    views = _recorded(r, func, record, y, _seen(r, args), _seen(r, kwargs))
    if isinstance(y, Tensor):
        y = y.view_as(y) if any(y is a for a in args) else y
        return r.watch(y, views if isinstance(views, View) else None)
    parts = views if isinstance(views, tuple) else (None,) * len(y)
    return type(y)(r.watch(part, view) for part, view in zip(y, parts, strict=True))


def _written(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], record: Record
) -> Any:  # Any: torch
    """x += y: x is another value from now on; what else is seen of its memory is found by `check_unmodified`."""
    target = args[0]
    if r.own.name(target):
        raise r.error(f"'{r.own.name(target)}' of the network itself is written to", mend="write x = x + y")
    before = [target.clone() if not r.follows(target) else r.view(target), *_seen(r, args[1:])]
    y = func(*args, **kwargs)
    view = _recorded(r, func, record, y, before, _seen(r, kwargs))
    return r.rewatch(y, view if isinstance(view, View) else None)


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


def _unknown(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:  # Any: torch
    name = getattr(func, "__name__", str(func))
    attribute = getattr(getattr(func, "__self__", None), "__name__", name)  # of x.shape, whose name is __get__
    if name in READS_DATA:
        r.refuse(r.error(f"{name} reads a tensor's numbers, on which the graph would then depend"))
        return func(*args, **kwargs)
    y = func(*args, **kwargs)
    if name in READS_SHAPE and not any(isinstance(result, Tensor) for result in _flat(y)):
        return y
    writes = name in WRITES or (name.endswith("_") and not name.endswith("__"))
    mend = "write it without changing a tensor in place" if writes else ""
    if attribute in COMPARES:
        mend = "give the neuron's module a method spikec_neuron() (docs/from-torch.md)"
    r.refuse(r.error(f"the function '{attribute}' is not taken", mend=mend))
    if writes and isinstance(args[0], Tensor):
        r.rewatch(args[0], None)
    return _untracked(r, y)


def _untracked(r: Recorder, y: Any) -> Any:  # Any: torch
    """The result of a function that was refused: from the input, but no value of the graph."""
    for part in _flat(y):
        if isinstance(part, Tensor):
            r.rewatch(part, None)
    return y
