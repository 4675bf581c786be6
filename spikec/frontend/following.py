"""Which tensors of a running network come from its input, as what, and whether they still hold what they did."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from spikec.errors import TraceError
from spikec.frontend import lines
from spikec.frontend.axes import View
from spikec.frontend.memory import COUNTED, OWN_REFERENCES, Memory


@dataclass(kw_only=True)
class Following:
    """The tensors of one recording, each under the view that it has of a value of the graph.

    Args:
        scopes: module paths now being executed, with whether each is a leaf.
        hidden: above 0 while inside a neuron, whose own arithmetic is no part of the graph.
        lines: of the user's code, by the node that it added.
        memory: of the tensors that are followed.
    """

    scopes: list[tuple[str, bool]] = field(default_factory=lambda: [("", False)])
    hidden: int = 0
    lines: dict[str, Sequence[lines.Place]] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    _views: dict[int, tuple[Tensor, View | None, int]] = field(default_factory=dict)
    _sweep_at: int = 8

    @property
    def scope(self) -> str:
        """The module path now being executed."""
        return self.scopes[-1][0]

    def view(self, tensor: object) -> View | None:
        """How `tensor` is seen, or None where it does not come from the input."""
        found = self._views.get(id(tensor))
        return found[1] if found else None

    def follows(self, tensor: object) -> bool:
        """Whether `tensor` comes from the input, be it by functions that were refused."""
        return id(tensor) in self._views

    def watch(self, tensor: Tensor, view: View | None) -> Tensor:
        """Remembers what `tensor` is and gives it back; None for what comes from a function that was refused.

        Raises:
            TraceError: the view and the tensor differ in shape: our own bookkeeping failed.
        """
        if view is not None and view.torch_shape != tuple(tensor.shape):
            raise self.error(f"axes were lost: {list(tensor.shape)} is followed as {list(view.torch_shape)}")
        with self.aside():
            # the tensor is held, so that its id stays its own; its version counts writes, those through aliases too
            self._views[id(tensor)] = (tensor, view, _version(tensor))
            self.memory.hold(tensor)
            if len(self._views) >= self._sweep_at:
                self._sweep()
        return tensor

    def _sweep(self) -> None:
        """Lets go of the tensors that nobody but this recording can reach, as the network itself would.

        Memory that is used again is several times as fast as memory that was never used.
        """
        for number, (tensor, _, _) in list(self._views.items()) if COUNTED else ():
            if sys.getrefcount(tensor) <= OWN_REFERENCES and not self.memory.shared(tensor):
                self.memory.drop(tensor)
                del self._views[number]
        self._sweep_at = len(self._views) + max(6, len(self._views) // 8)  # often, but not for every tensor of many

    def holds(self, tensor: object) -> bool:
        """Whether `tensor` has memory that holds what comes from the input, be it a tensor that is not followed."""
        if not isinstance(tensor, Tensor):
            return False
        with self.aside():
            return self.memory.holds(tensor)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While it is entered, what is done to tensors is no work of the network."""
        self.hidden += 1
        try:
            yield
        finally:
            self.hidden -= 1

    def written(self, target: Tensor, view: View | None) -> Tensor:
        """Remembers what `target` is now that the running line wrote into it, and that its aliases are written over."""
        with self.aside():
            self.memory.write(target, lines.said(lines.running()))
        return self.watch(target, view)

    def check_whole(self, tensor: object) -> None:
        """Checks that a tensor that is about to be used still holds what it held when it was recorded.

        Raises:
            TraceError: something was written over it; names the line that did, where that is known.
        """
        if id(tensor) not in self._views:
            return
        held, view, version = self._views[id(tensor)]
        writer = self.memory.written_over(tensor)
        with self.aside():
            written = bool(writer) or _version(held) != version
        if view is None or not written:
            return
        mend = "write x = x + y in the place of x += y, and copy before writing"
        found = f"the tensor of '%{view.value}' was written to in place after it was computed"
        used = lines.said(lines.running())
        if writer or not used:
            used = f"used again by {used}" if used else "given as an output"
            raise TraceError(f"{found}, and is {used}", where=writer or self.line_of(view.value), mend=mend)
        raise self.error(f"{found}, and is used here", mend)

    def line_of(self, value: str) -> str:
        """The line that added the node of a value; empty for an input."""
        return lines.said(self.lines.get(value) or self.lines.get(value.rpartition(".")[0], ()))

    def error(self, message: str, mend: str = "") -> TraceError:
        """A TraceError with the module path and the line of user code that is running."""
        where = f"module '{self.scope}'" if self.scope else "the network"
        line = lines.said(lines.running())
        return TraceError(message, where=f"{where}, {line}" if line else where, mend=mend)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
