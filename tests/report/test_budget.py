"""Budgets: which texts are one, what they compare, and that the comparison is exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import BudgetExceeded, SpikecError, UnknownName, UsageError
from spikec.report.budget import Budget, judge, over, parse
from spikec.report.quantity import QUANTITIES, rounded, value_of

MAPPING = {"cores": 74, "chips": 2, "layers": []}


@pytest.fixture
def plain(small_report):
    """The small report as JSON holds it, of 12.5 us, and mapped."""
    return {**small_report.to_dict(), "mapping": MAPPING}


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("energy_mj<=0.5", Budget("energy_mj", "<=", Fraction(1, 2), "energy_mj<=0.5")),
        (" latency_us < 100 ", Budget("latency_us", "<", Fraction(100), "latency_us<100")),
        ("ac<=2e6", Budget("ac", "<=", Fraction(2_000_000), "ac<=2e6")),
        ("neuron_update<=.5E-3", Budget("neuron_update", "<=", Fraction(1, 2000), "neuron_update<=.5E-3")),
        ("cores<=7.", Budget("cores", "<=", Fraction(7), "cores<=7.")),
    ],
)
def test_a_budget_is_a_name_a_sign_and_a_number(text, budget):
    assert parse(text) == budget


@pytest.mark.parametrize(
    "text",
    [
        *("", "energy_mj", "energy_mj<=", "<=1", "energy_mj>=1", "energy_mj=1", "energy_mj==1", "energy_mj=<1"),
        *("energy_mj<=-1", "energy_mj<=nan", "energy_mj<=inf", "energy_mj<=0.5mJ", "energy_mj<=1,5", "energy_mj<=1_0"),
        *("energy_mj<=1<=2", "ac<=0x10", "ac<=1e99999", "ac<=" + "9" * 41, "ac<=٣", "ac<=1 2", "Ac<=1"),
    ],
)
def test_what_is_no_budget_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"no budget.*energy_mj<=0.5"):
        parse(text)


@pytest.mark.parametrize(
    ("name", "near"), [("energy", "energy_"), ("energy_mjs", "energy_mj"), ("latency_h", "latency_")]
)
def test_a_unit_that_there_is_not_is_refused_before_anything_is_run(name, near):
    with pytest.raises(UnknownName, match=f"Try: .*{near}"):
        parse(f"{name}<=1")


@given(st.one_of(st.text(), st.from_regex(r"[a-z_]{0,9} ?[<>=]{0,3} ?[0-9.eE+-]{0,60}", fullmatch=True)))
def test_nonsense_is_a_budget_or_an_error_of_ours(text):
    try:
        budget = parse(text)
    except SpikecError:
        return  # anything else would be our own fault
    assert budget.allowed >= 0
    assert parse(budget.text) == budget
    assert rounded(budget.allowed, 4)


@given(st.fractions(min_value=0))
def test_a_number_beyond_a_float_is_shown_too(value):
    huge = (value + 1) * Fraction(10) ** 400
    assert "e+4" in rounded(huge, 3)
    assert "e-4" in rounded(1 / huge, 3).lower()
    assert float(rounded(value, 17)) == float(value)


def test_every_name_has_its_unit(plain):
    plain["totals"]["energy_pj"] = 2.5e9
    expected = {
        "energy_pj": 2_500_000_000,
        "energy_nj": 2_500_000,
        "energy_uj": 2500,
        "energy_mj": Fraction(5, 2),
        "energy_j": Fraction(1, 400),
        "latency_ns": 12_500,
        "latency_us": Fraction(25, 2),
        "latency_ms": Fraction(1, 80),
        "latency_s": Fraction(1, 80_000),
        "cores": 74,
        "chips": 2,
        "parameters": 96_346,
    }
    assert {name: value_of(name, plain) for name in QUANTITIES} == expected
    assert value_of("mac", plain) == 4608 + 160


def test_the_bound_itself_is_compared_exactly(plain):
    plain["totals"]["energy_pj"] = 0.1 + 0.2
    plain["totals"]["counts"] = {"ac": 3.0, "mac": 0.1}
    texts = ("mac<=0.1", "ac<=3", "ac<3", "ac<3.0000000001", "energy_pj<=0.3", "energy_pj<=0.30000000000000004")
    assert [v.holds for text in texts for v in _of(text, plain)] == [True, True, False, True, False, True]
    assert not _of("energy_j<=0.0000000000003", plain)[0].holds


def _of(text, *reports):
    return judge([parse(text)], reports)


def test_a_verdict_says_what_was_found_and_by_how_much(plain):
    plain["totals"]["energy_pj"] = 600.0
    plain["hardware"]["file"] = "/a/mine.toml"
    (broken,), (kept,), (nothing,) = (_of(t, plain) for t in ("energy_nj<=0.5", "energy_pj<800", "mac<=0"))
    assert broken.text == "budget energy_nj<=0.5 on 45nm (mine.toml): found 0.6, over by 0.1 (20 %)"
    assert kept.text == "budget energy_pj<800 on 45nm (mine.toml): found 600, holds with 200 (25 %) to spare"
    assert nothing.text.endswith("found 4768, over by 4768")  # no share of nothing


def test_over_names_each_that_does_not_hold(plain):
    verdicts = judge([parse("cores<=74"), parse("cores<74"), parse("chips<=1")], [plain])
    error = over(verdicts)
    assert isinstance(error, BudgetExceeded)
    assert str(error) == "over budget, 2 of 3: cores<74 on 45nm, chips<=1 on 45nm"
    assert over(verdicts[:1]) is None


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("latency_ms", {"totals": {"latency_ns": None}}, "no model of time.*Try: .*--map.*a chip that models time"),
        ("energy_j", {"totals": {"energy_pj": None}}, "nothing was priced.*Try: .*--data"),
        ("cores", {"mapping": None}, "mapped.*Try: .*--map"),
        ("chips", {"mapping": {"cores": 3}}, "mapped.*Try: .*--map"),
        ("neuron_updates", {}, "unknown quantity.*Try: neuron_update"),
    ],
)
def test_what_a_report_does_not_have_is_an_error_that_says_how_to_get_it(plain, name, change, said):
    with pytest.raises(SpikecError, match=said) as error:
        _of(f"{name}<=1", {**plain, **change})
    assert error.value.exit_code == 2
