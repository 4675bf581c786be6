"""Chips by name and by file, and what is said of a bad file."""

import hashlib
from importlib.metadata import EntryPoint

import pytest

from hwmodels import registry
from hwmodels.registry import CHIPS, load, names
from spikec.cost import Evidence, Policy
from spikec.errors import HardwareFileError, UnknownName

GOOD = (CHIPS / "45nm.toml").read_text(encoding="utf-8")


def test_45nm_is_the_literatures_prices():
    chip = load("45nm")
    assert [(t.name, t.count, t.energy_pj) for t in chip.prices(None, Policy())] == [
        ("ac", "ac", 0.9),
        ("mac", "mac", 4.6),
    ]
    assert chip.node == "45 nm"
    assert chip.pipeline == ("fold-batchnorm",)
    assert {t.evidence for t in chip.prices(None, Policy())} == {Evidence.DERIVED}
    assert all("Horowitz" in t.source for t in chip.prices(None, Policy()))


@pytest.mark.parametrize(("name", "ac", "mac"), [("45nm-fp16", 0.4, 1.5), ("45nm-int8", 0.03, 0.23)])
def test_other_widths(name, ac, mac):
    assert [t.energy_pj for t in load(name).prices(None, Policy())] == [ac, mac]


def test_every_file_is_called_by_its_name():
    assert names() == tuple(sorted(path.stem for path in CHIPS.glob("*.toml")))
    assert [load(name).name for name in names()] == list(names())


def test_the_hash_is_of_the_files_bytes(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD + "# a comment\n", encoding="utf-8")
    assert load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != load("45nm").sha256
    assert load(str(path)).sha256 == load(path).sha256


def test_a_chip_says_the_file_that_it_came_from(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert (load("45nm").file, load(path).file, load(str(path)).file) == ("", str(path), str(path))


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownName, match="unknown hardware '45mn'") as caught:
        load("45mn")
    assert caught.value.nearest[0] == "45nm"


class Own:
    name = "own"


def make_own():
    return Own()


def test_chips_of_other_packages(monkeypatch):
    point = EntryPoint("own", f"{__name__}:make_own", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: make_own)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "spikec.hardware" else [])
    assert load("own").name == "own"
    assert "own" in names()


def own(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("value", "unit", "energy_pj"),
    [("0.0009", "nJ", 0.9), ("900", "fJ", 0.9), ("9e-13", "J", 0.9), ("0.9", "picojoule", 0.9), ("1", "pJ", 1.0)],
)
def test_prices_are_converted_to_picojoules(tmp_path, value, unit, energy_pj):
    text = GOOD.replace('value = 0.9\nunit = "pJ"', f'value = {value}\nunit = "{unit}"')
    first, *_ = load(own(tmp_path, text)).prices(None, Policy())
    assert first.energy_pj == pytest.approx(energy_pj, rel=1e-12)


def test_bounds_and_a_pass_with_parameters(tmp_path):
    text = GOOD.replace('["fold-batchnorm"]', '["fold-batchnorm", { pass = "quantize", weight_bits = 8 }]')
    text = text.replace("value = 0.9", 'value = 0.9\nbound = "lower"').replace("value = 4.6", "value = 4.6\nhigh = 5")
    chip = load(own(tmp_path, text))
    assert chip.pipeline == ("fold-batchnorm", {"pass": "quantize", "weight_bits": 8})
    ac, mac = chip.prices(None, Policy())
    assert (ac.low_pj, ac.high_pj, mac.low_pj, mac.high_pj) == (0.9, None, None, 5.0)


BAD = {
    "missing unit": ('unit = "pJ"\n', "", "terms.ac.energy.unit", "a value"),
    "wrong unit": ('"pJ"', '"ns"', "terms.ac.energy", "a unit of energy such as pJ, found ns"),
    "unknown unit": ('"pJ"', '"pj"', "terms.ac.energy", "a unit of energy such as pJ, unknown: pj"),
    "unit that is none": ('"pJ"', '"pJ/"', "terms.ac.energy", "a unit of energy"),
    "scaled unit": ('"pJ"', '"2 pJ"', "terms.ac.energy", "a unit of energy"),
    "empty unit": ('"pJ"', '""', "terms.ac.energy.unit", "at least 1 character"),
    "negative": ("0.9\n", "-0.9\n", "terms.ac.energy.value", "greater than or equal to 0"),
    "not a number": ("0.9\n", "nan\n", "terms.ac.energy.value", "a finite number"),
    "infinite": ("0.9\n", "inf\n", "terms.ac.energy.value", "a finite number"),
    "text for a number": ("0.9\n", '"0.9"\n', "terms.ac.energy.value", "a valid number"),
    "truth for a number": ("0.9\n", "true\n", "terms.ac.energy.value", "a valid number"),
    "missing value": ("value = 0.9\n", "", "terms.ac.energy.value", "a value"),
    "unknown key": ("evidence", "evidense", "terms.ac.energy.evidence", "a value"),
    "extra key": (
        'unit = "pJ"\n',
        'unit = "pJ"\nsourse = "x"\n',
        "terms.ac.energy.sourse",
        "one of: value, unit, evidence, source, low, high, bound, node, note, scope",
    ),
    "extra key above": ('node = "45 nm"', 'node = "45 nm"\nvoltage = 0.9', "voltage", "one of: name, title"),
    "extra key of a term": ('count = "ac"', 'count = "ac"\nunits = "pJ"', "terms.ac.units", "one of: count, energy"),
    "unknown evidence": ('"derived"', '"guessed"', "terms.ac.energy.evidence", "'assumed', 'derived'"),
    "unknown scope": ('"per-term"', '"everything"', "terms.ac.energy.scope", "'per-term' or 'all-in'"),
    "unknown count": ('count = "ac"', 'count = "acs"', "terms.ac.count: 'acs'", "'ac', 'mac'"),
    "unknown model": ('"arithmetic"', '"magic"', "model", "'arithmetic'"),
    "no source": ('source = "Horowitz', 'source = ""\nx = "', "terms.ac.energy.source", "at least 1 character"),
    "bound above the value": ("0.9\n", "0.9\nlow = 1.0\n", "terms.ac.energy", "low <= value <= high"),
    "all-in beside another": ('"per-term"', '"all-in"', "terms.mac: 'mac'", "an all-in price as the only term"),
    "pass without a name": (
        '["fold-batchnorm"]',
        "[{ bits = 8 }]",
        "pipeline.0: ",
        "a table that has one under 'pass'",
    ),
    "pass of no text": ('["fold-batchnorm"]', "[8]", "pipeline.0: 8", "the name of a pass"),
    "kilojoules": ('"pJ"', '"kJ"', "terms.ac.energy", "1e-06 to 1e+09 pJ an operation, or 0; found 0.9 kJ"),
    "a price that is too little": ("0.9\n", "0.9e-6\n", "terms.ac.energy", "found 9e-07 pJ, which is 9e-07 pJ"),
    "a bound that is too much": ("0.9\n", "0.9\nhigh = 2e9\n", "terms.ac.energy", "found 2000000000.0 pJ"),
    "no toml": ("[terms.ac]", "[terms.ac", "", "a chip file in TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_an_error_that_names_file_and_key(tmp_path, case):
    old, new, key, expected = BAD[case]
    assert old in GOOD
    path = own(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(HardwareFileError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert f"key {key}" in message or not key
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ('count = "mac"', 'count = "mca"', "Try: mac"),
        ('node = "45 nm"', 'node = "45 nm"\ntitel = "x"', "Try: title"),
        ('"derived"', '"derivd"', "Try: derived"),
    ],
)
def test_a_name_that_is_near_is_offered(tmp_path, old, new, near):
    with pytest.raises(HardwareFileError) as caught:
        load(own(tmp_path, GOOD.replace(old, new, 1)))
    assert near in str(caught.value)


def test_every_key_that_breaks_the_schema_is_named_up_to_five(tmp_path):
    text = GOOD.replace('count = "ac"', 'count = "acs"').replace('"derived"', '"derivd"').replace("value = 4.6", "")
    with pytest.raises(HardwareFileError) as caught:
        load(own(tmp_path, text))
    message = str(caught.value)
    assert "4 keys break the schema: " in message
    assert "key terms.ac.count: 'acs', expected 'ac', 'mac', " in message
    assert "key terms.ac.energy.evidence: 'derivd', expected 'assumed', 'derived'," in message
    assert "(did you mean derived?)" in message
    assert "key terms.mac.energy.value: nothing, expected a value" in message
    text = text.replace('scope = "per-term"', 'scope = "term"').replace('source = "', 'sauce = "')
    with pytest.raises(HardwareFileError, match=r"10 keys break the schema: .*; and 5 more") as caught:
        load(own(tmp_path, text))
    assert str(caught.value).count("key terms.") == 5


def test_a_price_of_nothing_is_a_price(tmp_path):
    assert load(own(tmp_path, GOOD.replace("0.9\n", "0.0\n"))).prices(None, Policy())[0].energy_pj == 0.0


def test_an_empty_table_of_terms_is_refused(tmp_path):
    head = GOOD.split("[terms.ac]", 1)[0]
    with pytest.raises(HardwareFileError, match="key terms: nothing"):
        load(own(tmp_path, head))
    with pytest.raises(HardwareFileError, match=r"key terms: .*at least 1"):
        load(own(tmp_path, head + "[terms]\n"))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(HardwareFileError, match=r"none\.toml: it cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(HardwareFileError, match="directory"):
        load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HardwareFileError, match="no TOML"):
        load(tmp_path / "bytes.toml")
