"""Module hooks of a recording: where a function is called from, and neurons as nodes of the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spikec.errors import GraphError, TraceError
from spikec.frontend.feedback import Feedback
from spikec.frontend.fire import fire_all, fire_step
from spikec.frontend.neurons.leaf import Leaf
from spikec.frontend.neurons.table import maker_of
from spikec.frontend.recorder import Recorder

Incoming = Mapping[str, object]
"""What a neuron starts a call from, by the names of its states."""


@contextmanager
def followed_modules(model: nn.Module, recorder: Recorder, feedback: Feedback) -> Iterator[None]:
    """Module paths pushed and popped around every call; neurons recorded as nodes, on what is fed back to them too.

    Raises:
        TraceError: a module hides what it computes.
    """
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise TraceError("TorchScript hides what it computes", where=f"module '{path}'", mend="give the module")
        maker = maker_of(module)
        if maker is not None:
            call = NeuronCalls(recorder, feedback, path, module, maker)
            handles.append(module.register_forward_pre_hook(call.enter, with_kwargs=True))
            # before the network's own hooks, which are no part of the neuron
            handles.append(module.register_forward_hook(call.leave, with_kwargs=True, prepend=True))
        elif path:
            leaf = next(module.children(), None) is None
            handles.append(module.register_forward_pre_hook(_enter(recorder, path, leaf)))
            handles.append(module.register_forward_hook(_leave(recorder)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(r: Recorder, path: str, leaf: bool) -> Callable[[nn.Module, Any], None]:  # Any: forward's arguments
    return lambda module, args: r.scopes.append((path, leaf))


def _leave(r: Recorder) -> Callable[[nn.Module, Any, Any], None]:  # Any: forward's arguments and result
    def hook(module: nn.Module, args: Any, result: Any) -> None:  # Any: see above
        r.scopes.pop()

    return hook


class NeuronCalls:
    """The calls of one neuron module: hides what it computes and records what it is.

    Args:
        recorder: of the run.
        feedback: of the run.
        path: of the module.
        module: the neuron.
        maker: gives its leaf.
    """

    def __init__(
        self, recorder: Recorder, feedback: Feedback, path: str, module: nn.Module, maker: Callable[[], Leaf]
    ) -> None:
        self.recorder, self.feedback, self.path, self.maker = recorder, feedback, path, maker
        self.leafless = next(module.children(), None) is None
        self._leaf: Leaf | None = None
        self._incoming: list[Incoming] = []

    def enter(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:  # Any: forward's
        """Before the call: takes down the states from which it starts, and gives what it is to be called with."""
        r = self.recorder
        r.scopes.append((self.path, self.leafless))
        try:
            leaf = self._known() if not r.hidden else None
        except (TraceError, GraphError) as error:
            place = r.error("").where
            where = ", ".join(dict.fromkeys(filter(None, (place, error.where))))
            r.refuse(TraceError(error.found, where=where, expected=error.expected, mend=error.mend))
            leaf = None
        if leaf is not None and leaf.stepped and args:
            args = (*self.feedback.taken(self.path, args[:1]), *args[1:])
        self._incoming.append(incoming(module, leaf, args, kwargs) if leaf is not None else {})
        r.hidden += 1
        return args, kwargs

    def leave(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:  # Any: see enter
        """After the call: records it, unless it is inside another neuron."""
        r = self.recorder
        r.hidden -= 1
        states = self._incoming.pop()
        try:
            if not r.hidden:
                self._record(module, [*args, *kwargs.values()], states, result)
        finally:
            r.scopes.pop()

    def _known(self) -> Leaf:
        if self._leaf is None:
            self._leaf = self.maker()
        return self._leaf

    def _record(self, module: nn.Module, given: list[Any], states: Incoming, result: Any) -> None:  # Any: see enter
        r = self.recorder
        drive = given[0] if given else None
        results = [y for y in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(y, Tensor)]
        if self._leaf is None or (r.follows(drive) and r.view(drive) is None):  # refused, here or before
            for y in results:
                r.watch(y, None)
            return
        try:
            for value in given:
                r.check_whole(value)
            view = r.view(drive)
            if view is None or not results or not isinstance(drive, Tensor):
                raise r.error("a neuron whose input does not come from the network's input, or that gives no tensor")
            fire = fire_step if self._leaf.stepped else fire_all
            fire(r, self.path, self._leaf, view, states, (drive, *results), module)
        except (GraphError, TypeError) as error:
            r.refuse(r.error(str(error)))
        except TraceError as error:
            r.refuse(error)
            if not r.follows(drive):
                return  # it may be what is fed back before the first step
        for y in results:
            if not r.follows(y):
                r.watch(y, None)


def incoming(
    module: nn.Module, leaf: Leaf, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Incoming:  # Any: forward's
    """The states from which a call starts: what it is given, else what the module kept."""
    found: dict[str, object] = {}
    for place, name in enumerate(leaf.states, start=1):
        given = kwargs.get(name, args[place] if place < len(args) else None) if leaf.takes else None
        kept = getattr(module, name, None) if leaf.keeps else None
        found[name] = kept if given is None else given
    return found
