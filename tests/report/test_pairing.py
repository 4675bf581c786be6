"""Pairs: everyone once, partners by the first key that finds them one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikec.report.pairing import paired


def by_first(word):
    return word[0]


def test_the_first_key_wins_and_the_next_takes_what_is_left():
    pairs = paired(["ax", "ay", "bz", "c"], ["d", "by", "ay", "aw"], [str, by_first])
    assert pairs == (("ax", "aw"), ("ay", "ay"), ("bz", "by"), ("c", None), (None, "d"))


def test_equal_ones_are_paired_in_their_order():
    a, b = [("n", 1), ("n", 2), ("n", 3)], [("n", 4), ("n", 5)]
    assert paired(a, b, [by_first]) == ((a[0], b[0]), (a[1], b[1]), (a[2], None))


def test_an_item_without_a_key_is_left():
    assert paired(["a"], ["b"], [lambda _: None]) == (("a", None), (None, "b"))


words = st.lists(st.text("ab", min_size=1, max_size=3))


@given(words, words)
def test_everyone_is_there_once_in_order_and_equals_are_partners(a, b):
    pairs = paired(a, b, [str, by_first])
    assert [one for one, _ in pairs if one is not None] == a
    assert sorted(other for _, other in pairs if other is not None) == sorted(b)
    for key in (str, by_first):
        lonely = {key(one) for one, other in pairs if other is None} & {key(o) for one, o in pairs if one is None}
        assert not lonely
