import math

import pytest

from spikec.report.units import NOT_FINITE, TIME, Column, count, duration, energy, percent, unit_of


@pytest.mark.parametrize(
    ("energy_pj", "text"),
    [
        (0.0, "0 pJ"),
        (0.9, "0.900 pJ"),
        (999.94, "999.9 pJ"),
        (999.96, "1.000 nJ"),  # rounds to 1000 at four digits
        (1000.0, "1.000 nJ"),
        (999_940.0, "999.9 nJ"),
        (1e6, "1.000 uJ"),
        (7.463502601886196e9, "7.464 mJ"),
        (1e12, "1.000 J"),
        (2.5e15, "2500 J"),
        (None, "not priced"),
        (math.inf, f"{NOT_FINITE} pJ"),
        (math.nan, f"{NOT_FINITE} pJ"),
    ],
)
def test_an_energy_has_the_unit_in_which_it_reads_below_1000(energy_pj, text):
    assert energy(energy_pj) == text


def test_a_column_has_the_unit_of_its_greatest_value():
    column = Column.of([0.45, 1234.0, 98_765.0, None])
    assert column.unit.name == "nJ"
    assert [column.number(v) for v in (98_765.0, 1234.0, 0.45, 0.0, None)] == ["98.77", "1.23", "<0.01", "0", "-"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1_642_000.0, 23_320.0], ["1.6420", "0.0233"]),
        ([521_400.0, 521_300.0], ["521.4", "521.3"]),  # no more than four digits where they are alike
        ([5e12, 0.9, 0.0, None], ["5.00000000", "<0.00000001", "0", "-"]),
        ([999_960.0, 1.0], ["0.99996000", "0.00000100"]),
        ([0.0, None], ["0", "-"]),
    ],
)
def test_a_column_of_values_far_apart_shows_the_least(values, texts):
    column = Column.spanning(values)
    assert [column.number(value) for value in values] == texts


def test_an_empty_column_has_the_smallest_unit():
    assert unit_of([]).name == "pJ"
    assert unit_of([None, math.nan]).name == "pJ"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7.0, "7"),
        (999, "999"),
        (1000, "1.00 k"),
        (3.5, "3.50"),
        (0.48, "0.48"),
        (1e-9, "<0.01"),
        (12_345, "12.3 k"),
        (999_960, "1.00 M"),
        (4_712_000, "4.71 M"),
        (1.2e9, "1.20 G"),
        (math.nan, NOT_FINITE),
    ],
)
def test_a_count_has_three_digits(value, text):
    assert count(value) == text


def test_durations_and_shares():
    assert duration(None) == "not modelled"
    assert duration(12_500.0) == "12.50 us"
    assert unit_of([999.96], TIME).name == "us"
    assert [percent(f) for f in (1.0, 0.1234, 0.0004, 0.0, None)] == ["100.0", "12.3", "<0.1", "0", "-"]
