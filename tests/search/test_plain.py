import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import UsageError
from spikec.search.plain import to_toml

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
leaves = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | text
plain = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(text, plain, max_size=5))
def test_what_is_written_reads_back_equal(table):
    back = tomllib.loads(to_toml(table))
    # As text, so that 1, 1.0 and true stay apart.
    assert json.dumps(back, sort_keys=True) == json.dumps(table, sort_keys=True)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), (1, 2), object()])
def test_what_toml_has_no_form_for_is_refused_by_key(value):
    with pytest.raises(UsageError, match=r"run\.some\.key"):
        to_toml({"run": {"some": {"key": value}}})
