"""Condition indexes and shares of variance against the published example, and what counts go together."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.collinearity import (
    best_change,
    condition_indexes,
    condition_number,
    condition_with,
    going_together,
    variance_shares,
)

# Belsley, Kuh and Welsch (1980), p. 161, with the diagnostics as John Fox printed them on R-help, 23 July 2003.
PUBLISHED = np.array(
    [
        [-74, 80, 18, -56, -112],
        [14, -69, 21, 52, 104],
        [66, -72, -5, 764, 1528],
        [-12, 66, -30, 4096, 8192],
        [3, 8, -7, -13276, -26552],
        [4, -12, 4, 8421, 16842],
    ],
    dtype=np.float64,
)


def test_the_published_example() -> None:
    indexes = condition_indexes(PUBLISHED)
    assert indexes[:4] == pytest.approx([1, 1.038538, 1.325775, 15.9971], rel=1e-6)
    assert indexes[4] > 1e12
    shares = variance_shares(PUBLISHED)
    assert shares[3].round(3).tolist() == [0.994, 0.994, 0.953, 0, 0]
    assert shares[4].round(3).tolist() == [0, 0, 0, 1, 1]
    assert shares.sum(axis=0) == pytest.approx(np.ones(5))


def test_the_columns_of_a_dependence_are_named() -> None:
    assert going_together(PUBLISHED) == (3, 4)
    assert going_together(PUBLISHED, 10.0) == (0, 1, 2, 3, 4)
    assert going_together(PUBLISHED[:, :3]) == ()


def test_a_weak_dependence_has_two_columns_too() -> None:
    columns = np.vstack([np.eye(4), [0.5, 0.6, 0.7, 0.8]])
    assert (variance_shares(columns)[-1] >= 0.5).sum() < 2
    assert going_together(columns, 0.999 * condition_number(columns)) == (2, 3)
    assert going_together(columns, 1.001 * condition_number(columns)) == ()


def test_scale_does_not_matter_and_angle_does() -> None:
    columns = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # The cosine of the two is 1/2, so the singular values squared are 3/2 and 1/2.
    assert condition_number(columns) == pytest.approx(np.sqrt(3))
    assert condition_number(columns * [1e9, 1e-9]) == pytest.approx(np.sqrt(3))
    assert condition_number(columns[:, :1]) == 1


def test_what_runs_would_tell_two_apart() -> None:
    column = np.array([1.0, 2.0, 3.0])
    same = np.stack([column, 5 * column, np.array([3.0, 1.0, 2.0])], axis=1)
    assert condition_number(same) > 1e12
    # [x; x] and [x; x / 2] have the cosine 3 / sqrt(10).
    alone = condition_with(same[:, :2], 1, 0.5)
    assert alone == pytest.approx(np.sqrt((1 + 3 / np.sqrt(10)) / (1 - 3 / np.sqrt(10))))
    place, then = best_change(same, (0, 1))
    assert then == pytest.approx(min(condition_with(same, 0, 0.5), condition_with(same, 1, 0.5)))
    assert then == pytest.approx(condition_with(same, place, 0.5))
    assert then < 30
