"""Numbers in fixed point: integers of so many bits times a power of two."""

from __future__ import annotations

from math import floor, frexp, log2

import numpy as np
from numpy.typing import NDArray

from spikec.ir.types import IntFormat, Role, Weight

Floats = NDArray[np.float64]
FINEST = 1000
"""No scale is below 2^-1000, near the end of floating point's range."""


def fitted(values: Floats, bits: int, role: Role, coarser_than: float = 0.0) -> Weight:
    """The values in signed integers of `bits` bits, as fine as they can be without one being clipped.

    The scale is the least power of two at which every value, rounded to the nearest integer (to the even one of two),
    is one of -2^(bits - 1) to 2^(bits - 1) - 1.

    Args:
        values: any shape, finite.
        bits: at least 2.
        role: of the weight.
        coarser_than: a power of two that the scale shall not go below; 0 for none.
    """
    lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    largest = float(np.abs(values).max())
    exponent = 0 if largest == 0.0 else min(bits - floor(log2(largest)), FINEST)
    if coarser_than:
        exponent = min(exponent, 1 - frexp(coarser_than)[1])
    codes = np.rint(np.ldexp(values, exponent))
    while not lo <= codes.min() <= codes.max() <= hi:
        exponent -= 1
        codes = np.rint(np.ldexp(values, exponent))
    return stored(codes, IntFormat(bits, float(np.ldexp(1.0, -exponent))), role)


def on_grid(values: Floats, unit: float, bits: int, role: Role, *, signed: bool = True) -> Weight | None:
    """The values as whole multiples of `unit`, rounded to the nearest; None where they need more than `bits` bits."""
    codes = np.rint(values / unit)
    lo, hi = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    fits = lo <= codes.min() <= codes.max() <= hi
    return stored(codes, IntFormat(bits, unit, signed), role) if fits else None


def stored(codes: Floats, form: IntFormat, role: Role) -> Weight:
    """Whole numbers as a weight, in the smallest signed integers that hold its format."""
    needed = form.bits if form.signed else form.bits + 1
    size = next(size for size in (8, 16, 32, 64) if needed <= size)
    return Weight(codes.astype(np.dtype(f"int{size}")), role, form)
