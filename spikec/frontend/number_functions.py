"""What torch's arithmetic adds to a recording: sums, products, divisions, matrix products, reductions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import frexp
from typing import Any

import torch
from torch import Tensor

from spikec.frontend.axes import Item, View
from spikec.frontend.operands import aligned, constant, is_nothing, with_axis
from spikec.frontend.recorder import Recorder
from spikec.frontend.steps import mean_of_steps, running_sum
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.pools import Mean, Sum
from spikec.ir.time import TimeMean, TimeSum
from spikec.ir.types import Role

Operand = View | Tensor | float


def add(r: Recorder, y: Tensor, a: Operand, b: Operand, *, alpha: float = 1) -> View:
    """a + alpha b."""
    if alpha != 1:
        b = r.add(Scale(float(alpha)), b) if isinstance(b, View) else times(r, b, alpha)
    if not isinstance(a, View):
        a, b = b, a
    assert isinstance(a, View)
    if not isinstance(b, View):
        if is_nothing(r, b) and a.torch_shape == tuple(y.shape):
            return a
        return r.add(Add(), *aligned(r, a, constant(r, b, a)))
    return running_sum(r, a, b) or r.add(Add(), *aligned(r, a, b))


def sub(r: Recorder, y: Tensor, a: Operand, b: Operand, *, alpha: float = 1) -> View:
    """a - alpha b."""
    if isinstance(b, View):
        return add(r, y, a, r.add(Scale(-float(alpha)), b))
    return add(r, y, a, times(r, b, -alpha))


def times(r: Recorder, value: Tensor | float, number: float) -> Tensor | float:
    """A value that does not come from the input, times a number; learnt where it was."""
    result = value * number
    r.derived(result, of=(value,))
    return result


def rsub(r: Recorder, y: Tensor, a: Operand, b: Operand, *, alpha: float = 1) -> View:
    """b - alpha a."""
    return sub(r, y, b, a, alpha=alpha)


def neg(r: Recorder, y: Tensor, input: View) -> View:
    """-x."""
    return r.add(Scale(-1.0), input)


def mul(r: Recorder, y: Tensor, a: Operand, b: Operand) -> View:
    """a b, element by element."""
    if isinstance(a, View) and isinstance(b, View):
        return r.add(Mul(), *aligned(r, a, b))
    view, factor = (a, b) if isinstance(a, View) else (b, a)
    assert isinstance(view, View)
    assert not isinstance(factor, View)
    number = r.own.number(factor)
    if number is not None and view.torch_shape == tuple(y.shape):
        return r.add(Scale(number), view)
    return r.add(Mul(), *aligned(r, view, constant(r, factor, view)))


def div(r: Recorder, y: Tensor, a: Operand, b: Operand, *, rounding_mode: str | None = None) -> View:
    """a / b, where the reciprocal of b is exact; a sum over all T steps over T is their mean."""
    if rounding_mode is not None:
        raise r.error(f"a division with rounding_mode '{rounding_mode}'")
    divisors = torch.as_tensor(b, dtype=torch.float64).detach().reshape(-1) if not isinstance(b, View) else None
    learnt = isinstance(b, Tensor) and r.own.role(b) is Role.PARAMETER
    if not isinstance(a, View) or divisors is None or learnt or bool((divisors == 0).any()):
        raise r.error(
            "a division by a tensor that is computed or learnt, or by zero", mend="multiply by the reciprocal"
        )
    number = r.own.number(b)
    mean = None if number is None else mean_of_steps(r, a, number)
    if mean is not None:
        return mean
    inexact = [n for n in divisors.tolist() if abs(frexp(n)[0]) != 0.5]
    if inexact:
        mend = f"multiply by {1.0 / inexact[0]!r}, or take a mean"
        raise r.error(
            f"a division by {inexact[0]:g}, whose reciprocal is not exact: a neuron on a tie could flip", mend
        )
    if number is not None:
        return r.add(Scale(1.0 / number), a)
    assert isinstance(b, Tensor)
    return mul(r, y, a, 1.0 / b.detach())


def matmul(r: Recorder, y: Tensor, a: Operand, b: Operand) -> View:
    """A product of two activations."""
    if not (isinstance(a, View) and isinstance(b, View)):
        raise r.error("a product with a tensor that does not come from the input", mend="use a Linear layer")
    if len(a.dims) != len(b.dims) or a.dims[:-2] == ():
        raise r.error(f"a product of tensors of {len(a.dims)} and {len(b.dims)} axes", mend="give both the same rank")
    (a, turned_a), (b, turned_b) = _plane(r, a), _plane(r, b)
    if a.dims[:-2] != b.dims[:-2]:
        raise r.error(f"a product of tensors whose leading axes differ: {a.shape} and {b.shape}")
    op = MatMul(turned_a, turned_b)
    last = len(a.shape) - 1
    return r.add(op, a, b, dims=(*a.dims[:-2], (last - 1,), (last,)))


def _plane(r: Recorder, x: View) -> tuple[View, bool]:
    """x settled with its last two axes in the value's own order; and whether torch has them the other way round."""
    x = r.settled_sum(x)
    for axis in (len(x.dims) - 2, len(x.dims) - 1):
        x = x if x.dims[axis] else with_axis(r, r.settled(x), axis)
    if len(x.dims[-1]) != 1 or len(x.dims[-2]) != 1:
        x = r.settled(x)
    turned = x.axis_of(-2) > x.axis_of(-1)
    if turned:
        x = x.permuted([*range(len(x.dims) - 2), len(x.dims) - 1, len(x.dims) - 2])
    return r.settled(x), turned


def reduction(time: type[TimeMean] | type[TimeSum], axes_op: type[Mean] | type[Sum]) -> Callable[..., View]:
    """Takes torch's mean or sum over any axes but the batch."""

    def record(
        r: Recorder, y: Tensor, input: View, dim: Any = None, keepdim: bool = False, *, dtype: object = None
    ) -> View:  # Any: a number or a sequence
        view = r.settled_sum(input)
        over = range(len(view.dims)) if dim is None else [dim] if isinstance(dim, int) else dim
        items: list[Item] = [item for axis in over for item in view.dims[axis]]
        if "B" in items:
            raise r.error(f"a {axes_op.mnemonic} over the batch")
        dims = view.reduced(over, keepdim=keepdim)
        axes = tuple(sorted(item for item in items if isinstance(item, int)))
        view = r.add(axes_op(axes), view, dims=dims) if axes else view
        return r.add(time(), view, dims=dims) if "T" in items else replace(view, dims=dims)

    return record
