"""The line of every key of a TOML text, against what each text was written to have."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodels.registry import CHIPS
from hwmodels.toml_lines import line_of, lines_of

TEXT = """\
a.b = 1 # [not.a.table]
"q.x" = { y = [1, { z = \"\"\"a
= 2\"\"\" }, 3], w = 'x' }

[[t]]
k = "a # b"
[[t]]
[t.sub]
u = [
  1, # one, ]
  2 ]
d = 1979-05-27 07:32:00
e = ""
"""


def test_every_key_has_its_line():
    tomllib.loads(TEXT)
    assert lines_of(TEXT) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("q.x",): 2,
        ("q.x", "y"): 2,
        ("q.x", "y", 0): 2,
        ("q.x", "y", 1): 2,
        ("q.x", "y", 1, "z"): 2,
        ("q.x", "y", 2): 3,
        ("q.x", "w"): 3,
        ("t",): 5,
        ("t", 0): 5,
        ("t", 0, "k"): 6,
        ("t", 1): 7,
        ("t", 1, "sub"): 8,
        ("t", 1, "sub", "u"): 9,
        ("t", 1, "sub", "u", 0): 10,
        ("t", 1, "sub", "u", 1): 11,
        ("t", 1, "sub", "d"): 12,
        ("t", 1, "sub", "e"): 13,
    }


def test_a_key_that_is_not_there_has_its_tables_line():
    lines = lines_of(TEXT)
    assert line_of(lines, ("t", 1, "sub", "missing")) == 8
    assert line_of(lines, ("none",)) is None


def paths(value, path=()):
    """Every path of what a TOML text holds."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize("chip", sorted(CHIPS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_key_of_the_chips_is_found_on_a_line_that_holds_it(chip):
    text = chip.read_text("utf-8")
    lines = lines_of(text)
    found = set(paths(tomllib.loads(text)))
    assert found <= set(lines)
    for path in found:
        if isinstance(path[-1], str) and lines[path] != lines.get(path[:-1]):
            assert path[-1] in text.splitlines()[lines[path] - 1]


@given(st.text(alphabet="ab.=[]{}\"'#,\n 1\\", max_size=40))
def test_no_text_breaks_it(text):
    lines = lines_of(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_what_is_nested_too_deep_has_the_lines_before_it():
    assert lines_of("a = 1\nb = " + "[" * 100_000)[("a",)] == 1
