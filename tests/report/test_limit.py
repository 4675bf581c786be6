"""Limits: which texts are one, what is a breach, and which chips cannot hold."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import SpikecError, UnknownName, UsageError
from spikec.report.compared import compared
from spikec.report.limit import Limit, breach, judge, parse
from spikec.report.saved import Saved
from spikec.report.view import Refusal


def saved(report, name="45nm", **totals):
    plain = report.to_dict()
    hardware = {**plain["hardware"], "name": name}
    return Saved({**plain, "hardware": hardware, "totals": {**plain["totals"], **totals}})


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("+5%", Limit("energy_pj", True, Fraction(5), True, "energy_pj:+5%")),
        (" - 2.5 % ", Limit("energy_pj", False, Fraction(5, 2), True, "energy_pj:-2.5%")),
        ("latency_ms:+10%", Limit("latency_ms", True, Fraction(10), True, "latency_ms:+10%")),
        ("energy_mj : +0.1", Limit("energy_mj", True, Fraction(1, 10), False, "energy_mj:+0.1")),
        ("cores:+0", Limit("cores", True, Fraction(0), False, "cores:+0")),
    ],
)
def test_a_limit_is_a_name_a_direction_and_an_amount(text, limit):
    assert parse(text) == limit


@pytest.mark.parametrize(
    "text", ["", "5%", "5", "+", "+%", "+-5%", "ac:5%", ":+5%", "+5%%", "+nan%", "+5 per cent", "ac+5%", "ac:+1e9999"]
)
def test_what_is_no_limit_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"no limit; expected \+5%"):
        parse(text)


def test_an_amount_without_a_name_and_a_unit_that_is_none():
    with pytest.raises(UsageError, match=r"Try: \+5%, or .*energy_pj:\+5"):
        parse("+5")
    with pytest.raises(UnknownName, match="latency_ms"):
        parse("latency:+5%")


@given(st.one_of(st.text(), st.from_regex(r"[a-z_]{0,9}:?[+-]{0,2}[0-9.e]{0,60}%{0,2}", fullmatch=True)))
def test_nonsense_is_a_limit_or_an_error_of_ours(text):
    try:
        limit = parse(text)
    except SpikecError:
        return  # anything else would be our own fault
    assert parse(limit.text) == limit


@pytest.mark.parametrize(
    ("text", "a", "b", "holds"),
    [
        ("+5%", 100.0, 105.0, True),
        ("+5%", 100.0, 105.00000000000001, False),
        ("+10%", 0.1, 0.11, True),  # in doubles 0.11 - 0.1 is more than 0.01
        ("+5%", 100.0, 1.0, True),
        ("-5%", 100.0, 95.0, True),
        ("-5%", 100.0, 94.9, False),
        ("-5%", 100.0, 200.0, True),
        ("+0%", 7.0, 7.0, True),
        ("+5%", 0.0, 0.0, True),
        ("+5%", 0.0, 1e-300, False),
        ("-5%", 0.0, 0.0, True),
        ("energy_nj:+0.5", 1000.0, 1500.0, True),
        ("energy_nj:+0.5", 1000.0, 1500.1, False),
        ("energy_nj:-0.5", 1000.0, 499.9, False),
    ],
)
def test_a_breach_is_told_from_the_numbers_as_printed(small_report, text, a, b, holds):
    found = compared("a", [saved(small_report, energy_pj=a)], "b", [saved(small_report, energy_pj=b)])
    (moved,) = judge([parse(text)], found)
    assert moved.holds is holds
    assert (breach([moved], found) is None) is holds


def test_its_line_says_both_ends_and_by_how_much(small_report):
    found = compared("a", [saved(small_report, energy_pj=100.0)], "b", [saved(small_report, energy_pj=106.5)])
    over, under, held = judge([parse("+5%"), parse("energy_nj:-0"), parse("latency_us:+0%")], found)
    assert over.text == "limit energy_pj:+5% on 45nm: 100 -> 106.5, +6.5 (+6.5 %): over"
    assert under.text == "limit energy_nj:-0 on 45nm: 0.1 -> 0.1065, +0.0065 (+6.5 %): holds"
    assert held.text == "limit latency_us:+0% on 45nm: 12.5 -> 12.5, 0 (0 %): holds"
    found = compared("a", [saved(small_report, energy_pj=0.0)], "b", [saved(small_report, energy_pj=2.0)])
    assert judge([parse("+5%")], found)[0].text.endswith("0 -> 2, +2 (from 0): over")
    found = compared("a", [saved(small_report, energy_pj=2.0)], "b", [saved(small_report, energy_pj=1.0)])
    assert judge([parse("-5%")], found)[0].text.endswith("2 -> 1, -1 (-50 %): under")


def test_a_chip_that_the_later_file_lost_is_a_breach_and_a_new_one_is_none(small_report):
    one, other = saved(small_report), saved(small_report, name="other")
    lost = compared("a.json", [one, other], "b.json", [one])
    assert str(breach((), lost)).endswith("other has no numbers in b.json")
    refused = compared("a.json", [one, other], "b.json", [one, Refusal("other", "no matmul")])
    assert str(breach((), refused)).endswith("other has no numbers in b.json")
    for first, second in (([one], [one, other]), ([one, Refusal("other", "why")], [one, other])):
        assert breach((), compared("a.json", first, "b.json", second)) is None


def test_what_a_side_does_not_have_is_an_error_that_names_the_file(small_report):
    found = compared("a.json", [saved(small_report)], "b.json", [saved(small_report, latency_ns=None)])
    with pytest.raises(UsageError, match=r"b\.json, 45nm: no latency_ms to judge.*models time"):
        judge([parse("latency_ms:+5%")], found)
    with pytest.raises(UnknownName, match=r"a\.json, 45nm: unknown quantity 'macs'.*Try: mac"):
        judge([parse("macs:+5%")], found)
