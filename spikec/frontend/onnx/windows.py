"""Windows over the last axes of a value, as ONNX says them: kernel, strides, dilations, padding, auto_pad."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.ir.shapes import Pad
from spikec.ir.types import Shape


@dataclass(frozen=True)
class Window:
    """What is slid over the last axes of a value, each part with a number for each of them.

    Args:
        kernel, stride, dilation: as they are.
        before, after: elements of padding at each end.
        grown: how many of those behind are there for ceil_mode alone.
    """

    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape
    grown: Shape

    @property
    def symmetric(self) -> bool:
        """Whether the padding is the same at both ends."""
        return self.before == self.after

    @property
    def span(self) -> Shape:
        """Elements from the first to the last of a window."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def window_of(call: Call, kernel: Shape, sizes: Shape) -> Window:
    """The window that the attributes say, for axes of these sizes.

    With ceil_mode the padding behind grows so that the last window, which begins inside, is whole.

    Raises:
        Refusal: the parts do not fit each other.
    """
    axes = len(kernel)
    stride = call.wholes("strides", (1,) * axes)
    dilation = call.wholes("dilations", (1,) * axes)
    pads = call.wholes("pads", (0,) * (2 * axes))
    if not (len(stride) == len(dilation) == len(sizes) == axes and len(pads) == 2 * axes):
        raise Refusal(
            f"{axes} axes in its kernel, {len(stride)} in its strides, {len(dilation)} in its dilations, "
            f"{len(pads)} pads and {len(sizes)} in its input"
        )
    if min((*kernel, *stride, *dilation), default=0) < 1 or min(pads) < 0:
        raise Refusal("a kernel, stride or dilation below 1, or padding below 0")
    window = Window(kernel, stride, dilation, pads[:axes], pads[axes:], (0,) * axes)
    auto = call.word("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        if any(pads):
            raise Refusal(f"auto_pad {auto} beside pads")
        return _same(window, sizes, upper=auto == "SAME_UPPER")
    if auto not in ("NOTSET", "VALID") or (auto == "VALID" and any(pads)):
        raise Refusal(f"auto_pad '{auto}', or beside pads")
    return _ceiled(window, sizes) if call.whole("ceil_mode", 0) else window


def padded(d: Drawing, value: str, window: Window) -> str:
    """`value` with the window's padding as zeros of its own."""
    lead = (0,) * (len(d.shape(value)) - len(window.kernel))
    return d.add(Pad((*lead, *window.before), (*lead, *window.after)), value)


def _same(window: Window, sizes: Shape, *, upper: bool) -> Window:
    """Padding with which the result has ceil(size / stride) elements; the odd one behind, or before."""
    before, after = [], []
    for size, stride, span in zip(sizes, window.stride, window.span, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        less, more = total // 2, total - total // 2
        before.append(less if upper else more)
        after.append(more if upper else less)
    return replace(window, before=tuple(before), after=tuple(after))


def _ceiled(window: Window, sizes: Shape) -> Window:
    after = []
    parts = zip(sizes, window.stride, window.span, window.before, window.after, strict=True)
    for size, stride, span, before, behind in parts:
        room = size + before + behind - span
        count = -(-room // stride) + 1
        if (count - 1) * stride >= size + before:  # a window that would begin in the padding behind is left out
            count -= 1
        after.append(max(behind, (count - 1) * stride + span - size - before))
    return replace(window, after=tuple(after), grown=tuple(a - b for a, b in zip(after, window.after, strict=True)))
