"""Comparison: do two orders agree, and do two classifiers differ, on the same samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spikec.errors import DataError


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b of two orders of the same things, in [-1, 1]; nan where either is constant.

    Kendall, Biometrika 33, 1945 (ties), by scipy.

    Raises:
        DataError: the lengths differ, or there are fewer than two things.
    """
    if len(first) != len(second) or len(first) < 2:
        raise DataError(f"Kendall's tau of {len(first)} and {len(second)} values: two of each at least, as many")
    from scipy.stats import kendalltau  # half a second to import

    return float(kendalltau(np.asarray(first), np.asarray(second), variant="b").statistic)


@dataclass(frozen=True)
class PairedTest:
    """Two classifiers on the same samples.

    Args:
        samples: how many there are.
        only_first: samples that only the first has right.
        only_second: samples that only the second has right.
        p_value: of a split as uneven as this or more, were both equally good; two-sided, exact.
    """

    samples: int
    only_first: int
    only_second: int
    p_value: float

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second, in [-1, 1]."""
        return (self.only_first - self.only_second) / self.samples

    def __str__(self) -> str:
        """One line to print: the difference, the split and p."""
        return (
            f"{self.difference * 100:+.2f} points on {self.samples} samples "
            f"(only the first right: {self.only_first}, only the second: {self.only_second}; "
            f"exact McNemar p = {self.p_value:.3g})"
        )


def paired_test(first_correct: ArrayLike, second_correct: ArrayLike) -> PairedTest:
    """The exact McNemar test: a sign test on the samples that just one of the two has right.

    McNemar, Psychometrika 12, 1947, in its exact binomial form, by scipy.

    Args:
        first_correct: booleans (samples,): whether the first has each sample right.
        second_correct: the same of the second, same samples in the same order.

    Raises:
        DataError: the shapes differ, or there is no sample.
    """
    first, second = np.asarray(first_correct), np.asarray(second_correct)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise DataError(f"a paired test of shapes {first.shape} and {second.shape}: one vector of samples for both")
    if first.dtype != np.bool_ or second.dtype != np.bool_:
        raise DataError(f"a paired test of {first.dtype} and {second.dtype}: booleans, right or wrong")
    from scipy.stats import binomtest  # half a second to import

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    split = only_first + only_second
    p_value = float(binomtest(only_first, split, 0.5).pvalue) if split else 1.0
    return PairedTest(first.size, only_first, only_second, p_value)
