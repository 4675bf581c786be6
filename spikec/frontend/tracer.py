"""The runtime tracer: runs a network once and records the graph that it computes.

A TorchFunctionMode sees every torch function, module hooks say where it is called from, and neurons are leaves: a
module with a method `spikec_neuron()` that gives its op and its weights (see `Neuron`). The graph is always
replayed against the network before it is given away (`spikec.frontend.replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spikec.errors import GraphError, TraceError, UsageError, VerifyError
from spikec.frontend.axes import AxesError, Dims, View
from spikec.frontend.functions import FUNCTIONS
from spikec.frontend.recorder import Firing, Recorder, named_tensors
from spikec.frontend.replay import USERS_FAULTS, replay
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.neurons import Neuron as NeuronOp
from spikec.ir.types import REAL, Domain, TensorType, Timing

Layout = Literal["TBX", "BTX", "BX"]
_READS_DATA = (
    "item",
    "tolist",
    "numpy",
    "__array__",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "equal",
    "allclose",
)
_READS_SHAPE = (
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
    "__len__",
    "__hash__",
    "__repr__",
    "__format__",
)
_IN_PLACE = (
    "__iadd__",
    "__isub__",
    "__imul__",
    "__itruediv__",
    "__ifloordiv__",
    "__imod__",
    "__ipow__",
    "__setitem__",
    "__set__",
)


@runtime_checkable
class Neuron(Protocol):
    """A module that the tracer takes as one spiking neuron layer: [T, ...] in and out, its state fresh each call."""

    def spikec_neuron(self) -> tuple[NeuronOp, Mapping[str, Tensor | float]]:
        """The op, and its weights by slot."""
        ...


def trace(
    model: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int,
    domain: Domain = REAL,
    name: str = "input",
    check: bool = True,
) -> Graph:
    """The graph that `model` computes, replayed against it on fresh inputs in fp64.

    Args:
        model: in evaluation mode.
        shape: of one sample, without T and batch.
        layout: where the module takes time and batch: BX without time (it repeats the sample itself).
        steps: T; for BX, the T that the model repeats its input for.
        domain: of the input; Int for event frames.
        name: of the graph's input.
        check: whether to replay; only tests of the replay itself turn it off.

    Raises:
        TraceError: the network cannot be taken, or the graph does not do what the network does.
    """
    if model.training or any(m.training for m in model.modules()):
        raise TraceError("the network is in training mode", mend="call .eval() first")
    if steps < 1:
        raise UsageError(f"steps must be at least 1, found {steps}")
    # Unlike each other, so that time and batch cannot be mistaken; a network that brings no time of its own is
    # recorded at two steps at least, since an axis of size 1 could be any.
    time = steps if layout == "BX" else max(steps, 2)
    batch = 3 if time == 2 else 2
    kind = TensorType(tuple(shape), domain, Timing.ONCE if layout == "BX" else Timing.STEP)
    builder = GraphBuilder(steps)
    recorder = Recorder(builder, (time, batch), named_tensors(model))
    view = View(builder.input(name, kind), kind.shape, input_dims(layout, len(kind.shape)), (time, batch))
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    x = recorder.watch(torch.rand([view.size(item) for (item,) in view.dims]).to(dtype), view)
    with torch.no_grad(), _scopes(model, recorder), _Mode(recorder):
        try:
            y = model(x)
        except USERS_FAULTS as error:
            mend = "check the shape of one sample and the layout"
            raise TraceError(f"the network fails on an input of {list(x.shape)}: {error}", mend=mend) from error
    recorder.check_unmodified()
    graph = _finished(recorder, y)
    if check:
        replay(model, graph, recorder, layout)
    return graph


def input_dims(layout: Layout, rank: int) -> Dims:
    """The torch axes of an input of `rank` axes a sample."""
    lead: Dims = {"TBX": (("T",), ("B",)), "BTX": (("B",), ("T",)), "BX": (("B",),)}[layout]  # type: ignore[assignment]  # mypy widens the letters to str
    return (*lead, *((axis,) for axis in range(rank)))


def _finished(recorder: Recorder, y: object) -> Graph:
    for result in y if isinstance(y, (tuple, list)) else (y,):
        view = recorder.view(result)
        if view is None:
            raise TraceError("an output of the network does not come from its input by functions that were followed")
        recorder.outputs.append(recorder.settled(view))
    try:
        return recorder.builder.graph(*(view.value for view in recorder.outputs))
    except VerifyError as error:
        raise TraceError(f"the recorded graph breaks a rule: {error}") from error


class _Mode(TorchFunctionMode):
    """Sees every torch function of the run."""

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
        if r.hidden or not any(r.view(a) for a in _flat((args, kwargs))):
            return r.derived(func(*args, **kwargs), of=_flat((args, kwargs)))
        if func not in FUNCTIONS:
            return _unknown(r, func, args, kwargs)
        y = func(*args, **kwargs)
        views = [r.view(a) or a for a in args]
        named = {key: r.view(a) or a for key, a in kwargs.items()}
        try:
            return r.watch(y if _fresh(y, args) else y.view_as(y), FUNCTIONS[func](r, y, *views, **named))
        except AxesError as error:
            raise r.following(error) from error
        except (AttributeError, IndexError, TypeError) as error:
            raise r.error(f"{func.__name__} is called in a form that is not taken: {error}") from error
        except GraphError as error:
            raise r.error(str(error)) from error


def _flat(value: object) -> Iterator[object]:
    """Everything in lists, tuples and dicts, however deep."""
    if isinstance(value, (list, tuple, Mapping)):
        for element in value.values() if isinstance(value, Mapping) else value:
            yield from _flat(element)
    else:
        yield value


def _fresh(y: object, args: Sequence[object]) -> bool:
    return not any(y is a for a in args)


def _unknown(
    r: Recorder, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:  # Any: torch
    name = getattr(func, "__name__", str(func))
    attribute = getattr(getattr(func, "__self__", None), "__name__", name)  # of x.shape, whose name is __get__
    if name in _READS_DATA:
        raise r.error(f"{name} reads a tensor's numbers, on which the graph would then depend")
    y = func(*args, **kwargs)
    if name not in _READS_SHAPE or any(isinstance(result, Tensor) for result in _flat(y)):
        in_place = name in _IN_PLACE or (name.endswith("_") and not name.endswith("__"))
        mend = "write it without changing a tensor in place" if in_place else ""
        raise r.error(f"the function '{attribute}' is not taken", mend=mend)
    return y


@contextmanager
def _scopes(model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """Module paths pushed and popped around every call; neurons recorded as one node."""
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise TraceError("TorchScript hides what it computes", where=f"module '{path}'", mend="give the module")
        if path or isinstance(module, Neuron):
            handles.append(module.register_forward_pre_hook(_enter(recorder, path)))
            handles.append(module.register_forward_hook(_leave(recorder, path)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(r: Recorder, path: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:  # Any: forward's arguments
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:  # Any: see above
        r.scopes.append((path, not any(True for _ in module.children())))
        r.hidden += isinstance(module, Neuron)

    return hook


def _leave(r: Recorder, path: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:  # Any: see _enter
    def hook(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:  # Any: see above
        if isinstance(module, Neuron):
            r.hidden -= 1
            if not r.hidden:
                _neuron(r, path, module, args, result)
        r.scopes.pop()

    return hook


def _neuron(r: Recorder, path: str, module: Neuron, args: tuple[Any, ...], result: Any) -> None:  # Any: see _enter
    view = r.view(args[0]) if args else None
    if view is None or not isinstance(result, Tensor):
        raise r.error("a neuron whose input does not come from the network's input, or that gives no tensor")
    if not view.dims or view.dims[0] != ("T",):
        raise r.error("a neuron must take time as its first axis, alone", mend="reshape to [T, B, ...] before it")
    op, weights = module.spikec_neuron()
    try:
        drive = r.settled(view)
        spikes = r.add(op, drive, weights=weights)
    except (GraphError, TypeError) as error:
        raise r.error(str(error)) from error
    r.watch(result, spikes)
    r.neurons.setdefault(path, []).append(Firing(drive, spikes))
