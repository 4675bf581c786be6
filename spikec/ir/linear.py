"""Ops that multiply by stored weights: Conv1d, Conv2d, Linear, and their normalisation, BatchNorm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikec.ir.op import Inputs, Op, WeightTypes, require
from spikec.ir.types import REAL, Shape, TensorType

Pair = tuple[int, int]


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions at which a window fits: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@dataclass(frozen=True)
class Linear(Op):
    """y[..., o] = sum over i of w[o, i] x[..., i] + b[o], on the last axis, every leading axis alike.

    Inputs: x [..., I]. Weights: weight [O, I]; bias [O], optional. Results: y [..., O], Real.
    Source: torch.nn.functional.linear (torch 2.13).
    """

    mnemonic: ClassVar[str] = "linear"
    slots: ClassVar[tuple[str, ...]] = ("weight",)
    optional: ClassVar[tuple[str, ...]] = ("bias",)

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,), w = inputs, weights["weight"].shape
        require(len(w) == 2, self, f"weight must be [O, I], found {list(w)}")
        require(len(x.shape) >= 1 and x.shape[-1] == w[1], self, f"last axis {w[1]} expected, found {list(x.shape)}")
        check_bias(self, weights, w[0])
        return (x.with_shape((*x.shape[:-1], w[0])).with_domain(REAL),)


@dataclass(frozen=True)
class Conv1d(Op):
    """Cross-correlation along one axis, with zeros in the padding.

        y[o, n] = sum over c, k of w[o, c, k] x[g C/groups + c, n stride + k dilation - padding] + b[o]

    c runs over C/groups channels, k over K, and g = floor(o groups / O) is the group of output o;
    N' = floor((N + 2 padding - dilation (K - 1) - 1) / stride) + 1.

    Inputs: x [C, N]. Weights: weight [O, C/groups, K]; bias [O], optional. Results: y [O, N'], Real.
    Source: torch.nn.Conv1d (torch 2.13), padding_mode 'zeros'.
    """

    mnemonic: ClassVar[str] = "conv1d"
    slots: ClassVar[tuple[str, ...]] = ("weight",)
    optional: ClassVar[tuple[str, ...]] = ("bias",)

    stride: tuple[int] = (1,)
    padding: tuple[int] = (0,)
    dilation: tuple[int] = (1,)
    groups: int = 1

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (_convolved(self, inputs[0], weights, axes=1),)


@dataclass(frozen=True)
class Conv2d(Op):
    """Cross-correlation over two axes, with zeros in the padding.

        y[o, i, j] = sum over c, a, b of w[o, c, a, b] x[g C/groups + c, i sh + a dh - ph, j sw + b dw - pw] + b[o]

    c runs over C/groups channels, (a, b) over the kernel [KH, KW]; (sh, sw) is the stride, (dh, dw) the dilation,
    (ph, pw) the padding, and g = floor(o groups / O) the group of output o;
    H' = floor((H + 2 ph - dh (KH - 1) - 1) / sh) + 1, and W' alike.

    Inputs: x [C, H, W]. Weights: weight [O, C/groups, KH, KW]; bias [O], optional. Results: y [O, H', W'], Real.
    Source: torch.nn.Conv2d (torch 2.13), padding_mode 'zeros'.
    """

    mnemonic: ClassVar[str] = "conv2d"
    slots: ClassVar[tuple[str, ...]] = ("weight",)
    optional: ClassVar[tuple[str, ...]] = ("bias",)

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (_convolved(self, inputs[0], weights, axes=2),)


@dataclass(frozen=True)
class BatchNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias along one axis, with stored statistics (evaluation).

    Inputs: x. Weights, each [C] with C the size of `axis`: mean, var (statistics); weight, bias, optional.
    Results: y, Real. Source: Ioffe and Szegedy 2015, algorithm 2.
    """

    mnemonic: ClassVar[str] = "batch_norm"
    slots: ClassVar[tuple[str, ...]] = ("mean", "var")
    optional: ClassVar[tuple[str, ...]] = ("weight", "bias")

    axis: int = 0
    eps: float = 1e-5

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        (x,) = inputs
        require(0 <= self.axis < len(x.shape), self, f"axis {self.axis} is outside {list(x.shape)}")
        for slot, weight in weights.items():
            require(weight.shape == (x.shape[self.axis],), self, f"{slot} must be [{x.shape[self.axis]}]")
        return (x.with_domain(REAL),)


def check_bias(op: Op, weights: WeightTypes, outputs: int) -> None:
    """Checks that the bias, where there is one, is [outputs].

    Raises:
        VerifyError: it is not.
    """
    if "bias" in weights:
        found = weights["bias"].shape
        require(found == (outputs,), op, f"bias must be [{outputs}], found {list(found)}")


def _convolved(op: Conv1d | Conv2d, x: TensorType, weights: WeightTypes, axes: int) -> TensorType:
    w = weights["weight"].shape
    require(len(w) == axes + 2, op, f"weight of {axes + 2} axes expected, found {list(w)}")
    require(len(x.shape) == axes + 1, op, f"input of {axes + 1} axes expected, found {list(x.shape)}")
    require(op.groups >= 1 and w[0] % op.groups == 0, op, f"{w[0]} outputs do not divide into {op.groups} groups")
    require(x.shape[0] == w[1] * op.groups, op, f"{w[1] * op.groups} channels expected, found {x.shape[0]}")
    check_bias(op, weights, w[0])
    places = zip(x.shape[1:], w[2:], op.stride, op.padding, op.dilation, strict=True)
    spatial: Shape = tuple(window(*place) for place in places)
    require(all(s > 0 for s in spatial), op, f"kernel {list(w[2:])} does not fit {list(x.shape)}")
    return x.with_shape((w[0], *spatial)).with_domain(REAL)
