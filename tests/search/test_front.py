import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import StudyError
from spikec.search.front import crowding, hypervolume, nondominated, ranks
from spikec.search.objectives import Objective, coordinates, finite

LINEAR = (Objective("accuracy", "max", reference=0.0), Objective("energy_pj", "min", reference=10.0))
LOG = (LINEAR[0], Objective("energy_pj", "min", axis="log10", reference=1000.0))


def rows(*pairs):
    return [{"accuracy": a, "energy_pj": e} for a, e in pairs]


many = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), min_size=1, max_size=25)


@given(many)
def test_the_front_is_what_no_other_row_beats(pairs):
    table = rows(*pairs)
    beaten = {i for i, (a, e) in enumerate(pairs) if any(b >= a and f <= e and (b > a or f < e) for b, f in pairs)}
    front = nondominated(table, LINEAR)
    assert set(front) == set(range(len(pairs))) - beaten
    assert [pairs[i][1] for i in front] == sorted(pairs[i][1] for i in front)
    assert set(nondominated(table, LOG)) == set(front)


def test_the_floor_leaves_rows_out_before_comparing():
    table = rows((0.2, 1), (0.9, 5), (0.95, 8), (0.9, 6))
    assert nondominated(table, LINEAR) == (0, 1, 2)
    assert nondominated(table, LINEAR, {"accuracy": 0.9}) == (1, 2)
    assert nondominated(table, LINEAR, {"accuracy": 0.99}) == ()
    assert nondominated([], LINEAR) == ()


def test_ranks_peel_fronts():
    coords = np.array([[0.0, 3], [1, 1], [3, 0], [1, 3], [2, 2], [3, 3], [1, 1]])
    assert ranks(coords).tolist() == [0, 0, 0, 1, 1, 2, 0]


def test_crowding_is_by_hand():
    # Ranges 4 and 4: the middle points' neighbours are 3 and 3, and 3 and 3 apart.
    coords = np.array([[0.0, 4], [1, 2], [3, 1], [4, 0]])
    assert crowding(coords).tolist() == [math.inf, (3 / 4 + 3 / 4) / 2, (3 / 4 + 2 / 4) / 2, math.inf]
    assert crowding(coords[:2]).tolist() == [math.inf, math.inf]
    assert np.isinf(crowding(np.zeros((1, 2)))).all()


def test_hypervolume_by_hand():
    # Steps down from energy 10: 0.5 x (10-2), then (0.8-0.5) x (10-6).
    table = rows((0.5, 2), (0.8, 6))
    assert hypervolume(table, LINEAR) == pytest.approx(0.5 * 8 + 0.3 * 4)
    assert hypervolume([*table, *rows((0.4, 7), (0.9, 11), (0.0, 1))], LINEAR) == pytest.approx(5.2)
    assert hypervolume([], LINEAR) == 0.0
    assert hypervolume(rows((0.9, 10), (0.9, 12)), LINEAR) == 0.0


def test_hypervolume_in_decades():
    assert hypervolume(rows((0.5, 10), (0.8, 100)), LOG) == pytest.approx(0.5 * 2 + 0.3 * 1)


def test_hypervolume_needs_references():
    with pytest.raises(StudyError, match="reference value for energy_pj"):
        hypervolume(rows((1, 1)), (LINEAR[0], Objective("energy_pj", "min")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"accuracy": 0.5}, "no value for energy_pj"),
        ({"accuracy": 0.5, "energy_pj": 0.0}, "energy_pj is 0.0.*above 0"),
        ({"accuracy": 0.5, "energy_pj": math.inf}, "energy_pj is inf"),
        ({"accuracy": math.nan, "energy_pj": 1.0}, "accuracy is nan"),
        ({"accuracy": "high", "energy_pj": 1.0}, "accuracy is 'high'"),
        ({"accuracy": 0.5, "energy_pj": 1.0, "rate": math.nan}, "rate is nan"),
    ],
)
def test_values_that_no_search_can_use_are_refused_by_name(values, message):
    with pytest.raises(StudyError, match=message):
        finite(values, LOG)


def test_coordinates_are_better_downwards():
    assert coordinates({"accuracy": 0.9, "energy_pj": 100.0}, LOG) == (-0.9, 2.0)
    assert finite({"energy_pj": np.float32(2), "accuracy": 1}, LOG) == {"accuracy": 1.0, "energy_pj": 2.0}
