import pytest

from spikec.errors import NoWinner, StudyError
from spikec.search.fitness import Scale, f_aeb
from spikec.search.winner import WinnerRule, winner


def rows(*pairs):
    return [{"accuracy": a, "energy_pj": e} for a, e in pairs]


FINALISTS = rows((0.990, 100), (0.985, 60), (0.9849, 10), (0.987, 60), (0.90, 1))


def test_least_energy_within_half_a_point_of_the_best():
    # 0.985 is half a point below 0.990; 0.9849 is more.
    assert winner(FINALISTS, WinnerRule()) == 3
    assert winner(FINALISTS[:3], WinnerRule()) == 1
    assert winner(FINALISTS, WinnerRule("within", 0.0)) == 0
    assert winner(FINALISTS, WinnerRule("within", 0.1)) == 4
    # On the border exactly: in binary 0.9 - 0.3 is more than 0.6.
    assert winner(rows((0.9, 9), (0.6, 5)), WinnerRule("within", 0.3)) == 1


def test_least_energy_above_an_accuracy():
    assert winner(FINALISTS, WinnerRule("min-accuracy", 0.98)) == 2
    assert winner(FINALISTS, WinnerRule("min-accuracy", 0.99)) == 0
    with pytest.raises(NoWinner, match=r"0\.995; the best has 0\.99.*--min-accuracy"):
        winner(FINALISTS, WinnerRule("min-accuracy", 0.995))


def test_greatest_fitness():
    assert winner(FINALISTS, WinnerRule("alpha", 0.0)) == 0
    assert winner(FINALISTS, WinnerRule("alpha", 1.0)) == 4
    assert winner(FINALISTS, WinnerRule("alpha", 0.5)) == 2


def test_of_equals_the_first():
    assert winner(rows((0.9, 5), (0.9, 5)), WinnerRule()) == 0
    with pytest.raises(StudyError, match="no finalist"):
        winner([], WinnerRule())


def test_rules_say_themselves():
    assert str(WinnerRule()) == "least energy within 0.5 points of the best re-scored finalist"
    assert str(WinnerRule("min-accuracy", 0.97)) == "least energy at an accuracy of 97 % or more"
    assert "alpha 0.3" in str(WinnerRule("alpha", 0.3))
    with pytest.raises(StudyError, match=r"in \[0, 1\]"):
        WinnerRule("within", 5.0)


def test_fitness_rises_with_accuracy_and_falls_with_energy():
    scale = Scale.of(rows((0.2, 10), (0.8, 30)), "accuracy", "energy_pj")
    (best, worst, half, beyond) = rows((0.8, 10), (0.2, 30), (0.5, 20), (1.1, 0))
    assert [f_aeb(row, scale) for row in (best, worst, half, beyond)] == pytest.approx([1.0, 0.0, 0.5, 1.5])
    assert f_aeb(rows((0.8, 30))[0], scale, alpha=0.25) == pytest.approx(0.75)
    assert f_aeb(rows((0.2, 10))[0], scale, alpha=0.25) == pytest.approx(0.25)
    flat = Scale.of(rows((0.5, 7)), "accuracy", "energy_pj")
    assert f_aeb(rows((0.9, 9))[0], flat) == 0.5
