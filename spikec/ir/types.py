"""What a value is: its shape, which numbers it can hold, and whether it changes from step to step.

Neither the number of steps T nor the batch is part of a type: both are properties of a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from math import inf, prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


class Timing(Enum):
    """Per step (`STEP`), or one value for the whole inference (`ONCE`)."""

    STEP = "step"
    ONCE = "once"


@dataclass(frozen=True)
class Int:
    """Integers in lo..hi, each standing for code * scale.

    The code is what events are counted by: an input of value n costs by |n|, whatever its scale.
    """

    lo: int
    hi: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.lo > self.hi or not 0 < self.scale < inf:
            raise ValueError(f"Int({self.lo}, {self.hi}, {self.scale}): lo <= hi and a positive, finite scale expected")

    @property
    def is_unary(self) -> bool:
        """Whether every code lies in {-1, 0, 1}, so that an event is one accumulate."""
        return self.lo >= -1 and self.hi <= 1

    def __str__(self) -> str:
        if self == SPIKE:
            return "spike"
        scale = "" if self.scale == 1.0 else f",{self.scale!r}"
        return f"int({self.lo},{self.hi}{scale})"


@dataclass(frozen=True)
class Real:
    """Real numbers: a product with one is a multiplication."""

    def __str__(self) -> str:
        return "real"


Domain = Int | Real
SPIKE = Int(0, 1, 1.0)
REAL = Real()


def sum_of(a: Domain, b: Domain) -> Domain:
    """The domain of a + b: Int where one scale is a whole multiple of the other, else Real."""
    pair = _in_one_unit(a, b)
    return Int(pair[0].lo + pair[1].lo, pair[0].hi + pair[1].hi, pair[0].scale) if pair else REAL


def union_of(a: Domain, b: Domain) -> Domain:
    """The domain of what is an `a` or a `b`: Int where one scale is a whole multiple of the other, else Real."""
    pair = _in_one_unit(a, b)
    return Int(min(pair[0].lo, pair[1].lo), max(pair[0].hi, pair[1].hi), pair[0].scale) if pair else REAL


def _in_one_unit(a: Domain, b: Domain) -> tuple[Int, Int] | None:
    """Both with the finer scale; None where one is Real, or the other scale is no whole multiple of it."""
    if isinstance(a, Real) or isinstance(b, Real):
        return None
    fine, coarse = (a, b) if a.scale <= b.scale else (b, a)
    ratio = Fraction(coarse.scale) / Fraction(fine.scale)
    times = int(ratio)
    return (fine, Int(coarse.lo * times, coarse.hi * times, fine.scale)) if ratio.denominator == 1 else None


def product_of(a: Domain, b: Domain, terms: int = 1) -> Domain:
    """The domain of a sum of `terms` products a * b."""
    if isinstance(a, Real) or isinstance(b, Real):
        return REAL
    corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return Int(min(corners) * terms, max(corners) * terms, a.scale * b.scale)


def total_of(a: Domain, terms: int, *, mean: bool = False, padded: bool = False) -> Domain:
    """The domain of a sum (or a mean) of `terms` values; `padded` where zeros may stand among them."""
    if isinstance(a, Real):
        return REAL
    lo, hi = (min(a.lo, 0), max(a.hi, 0)) if padded else (a.lo, a.hi)
    return Int(lo * terms, hi * terms, a.scale / terms if mean else a.scale)


@dataclass(frozen=True)
class TensorType:
    """Shape of one sample at one step, domain and timing of a value."""

    shape: Shape
    domain: Domain = REAL
    timing: Timing = Timing.STEP

    def with_shape(self, shape: Shape) -> TensorType:
        """The same domain and timing in another shape."""
        return replace(self, shape=tuple(shape))

    def with_domain(self, domain: Domain) -> TensorType:
        """The same shape and timing over another domain."""
        return replace(self, domain=domain)

    def with_timing(self, timing: Timing) -> TensorType:
        """The same shape and domain at another timing."""
        return replace(self, timing=timing)

    @property
    def elements(self) -> int:
        """Elements of one sample at one step."""
        return prod(self.shape)

    def __str__(self) -> str:
        return f"{self.domain} {self.timing.value} [{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class FloatFormat:
    """IEEE floating point of 32 or 64 bits."""

    bits: Literal[32, 64] = 32

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise ValueError(f"a float of {self.bits} bits; 32 or 64 expected")

    def __str__(self) -> str:
        return f"float{self.bits}"


@dataclass(frozen=True)
class IntFormat:
    """Fixed point: the value is the stored integer times scale."""

    bits: int
    scale: float = 1.0
    signed: bool = True

    def __post_init__(self) -> None:
        if self.bits < 1 or not 0 < self.scale < inf:
            raise ValueError(f"{self}: at least 1 bit and a positive, finite scale expected")

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest stored integer."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}({self.bits},{self.scale!r})"


Format = FloatFormat | IntFormat
FLOAT32, FLOAT64 = FloatFormat(32), FloatFormat(64)
_FIXED = re.compile(r"(?P<sign>u?)int\((?P<bits>[0-9]{1,3}),\s*(?P<scale>[0-9][0-9.e+-]{0,30})\)")


def fixed_point(text: str) -> IntFormat:
    """The fixed-point format that `text` says, such as 'int(24,1.0)', as `str` prints it.

    Raises:
        ValueError: it says none.
    """
    match = _FIXED.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no fixed-point format; expected such as 'int(24,1.0)'")
    return IntFormat(int(match["bits"]), float(match["scale"]), match["sign"] == "")


class Role(Enum):
    """Why a weight is there: only a PARAMETER counts in `model.parameters`."""

    PARAMETER = "parameter"
    STATISTIC = "statistic"
    CONSTANT = "constant"


@dataclass(frozen=True)
class WeightType:
    """What `Op.infer` sees of a weight: its shape and format, never its numbers."""

    shape: Shape
    format: Format = FLOAT32


@dataclass(frozen=True, eq=False)
class Weight:
    """A named array of a graph with its format and role; the array is read-only."""

    array: NDArray[np.generic]
    role: Role = Role.PARAMETER
    format: Format = FLOAT32

    def __post_init__(self) -> None:
        array = np.array(self.array)
        array.setflags(write=False)
        object.__setattr__(self, "array", array)

    @property
    def type(self) -> WeightType:
        """Shape and format, as `Op.infer` sees them."""
        return WeightType(tuple(self.array.shape), self.format)

    @property
    def values(self) -> NDArray[np.generic]:
        """The numbers that it stands for: a fixed-point weight's stored integers times its scale."""
        if not isinstance(self.format, IntFormat):
            return self.array
        return self.array.astype(np.float64) * self.format.scale

    def same_as(self, other: Weight) -> bool:
        """Whether role, format, shape, dtype and every bit agree."""
        return (
            self.role is other.role
            and self.format == other.format
            and self.array.dtype == other.array.dtype
            and self.array.shape == other.array.shape
            and self.array.tobytes() == other.array.tobytes()
        )


def weight_of(array: NDArray[np.generic], role: Role = Role.PARAMETER) -> Weight:
    """A weight in the format that its floating array has."""
    array = np.asarray(array)
    return Weight(array, role, FLOAT64 if array.dtype == np.float64 else FLOAT32)


def constant(value: float) -> Weight:
    """A scalar constant (tau, a threshold) in float64."""
    return Weight(np.asarray(value, dtype=np.float64), Role.CONSTANT, FLOAT64)
