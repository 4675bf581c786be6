from pathlib import Path

import pytest

from spikec.errors import SpaceError, UnknownName
from spikec.search import spacefile


@pytest.mark.parametrize("name", spacefile.names())
def test_a_space_survives_being_written(name, tmp_path):
    space = spacefile.load(name)
    path = tmp_path / "space.toml"
    path.write_text(spacefile.space_toml(space), encoding="utf-8")
    for back in (spacefile.load(path), spacefile.load(str(path))):
        assert back == space
        assert back.constants == space.constants
        assert back.sha256() == space.sha256()
    assert space.name == name


@pytest.mark.parametrize("name", spacefile.names())
def test_a_bundled_space_says_what_a_builder_of_networks_needs(name):
    space = spacefile.load(name)
    assert {gene.name for gene in space.genes} == {
        "depth", "width", "steps", "ratio", "heads", "threshold", "tau"
    }  # fmt: skip
    assert set(space.constants) == {
        "form", "image", "attention_scale", "attention_threshold_factor", "stem", "rpe", "neuron"
    }  # fmt: skip
    assert space.constants["stem"] == {"threshold": 1.0, "tau": 2.0}
    assert space.constants["attention_scale"] == (0.25 if name == "digits" else 0.125)
    assert space.constants["neuron"]["fires_at"] == ">="
    if name.startswith("auto-spikformer"):
        assert "Table 1 is an image that could not be read" in space.source


def test_any_word_of_a_space_changes_its_fingerprint(digits):
    text = spacefile.space_toml(digits)
    for old, new in (("0.25", "0.5"), ("the embedding width", "the width"), ("[1, 2, 3]", "[1, 2]")):
        assert spacefile.parse_space(text.replace(old, new, 1), "x").sha256() != digits.sha256()


def test_an_unknown_name_brings_the_nearest():
    with pytest.raises(UnknownName, match="unknown space 'digit'") as caught:
        spacefile.load("digit")
    assert caught.value.nearest == ("digits",)


BREAKS = [
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = [4, 2]", r"blocks\.heads: .*ascend.*\[4, 2\]"),
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = [2, 2]", r"blocks\.heads: .*ascend"),
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = []", r"blocks\.heads\.values: .*at least 1"),
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = [true]", r"blocks\.heads\.values\.0: .*number, found True"),
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = [2.0, inf]", r"blocks\.heads\.values\.1: .*finite"),
    ("heads]\nvalues = [2, 4]", "heads]\nvalues = 'two'", r"blocks\.heads\.values: .*list, found 'two'"),
    ("heads]\nvalues = [2, 4]", "heads]\nvlaues = [2, 4]", r"blocks\.heads\.values is missing"),
    (
        "heads]\nvalues = [2, 4]",
        "heads]\nvlaues = [2, 4]",
        r"blocks\.heads\.vlaues is unknown \(did you mean values\?\)",
    ),
    ('role = "neuron"', 'role = "neurons"', r"found 'neurons' \(did you mean neuron\?\)"),
    ('role = "neuron"', 'role = "nerve"', r"blocks\.threshold\.role: .*'size' or 'neuron', found 'nerve'"),
    ("usual = 1.0", "usual = 1.1", r"blocks\.threshold: .*among values, found 1\.1"),
    ("[depth]\nvalues = [1, 2, 3]", "[depth]\nvalues = [0, 1]", r"depth\.values should be whole.*\[0, 1\]"),
    ("[depth]\nvalues = [1, 2, 3]", "[depth]\nvalues = [1.5]", r"depth\.values should be whole"),
    ("[blocks.heads]", "[blocks.width]", r"one place: width"),
    ("[blocks.heads]", "[blocks.depth]", r"one place: depth"),
    ("[constants]", "[constant]", r"constant is unknown \(did you mean constants\?\)"),
    ('name = "digits"', "", "name is missing"),
    ("[depth]", "[depth", "no TOML: .*line"),
]


@pytest.mark.parametrize(("old", "new", "message"), BREAKS)
def test_a_broken_file_is_refused_with_file_and_key(digits, tmp_path, old, new, message):
    text = spacefile.space_toml(digits)
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpaceError, match=message) as caught:
        spacefile.load(path)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_of_text_is_refused(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.toml").write_text("")
    for path, message in (
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "binary.toml", "cannot be read"),
        (tmp_path / "empty.toml", "name is missing; source is missing; depth is missing"),
    ):
        with pytest.raises(SpaceError, match=message):
            spacefile.load(Path(path))
