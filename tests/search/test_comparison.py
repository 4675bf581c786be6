import math

import numpy as np
import pytest

from spikec.errors import DataError
from spikec.search.comparison import kendall_tau, paired_test


def test_kendalls_tau_by_hand():
    assert kendall_tau([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1.0)
    assert kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    # 5 pairs agree, 1 does not, of 6.
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    # Tied in the second once: 5 agree, of sqrt(6 x 5).
    assert kendall_tau([1, 2, 3, 4], [1, 2, 3, 3]) == pytest.approx(5 / math.sqrt(30))
    assert math.isnan(kendall_tau([1, 2], [3, 3]))
    for bad in (([1], [1]), ([1, 2], [1])):
        with pytest.raises(DataError):
            kendall_tau(*bad)


def test_the_exact_paired_test_by_hand():
    first = np.array([True] * 9 + [False] * 1 + [True] * 30 + [False] * 10)
    second = np.array([False] * 9 + [True] * 1 + [True] * 30 + [False] * 10)
    result = paired_test(first, second)
    assert (result.samples, result.only_first, result.only_second) == (50, 9, 1)
    # Two-sided: 2 (C(10,0) + C(10,1)) / 2^10.
    assert result.p_value == pytest.approx(22 / 1024)
    assert result.difference == pytest.approx(8 / 50)
    assert result.difference == pytest.approx(first.mean() - second.mean())
    assert str(result).startswith("+16.00 points on 50 samples")
    assert paired_test(second, first).p_value == result.p_value
    assert paired_test(first, first).p_value == 1.0


def test_what_cannot_be_paired_is_refused():
    for first, second in (
        ([True], [True, False]),
        ([], []),
        ([[True]], [[True]]),
        ([0.9, 0.1], [0.8, 0.2]),
    ):
        with pytest.raises(DataError, match="paired test"):
            paired_test(np.array(first), np.array(second))
